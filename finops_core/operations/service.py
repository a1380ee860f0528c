"""Verbs on executions: submit, cancel, plan anew, retry what failed, and what an approval or a rejection sets going."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import select, update

from finops_core import approvals, audit, security
from finops_core.kernel.errors import Conflict, FinOpsError, Invalid, NotAllowed
from finops_core.kernel.permissions import Permission
from finops_core.operations import drafting, models, notices, queries, rules, same_file
from finops_core.operations.admission import AGAIN, SUBJECT, hash_of
from finops_core.operations.drafting import PLAN_JOB
from finops_core.operations.queries import ExecutionView, PlanView
from finops_core.operations.registry import runnable
from finops_core.operations.rules import PUBLIC, State
from finops_core.platform import queue
from finops_core.platform.work import Reading, Work

RUN_JOB = "operations.run"


def submit(work: Work, execution_id: str, plan_hash: str = "") -> ExecutionView:
    """Ask for approval of the plan that was seen, or queue the run when none is required.

    ``EXECUTION_MOVED_ON`` unless it is ready, ``PLAN_CHANGED`` when ``plan_hash`` is not the present plan's,
    ``PLAN_EXPIRED`` when it is too old to go by, ``NOTHING_TO_DO`` when it pays nothing, ``ALREADY_RAN`` when the
    same, or the same file where an approval is needed, was submitted since the draft.
    """
    seen = _own(work, execution_id)
    op = runnable(work, seen.operation_id)
    rules.move(seen.number, seen.state, State.AWAITING_APPROVAL if seen.approval_required else State.QUEUED)
    plan = queries.plan(work, seen.id) if op.dry_run is not None else None
    if op.dry_run is not None:
        _check_plan(work, seen, plan, plan_hash)
    if not seen.approval_required:
        _require_first(work, seen)
        _move(work, seen, State.QUEUED, submitted_at=work.now)
        _record(work, seen, "execution.submitted", after=seen.plan_hash, approval="not required: low risk")
        queue.enqueue(work, RUN_JOB, _payload(seen), key=f"{RUN_JOB}:{seen.id}:{seen.attempt}")
        return queries.execution(work, seen.id)
    request_id = approvals.request(
        work,
        subject_kind=SUBJECT,
        subject_id=seen.id,
        content_hash=seen.plan_hash,
        item_type=op.item_type,
        title=f"{op.title} {seen.number}" + (f", attempt {seen.attempt}" if seen.attempt > 1 else ""),
        summary={"number": seen.number, "operation": op.id, "risk": op.risk.value, "file": seen.input_name},
        # Of the plan itself, whose hash is agreed to: an approver's limit is held against these.
        amounts=rules.totals(plan.as_plan()) if plan else {},
        excluded={seen.requested_by: "prepared it"},
    )
    _require_first(work, seen)  # after the request, whose number lets one submit through at a time
    _move(work, seen, State.AWAITING_APPROVAL, submitted_at=work.now, approval_request_id=request_id)
    _record(work, seen, "execution.submitted", after=seen.plan_hash, request=request_id)
    return queries.execution(work, seen.id)


def cancel(work: Work, execution_id: str, reason: str = "") -> ExecutionView:
    """Stop it: at once while nothing runs; a running one is asked to stop and starts no further call.

    For who asked for it, who approved it, and those with EXECUTIONS_CANCEL_ANY. ``EXECUTION_MOVED_ON`` once its run is
    over, also while some of its ends are open: they are settled, not called off.
    """
    seen = queries.execution(work, execution_id)
    security.require_scope(work, security.Scope.RUN)
    if not _is_near(work, seen):
        work.require(Permission.EXECUTIONS_CANCEL_ANY)
    if seen.state in rules.OVER:
        raise rules.moved(seen.number, seen.state, State.CANCELLED)
    if seen.state is State.RUNNING:
        _change(work, seen, stop_requested=True, stopped_at=work.now)
        _record(work, seen, "execution.stop_requested", reason=reason)
        return queries.execution(work, seen.id)
    if seen.state not in rules.CANCELLABLE:
        raise rules.moved(seen.number, seen.state, State.CANCELLED)
    told = _told_of_stop(work, seen, reason)
    approvals.supersede(work, SUBJECT, seen.id, "the execution was cancelled", rules.within_a_sentence(told))
    changes = {"ended_at": work.now, "stop_requested": True, "stopped_at": work.now}
    _move(work, seen, State.CANCELLED, message=told, **changes)
    _record(work, seen, "execution.cancelled", reason=reason)
    if seen.requested_by != work.actor.id:
        notices.tell_of_end(work, seen, State.CANCELLED, told)
    return queries.execution(work, seen.id)


def withdraw(work: Work, execution_id: str, reason: str) -> ExecutionView:
    """Its requester takes back what waits for approval, and says why; it will not run. Another one may replace it.

    Raises Invalid WITHDRAW_REASON_NEEDED, NotAllowed NOT_YOURS, Conflict EXECUTION_MOVED_ON, APPROVAL_NOT_PENDING.
    """
    security.require_scope(work, security.Scope.RUN)
    seen, reason = _own(work, execution_id), reason.strip()
    if not reason:
        raise Invalid("WITHDRAW_REASON_NEEDED", "Say why you take it back.", hint="The approvers read it.")
    if seen.state is not State.AWAITING_APPROVAL or seen.approval_request_id is None:
        raise rules.moved(seen.number, seen.state, State.CANCELLED)
    approvals.withdraw(work, seen.approval_request_id)
    changes = {"ended_at": work.now, "stop_requested": True, "stopped_at": work.now}
    _move(work, seen, State.CANCELLED, message=f"Taken back by its requester: {reason}", **changes)
    _record(work, seen, "execution.withdrawn", before=seen.plan_hash, reason=reason)
    return queries.execution(work, seen.id)


def may_stop(reading: Reading, seen: ExecutionView) -> bool:
    """Whether ``cancel`` is open to this person now. A courtesy for drawing its button: the verb asks again."""
    if seen.state in rules.OVER or seen.stop_requested:
        return False
    return reading.may(Permission.EXECUTIONS_CANCEL_ANY) or _is_near(reading, seen)


def replan(work: Work, execution_id: str) -> ExecutionView:
    """Make a fresh plan of what this attempt plans; an approval of the old one, waiting or given, no longer counts.

    Of the whole, or of the same rows when it retries some: the others were done before, and must not be done again.
    Only while nothing was done in it: ``EXECUTION_MOVED_ON`` otherwise, see ``reopen``.
    """
    seen = _own(work, execution_id)
    runnable(work, seen.operation_id)
    if seen.state not in rules.REPLANNABLE:
        raise rules.moved(seen.number, seen.state, State.PLANNING)
    approvals.supersede(work, SUBJECT, seen.id, "a new plan was made")
    return _plan_anew(work, seen, "execution.replanned", seen.retry_rows)


def reopen(work: Work, execution_id: str, rows: Sequence[int]) -> ExecutionView:
    """Plan some rows of an ended execution again, as its next attempt, with a plan and an approval of their own.

    For the area that owns the rows: it has checked that each of them definitely did not happen.
    ``EXECUTION_MOVED_ON`` while it has not ended.
    """
    seen = _own(work, execution_id)
    runnable(work, seen.operation_id)
    if seen.state not in rules.RETRYABLE:
        raise rules.moved(seen.number, seen.state, State.PLANNING)
    if not rows:
        raise Invalid("NOTHING_TO_RETRY", f"Nothing of {seen.number} has failed.", hint="Look at its rows.")
    return _plan_anew(work, seen, "execution.retried", tuple(rows))


def go_on(work: Work, execution_id: str) -> ExecutionView:
    """Let the run of an execution with open ends go on, under the approval it has; it is checked again as it starts.

    ``EXECUTION_STOPPED`` when somebody has stopped it: a stop holds for the rest of its attempt.
    """
    seen = _own(work, execution_id)
    runnable(work, seen.operation_id)
    if seen.stop_requested:
        raise Conflict(
            "EXECUTION_STOPPED",
            f"{seen.number} was stopped: nothing of it is sent again.",
            hint="What is in doubt is looked up; what was never made can then be retried, with a new approval.",
        )
    return take_up(work, seen, "execution.sent_on")


def take_up(work: Work, seen: ExecutionView, verb: str) -> ExecutionView:
    """The run of an execution whose ends were open goes on; whoever asks for it has checked that it may."""
    _move(work, seen, State.RUNNING, ended_at=None, error_code="", hint="")
    _record(work, seen, verb, before=seen.plan_hash)
    key = f"{RUN_JOB}:{seen.id}:{seen.attempt}"
    queue.enqueue(work, RUN_JOB, _payload(seen), key=key, fence=queue.highest_fence(work, key))
    return queries.execution(work, seen.id)


def on_approved(work: Work, event: approvals.Approved) -> None:
    """An approval of the present plan queues the run, to start when the hold-back window is over."""
    if event.subject_kind != SUBJECT:
        return
    seen = queries.execution(work, event.subject_id)
    if seen.state is not State.AWAITING_APPROVAL or seen.plan_hash != event.content_hash:
        raise Conflict(
            "PLAN_CHANGED",
            f"{seen.number} is not what was asked for any more.",
            hint="Its preparer must submit the new plan for approval.",
        )
    wait_s = work.ports.settings.held_back_s
    _move(work, seen, State.QUEUED, not_before=work.now + timedelta(seconds=wait_s) if wait_s else None)
    queue.enqueue(work, RUN_JOB, _payload(seen), key=f"{RUN_JOB}:{seen.id}:{seen.attempt}", delay_s=wait_s)


def on_rejected(work: Work, event: approvals.Rejected) -> None:
    """A rejection ends the execution."""
    if event.subject_kind == SUBJECT:
        seen = queries.execution(work, event.subject_id)
        _move(work, seen, State.REJECTED, message="Rejected by the approver.", ended_at=work.now)


def on_expired(work: Work, event: approvals.Expired) -> None:
    """A request that aged out ends the execution until a new plan is made."""
    if event.subject_kind == SUBJECT:
        seen = queries.execution(work, event.subject_id)
        _move(work, seen, State.EXPIRED, message="Nobody decided in time.", ended_at=work.now)


def moved_on(seen: ExecutionView) -> FinOpsError:
    """Somebody else changed it in the meantime."""
    return Conflict(
        "EXECUTION_MOVED_ON", f"{seen.number} has just changed.", hint="Open it again to see where it stands."
    )


def _check_plan(work: Work, seen: ExecutionView, plan: PlanView | None, plan_hash: str) -> None:
    if plan is None or not plan_hash == seen.plan_hash == hash_of(seen, plan.as_plan()):
        raise Conflict(
            "PLAN_CHANGED", f"The plan of {seen.number} has changed.", hint="Look at the new plan, then submit again."
        )
    if not rules.totals(plan.as_plan()):
        raise Invalid("NOTHING_TO_DO", f"{seen.number} would do nothing.", hint="Start over with another file.")
    if work.now - plan.created_at > timedelta(seconds=work.ports.settings.plan_expires_s):
        raise Conflict("PLAN_EXPIRED", f"The plan of {seen.number} is too old to go by.", hint=AGAIN)


def _plan_anew(work: Work, seen: ExecutionView, verb: str, rows: tuple[int, ...]) -> ExecutionView:
    again = seen.attempt + 1
    # What retries some of its rows has run, whatever comes of this attempt: the same file again needs a reason. A plan
    # of the whole counts its rows anew, so that those of the plans before it are void.
    whole = {} if rows else {"started_at": None, "whole_attempt": again}
    _move(
        work,
        seen,
        State.PLANNING,
        attempt=again,
        retry_rows=queries.as_text(list(rows)),
        plan_hash="",
        totals="{}",
        approval_request_id=None,
        submitted_at=None,
        not_before=None,
        ended_at=None,
        stop_requested=False,
        stopped_at=None,
        progress_done=0,
        progress_total=0,
        message="",
        error_code="",
        hint="",
        **whole,
    )
    _record(work, seen, verb, before=seen.plan_hash, rows=list(rows))
    payload = {"execution_id": seen.id, "attempt": again}
    queue.enqueue(work, PLAN_JOB, payload, key=f"{PLAN_JOB}:{seen.id}:{again}")
    return queries.execution(work, seen.id)


def _own(work: Work, execution_id: str) -> ExecutionView:
    seen = queries.execution(work, execution_id)
    if seen.requested_by != work.actor.id:
        raise NotAllowed(
            "NOT_YOURS", f"{seen.number} belongs to {seen.requested_by_name}.", hint="Only its requester may do this."
        )
    return seen


def _is_near(reading: Reading, seen: ExecutionView) -> bool:
    """Whether this person asked for it, or approved it as it stands."""
    if seen.requested_by == reading.actor.id:
        return True
    approval = approvals.standing_approval(reading, SUBJECT, seen.id, seen.plan_hash)
    return approval is not None and reading.actor.id in approval.people


def _require_first(work: Work, seen: ExecutionView) -> None:
    # Two drafts of one file can both be ready: neither had been submitted when the other was taken. What has run itself
    # is only finished; a new plan of what has not, whichever attempt it is, comes after whatever ran meanwhile.
    if seen.reason or seen.started_at is not None:
        return
    mine = models.execution.c.org_id == work.org_id, models.execution.c.id == seen.id
    key = work.scalar(select(models.execution.c.content_key).where(*mine))
    number = drafting.ran_as(work, key, but=seen.id)
    told = f"The same file and settings already ran as {number}." if number is not None else ""
    if not told and seen.approval_required:
        other = same_file.with_the_file(work, seen.operation_id, seen.input_sha256, but=seen.id)
        told = f"The same file, with other settings, {other.told}." if other else ""
    if told:
        raise Conflict("ALREADY_RAN", told, hint="To run it once more, upload the file again and give a reason.")


def _told_of_stop(work: Work, seen: ExecutionView, reason: str) -> str:
    """Who stopped what was under way to be paid, and why; what somebody leaves of their own is only left."""
    own_draft = seen.requested_by == work.actor.id and seen.state is not State.QUEUED
    if own_draft:
        return "Its retry was cancelled; what was made before stays." if seen.retry_rows else "Cancelled before it ran."
    name = security.names(work, [work.actor.id]).get(work.actor.id, "somebody")
    stays = "; what was made before stays" if seen.retry_rows else ""
    return f"Stopped by {name} before it ran{stays}" + (f": {reason}" if reason else ".")


def _payload(seen: ExecutionView) -> dict[str, object]:
    return {"execution_id": seen.id, "attempt": seen.attempt}


def _record(work: Work, seen: ExecutionView, verb: str, *, before: str = "", after: str = "", **detail: object) -> None:
    detail = {"number": seen.number, "attempt": seen.attempt, **detail}
    audit.record(work, verb, f"{SUBJECT}:{seen.id}", before=before, after=after, detail=detail)


def _move(work: Work, seen: ExecutionView, new: State, **changes: object) -> None:
    rules.move(seen.number, seen.state, new)
    _change(work, seen, state=new, public_state=PUBLIC[new], **changes)


def _change(work: Work, seen: ExecutionView, **changes: Any) -> None:
    table = models.execution
    changed = work.execute(
        update(table)
        .where(table.c.org_id == work.org_id, table.c.id == seen.id, table.c.state == seen.state)
        .values(**changes)
    )
    if changed.rowcount != 1:
        raise moved_on(seen)
