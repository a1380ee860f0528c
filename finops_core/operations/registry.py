"""The registry: the operations the installation offers, brought up to what the code knows at every start (B01, B15)."""

from typing import Any

from sqlalchemy import insert, select, update

from finops_core import audit
from finops_core.kernel.errors import Invalid, NotAllowed
from finops_core.kernel.operation import Operation
from finops_core.kernel.permissions import Permission
from finops_core.operations import models, queries
from finops_core.platform.work import Work


def set_active(work: Work, operation_id: str, *, active: bool, reason: str) -> None:
    """Switch an operation on or off for the whole installation, and say why (B05). ``SWITCH_REASON_NEEDED``."""
    work.require(Permission.OPERATIONS_ADMINISTER)
    if not reason.strip():
        raise Invalid("SWITCH_REASON_NEEDED", "Say why it is switched.", hint="It stands in the operation's trail.")
    _known(work, operation_id)
    work.execute(
        update(models.operation).where(models.operation.c.id == operation_id).values(active=active, updated_at=work.now)
    )
    audit.record(
        work, "operation.switched", f"operation:{operation_id}", detail={"active": active, "reason": reason.strip()}
    )


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


def runnable(work: Work, operation_id: str) -> Operation:
    """The operation, for whoever may run it: ``OPERATION_UNKNOWN``, ``OPERATION_INACTIVE``, ``NOT_ALLOWED``."""
    op = _known(work, operation_id)
    work.require(*op.permissions)
    if not queries.is_active(work, operation_id):
        raise NotAllowed(
            "OPERATION_INACTIVE", f"“{op.title}” is switched off.", hint="Ask an administrator to switch it on."
        )
    return op
