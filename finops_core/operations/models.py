"""Tables of the registry, executions, plans, logs and results."""

from typing import Any

from sqlalchemy import Index, UniqueConstraint
from sqlmodel import Field, SQLModel

from finops_core.kernel.permissions import Permission
from finops_core.platform.tables import (
    DataClass,
    OrgRow,
    big,
    installation_table,
    instant,
    link,
    minor,
    org_table,
    table_of,
)


class OperationRow(SQLModel, table=True):
    """The registry: one row per operation the code knows, with the switch that turns it off (B02, B05)."""

    __tablename__ = "operation"
    __table_args__ = installation_table()

    id: str = Field(primary_key=True)
    version: str
    title: str
    description: str
    category: str
    risk: str
    approval_required: bool
    active: bool
    created_at: Any = instant()
    updated_at: Any = instant()


class ExecutionRow(OrgRow, table=True):
    """One run of an operation, from its draft to its end (E05).

    ``replaces``: the id of the one it takes the place of, which never ran.
    """

    __tablename__ = "execution"
    __table_args__ = org_table(
        UniqueConstraint("org_id", "number"),
        Index("ix_execution_recent", "org_id", "created_at"),
        # Holds all that a search by file name reads, newest first: no row is fetched that does not match.
        Index("ix_execution_found", "org_id", "created_at", "id", "requested_by", "input_name"),
        Index("ix_execution_public", "org_id", "public_state", "created_at"),
        Index("ix_execution_mine", "org_id", "requested_by", "created_at"),
        Index("ix_execution_again", "org_id", "content_key", "created_at"),
        Index("ix_execution_ended", "org_id", "ended_at"),
        Index("ix_execution_file", "org_id", "input_sha256"),
        Index("ix_execution_replaces", "org_id", "replaces"),
        classes={"params": DataClass.CONFIDENTIAL, "totals": DataClass.CONFIDENTIAL},
        listed=("number", "title", "state", "requested_by", "created_at"),
        seen_by=(Permission.EXECUTIONS_VIEW_ALL,),
        searched=("number", "title", "input_name"),
    )

    number: str
    operation_id: str
    operation_version: str
    title: str
    category: str
    risk: str
    state: str
    public_state: str
    attempt: int
    whole_attempt: int
    requested_by: str
    reason: str
    replaces: str | None = None
    params: str
    content_key: str
    input_reference: str | None = None
    input_name: str
    input_sha256: str
    approval_required: bool
    approval_request_id: str | None = None
    retry_rows: str
    plan_hash: str
    totals: str
    mode: str
    stop_requested: bool
    stopped_at: Any = instant(nullable=True)
    not_before: Any = instant(nullable=True)
    progress_done: int = big()
    progress_total: int = big()
    message: str
    error_code: str
    hint: str
    created_at: Any = instant()
    submitted_at: Any = instant(nullable=True)
    started_at: Any = instant(nullable=True)
    ended_at: Any = instant(nullable=True)


class PlanHeader(OrgRow, table=True):
    """What a dry run found, once per attempt and revision; never changed (decision 13)."""

    __tablename__ = "execution_plan"
    __table_args__ = org_table(
        link("execution_id", "execution"),
        Index("ix_execution_plan_execution", "org_id", "execution_id", "created_at"),
        append_only=True,
    )

    execution_id: str
    attempt: int
    hash: str
    mode: str
    key_fingerprint: str
    connection_id: str | None = None
    warnings: str
    faults: str
    totals: str
    created_at: Any = instant()


class PlanLine(OrgRow, table=True):
    """One row of a plan; ``body`` is RFC 8785 JSON and part of the plan's hash."""

    __tablename__ = "execution_plan_row"
    __table_args__ = org_table(
        link("plan_id", "execution_plan"),
        UniqueConstraint("org_id", "plan_id", "row_no"),
        Index("ix_execution_plan_row_amount", "org_id", "amount_minor"),
        append_only=True,
        classes={"body": DataClass.CONFIDENTIAL, "amount_minor": DataClass.CONFIDENTIAL},
    )

    plan_id: str
    row_no: int
    account: str
    currency: str
    amount_minor: int = minor()
    body: str


class PlanTotal(OrgRow, table=True):
    """What a plan pays in one currency: the header's ``totals``, as rows that an amount can be looked up in."""

    __tablename__ = "execution_plan_total"
    __table_args__ = org_table(
        link("plan_id", "execution_plan"),
        link("execution_id", "execution"),
        Index("ix_execution_plan_total_amount", "org_id", "amount_minor"),
        append_only=True,
        classes={"amount_minor": DataClass.CONFIDENTIAL},
    )

    plan_id: str
    execution_id: str
    currency: str
    amount_minor: int = minor()


class LogLine(OrgRow, table=True):
    """One line of a run's log (E10)."""

    __tablename__ = "execution_log"
    __table_args__ = org_table(
        link("execution_id", "execution"),
        Index("ix_execution_log_seq", "org_id", "execution_id", "seq"),
        append_only=True,
    )

    execution_id: str
    attempt: int
    seq: int = big()
    at: Any = instant()
    level: str
    message: str
    data: str


class ResultRow(OrgRow, table=True):
    """What an attempt gave back (E08); ``table_json`` holds at most the first thousand rows, files hold all.

    ``revision`` rises when an open end of the attempt was settled later.
    """

    __tablename__ = "execution_result"
    __table_args__ = org_table(
        link("execution_id", "execution"),
        UniqueConstraint("org_id", "execution_id", "attempt", "revision"),
        append_only=True,
        classes={"table_json": DataClass.CONFIDENTIAL},
    )

    execution_id: str
    attempt: int
    revision: int
    success: bool
    message: str
    metrics: str
    warnings: str
    errors: str
    table_json: str
    created_at: Any = instant()


operation, execution = table_of(OperationRow), table_of(ExecutionRow)
plan, plan_row, plan_total = table_of(PlanHeader), table_of(PlanLine), table_of(PlanTotal)
log, result = table_of(LogLine), table_of(ResultRow)
