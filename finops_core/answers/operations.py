"""Operations and executions as programs see them."""

from datetime import datetime
from typing import Any

from pydantic import Field

from finops_core.answers.common import Amount, Answer, FaultAnswer, Paged, amounts, paging
from finops_core.operations import FINAL, ExecutionView, LogView, OperationView, Page, PlanView, ResultView


class ColumnAnswer(Answer):
    """A column an input file may have."""

    name: str
    required: bool
    description: str
    aliases: list[str]


class InputAnswer(Answer):
    """The file an operation takes."""

    label: str
    columns: list[ColumnAnswer]
    extra_columns: bool = Field(description="Whether unknown headers are let pass unread.")
    max_rows: int
    sample_name: str
    sample: str


class OperationAnswer(Answer):
    """Something that can be run."""

    id: str = Field(examples=["payouts.stripe_balance"])
    version: str = Field(examples=["1.0.0"])
    title: str = Field(examples=["Stripe balance payout"])
    description: str
    category: str = Field(examples=["stripe"])
    risk: str = Field(examples=["high"])
    approval_required: bool = Field(description="Whether somebody else must agree before it runs.")
    active: bool = Field(description="Whether an administrator has it switched on.")
    runnable: bool = Field(description="Whether this token may run it now.")
    parameters: dict[str, Any] = Field(description="JSON Schema of its parameters.")
    file: InputAnswer | None = Field(description="The file it takes; null for none.")
    procedure: str = Field(description="How and when to use it, in Markdown.")


class OperationsAnswer(Answer):
    """The catalogue."""

    items: list[OperationAnswer]


class ExecutionAnswer(Answer):
    """One run of an operation, from its draft to its end."""

    id: str = Field(examples=["ex_0199b1c2d3e4"])
    number: str = Field(examples=["EX-2026-00042"])
    operation: str = Field(examples=["payouts.stripe_balance"])
    operation_version: str
    title: str
    category: str
    risk: str
    state: str = Field(description="Where it stands inside the desk.", examples=["awaiting_approval"])
    public_state: str = Field(description="The same in five words.", examples=["pending"])
    final: bool = Field(description="Whether it has ended, and changes no more unless somebody asks for it.")
    attempt: int
    requested_by: str
    requested_by_name: str
    reason: str
    replaces: str | None = Field(description="The id of the execution it takes the place of, which never ran.")
    parameters: dict[str, Any]
    file: str | None = Field(description="The id of its input file.")
    file_name: str
    file_sha256: str
    approval_required: bool
    approval: str | None = Field(description="The id of the approval request.")
    plan_hash: str = Field(description="What has to be given to submit it; empty while there is no plan.")
    totals: list[Amount]
    mode: str = Field(description="test or live, of the plan.")
    stop_requested: bool
    progress_done: int
    progress_total: int
    message: str
    error_code: str
    hint: str
    not_before: datetime | None = Field(description="Approved, but held back until then.")
    created_at: datetime
    submitted_at: datetime | None
    started_at: datetime | None
    ended_at: datetime | None
    duration_ms: int | None


class ExecutionsAnswer(Paged):
    """A page of executions, newest first."""

    items: list[ExecutionAnswer]


class PlanRowAnswer(Answer):
    """One thing that will happen."""

    row_no: int
    account: str
    currency: str
    amount_minor: int
    body: dict[str, Any] = Field(description="Everything else an approver sees.")


class PlanAnswer(Answer):
    """What a run would do: what is submitted and agreed to, bound by its hash."""

    attempt: int
    hash: str
    mode: str
    connection_id: str | None
    rows: list[PlanRowAnswer]
    totals: list[Amount]
    warnings: list[str]
    faults: list[FaultAnswer]
    created_at: datetime


class LogLineAnswer(Answer):
    """One line of a run's log."""

    seq: int
    at: datetime
    level: str
    message: str
    data: dict[str, Any]


class LogAnswer(Answer):
    """Lines in order. Ask again with `after` set to `last` for what came since."""

    items: list[LogLineAnswer]
    last: int = Field(description="The seq of the last line given, or `after` when there was none.")


class ResultAnswer(Answer):
    """What the last finished attempt gave back."""

    success: bool
    message: str
    metrics: dict[str, Any]
    warnings: list[str]
    errors: list[str]
    table: dict[str, list[Any]] = Field(description="Header -> values, at most 1,000 rows; the files hold all.")


def operation(view: OperationView) -> OperationAnswer:
    """One operation."""
    same = ("id", "version", "title", "description", "category", "risk", "approval_required", "active", "runnable")
    return OperationAnswer(
        **{name: getattr(view, name) for name in same},
        parameters=view.operation.parameters.model_json_schema(),
        file=None if view.operation.file is None else InputAnswer.of(view.operation.file),
        procedure=view.procedure,
    )


def execution(view: ExecutionView) -> ExecutionAnswer:
    """One execution."""
    same = ("id", "number", "operation_version", "title", "category", "risk", "attempt", "requested_by", "reason")
    more = ("requested_by_name", "approval_required", "plan_hash", "mode", "stop_requested", "message", "error_code")
    rest = ("progress_done", "progress_total", "hint", "replaces", "not_before", "created_at", "submitted_at")
    return ExecutionAnswer(
        **{name: getattr(view, name) for name in (*same, *more, *rest)},
        operation=view.operation_id,
        state=view.state.value,
        public_state=view.public.value,
        final=view.state in FINAL,
        parameters=dict(view.params),
        file=view.input_reference,
        file_name=view.input_name,
        file_sha256=view.input_sha256,
        approval=view.approval_request_id,
        totals=amounts(view.totals),
        started_at=view.started_at,
        ended_at=view.ended_at,
        duration_ms=view.duration_ms,
    )


def executions(page: Page, limit: int, offset: int) -> ExecutionsAnswer:
    """A page of them."""
    items = [execution(view) for view in page.rows]
    return ExecutionsAnswer(items=items, **paging(page.total, limit, offset))


def plan(view: PlanView) -> PlanAnswer:
    """A plan."""
    same = ("attempt", "hash", "mode", "connection_id", "created_at")
    return PlanAnswer(
        **{name: getattr(view, name) for name in same},
        rows=[PlanRowAnswer.of(row) for row in view.rows],
        totals=amounts(view.totals),
        warnings=list(view.warnings),
        faults=[FaultAnswer.of(fault) for fault in view.faults],
    )


def log(lines: tuple[LogView, ...], after: int) -> LogAnswer:
    """Lines of a log."""
    return LogAnswer(items=[LogLineAnswer.of(line) for line in lines], last=lines[-1].seq if lines else after)


def result(view: ResultView) -> ResultAnswer:
    """A result."""
    return ResultAnswer.of(view)
