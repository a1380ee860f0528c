"""Verbs the worker calls around a run: begin, keep the plan, note progress, finish, give up. Each checks its fence."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date, datetime
from typing import Any

from sqlalchemy import func, insert, select, update

from finops_core import approvals, audit, files, security
from finops_core.kernel.canonical import canonical_bytes
from finops_core.kernel.errors import Conflict, FinOpsError
from finops_core.kernel.ids import new_id
from finops_core.kernel.job import Event
from finops_core.kernel.money import Money
from finops_core.kernel.operation import LogLevel, Operation, OutputFile, Plan, Recovery, Result
from finops_core.operations import models, queries, rules
from finops_core.operations.queries import ExecutionView
from finops_core.operations.rules import PUBLIC, State
from finops_core.operations.service import SUBJECT, moved_on
from finops_core.operations.spreadsheets import csv_bytes, xlsx_bytes
from finops_core.platform import queue
from finops_core.platform.queue import Claim
from finops_core.platform.work import Reading, Work

BUSY_PAUSE_S = 1.0
CSV_MIME = "text/csv"
XLSX_MIME = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


@dataclass(frozen=True, slots=True)
class Begun:
    """What a child needs to know of the run it carries out."""

    claim: Claim
    execution: ExecutionView
    plan: Plan | None
    dry: bool


@dataclass(frozen=True, slots=True)
class Ended(Event):
    """News: an attempt has ended, however it ended; nothing more will be sent for it."""

    execution_id: str
    attempt: int


@dataclass(frozen=True, slots=True)
class LogEntry:
    """A line on its way to the log."""

    at: datetime
    level: LogLevel
    message: str
    data: dict[str, Any]


def begin_plan(work: Work, claim: Claim) -> Begun | None:
    """Start (or start again) a dry run; None when the execution has moved on and the job is closed."""
    queue.hold(work, claim)
    seen = queries.execution(work, str(claim.payload["execution_id"]))
    if seen.state is not State.PLANNING or seen.attempt != claim.payload["attempt"]:
        queue.complete(work, claim)
        return None
    begun = Begun(claim, seen, None, dry=True)
    if seen.operation_id not in work.ports.operations:
        fail(work, begun, _changed(seen))
        return None
    return begun


def begin_run(work: Work, claim: Claim) -> Begun | None:
    """Start (or resume) a run; None when it must not run now and the job was closed or put back.

    Checks again all that was true when it was approved: the people are still active, the operation is on, the plan's
    hash still stands for operation version, parameters, file and rows, and somebody approved exactly that hash.
    """
    queue.hold(work, claim)
    seen = queries.execution(work, str(claim.payload["execution_id"]))
    op = work.ports.operations.get(seen.operation_id)
    if seen.attempt != claim.payload["attempt"] or seen.state not in {State.QUEUED, State.RUNNING}:
        queue.complete(work, claim)
        return None
    plan = queries.plan(work, seen.id) if op and op.dry_run else None
    if seen.state is State.RUNNING:
        return _resume(work, claim, op, seen, plan)
    refusal = _refusal(work, op, seen, plan)
    if refusal is not None or op is None:
        close(work, seen, State.SUPERSEDED, refusal)
        queue.complete(work, claim)
        return None
    if _running(work, op) >= op.concurrency:
        queue.put_back(work, claim, delay_s=BUSY_PAUSE_S, uncounted=True)
        return None
    rules.move(seen.number, seen.state, State.RUNNING)
    _set(work, seen, state=State.RUNNING, public_state=PUBLIC[State.RUNNING], started_at=work.now)
    _note(work, seen, "execution.started", after=seen.plan_hash)
    return Begun(claim, replace(seen, state=State.RUNNING), plan.as_plan() if plan else None, dry=False)


def keep_plan(work: Work, begun: Begun, plan: Plan) -> None:
    """Store the plan, row by row, and its hash; a plan with faults ends the draft."""
    queue.hold(work, begun.claim)
    seen = queries.execution(work, begun.execution.id)
    if seen.state is not State.PLANNING or seen.attempt != begun.execution.attempt:
        queue.complete(work, begun.claim)
        return
    plan_hash = hash_of(seen, plan, _input_hash(work, seen))
    _store_plan(work, seen, plan, plan_hash)
    new = State.FAILED if plan.faults else State.READY
    rules.move(seen.number, seen.state, new)
    changes: dict[str, Any] = {
        "plan_hash": plan_hash,
        "totals": queries.as_text(rules.totals(plan)),
        "mode": plan.mode,
        "message": _plan_message(plan),
        "error_code": "PLAN_FAULTY" if plan.faults else "",
    }
    if plan.faults:
        changes |= {"hint": "Mend the file and upload it again.", "ended_at": work.now}
    _set(work, seen, state=new, public_state=PUBLIC[new], **changes)
    _note(work, seen, "execution.planned", after=plan_hash, rows=len(plan.rows), faults=len(plan.faults))
    queue.complete(work, begun.claim)


def finish(work: Work, begun: Begun, result: Result) -> None:
    """Store result and files, end the execution and its job, all in this unit."""
    queue.hold(work, begun.claim)
    seen = queries.execution(work, begun.execution.id)
    _store_result(work, seen, result)
    _store_files(work, seen, result)
    # A stop that came after the last row has changed nothing: what was all done is told as done.
    stopped = seen.stop_requested and not result.success
    new = State.CANCELLED if stopped else State.COMPLETED if result.success else State.FAILED
    close(work, seen, new, None, message=result.message, stopped=stopped)
    queue.complete(work, begun.claim)


def fail(work: Work, begun: Begun, error: FinOpsError, state: State = State.FAILED) -> None:
    """End an execution (or its dry run) with an error in the user's words."""
    queue.hold(work, begun.claim)
    seen = queries.execution(work, begun.execution.id)
    if seen.state in {State.RUNNING, State.PLANNING}:
        close(work, seen, State.FAILED if begun.dry else state, error)
    queue.give_up(work, begun.claim, f"{error.code}: {error.message}")


def after_crash(work: Work, begun: Begun, why: str, max_attempts: int) -> None:
    """A child died without a word: resume by queueing again where that is proven safe, else mark interrupted."""
    queue.hold(work, begun.claim)
    if may_resume(work, begun) and begun.claim.attempts < max_attempts:
        queue.put_back(work, begun.claim, delay_s=BUSY_PAUSE_S, error=why)
        return
    fail(work, begun, interrupted(begun.execution, why), State.INTERRUPTED)


def hand_over(work: Work, begun: Begun, why: str) -> None:
    """The worker leaves: another one goes on where that is proven safe; it does not count as a crash."""
    queue.hold(work, begun.claim)
    if may_resume(work, begun):
        queue.put_back(work, begun.claim, delay_s=0, error=why, uncounted=True)
        return
    fail(work, begun, interrupted(begun.execution, why), State.INTERRUPTED)


def may_resume(work: Work, begun: Begun) -> bool:
    """Whether it may be begun again after its process ended: a dry run always, a run when its operation says so."""
    return begun.dry or work.ports.operations[begun.execution.operation_id].recovery is Recovery.RESUME


def abandon(work: Work, claim: Claim, error: str) -> None:
    """A job that could not be begun or concluded however often it was tried: its execution ends with it."""
    queue.hold(work, claim)
    seen = queries.execution(work, str(claim.payload["execution_id"]))
    if seen.attempt != claim.payload["attempt"]:
        queue.give_up(work, claim, error)
    elif seen.state is State.QUEUED:
        close(work, seen, State.FAILED, interrupted(seen, error))
        queue.give_up(work, claim, error)
    else:
        begun = Begun(claim, seen, None, dry=seen.state is State.PLANNING)
        fail(work, begun, interrupted(seen, error), State.INTERRUPTED)


def interrupted(seen: ExecutionView, why: str) -> FinOpsError:
    """The error of a run whose process died."""
    return Conflict(
        "RUN_INTERRUPTED",
        f"{seen.number} was interrupted.",
        hint="See its log for how far it came; start a new one when you know what is missing.",
        why=why,
    )


def note(work: Work, begun: Begun, entries: Sequence[LogEntry], progress: tuple[int, int, str] | None) -> bool:
    """Append log lines and move the progress on; gives back whether somebody asked to stop."""
    queue.hold(work, begun.claim)
    seen = begun.execution
    append_log(work, seen, entries)
    if progress is not None:
        done, total, message = progress
        _set(work, seen, progress_done=done, progress_total=total, message=message)
    return stop_requested(work, seen.id)


def stop_requested(reading: Reading, execution_id: str) -> bool:
    """Whether somebody asked this execution to stop. Locks the row, so that a stop's commit is never overtaken."""
    table = models.execution
    mine = table.c.org_id == reading.org_id, table.c.id == execution_id
    return bool(reading.scalar(select(table.c.stop_requested).where(*mine).with_for_update()))


def append_log(work: Work, seen: ExecutionView, entries: Sequence[LogEntry]) -> None:
    """Append lines to an execution's log, numbered in order."""
    if not entries:
        return
    table = models.log
    mine = table.c.org_id == work.org_id, table.c.execution_id == seen.id
    last = int(work.scalar(select(func.max(table.c.seq)).where(*mine)) or 0)
    same = {"org_id": work.org_id, "execution_id": seen.id, "attempt": seen.attempt}
    work.execute(
        insert(table),
        [
            {
                **same,
                "id": new_id("log"),
                "seq": last + index,
                "at": entry.at,
                "level": entry.level,
                "message": _one_line(entry.message),
                "data": json.dumps(entry.data, default=str, sort_keys=True),
            }
            for index, entry in enumerate(entries, start=1)
        ],
    )


def close(
    work: Work, seen: ExecutionView, new: State, error: FinOpsError | None, *, message: str = "", stopped: bool = False
) -> None:
    """End an execution and say so in the audit."""
    rules.move(seen.number, seen.state, new)
    changes: dict[str, Any] = {"message": error.message if error else message, "ended_at": work.now}
    if error:
        changes |= {"error_code": error.code, "hint": error.hint}
    _set(work, seen, state=new, public_state=PUBLIC[new], **changes)
    verb = "execution.stopped" if stopped else f"execution.{new.value}"
    _note(work, seen, verb, before=seen.plan_hash, code=error.code if error else "")
    work.tell(Ended(seen.id, seen.attempt))


def hash_of(seen: ExecutionView, plan: Plan, file_hash: str) -> str:
    """The hash an approval of this plan binds."""
    return rules.plan_hash(
        operation_id=seen.operation_id,
        version=seen.operation_version,
        params=seen.params,
        file_hash=file_hash,
        plan=plan,
    )


def _resume(
    work: Work, claim: Claim, op: Operation | None, seen: ExecutionView, plan: queries.PlanView | None
) -> Begun | None:
    begun = Begun(claim, seen, plan.as_plan() if plan else None, dry=False)
    if op is None or op.recovery is not Recovery.RESUME:
        fail(work, begun, interrupted(seen, "the worker died"), State.INTERRUPTED)
        return None
    if _tampered(work, op, seen, plan):
        fail(work, begun, _plan_changed(seen))
        return None
    _note(work, seen, "execution.resumed", before=seen.plan_hash, claim=claim.attempts)
    return begun


def _refusal(
    work: Work, op: Operation | None, seen: ExecutionView, plan: queries.PlanView | None
) -> FinOpsError | None:
    if op is None or not queries.is_active(work, op.id) or op.version != seen.operation_version:
        return _changed(seen)
    if not security.is_active(work, seen.requested_by):
        return Conflict("PREPARER_LEFT", f"{seen.requested_by_name} is no longer active.", hint=_AGAIN)
    if _tampered(work, op, seen, plan):
        return _plan_changed(seen)
    return _approval_refusal(work, seen) if seen.approval_required else None


def _approval_refusal(work: Work, seen: ExecutionView) -> FinOpsError | None:
    approvers = approvals.approved_by(work, SUBJECT, seen.id, seen.plan_hash)
    if not approvers:
        return Conflict("APPROVAL_VOID", f"The approval of {seen.number} does not hold any more.", hint=_AGAIN)
    if not all(security.is_active(work, person_id) for person_id in approvers):
        return Conflict("APPROVER_LEFT", f"Who approved {seen.number} is no longer active.", hint=_AGAIN)
    return None


_AGAIN = "Make a new plan and submit it again."


def _changed(seen: ExecutionView) -> FinOpsError:
    return Conflict("OPERATION_CHANGED", f"“{seen.title}” was changed or switched off.", hint=_AGAIN)


def _plan_changed(seen: ExecutionView) -> FinOpsError:
    return Conflict("PLAN_CHANGED", f"The plan of {seen.number} has changed.", hint=_AGAIN)


def _tampered(work: Work, op: Operation, seen: ExecutionView, plan: queries.PlanView | None) -> bool:
    """Whether the stored plan, read row by row, is not the one whose hash was agreed to."""
    if op.dry_run is None:
        return False
    return plan is None or hash_of(seen, plan.as_plan(), _input_hash(work, seen)) != seen.plan_hash


def _running(work: Work, op: Operation) -> int:
    # Two workers that count at the same moment would each not see the other's: the registry's row queues them.
    work.scalar(select(models.operation.c.id).where(models.operation.c.id == op.id).with_for_update())
    table = models.execution
    running = table.c.org_id == work.org_id, table.c.operation_id == op.id, table.c.state == State.RUNNING
    return int(work.scalar(select(func.count()).select_from(table).where(*running)) or 0)


def _input_hash(reading: Reading, seen: ExecutionView) -> str:
    table = models.execution
    mine = table.c.org_id == reading.org_id, table.c.id == seen.id
    return str(reading.scalar(select(table.c.input_sha256).where(*mine)) or "")


def _store_plan(work: Work, seen: ExecutionView, plan: Plan, plan_hash: str) -> None:
    plan_id = new_id("plan")
    work.execute(
        insert(models.plan).values(
            org_id=work.org_id,
            id=plan_id,
            execution_id=seen.id,
            attempt=seen.attempt,
            hash=plan_hash,
            mode=plan.mode,
            key_fingerprint=plan.key_fingerprint,
            connection_id=plan.connection_id,
            warnings=queries.as_text(list(plan.warnings)),
            faults=queries.as_text([asdict(fault) for fault in plan.faults]),
            totals=queries.as_text(rules.totals(plan)),
            created_at=work.now,
        )
    )
    rows = [
        {
            "org_id": work.org_id,
            "id": f"{plan_id}:{row_no}",
            "plan_id": plan_id,
            "row_no": row_no,
            "account": row.account,
            "currency": row.currency,
            "amount_minor": row.amount_minor,
            "body": canonical_bytes(dict(row.body)).decode(),
        }
        for row_no, row in enumerate(plan.rows, start=1)
    ]
    if rows:
        work.execute(insert(models.plan_row), rows)


def _plan_message(plan: Plan) -> str:
    if plan.faults:
        return f"The plan found {len(plan.faults)} thing{'s' if len(plan.faults) > 1 else ''} to mend."
    return ""


def _store_result(work: Work, seen: ExecutionView, result: Result) -> None:
    table = {
        header: [_cell(value) for value in values[: queries.RESULT_ROWS]] for header, values in result.table.items()
    }
    metrics = asdict(result.metrics)
    metrics["total_minor"] = {code: str(minor) for code, minor in result.metrics.total_minor.items()}
    work.execute(
        insert(models.result).values(
            org_id=work.org_id,
            id=new_id("res"),
            execution_id=seen.id,
            attempt=seen.attempt,
            success=result.success,
            message=result.message,
            metrics=queries.as_text(metrics),
            warnings=queries.as_text(list(result.warnings)),
            errors=queries.as_text(list(result.errors)),
            table_json=json.dumps(table, ensure_ascii=False),
            created_at=work.now,
        )
    )


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


def _one_line(message: str) -> str:
    # A value from a file must not be able to write a second, invented line (ASVS 16.4.1).
    return " ".join(message.split())[:2000]


def _note(work: Work, seen: ExecutionView, verb: str, *, before: str = "", after: str = "", **detail: Any) -> None:
    facts = {"number": seen.number, "attempt": seen.attempt, **detail}
    audit.record(work, verb, f"{SUBJECT}:{seen.id}", before=before, after=after, detail=facts)


def _set(work: Work, seen: ExecutionView, **changes: Any) -> None:
    """Change the row; a change of state only from the state that was seen, else somebody was quicker."""
    table = models.execution
    mine = [table.c.org_id == work.org_id, table.c.id == seen.id]
    if "state" in changes:
        mine.append(table.c.state == seen.state)
    if work.execute(update(table).where(*mine).values(**changes)).rowcount != 1:
        raise moved_on(seen)
