"""What must still be true when a run starts or is resumed: people, operation, plan, approval. Never who may ask.

Everything that was agreed to is checked again at the last moment: between an approval and its run lie minutes in which
a person can leave, a row can be changed in the database, or the approval can grow old.
"""

from datetime import timedelta

from finops_core import approvals, security
from finops_core.kernel.errors import Conflict, FinOpsError
from finops_core.kernel.operation import Operation, Plan
from finops_core.operations import queries, rules
from finops_core.operations.queries import ExecutionView, PlanView
from finops_core.platform.work import Reading

SUBJECT = "execution"
AGAIN = "Make a new plan and submit it again."
AGED = "APPROVAL_AGED"


def refusal(reading: Reading, op: Operation | None, seen: ExecutionView, plan: PlanView | None) -> FinOpsError | None:
    """Why this execution may begin nothing now; None when all that was agreed to still holds."""
    if op is None or not queries.is_active(reading, op.id) or op.version != seen.operation_version:
        return changed(seen)
    if not security.is_active(reading, seen.requested_by):
        return Conflict("PREPARER_LEFT", f"{seen.requested_by_name} is no longer active.", hint=AGAIN)
    if op.dry_run is not None and (plan is None or hash_of(seen, plan.as_plan()) != seen.plan_hash):
        return plan_changed(seen)
    return _approval_refusal(reading, seen, plan) if seen.approval_required else None


def hash_of(seen: ExecutionView, plan: Plan) -> str:
    """The hash an approval of this plan binds."""
    return rules.plan_hash(
        operation_id=seen.operation_id,
        version=seen.operation_version,
        params=seen.params,
        file_hash=seen.input_sha256,
        plan=plan,
    )


def changed(seen: ExecutionView) -> FinOpsError:
    """The operation is not what it was."""
    return Conflict("OPERATION_CHANGED", f"“{seen.title}” was changed or switched off.", hint=AGAIN)


def plan_changed(seen: ExecutionView) -> FinOpsError:
    """The stored plan, read row by row, is not the one whose hash was agreed to."""
    return Conflict("PLAN_CHANGED", f"The plan of {seen.number} has changed.", hint=AGAIN)


def _approval_refusal(reading: Reading, seen: ExecutionView, plan: PlanView | None) -> FinOpsError | None:
    approval = approvals.standing_approval(reading, SUBJECT, seen.id, seen.plan_hash)
    # The amounts were what the approver's limit was held against: those of the request must be those of the plan.
    if approval is None or plan is None or approval.amounts != rules.totals(plan.as_plan()):
        return Conflict("APPROVAL_VOID", f"The approval of {seen.number} does not hold any more.", hint=AGAIN)
    if not all(security.is_active(reading, person_id) for person_id in approval.people):
        return Conflict("APPROVER_LEFT", f"Who approved {seen.number} is no longer active.", hint=AGAIN)
    if reading.now - approval.decided_at > timedelta(seconds=reading.ports.settings.approval_expires_s):
        return Conflict(AGED, f"The approval of {seen.number} is too old to act on.", hint=AGAIN)
    return None
