"""Taking a draft: form and file are checked whole, every fault at once; a good one is stored and planned."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ValidationError
from sqlalchemy import func, insert, select

from finops_core import audit, files, reference
from finops_core.kernel.errors import Conflict
from finops_core.kernel.faults import Fault
from finops_core.kernel.ids import new_id
from finops_core.kernel.operation import NoParameters, Operation
from finops_core.kernel.permissions import Permission
from finops_core.operations import models, queries, rules, same_file
from finops_core.operations.admission import SUBJECT
from finops_core.operations.intake import read_sheet
from finops_core.operations.queries import ExecutionView
from finops_core.operations.registry import runnable
from finops_core.operations.rules import PUBLIC, State
from finops_core.platform import queue
from finops_core.platform.work import Reading, Work

PLAN_JOB = "operations.plan"
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
    work: Work,
    operation_id: str,
    params: Mapping[str, object],
    upload: Upload | None,
    *,
    reason: str = "",
    replaces: str = "",
) -> Drafted | Refused:
    """Take parameters and a file. Good ones are stored and planned; bad ones leave only a line in the audit.

    Raises ``OPERATION_UNKNOWN``, ``OPERATION_INACTIVE`` and ``NOT_ALLOWED``; everything about the content of form and
    file comes back as faults. ``reason`` lets the same file and parameters run again within the window,
    and where an approval is needed the same file with others.
    ``replaces``: the id or number of an execution of one's own that never ran; without ``upload`` its file is taken
    again. ``REPLACES_BAD`` when it cannot be replaced.
    """
    op = runnable(work, operation_id)
    old = _replaceable(work, op, replaces) if replaces else None
    if old is not None and upload is None and old.input_reference:
        upload = Upload(old.input_name, files.content(work, old.input_reference))
    values, faults = _read_params(op, params)
    faults += _read_file(work, op, upload)
    if not faults and not reason.strip():
        faults += _already_ran(work, op, values, upload)
    if faults:
        _record_refusal(work, op, upload, faults)
        return Refused(tuple(faults))
    return _store_draft(work, op, values, upload, reason.strip(), old)


def _replaceable(work: Work, op: Operation, replaces: str) -> ExecutionView:
    """The execution a new one takes the place of: one's own, of the same operation, and over before it ever ran."""
    old = queries.execution(work, replaces)
    is_open = old.started_at is not None or old.state not in rules.REPLACEABLE
    if is_open or old.requested_by != work.actor.id or old.operation_id != op.id:
        raise Conflict(
            "REPLACES_BAD",
            f"{old.number} cannot be replaced: only your own of the same operation, over before it ever ran.",
            hint="Withdraw it first, or begin anew without it.",
        )
    return old


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
    number = ran_as(work, _content_key(op, values, upload))
    if number is not None:
        told = f"The same file and settings already ran as {number}"
    elif upload and op.approval_required:
        other = same_file.with_the_file(work, op.id, files.content_hash_of(upload.content))
        told = f"The same file, with other settings, {other.told}" if other else ""
    else:
        told = ""
    return [Fault("ALREADY_RAN", f"{told}. Give a reason to run it again.")] if told else []


def ran_as(reading: Reading, content_key: str, *, but: str = "") -> str | None:
    """The newest execution of the same content that is going or ran in the window; None when there is none."""
    table = models.execution
    mine = table.c.org_id == reading.org_id, table.c.content_key == content_key, table.c.id != but
    newest = func.coalesce(table.c.started_at, table.c.submitted_at).desc()
    wanted = select(table.c.number).where(*mine, same_file.counts(reading)).order_by(newest).limit(1)
    found: str | None = reading.scalar(wanted)
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


def _store_draft(
    work: Work, op: Operation, values: BaseModel, upload: Upload | None, reason: str, old: ExecutionView | None
) -> Drafted:
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
            whole_attempt=1,
            requested_by=work.actor.id,
            reason=reason,
            replaces=old.id if old else None,
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
            retry_rows="[]",
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
        detail={
            "number": number,
            "operation": op.id,
            "version": op.version,
            "reason": reason,
            **({"replaces": old.number} if old else {}),
        },
    )
    if op.dry_run:
        payload = {"execution_id": execution_id, "attempt": 1}
        queue.enqueue(work, PLAN_JOB, payload, key=f"{PLAN_JOB}:{execution_id}:1")
    return Drafted(execution_id, number)
