"""How an attempt ends: its result and files are stored, its state is set, and set again when an open end is settled."""

import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from datetime import date, datetime
from typing import Any

from sqlalchemy import func, insert, select, update

from finops_core import approvals, audit, files
from finops_core.kernel.actor import worker_actor
from finops_core.kernel.errors import FinOpsError
from finops_core.kernel.ids import new_id
from finops_core.kernel.money import Money
from finops_core.kernel.operation import Operation, OutputFile, Records, Result
from finops_core.operations import models, notices, queries, rules
from finops_core.operations.admission import SUBJECT
from finops_core.operations.queries import ExecutionView
from finops_core.operations.rules import PUBLIC, State
from finops_core.operations.service import moved_on, take_up
from finops_core.operations.spreadsheets import csv_bytes, xlsx_bytes
from finops_core.platform import queue
from finops_core.platform.queue import Claim
from finops_core.platform.work import Units, Work

RETELL_JOB = "operations.retell"
CALLED_BACK = "What became of an earlier attempt is in doubt, so this one was called back."
CSV_MIME = "text/csv"
XLSX_MIME = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


def conclude(work: Work, seen: ExecutionView, given: Result | None = None) -> Result | None:
    """What the attempt has come to: told by the operation's own records, else by what the run gave back."""
    records = _records(work, seen)
    if records is None:
        return given
    _lock(work, seen.id)
    told = records.conclude(work, seen.id, seen.attempt)
    return replace(told, files=given.files) if given else told


def _records(work: Work, seen: ExecutionView) -> Records | None:
    op: Operation | None = work.ports.operations.get(seen.operation_id)
    return op.records if op else None


def end(work: Work, seen: ExecutionView, result: Result) -> None:
    """The run came to its own end: store what it gave and say so."""
    store(work, seen, result)
    close(work, seen, _ending(seen, result), None, message=result.message, touched=not result.untouched)


def end_badly(work: Work, seen: ExecutionView, new: State, error: FinOpsError, *, voidable: bool) -> None:
    """The run broke off. While nothing was done it is only void, and a new plan may take its place."""
    result = conclude(work, seen) if seen.state is State.RUNNING else None
    if result is None:
        close(work, seen, new, error)
    elif result.untouched and not result.open_ends:
        close(work, seen, State.SUPERSEDED if voidable else new, error, touched=False)
    elif result.untouched:
        close(work, seen, State.UNSETTLED, error, message=result.message, touched=False)
    else:
        store(work, seen, result)
        close(work, seen, State.UNSETTLED if result.open_ends else new, error, message=result.message)


def settle(work: Work, execution_id: str) -> None:
    """Something of an execution became known: tell anew what it has come to.

    The last open end that is settled ends it; a new one, of whichever attempt, opens it again, and calls a retry back
    that has not begun.
    """
    if queries.state_of(work, execution_id) in rules.CANCELLABLE:
        _call_back(work, queries.execution(work, execution_id))
        return
    _lock(work, execution_id)
    seen = queries.execution(work, execution_id)
    records = _records(work, seen)
    if seen.state not in rules.OVER or records is None:
        return
    now = records.standing(work, seen.id, seen.attempt)
    if seen.state is not State.UNSETTLED and now.open_ends:
        close(work, seen, State.UNSETTLED, None, message=now.message)
    elif seen.state is State.UNSETTLED and not now.open_ends:
        _settled(work, seen, records, begun=bool(now.message))
    elif now.message and now.message != seen.message:
        change(work, seen, message=now.message)
        if seen.state in rules.RETRYABLE:
            queue.enqueue(work, RETELL_JOB, {"execution_id": seen.id}, key=f"{RETELL_JOB}:{seen.id}", again=True)


def _call_back(work: Work, seen: ExecutionView) -> None:
    """A retry that has not begun is called back when what became of an earlier attempt is in doubt."""
    records = _records(work, seen)
    if records is not None and records.standing(work, seen.id, seen.attempt).open_ends:
        approvals.supersede(work, SUBJECT, seen.id, "what became of an earlier attempt is in doubt")
        close(work, seen, State.UNSETTLED, None, message=CALLED_BACK)


def _settled(work: Work, seen: ExecutionView, records: Records, *, begun: bool) -> None:
    """The last open end is known. Only an attempt that had ``begun`` may have something left to do."""
    if begun and records.ends_by_run:
        take_up(work, seen, "execution.taken_up")
        return
    result = records.conclude(work, seen.id, seen.attempt)
    store(work, seen, result)
    close(work, seen, _ending(seen, result), None, message=result.message)


def retell(units: Units, claim: Claim) -> None:
    """The job that stores an ended execution's result and files anew, after something of it has changed late."""
    with units.work(worker_actor(claim.org_id)) as work:
        execution_id = str(claim.payload["execution_id"])
        _lock(work, execution_id)
        seen = queries.execution(work, execution_id)
        records = _records(work, seen)
        if seen.state in rules.RETRYABLE and records is not None:
            store(work, seen, records.conclude(work, seen.id, seen.attempt))


def _lock(work: Work, execution_id: str) -> None:
    """Hold its row until the unit ends: what ends it and what casts doubt on it must not pass each other by."""
    mine = models.execution.c.org_id == work.org_id, models.execution.c.id == execution_id
    work.scalar(select(models.execution.c.id).where(*mine).with_for_update())


def close(
    work: Work,
    seen: ExecutionView,
    new: State,
    error: FinOpsError | None,
    *,
    message: str = "",
    touched: bool = True,
) -> None:
    """Set how an execution stands at the end of an attempt, and say so in the audit."""
    rules.move(seen.number, seen.state, new)
    told = " ".join(part for part in (error.message if error else "", message) if part)
    changes: dict[str, Any] = {"message": told, "ended_at": seen.ended_at or work.now}
    if error:
        changes |= {"error_code": error.code, "hint": error.hint}
    if (not touched or new in {State.SUPERSEDED, State.EXPIRED}) and not seen.retry_rows:
        changes |= {"started_at": None}  # it counts as never run, so the same file may run again
    change(work, seen, state=new, public_state=PUBLIC[new], **changes)
    verb = "execution.stopped" if seen.stop_requested and new is State.CANCELLED else f"execution.{new.value}"
    note(work, seen, verb, before=seen.plan_hash, code=error.code if error else "")
    notices.tell_of_end(work, seen, new, told)


def store(work: Work, seen: ExecutionView, result: Result) -> None:
    """Keep a result and its files; a later one of the same attempt is its next revision and the files' next version."""
    table = models.result
    mine = table.c.org_id == work.org_id, table.c.execution_id == seen.id, table.c.attempt == seen.attempt
    revision = int(work.scalar(select(func.max(table.c.revision)).where(*mine)) or 0) + 1
    shown = {header: [_cell(value) for value in values[: queries.RESULT_ROWS]] for header, values in _items(result)}
    metrics = asdict(result.metrics)
    metrics["total_minor"] = {code: str(minor) for code, minor in result.metrics.total_minor.items()}
    work.execute(
        insert(table).values(
            org_id=work.org_id,
            id=new_id("res"),
            execution_id=seen.id,
            attempt=seen.attempt,
            revision=revision,
            success=result.success,
            message=result.message,
            metrics=queries.as_text(metrics),
            warnings=queries.as_text(list(result.warnings)),
            errors=queries.as_text(list(result.errors)),
            table_json=json.dumps(shown, ensure_ascii=False),
            created_at=work.now,
        )
    )
    _store_files(work, seen, result)


def note(work: Work, seen: ExecutionView, verb: str, *, before: str = "", after: str = "", **detail: Any) -> None:
    """A line of the audit about an execution."""
    facts = {"number": seen.number, "attempt": seen.attempt, **detail}
    audit.record(work, verb, f"{SUBJECT}:{seen.id}", before=before, after=after, detail=facts)


def change(work: Work, seen: ExecutionView, **changes: Any) -> None:
    """Change the row; a change of state only from the state that was seen, else somebody was quicker."""
    table = models.execution
    mine = [table.c.org_id == work.org_id, table.c.id == seen.id]
    if "state" in changes:
        mine.append(table.c.state == seen.state)
    if work.execute(update(table).where(*mine).values(**changes)).rowcount != 1:
        raise moved_on(seen)


def _ending(seen: ExecutionView, result: Result) -> State:
    if result.open_ends:
        return State.UNSETTLED
    # A stop that came after the last row has changed nothing: what was all done is told as done.
    if seen.stop_requested and not result.success:
        return State.CANCELLED
    return State.COMPLETED if result.success else State.FAILED


def _items(result: Result) -> Sequence[tuple[str, Sequence[Any]]]:
    return tuple(result.table.items())


def _store_files(work: Work, seen: ExecutionView, result: Result) -> None:
    outputs = list(result.files)
    if result.table:
        stem = f"{seen.number}-result" if seen.attempt == 1 else f"{seen.number}-result-{seen.attempt}"
        outputs.append(OutputFile(f"{stem}.csv", CSV_MIME, csv_bytes(result.table)))
        outputs.append(OutputFile(f"{stem}.xlsx", XLSX_MIME, xlsx_bytes(result.table, title=seen.title)))
    for output in outputs:
        files.store(
            work,
            output.content,
            filename=output.name,
            mime=output.mime,
            owner_kind=SUBJECT,
            owner_id=seen.id,
            role="output",
            visible_to=seen.requested_by,
        )


def _cell(value: object) -> object:
    if isinstance(value, Money):
        return value.plain()
    if isinstance(value, date | datetime):
        return value.isoformat()
    return value
