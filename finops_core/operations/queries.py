"""Reads of the registry and of executions. Everything given out is a frozen view the reader may see (A13, A14)."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, and_, func, or_, select

from finops_core import approvals, security
from finops_core.kernel.canonical import canonical_bytes
from finops_core.kernel.errors import NotFound
from finops_core.kernel.faults import Fault
from finops_core.kernel.operation import LogLevel, Operation, Plan, PlanRow
from finops_core.kernel.permissions import Permission
from finops_core.operations import models
from finops_core.operations.rules import PublicState, State
from finops_core.platform.work import Reading

RESULT_ROWS = 1000


@dataclass(frozen=True, slots=True)
class OperationView:
    """An operation as the catalogue shows it; ``runnable`` is for this reader."""

    id: str
    version: str
    title: str
    description: str
    category: str
    risk: str
    approval_required: bool
    active: bool
    runnable: bool
    procedure: str
    operation: Operation


@dataclass(frozen=True, slots=True)
class ExecutionView:
    """An execution as screens and other areas see it.

    Attributes:
        totals: currency -> minor units.
        retry_rows: the rows this attempt plans again; empty when it plans the whole.
        whole_attempt: the last attempt that planned the whole. It numbers the rows; those before it are void: nothing
            of them was ever done, and their numbers mean other rows.
        replaces: the id of the one it takes the place of, which never ran.
        not_before: approved, but held back until then, so that it can still be stopped.
    """

    id: str
    number: str
    operation_id: str
    operation_version: str
    title: str
    category: str
    risk: str
    state: State
    public: PublicState
    attempt: int
    whole_attempt: int
    requested_by: str
    requested_by_name: str
    reason: str
    replaces: str | None
    params: Mapping[str, Any]
    input_reference: str | None
    input_name: str
    input_sha256: str
    approval_required: bool
    approval_request_id: str | None
    plan_hash: str
    totals: Mapping[str, int]
    mode: str
    stop_requested: bool
    retry_rows: tuple[int, ...]
    progress_done: int
    progress_total: int
    message: str
    error_code: str
    hint: str
    not_before: datetime | None
    created_at: datetime
    submitted_at: datetime | None
    started_at: datetime | None
    ended_at: datetime | None

    @property
    def duration_ms(self) -> int | None:
        """From start to end; None while it is not both."""
        if self.started_at is None or self.ended_at is None:
            return None
        return round((self.ended_at - self.started_at).total_seconds() * 1000)


@dataclass(frozen=True, slots=True)
class ExecutionFilter:
    """Which executions; empty fields do not filter. ``text`` looks into number, title and file name.

    ``ids`` narrows to executions another area found; an empty tuple finds none.
    """

    text: str = ""
    public: PublicState | None = None
    operation_id: str = ""
    mine: bool = False
    since: datetime | None = None
    until: datetime | None = None
    ids: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """Some executions and how many there are in all."""

    rows: tuple[ExecutionView, ...]
    total: int


@dataclass(frozen=True, slots=True)
class PlanRowView:
    """One row of a plan."""

    row_no: int
    account: str
    currency: str
    amount_minor: int
    body: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class PlanView:
    """A plan as preparer and approver see it."""

    id: str
    attempt: int
    hash: str
    mode: str
    key_fingerprint: str
    connection_id: str | None
    rows: tuple[PlanRowView, ...]
    totals: Mapping[str, int]
    warnings: tuple[str, ...]
    faults: tuple[Fault, ...]
    created_at: datetime

    def as_plan(self) -> Plan:
        """The plan as the operation gave it."""
        rows = tuple(PlanRow(row.account, row.currency, row.amount_minor, row.body) for row in self.rows)
        return Plan(rows, self.mode, self.key_fingerprint, self.connection_id, self.warnings, self.faults)


@dataclass(frozen=True, slots=True)
class LogView:
    """One line of a run's log; ``seq`` rises within an execution."""

    seq: int
    at: datetime
    level: LogLevel
    message: str
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ResultView:
    """What the last attempt gave back; ``table``: header -> values as text, at most 1,000 rows."""

    success: bool
    message: str
    metrics: Mapping[str, Any]
    warnings: tuple[str, ...]
    errors: tuple[str, ...]
    table: Mapping[str, tuple[Any, ...]]


def catalogue(reading: Reading) -> tuple[OperationView, ...]:
    """Every operation, by category and title, with whether this person may run it."""
    active = {row.id: row.active for row in reading.rows(select(models.operation.c.id, models.operation.c.active))}
    views = [_operation_view(reading, op, active=active.get(op.id, True)) for op in reading.ports.operations.values()]
    return tuple(sorted(views, key=lambda view: (view.category, view.title)))


def offered(reading: Reading, operation_id: str) -> OperationView:
    """One operation of the catalogue; ``OPERATION_UNKNOWN`` when there is none."""
    op = reading.ports.operations.get(operation_id)
    if op is None:
        raise NotFound("OPERATION_UNKNOWN", "There is no such operation.", hint="Choose one from the catalogue.")
    return _operation_view(reading, op, active=is_active(reading, op.id))


def is_active(reading: Reading, operation_id: str) -> bool:
    """Whether the registry lets it run."""
    flag = reading.scalar(select(models.operation.c.active).where(models.operation.c.id == operation_id))
    return flag is None or bool(flag)


def execution(reading: Reading, execution_id: str) -> ExecutionView:
    """One execution by id or number; ``EXECUTION_UNKNOWN`` when there is none that this person may see."""
    table = models.execution
    named = or_(table.c.id == execution_id, table.c.number == execution_id)
    row = reading.first(select(table).where(table.c.org_id == reading.org_id, named, visible(reading)))
    if row is None:
        raise NotFound(
            "EXECUTION_UNKNOWN",
            "There is no such execution among those you may see.",
            hint="Check the number, or ask its requester.",
        )
    return _execution_view(row, security.names(reading, [row.requested_by]))


def state_of(reading: Reading, execution_id: str) -> State | None:
    """Only its state; None when there is none that the actor may see."""
    table = models.execution
    mine = table.c.org_id == reading.org_id, table.c.id == execution_id, visible(reading)
    state = reading.scalar(select(table.c.state).where(*mine))
    return None if state is None else State(state)


def kin(reading: Reading, seen: ExecutionView) -> tuple[ExecutionView | None, tuple[ExecutionView, ...]]:
    """The one it takes the place of, and those that took its own, as far as this person may see them."""
    table = models.execution
    mine = table.c.org_id == reading.org_id, visible(reading)
    after = reading.rows(select(table).where(*mine, table.c.replaces == seen.id).order_by(table.c.created_at))
    before = reading.rows(select(table).where(*mine, table.c.id == seen.replaces)) if seen.replaces else []
    return next(iter(views_of(reading, before)), None), views_of(reading, after)


def executions(reading: Reading, wanted: ExecutionFilter, limit: int = 50, offset: int = 0) -> Page:
    """Executions, newest first, one page at a time; the counting and the paging happen in SQL."""
    table = models.execution
    where = and_(table.c.org_id == reading.org_id, visible(reading), *_conditions(reading, wanted))
    total = reading.scalar(select(func.count()).select_from(table).where(where))
    newest = table.c.created_at.desc(), table.c.id.desc()
    rows = reading.rows(select(table).where(where).order_by(*newest).limit(limit).offset(offset))
    return Page(views_of(reading, rows), int(total or 0))


def counts(reading: Reading) -> Mapping[PublicState, int]:
    """How many executions there are of each public state; inside ``across_orgs`` those of all organisations."""
    state = models.execution.c.public_state
    found = {
        row.public_state: int(row.many)
        for row in reading.rows(select(state, func.count().label("many")).group_by(state))
    }
    return {each: found.get(each, 0) for each in PublicState}


def plan(reading: Reading, execution_id: str, plan_hash: str = "") -> PlanView | None:
    """The newest plan of an execution, or the one with this hash: what an approver agreed to; None without one."""
    seen = execution(reading, execution_id)
    table = models.plan
    newest = table.c.created_at.desc(), table.c.id.desc()
    mine = [table.c.org_id == reading.org_id, table.c.execution_id == seen.id]
    if plan_hash:
        mine.append(table.c.hash == plan_hash)
    row = reading.first(select(table).where(*mine).order_by(*newest).limit(1))
    return None if row is None else _plan_view(row, _plan_rows(reading, row.id))


def planned_rows(reading: Reading, execution_id: str, attempts: Sequence[int] = ()) -> tuple[PlanRow, ...]:
    """Every row of every plan of an execution, or of some attempts, oldest plan first: where a retry looks rows up.

    Void plans, those before the last one of the whole, are left out.
    """
    seen = execution(reading, execution_id)
    header, line = models.plan, models.plan_row
    together = (header.c.org_id == line.c.org_id) & (header.c.id == line.c.plan_id)
    since = header.c.attempt >= seen.whole_attempt
    mine = [header.c.org_id == reading.org_id, header.c.execution_id == seen.id, since]
    if attempts:
        mine.append(header.c.attempt.in_(sorted(attempts)))
    order = header.c.created_at, header.c.id, line.c.row_no
    rows = reading.rows(select(line).select_from(line.join(header, together)).where(*mine).order_by(*order))
    return tuple(PlanRow(row.account, row.currency, row.amount_minor, json.loads(row.body)) for row in rows)


def log(
    reading: Reading, execution_id: str, after: int = 0, limit: int = 500, *, oldest: bool = False
) -> tuple[LogView, ...]:
    """Lines of the log past ``after``, in order: the last ones when there are more than ``limit``.

    With ``oldest`` the first ones, for whoever reads on from where they were.
    """
    seen = execution(reading, execution_id)
    table = models.log
    wanted = table.c.org_id == reading.org_id, table.c.execution_id == seen.id, table.c.seq > after
    order = table.c.seq if oldest else table.c.seq.desc()
    rows = reading.rows(select(table).where(*wanted).order_by(order).limit(limit))
    in_order = rows if oldest else reversed(rows)
    return tuple(LogView(r.seq, r.at, LogLevel(r.level), r.message, json.loads(r.data)) for r in in_order)


def result(reading: Reading, execution_id: str) -> ResultView | None:
    """What the newest finished attempt gave back; None while there is none."""
    seen = execution(reading, execution_id)
    table = models.result
    mine = table.c.org_id == reading.org_id, table.c.execution_id == seen.id
    row = reading.first(select(table).where(*mine).order_by(table.c.attempt.desc(), table.c.revision.desc()).limit(1))
    if row is None:
        return None
    cells = {header: tuple(values) for header, values in json.loads(row.table_json).items()}
    return ResultView(
        bool(row.success),
        row.message,
        json.loads(row.metrics),
        tuple(json.loads(row.warnings)),
        tuple(json.loads(row.errors)),
        cells,
    )


def visible(reading: Reading) -> ColumnElement[bool]:
    """The condition that keeps a person to the executions they may see."""
    table = models.execution
    if sees_all(reading):
        return table.c.org_id == reading.org_id
    # Not ``false()``: it swallows the whole condition, and then the scope guard finds no organisation in it.
    own: ColumnElement[bool] = table.c.id.in_(())
    if reading.may(Permission.EXECUTIONS_VIEW_OWN):
        own = table.c.requested_by == reading.actor.id
    if reading.may(Permission.APPROVALS_VIEW):
        # An approver must see what is asked of them, and later what came of it, also when another plan followed. Asked
        # row by row: the list of everything that was ever put up for approval is long.
        asked = approvals.asked_about(reading, "execution")
        return or_(own, asked.where(asked.selected_columns[0] == table.c.id).correlate(table).exists())
    return own


def sees_all(reading: Reading) -> bool:
    """Whether every execution of the organisation is open to this person."""
    return reading.may(Permission.EXECUTIONS_VIEW_ALL) or reading.may(Permission.WORKER_ACT)


def views_of(reading: Reading, rows: Sequence[Row[Any]]) -> tuple[ExecutionView, ...]:
    """Rows of executions that this person may see, as views."""
    names = security.names(reading, [row.requested_by for row in rows])
    return tuple(_execution_view(row, names) for row in rows)


def _conditions(reading: Reading, wanted: ExecutionFilter) -> list[ColumnElement[bool]]:
    table = models.execution
    conditions: list[ColumnElement[bool]] = []
    if wanted.text:
        fields = (table.c.number, table.c.title, table.c.input_name)
        text = wanted.text.lower()
        conditions.append(or_(*(func.lower(field).contains(text, autoescape=True) for field in fields)))
    if wanted.public:
        conditions.append(table.c.public_state == wanted.public)
    if wanted.operation_id:
        conditions.append(table.c.operation_id == wanted.operation_id)
    if wanted.mine:
        conditions.append(table.c.requested_by == reading.actor.id)
    if wanted.since:
        conditions.append(table.c.created_at >= wanted.since)
    if wanted.until:
        conditions.append(table.c.created_at < wanted.until)
    if wanted.ids is not None:
        conditions.append(table.c.id.in_(wanted.ids))
    return conditions


def _operation_view(reading: Reading, op: Operation, *, active: bool) -> OperationView:
    runnable = active and all(reading.may(permission) for permission in op.permissions)
    return OperationView(
        op.id,
        op.version,
        op.title,
        op.description,
        op.category.value,
        op.risk.value,
        op.approval_required,
        active,
        runnable,
        op.procedure,
        op,
    )


def _execution_view(row: Row[Any], names: Mapping[str, str]) -> ExecutionView:
    same = ("id", "number", "operation_id", "operation_version", "title", "category", "risk", "attempt")
    more = (
        "requested_by",
        "reason",
        "replaces",
        "input_reference",
        "input_name",
        "input_sha256",
        "approval_request_id",
    )
    plan = ("whole_attempt", "plan_hash", "mode", "not_before")
    rest = ("progress_done", "progress_total", "message", "error_code", "hint")
    times = ("created_at", "submitted_at", "started_at", "ended_at")
    return ExecutionView(
        **{name: getattr(row, name) for name in (*same, *more, *plan, *rest, *times)},
        state=State(row.state),
        public=PublicState(row.public_state),
        requested_by_name=names.get(row.requested_by, row.requested_by),
        params=json.loads(row.params),
        approval_required=bool(row.approval_required),
        totals=json.loads(row.totals),
        stop_requested=bool(row.stop_requested),
        retry_rows=tuple(json.loads(row.retry_rows)),
    )


def _plan_rows(reading: Reading, plan_id: str) -> tuple[PlanRowView, ...]:
    table = models.plan_row
    mine = table.c.org_id == reading.org_id, table.c.plan_id == plan_id
    rows = reading.rows(select(table).where(*mine).order_by(table.c.row_no))
    return tuple(PlanRowView(r.row_no, r.account, r.currency, r.amount_minor, json.loads(r.body)) for r in rows)


def _plan_view(row: Row[Any], rows: tuple[PlanRowView, ...]) -> PlanView:
    return PlanView(
        row.id,
        row.attempt,
        row.hash,
        row.mode,
        row.key_fingerprint,
        row.connection_id,
        rows,
        json.loads(row.totals),
        tuple(json.loads(row.warnings)),
        tuple(Fault(**fault) for fault in json.loads(row.faults)),
        row.created_at,
    )


def as_text(value: Mapping[str, Any] | list[Any]) -> str:
    """JSON as stored: canonical, so that the same content is the same text."""
    return canonical_bytes(value).decode()
