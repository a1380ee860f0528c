"""The table of what the standing checks have found."""

from typing import Any

from sqlalchemy import Index

from finops_core.platform.tables import OrgRow, Retention, big, instant, org_table, table_of


class CheckRun(OrgRow, table=True):
    """One run of one check in one organisation. ``told`` is JSON: one sentence a violation, at most the first fifty."""

    __tablename__ = "check_run"
    __table_args__ = org_table(
        Index("ix_check_run_check", "org_id", "check_id", "at"),
        retention=Retention.WORKING,
        listed=("check_id", "at", "violations", "duration_ms"),
    )

    check_id: str
    at: Any = instant()
    duration_ms: int = big()
    violations: int = big()
    told: str


check_run = table_of(CheckRun)
