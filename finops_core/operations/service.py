"""Verbs on executions: draft, submit, cancel, replan, and what an approval or a rejection sets going."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from pydantic import BaseModel, ValidationError
from sqlalchemy import insert, or_, select, update

from finops_core import approvals, audit, files, reference
from finops_core.kernel.errors import Conflict, FinOpsError, Invalid, NotAllowed
from finops_core.kernel.faults import Fault
from finops_core.kernel.ids import new_id
from finops_core.kernel.operation import NoParameters, Operation
from finops_core.kernel.permissions import Permission
from finops_core.operations import models, queries, rules
from finops_core.operations.intake import read_sheet
from finops_core.operations.queries import ExecutionView
from finops_core.operations.rules import PUBLIC, State
from finops_core.platform import queue
from finops_core.platform.work import Work

PLAN_JOB = "operations.plan"
RUN_JOB = "operations.run"
SUBJECT = "execution"
_VALUE_CHARS = 80


@dataclass(frozen=True, slots=True)
class Upload:
    """A file somebody gave: the name they gave it and its bytes."""

    name: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Drafted:
    """The draft was taken; its plan is being made, or it is ready when the operation needs none."""

    execution_id: str
    number: str


@dataclass(frozen=True, slots=True)
class Refused:
    """Nothing was stored; every fault at once."""

    faults: tuple[Fault, ...]


def draft(
    work: Work, operation_id: str, params: Mapping[str, object], upload: Upload | None, *, reason: str = ""
) -> Drafted | Refused:
    """Take parameters and a file. Good ones are stored and planned; bad ones leave only a line in the audit.

    Raises ``OPERATION_UNKNOWN``, ``OPERATION_INACTIVE`` and ``NOT_ALLOWED``; everything about the content of form and
    file comes back as faults. ``reason`` lets the same file and parameters run again within the window.
    """
    op = _runnable(work, operation_id)
    values, faults = _read_params(op, params)
    faults += _read_file(work, op, upload)
    if not faults and not reason.strip():
        faults += _already_ran(work, op, values, upload)
    if faults:
        _record_refusal(work, op, upload, faults)
        return Refused(tuple(faults))
    return _store_draft(work, op, values, upload, reason.strip())


def submit(work: Work, execution_id: str, plan_hash: str = "") -> ExecutionView:
    """Ask for approval of the plan that was seen, or queue the run when none is required.

    ``EXECUTION_MOVED_ON`` unless it is ready, ``PLAN_CHANGED`` when ``plan_hash`` is not the present plan's,
    ``NOTHING_TO_DO`` when the plan pays nothing, ``ALREADY_RAN`` when the same was submitted since the draft.
    """
    seen = _own(work, execution_id)
    op = _runnable(work, seen.operation_id)
    rules.move(seen.number, seen.state, State.AWAITING_APPROVAL if seen.approval_required else State.QUEUED)
    if seen.approval_required and plan_hash != seen.plan_hash:
        raise Conflict(
            "PLAN_CHANGED", f"The plan of {seen.number} has changed.", hint="Look at the new plan, then submit again."
        )
    if op.dry_run is not None and not seen.totals:
        raise Invalid("NOTHING_TO_DO", f"{seen.number} would do nothing.", hint="Start over with another file.")
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
        title=f"{op.title} {seen.number}",
        summary={"number": seen.number, "operation": op.id, "risk": op.risk.value, "file": seen.input_name},
        amounts=seen.totals,
        excluded=_excluded(seen),
    )
    _require_first(work, seen)  # after the request, whose number lets one submit through at a time
    _move(work, seen, State.AWAITING_APPROVAL, submitted_at=work.now, approval_request_id=request_id)
    _record(work, seen, "execution.submitted", after=seen.plan_hash, request=request_id)
    return queries.execution(work, seen.id)


def cancel(work: Work, execution_id: str, reason: str = "") -> ExecutionView:
    """Stop it: at once while nothing runs; a running one is asked to stop and starts no further call."""
    seen = queries.execution(work, execution_id)
    if seen.requested_by != work.actor.id:
        work.require(Permission.EXECUTIONS_CANCEL_ANY)
    if seen.state is State.RUNNING:
        _change(work, seen, stop_requested=True)
        _record(work, seen, "execution.stop_requested", reason=reason)
        return queries.execution(work, seen.id)
    approvals.supersede(work, SUBJECT, seen.id, "the execution was cancelled")
    _move(work, seen, State.CANCELLED, message="Cancelled before it ran.", ended_at=work.now, stop_requested=True)
    _record(work, seen, "execution.cancelled", reason=reason)
    return queries.execution(work, seen.id)


def replan(work: Work, execution_id: str) -> ExecutionView:
    """Make a fresh plan; an approval of the old one, waiting or given, no longer counts."""
    seen = _own(work, execution_id)
    _runnable(work, seen.operation_id)
    approvals.supersede(work, SUBJECT, seen.id, "a new plan was made")
    again = seen.attempt + 1
    _move(
        work,
        seen,
        State.PLANNING,
        attempt=again,
        plan_hash="",
        totals="{}",
        approval_request_id=None,
        submitted_at=None,
        started_at=None,
        ended_at=None,
        stop_requested=False,
        progress_done=0,
        progress_total=0,
        message="",
        error_code="",
        hint="",
    )
    _record(work, seen, "execution.replanned", before=seen.plan_hash)
    payload = {"execution_id": seen.id, "attempt": again}
    queue.enqueue(work, PLAN_JOB, payload, key=f"{PLAN_JOB}:{seen.id}:{again}")
    return queries.execution(work, seen.id)


def on_approved(work: Work, event: approvals.Approved) -> None:
    """An approval of the present plan queues the run; one of an older plan changes nothing."""
    if event.subject_kind != SUBJECT:
        return
    seen = _subject(work, event.subject_id)
    if seen.state is not State.AWAITING_APPROVAL or seen.plan_hash != event.content_hash:
        raise Conflict(
            "PLAN_CHANGED",
            f"{seen.number} is not what was asked for any more.",
            hint="Its preparer must submit the new plan for approval.",
        )
    _move(work, seen, State.QUEUED)
    queue.enqueue(work, RUN_JOB, _payload(seen), key=f"{RUN_JOB}:{seen.id}:{seen.attempt}")


def on_rejected(work: Work, event: approvals.Rejected) -> None:
    """A rejection ends the execution."""
    if event.subject_kind == SUBJECT:
        seen = _subject(work, event.subject_id)
        _move(work, seen, State.REJECTED, message="Rejected by the approver.", ended_at=work.now)


def on_expired(work: Work, event: approvals.Expired) -> None:
    """A request that aged out ends the execution until a new plan is made."""
    if event.subject_kind == SUBJECT:
        seen = _subject(work, event.subject_id)
        _move(work, seen, State.EXPIRED, message="Nobody decided in time.", ended_at=work.now)


def set_active(work: Work, operation_id: str, *, active: bool) -> None:
    """Switch an operation on or off for the whole installation (B05)."""
    work.require(Permission.OPERATIONS_ADMINISTER)
    _known(work, operation_id)
    work.execute(
        update(models.operation).where(models.operation.c.id == operation_id).values(active=active, updated_at=work.now)
    )
    audit.record(work, "operation.switched", f"operation:{operation_id}", detail={"active": active})


def register(work: Work) -> None:
    """Bring the registry's rows up to what the code offers; at every start, changes are audited (B01, B15)."""
    known = {row.id: row for row in work.rows(select(models.operation))}
    for op in work.ports.operations.values():
        facts: dict[str, Any] = {
            "version": op.version,
            "title": op.title,
            "description": op.description,
            "category": op.category.value,
            "risk": op.risk.value,
            "approval_required": op.approval_required,
        }
        row = known.get(op.id)
        if row is None:
            times = {"created_at": work.now, "updated_at": work.now}
            work.execute(insert(models.operation).values(id=op.id, active=True, **facts, **times))
        elif any(getattr(row, name) != value for name, value in facts.items()):
            changed = update(models.operation).where(models.operation.c.id == op.id)
            work.execute(changed.values(**facts, updated_at=work.now))
        else:
            continue
        audit.record(work, "operation.registered", f"operation:{op.id}", detail={"version": op.version})


def _known(work: Work, operation_id: str) -> Operation:
    op = work.ports.operations.get(operation_id)
    if op is None:
        raise Invalid(
            "OPERATION_UNKNOWN", f"There is no operation “{operation_id[:80]}”.", hint="Choose one from the list."
        )
    return op


def _runnable(work: Work, operation_id: str) -> Operation:
    op = _known(work, operation_id)
    work.require(*op.permissions)
    if not queries.is_active(work, operation_id):
        raise NotAllowed(
            "OPERATION_INACTIVE", f"“{op.title}” is switched off.", hint="Ask an administrator to switch it on."
        )
    return op


def _own(work: Work, execution_id: str) -> ExecutionView:
    seen = queries.execution(work, execution_id)
    if seen.requested_by != work.actor.id:
        raise NotAllowed(
            "NOT_YOURS", f"{seen.number} belongs to {seen.requested_by_name}.", hint="Only its requester may do this."
        )
    return seen


def _subject(work: Work, execution_id: str) -> ExecutionView:
    # Heard inside the approver's own unit: an approver sees whatever was submitted for approval.
    return queries.execution(work, execution_id)


def _read_params(op: Operation, params: Mapping[str, object]) -> tuple[BaseModel, list[Fault]]:
    try:
        return op.parameters.model_validate(dict(params)), []
    except ValidationError as error:
        faults = [
            Fault(
                "PARAMETER_BAD",
                _told(op, item),
                column=".".join(str(part) for part in item["loc"]) or None,
                value=str(item.get("input", ""))[:_VALUE_CHARS],
            )
            for item in error.errors(include_url=False)
        ]
        return NoParameters(), faults


def _told(op: Operation, item: Mapping[str, Any]) -> str:
    # A pattern is no sentence; what the form says beside the field is.
    field = op.parameters.model_fields.get(str(next(iter(item["loc"]), "")))
    described = field.description if field and item["type"] == "string_pattern_mismatch" else None
    return described or f"{item['msg']}."


def _read_file(work: Work, op: Operation, upload: Upload | None) -> list[Fault]:
    if op.file is None:
        return [] if upload is None else [Fault("FILE_NOT_WANTED", "This operation takes no file.")]
    if upload is None:
        return [Fault("FILE_MISSING", f"Choose a file: {op.file.label}.")]
    work.require(Permission.FILES_UPLOAD)
    sheet = read_sheet(upload.content, upload.name, op.file, work.ports.settings.upload_max_bytes)
    return list(sheet) if isinstance(sheet, tuple) else []


def _already_ran(work: Work, op: Operation, values: BaseModel, upload: Upload | None) -> list[Fault]:
    number = _ran_as(work, _content_key(op, values, upload))
    if number is None:
        return []
    return [Fault("ALREADY_RAN", f"The same file and settings already ran as {number}. Give a reason to run it again.")]


def _require_first(work: Work, seen: ExecutionView) -> None:
    # Two drafts of one file can both be ready: neither had been submitted when the other was taken.
    mine = models.execution.c.org_id == work.org_id, models.execution.c.id == seen.id
    key = work.scalar(select(models.execution.c.content_key).where(*mine))
    number = None if seen.reason else _ran_as(work, key, but=seen.id)
    if number is not None:
        raise Conflict(
            "ALREADY_RAN",
            f"The same file and settings already ran as {number}.",
            hint="To run them again, upload the file once more and give a reason.",
        )


def _ran_as(work: Work, content_key: str, *, but: str = "") -> str | None:
    """The newest execution of the same content in the window that ran, runs or is about to; None when there is none.

    One that ended before it began does not count; one that was stopped on the way does.
    """
    table = models.execution
    since = work.now - timedelta(seconds=work.ports.settings.rerun_window_s)
    never = (State.CANCELLED, State.REJECTED, State.EXPIRED, State.SUPERSEDED)
    mine = table.c.org_id == work.org_id, table.c.content_key == content_key, table.c.id != but
    same = (*mine, table.c.created_at >= since)
    counts = table.c.submitted_at.is_not(None), or_(table.c.started_at.is_not(None), table.c.state.not_in(never))
    found: str | None = work.scalar(select(table.c.number).where(*same, *counts).order_by(table.c.created_at.desc()))
    return found


def _content_key(op: Operation, values: BaseModel, upload: Upload | None) -> str:
    file_hash = files.content_hash_of(upload.content) if upload else ""
    return rules.content_key(op.id, values.model_dump(mode="json"), file_hash)


def _record_refusal(work: Work, op: Operation, upload: Upload | None, faults: list[Fault]) -> None:
    codes = sorted({fault.code for fault in faults})
    file_hash = files.content_hash_of(upload.content) if upload else ""
    audit.record(
        work,
        "upload.refused",
        f"operation:{op.id}",
        after=file_hash,
        detail={"faults": len(faults), "codes": codes[:20]},
    )


def _store_draft(work: Work, op: Operation, values: BaseModel, upload: Upload | None, reason: str) -> Drafted:
    execution_id, number = new_id("ex"), reference.next_number(work, "EX")
    stored = None
    if upload:
        stored = files.store(
            work,
            upload.content,
            filename=upload.name,
            mime="text/csv",
            owner_kind=SUBJECT,
            owner_id=execution_id,
            role="input",
            visible_to=work.actor.id,
        )
    state = State.PLANNING if op.dry_run else State.READY
    params = values.model_dump(mode="json")
    file_hash = stored.sha256 if stored else ""
    work.execute(
        insert(models.execution).values(
            org_id=work.org_id,
            id=execution_id,
            number=number,
            operation_id=op.id,
            operation_version=op.version,
            title=op.title,
            category=op.category.value,
            risk=op.risk.value,
            state=state,
            public_state=PUBLIC[state],
            attempt=1,
            requested_by=work.actor.id,
            reason=reason,
            params=queries.as_text(params),
            content_key=rules.content_key(op.id, params, file_hash),
            input_reference=stored.id if stored else None,
            input_name=stored.name if stored else "",
            input_sha256=file_hash,
            approval_required=op.approval_required,
            plan_hash="",
            totals="{}",
            mode="",
            stop_requested=False,
            message="",
            error_code="",
            hint="",
            created_at=work.now,
            progress_done=0,
            progress_total=0,
        )
    )
    audit.record(
        work,
        "execution.drafted",
        f"{SUBJECT}:{execution_id}",
        after=file_hash,
        detail={"number": number, "operation": op.id, "version": op.version, "reason": reason},
    )
    if op.dry_run:
        payload = {"execution_id": execution_id, "attempt": 1}
        queue.enqueue(work, PLAN_JOB, payload, key=f"{PLAN_JOB}:{execution_id}:1")
    return Drafted(execution_id, number)


def _excluded(seen: ExecutionView) -> dict[str, str]:
    return {seen.requested_by: "prepared it"}


def _payload(seen: ExecutionView) -> dict[str, object]:
    return {"execution_id": seen.id, "attempt": seen.attempt}


def _record(work: Work, seen: ExecutionView, verb: str, *, before: str = "", after: str = "", **detail: object) -> None:
    detail = {"number": seen.number, "attempt": seen.attempt, **detail}
    audit.record(work, verb, f"{SUBJECT}:{seen.id}", before=before, after=after, detail=detail)


def _move(work: Work, seen: ExecutionView, new: State, **changes: object) -> None:
    rules.move(seen.number, seen.state, new)
    _change(work, seen, state=new, public_state=PUBLIC[new], **changes)


def _change(work: Work, seen: ExecutionView, **changes: object) -> None:
    table = models.execution
    changed = work.execute(
        update(table)
        .where(table.c.org_id == work.org_id, table.c.id == seen.id, table.c.state == seen.state)
        .values(**changes)
    )
    if changed.rowcount != 1:
        raise moved_on(seen)


def moved_on(seen: ExecutionView) -> FinOpsError:
    """Somebody else changed it in the meantime."""
    return Conflict(
        "EXECUTION_MOVED_ON", f"{seen.number} has just changed.", hint="Open it again to see where it stands."
    )
