"""The tables of what the standing checks have found, and of when work is due."""

from typing import Any

from sqlalchemy import Index, UniqueConstraint

from finops_core.kernel.permissions import Permission
from finops_core.platform.tables import OrgRow, Retention, big, instant, org_table, table_of


class CheckRun(OrgRow, table=True):
    """One run of one check in one organisation. ``told`` is JSON: one sentence a violation, at most the first fifty."""

    __tablename__ = "check_run"
    __table_args__ = org_table(
        Index("ix_check_run_check", "org_id", "check_id", "at"),
        retention=Retention.WORKING,
        listed=("check_id", "at", "violations", "duration_ms"),
        seen_by=(Permission.AUDIT_VIEW,),
    )

    check_id: str
    at: Any = instant()
    duration_ms: int = big()
    violations: int = big()
    told: str


class ScheduleRow(OrgRow, table=True):
    """When a kind of work is due in an organisation (``sch_…``), by a calendar in UTC.

    ``written_at``: up to when its times were written as jobs. Moved on by whoever writes one, so that each time is
    written once, however many workers look.
    """

    __tablename__ = "schedule"
    __table_args__ = org_table(
        UniqueConstraint("org_id", "name"),
        listed=("name", "calendar", "enabled", "changed_at"),
        seen_by=(Permission.AUDIT_VIEW,),
    )

    name: str
    kind: str
    calendar: str
    enabled: bool
    changed_by: str
    changed_at: Any = instant()
    written_at: Any = instant(nullable=True)


check_run, schedule = table_of(CheckRun), table_of(ScheduleRow)
