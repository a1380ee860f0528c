"""Verbs the worker calls around a run: begin, keep the plan, note progress, finish, give up. Each checks its fence."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, func, insert, select

from finops_core.kernel.canonical import canonical_bytes
from finops_core.kernel.errors import Conflict, FinOpsError
from finops_core.kernel.ids import new_id
from finops_core.kernel.operation import LogLevel, Operation, Plan, Recovery, Result
from finops_core.operations import admission, models, outcome, queries, rules, same_file
from finops_core.operations.outcome import change, note
from finops_core.operations.queries import ExecutionView
from finops_core.operations.rules import PUBLIC, State
from finops_core.platform import queue
from finops_core.platform.queue import Claim
from finops_core.platform.work import Reading, Work

BUSY_PAUSE_S = 1.0
# A provider that does not answer is asked again after these pauses; then the run is given up, or the plan is.
RUN_PAUSES_S = (5.0, 15.0, 45.0, 120.0)
PLAN_PAUSES_S = (1.0, 3.0)
_STOP_REQUESTED = (
    select(models.execution.c.stop_requested)
    .where(models.execution.c.org_id == bindparam("org"), models.execution.c.id == bindparam("id"))
    .with_for_update()
)


@dataclass(frozen=True, slots=True)
class Begun:
    """What a child needs to know of the run it carries out.

    ``wind_down``: code and words of why a resumed run may begin nothing new; it only finds out what became of what
    was begun.
    """

    claim: Claim
    execution: ExecutionView
    plan: Plan | None
    dry: bool
    wind_down: tuple[str, str] | None = None


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
        fail(work, begun, admission.changed(seen))
        return None
    return begun


def begin_run(work: Work, claim: Claim) -> Begun | None:
    """Start (or resume) a run; None when it must not run now and the job was closed or put back.

    What was true when it was approved is checked again (``admission``). A resumed run for which it holds no more may
    only wind down.
    """
    queue.hold(work, claim)
    seen = queries.execution(work, str(claim.payload["execution_id"]))
    op = work.ports.operations.get(seen.operation_id)
    if seen.attempt != claim.payload["attempt"] or seen.state not in {State.QUEUED, State.RUNNING}:
        queue.complete(work, claim)
        return None
    plan = queries.plan(work, seen.id) if op and op.dry_run else None
    refused = admission.refusal(work, op, seen, plan)
    if seen.state is State.RUNNING:
        return _resume(work, claim, op, seen, plan.as_plan() if plan else None, refused)
    if refused is not None or op is None:
        refused = refused or admission.changed(seen)
        outcome.close(work, seen, State.EXPIRED if refused.code == admission.AGED else State.SUPERSEDED, refused)
        queue.complete(work, claim)
        return None
    if _running(work, op) >= op.concurrency:
        queue.put_back(work, claim, delay_s=BUSY_PAUSE_S, uncounted=True)
        return None
    rules.move(seen.number, seen.state, State.RUNNING)
    change(work, seen, state=State.RUNNING, public_state=PUBLIC[State.RUNNING], started_at=work.now)
    note(work, seen, "execution.started", after=seen.plan_hash)
    return Begun(claim, replace(seen, state=State.RUNNING), plan.as_plan() if plan else None, dry=False)


def keep_plan(work: Work, begun: Begun, plan: Plan) -> None:
    """Store the plan, row by row, and its hash; a plan with faults ends the draft."""
    queue.hold(work, begun.claim)
    seen = queries.execution(work, begun.execution.id)
    if seen.state is not State.PLANNING or seen.attempt != begun.execution.attempt:
        queue.complete(work, begun.claim)
        return
    plan = replace(plan, warnings=(*plan.warnings, *same_file.warnings(work, seen)))
    plan_hash = admission.hash_of(seen, plan)
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
        changes |= {"hint": "Mend what is wrong, then make a new plan.", "ended_at": work.now}
    change(work, seen, state=new, public_state=PUBLIC[new], **changes)
    note(work, seen, "execution.planned", after=plan_hash, rows=len(plan.rows), faults=len(plan.faults))
    queue.complete(work, begun.claim)


def finish(work: Work, begun: Begun, result: Result) -> None:
    """Store result and files, end the execution and its job, all in this unit."""
    queue.hold(work, begun.claim)
    seen = queries.execution(work, begun.execution.id)
    outcome.end(work, seen, outcome.conclude(work, seen, result) or result)
    queue.complete(work, begun.claim)


def fail(work: Work, begun: Begun, error: FinOpsError, state: State = State.FAILED, *, voidable: bool = False) -> None:
    """End an execution (or its dry run) with an error in the user's words.

    ``voidable``: if nothing was done, the plan is only void and a new one may be made.
    """
    queue.hold(work, begun.claim)
    seen = queries.execution(work, begun.execution.id)
    if seen.state in {State.RUNNING, State.PLANNING}:
        outcome.end_badly(work, seen, State.FAILED if begun.dry else state, error, voidable=voidable)
    queue.give_up(work, begun.claim, f"{error.code}: {error.message}")


def try_again(work: Work, begun: Begun, error: FinOpsError) -> None:
    """Something outside did not answer: again after a pause, a few times; then as ``fail``."""
    queue.hold(work, begun.claim)
    pauses = PLAN_PAUSES_S if begun.dry else RUN_PAUSES_S
    turn = begun.claim.attempts - 1
    if turn >= len(pauses) or not may_resume(work, begun):
        fail(work, begun, error, voidable=True)
        return
    seen = queries.execution(work, begun.execution.id)
    told = f"{error.message} Trying again in {round(pauses[turn])} s ({turn + 1} of {len(pauses)})."
    change(work, seen, message=told)
    queue.put_back(work, begun.claim, delay_s=pauses[turn], error=f"{error.code}: {error.message}")


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
        outcome.close(work, seen, State.FAILED, interrupted(seen, error), touched=False)
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


def report(work: Work, begun: Begun, entries: Sequence[LogEntry], progress: tuple[int, int, str] | None) -> bool:
    """Append log lines and move the progress on; gives back whether somebody asked to stop."""
    queue.hold(work, begun.claim)
    seen = begun.execution
    append_log(work, seen, entries)
    if progress is not None:
        done, total, message = progress
        change(work, seen, progress_done=done, progress_total=total, message=message)
    return stop_requested(work, seen.id)


def stop_requested(reading: Reading, execution_id: str) -> bool:
    """Whether somebody asked this execution to stop. Locks the row, so that a stop's commit is never overtaken."""
    return bool(reading.execute(_STOP_REQUESTED, {"org": reading.org_id, "id": execution_id}).scalar())


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


def _resume(
    work: Work, claim: Claim, op: Operation | None, seen: ExecutionView, plan: Plan | None, refused: FinOpsError | None
) -> Begun | None:
    begun = Begun(claim, seen, plan, dry=False)
    if op is None or op.recovery is not Recovery.RESUME:
        fail(work, begun, interrupted(seen, "the worker died"), State.INTERRUPTED)
        return None
    if refused is not None and op.records is None:
        fail(work, begun, refused)
        return None
    wind_down = (refused.code, refused.message) if refused else None
    note(
        work,
        seen,
        "execution.resumed",
        before=seen.plan_hash,
        claim=claim.attempts,
        code=refused.code if refused else "",
    )
    return replace(begun, wind_down=wind_down)


def _running(work: Work, op: Operation) -> int:
    # Two workers that count at the same moment would each not see the other's: the registry's row queues them.
    work.scalar(select(models.operation.c.id).where(models.operation.c.id == op.id).with_for_update())
    table = models.execution
    running = table.c.org_id == work.org_id, table.c.operation_id == op.id, table.c.state == State.RUNNING
    return int(work.scalar(select(func.count()).select_from(table).where(*running)) or 0)


def _store_plan(work: Work, seen: ExecutionView, plan: Plan, plan_hash: str) -> None:
    plan_id = new_id("pl")
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
    same = {"org_id": work.org_id, "plan_id": plan_id, "execution_id": seen.id}
    sums = [
        {**same, "id": f"{plan_id}:{currency}", "currency": currency, "amount_minor": minor}
        for currency, minor in rules.totals(plan).items()
    ]
    if sums:
        work.execute(insert(models.plan_total), sums)


def _plan_message(plan: Plan) -> str:
    if plan.faults:
        return f"The plan found {len(plan.faults)} thing{'s' if len(plan.faults) > 1 else ''} to mend."
    return ""


def _one_line(message: str) -> str:
    # A value from a file must not be able to write a second, invented line (ASVS 16.4.1).
    return " ".join(message.split())[:2000]
