"""Other executions of the very same file, told by its hash: what has to be known before money leaves on it once more.

The settings do not matter here: a file of payees with another execution date pays the same people again.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, and_, func, or_, select

from finops_core.operations import models
from finops_core.operations.queries import ExecutionView
from finops_core.operations.rules import State
from finops_core.platform.work import Reading

GOING = frozenset({State.AWAITING_APPROVAL, State.QUEUED, State.RUNNING, State.UNSETTLED})
"""Submitted and not over: it pays, or is about to."""
NEVER_RAN = frozenset({State.CANCELLED, State.REJECTED, State.EXPIRED, State.SUPERSEDED, State.FAILED})
MOST = 20
_DOES: Mapping[State, str] = {
    State.AWAITING_APPROVAL: "waits for approval, as",
    State.QUEUED: "is approved and about to run, as",
    State.RUNNING: "is being run, as",
    State.UNSETTLED: "is being run, as",
}


@dataclass(frozen=True, slots=True)
class SameFile:
    """Another execution of the same file: one that is going, or one that ran."""

    execution_id: str
    number: str
    state: State
    started_at: datetime | None

    @property
    def told(self) -> str:
        """What became of the file, to stand after "this file"."""
        if self.state not in GOING and self.started_at is not None:
            return f"ran before, as {self.number} on {self.started_at:%Y-%m-%d}"
        return f"{_DOES.get(self.state, 'was submitted, as')} {self.number}"


def of_the_same_file(reading: Reading, seen: ExecutionView, since: datetime | None = None) -> tuple[SameFile, ...]:
    """The other executions of its operation with the same file, newest first: those that are going, and that ran.

    With ``since`` only those that are still going, or that began or ended no earlier than that. Whoever looks: that
    there is another one must be known also to people who may not open it.
    """
    table = models.execution
    ran: ColumnElement[bool] = table.c.started_at.is_not(None)
    if since is not None:
        ran = and_(ran, or_(table.c.started_at >= since, table.c.ended_at >= since))
    condition = or_(table.c.state.in_(sorted(GOING)), ran)
    return _found(reading, seen.operation_id, seen.input_sha256, seen.id, condition)


def warnings(reading: Reading, seen: ExecutionView) -> tuple[str, ...]:
    """A warning for each other execution that is going with this file, and for the last one that ran, whenever."""
    found = of_the_same_file(reading, seen)
    ran = [each for each in found if each.state not in GOING][:1]
    return tuple(f"This file {each.told}." for each in (*ran, *(each for each in found if each.state in GOING)))


def with_the_file(reading: Reading, operation_id: str, file_hash: str, *, but: str = "") -> SameFile | None:
    """The newest other execution of this file that is going or ran in the window, whatever its settings."""
    return next(iter(_found(reading, operation_id, file_hash, but, counts(reading))), None)


def counts(reading: Reading) -> ColumnElement[bool]:
    """That an execution is going, or ran in the window: one that ended before anything was done does not count.

    One that was stopped on the way does. The window begins with the run, or with the submission of one that has not
    run yet.
    """
    table = models.execution
    since = reading.now - timedelta(seconds=reading.ports.settings.rerun_window_s)
    ran = or_(table.c.started_at.is_not(None), table.c.state.not_in(sorted(NEVER_RAN)))
    recent = and_(func.coalesce(table.c.started_at, table.c.submitted_at) >= since, ran)
    return or_(table.c.state.in_(sorted(GOING)), recent)


def _found(
    reading: Reading, operation_id: str, file_hash: str, but: str, condition: ColumnElement[bool]
) -> tuple[SameFile, ...]:
    if not file_hash:
        return ()
    table = models.execution
    same = table.c.org_id == reading.org_id, table.c.input_sha256 == file_hash, table.c.operation_id == operation_id
    newest = func.coalesce(table.c.started_at, table.c.submitted_at).desc(), table.c.id.desc()
    columns = table.c.id, table.c.number, table.c.state, table.c.started_at
    rows = reading.rows(select(*columns).where(*same, table.c.id != but, condition).order_by(*newest).limit(MOST))
    return tuple(SameFile(row.id, row.number, State(row.state), row.started_at) for row in rows)
