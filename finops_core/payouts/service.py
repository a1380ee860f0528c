"""Verbs that move a payout: each is one step of the crash-safe batch, in the caller's unit, with one audit entry.

The order per row is: ``intend`` (commit) → the call → ``record_answer`` (commit). Nothing here calls a provider.
"""

from dataclasses import replace
from typing import Any

from sqlalchemy import insert, select, update

from finops_core import audit
from finops_core.kernel.errors import Conflict
from finops_core.kernel.ids import new_id
from finops_core.kernel.operation import Plan, PlanRow
from finops_core.kernel.provider import (
    Answer,
    Created,
    OurFault,
    PayoutOrder,
    ProviderPayout,
    Rejected,
    RetryLater,
    Unknown,
)
from finops_core.operations.engine import Ended, stop_requested
from finops_core.payouts import queries, rules
from finops_core.payouts.models import payout
from finops_core.payouts.queries import Unsettled
from finops_core.payouts.rules import PayoutState
from finops_core.platform.ports import PayoutProvider
from finops_core.platform.work import Work

PROVIDER = "stripe"
# A refusal that comes from executing the request itself, so that an earlier sending of the same key cannot have paid.
PROVES_ABSENCE = frozenset({"balance_insufficient"})
ENDED_BADLY = {"failed": PayoutState.FAILED, "canceled": PayoutState.CANCELED}
_MESSAGE_CHARS = 500


def prepare(work: Work, execution_id: str, attempt: int, plan: Plan, provider: PayoutProvider) -> tuple[Unsettled, ...]:
    """Turn the approved plan's rows into payouts, once; called again after a crash it finds them there."""
    there = queries.batch(work, execution_id, attempt)
    if there:
        return there
    for row_no, row in enumerate(plan.rows, start=1):
        if row.amount_minor > 0:
            _add(work, execution_id, attempt, row_no, row, plan, provider)
    return queries.batch(work, execution_id, attempt)


def order_of(execution_id: str, attempt: int, row_no: int, row: PlanRow, mode: str) -> tuple[PayoutOrder, str]:
    """What is sent for a row, and the row's hash. The metadata is how a lost answer is found again."""
    facts = {
        "provider": PROVIDER,
        "mode": mode,
        "account": row.account,
        "currency": row.currency,
        "amount_minor": str(row.amount_minor),
        "destination": str(row.body.get("destination", "")),
        "source_type": str(row.body.get("source_type", "")),
        "method": "standard",
        "descriptor": str(row.body.get("descriptor", "")),
    }
    row_hash = rules.row_hash(facts)
    metadata = {
        rules.META_ITEM: rules.item_id(execution_id, row_no),
        rules.META_EXECUTION: execution_id,
        rules.META_ATTEMPT: str(attempt),
        rules.META_HASH: row_hash,
    }
    order = PayoutOrder(
        account=row.account,
        currency=row.currency,
        amount_minor=row.amount_minor,
        destination=facts["destination"],
        source_type=facts["source_type"],
        method=facts["method"],
        descriptor=facts["descriptor"],
        metadata=metadata,
    )
    return order, row_hash


def intend(work: Work, row: Unsettled) -> bool:
    """Commit to sending: APPROVED → SUBMITTING. False when a stop came first; then the row is canceled instead."""
    if stop_requested(work, row.execution_id):
        _move(work, row, PayoutState.CANCELED, "payout.canceled", why="stopped before it was sent")
        return False
    _move(work, row, PayoutState.SUBMITTING, "payout.submitting", first_sent_at=work.now)
    return True


def record_answer(work: Work, row: Unsettled, answer: Answer) -> PayoutState:
    """Keep what the provider said; gives the row's new state. ``RetryLater`` changes nothing."""
    if isinstance(answer, RetryLater) or _proves_nothing(row, answer):
        return row.state
    common: dict[str, Any] = {
        "request_id": answer.request_id,
        "answer": work.ports.vault.seal(answer.raw, _place("answer", row.id)),
    }
    if isinstance(answer, Created):
        return adopt(work, row, answer.payout, replayed=answer.replayed, **common)
    if isinstance(answer, Rejected):
        error = {"error_code": answer.code, "error_message": answer.message[:_MESSAGE_CHARS]}
        return _move(work, row, PayoutState.REJECTED, "payout.rejected", why=answer.code, **error, **common)
    if isinstance(answer, OurFault):
        return review(work, row, answer.message, **common)
    return doubt(work, row, answer.why, **common)


def _proves_nothing(row: Unsettled, answer: Answer) -> bool:
    """For a row in doubt: no clear answer again, or a refusal given before the provider looked at the key."""
    if row.state is not PayoutState.IN_DOUBT:
        return False
    return isinstance(answer, Unknown) or (isinstance(answer, Rejected) and answer.code not in PROVES_ABSENCE)


def doubt(work: Work, row: Unsettled, why: str, **more: Any) -> PayoutState:
    """Nobody can say whether it was executed: it is looked up before anything else."""
    error = {"error_code": "NO_CLEAR_ANSWER", "error_message": why[:_MESSAGE_CHARS]}
    return _move(work, row, PayoutState.IN_DOUBT, "payout.in_doubt", why=why, **error, **more)


def adopt(work: Work, row: Unsettled, found: ProviderPayout, *, replayed: bool = True, **more: Any) -> PayoutState:
    """The payout exists at the provider: CREATED, under its id; and on to its end if it has come to a bad one."""
    changes = {"provider_id": found.id, "arrival_on": found.arrival_on.isoformat(), "replayed": replayed, **more}
    clear = {"error_code": "", "error_message": ""}
    state = _move(work, row, PayoutState.CREATED, "payout.created", provider_id_=found.id, **changes, **clear)
    ended = ENDED_BADLY.get(found.status)
    if ended is None:
        return state
    error = {"error_code": found.failure_code or found.status, "error_message": found.failure_message[:_MESSAGE_CHARS]}
    return _move(work, replace(row, state=state), ended, f"payout.{ended.value}", why=found.failure_code, **error)


def review(work: Work, row: Unsettled, why: str, **more: Any) -> PayoutState:
    """A person must look: nothing is sent for this row any more."""
    error = {"error_code": "NEEDS_REVIEW", "error_message": why[:_MESSAGE_CHARS]}
    return _move(work, row, PayoutState.NEEDS_REVIEW, "payout.needs_review", why=why, **error, **more)


def call_off(work: Work, row: Unsettled, why: str) -> PayoutState:
    """A row that was never sent, or was definitely refused unexecuted, is canceled."""
    return _move(work, row, PayoutState.CANCELED, "payout.canceled", why=why)


def on_ended(work: Work, event: Ended) -> None:
    """What an ended attempt had approved and never sent is canceled: nobody must wait for it."""
    for row in queries.batch(work, event.execution_id, event.attempt):
        if row.state is PayoutState.APPROVED:
            call_off(work, row, "the run ended before it was sent")


def body_of(work_or_reading: Any, row: Unsettled) -> bytes:
    """The stored request body, opened."""
    opened: bytes = work_or_reading.ports.vault.open(row.sealed_body, _place("request_body", row.id))
    return opened


def _add(
    work: Work, execution_id: str, attempt: int, row_no: int, row: PlanRow, plan: Plan, provider: PayoutProvider
) -> None:
    payout_id = new_id("pay")
    order, row_hash = order_of(execution_id, attempt, row_no, row, plan.mode)
    body = provider.request_body(order)
    work.execute(
        insert(payout).values(
            org_id=work.org_id,
            id=payout_id,
            execution_id=execution_id,
            row_no=row_no,
            attempt=attempt,
            connection_id=plan.connection_id or "",
            account=row.account,
            currency=row.currency,
            amount_minor=row.amount_minor,
            destination=order.destination,
            bank=str(row.body.get("bank", "")),
            row_hash=row_hash,
            key=rules.idempotency_key(rules.item_id(execution_id, row_no), row_hash, attempt),
            request_body=work.ports.vault.seal(body, _place("request_body", payout_id)),
            answer=None,
            state=PayoutState.APPROVED,
            provider_id="",
            request_id="",
            replayed=False,
            error_code="",
            error_message="",
            arrival_on=str(row.body.get("arrival_on", "")),
            created_at=work.now,
            updated_at=work.now,
        )
    )
    detail = {"execution": execution_id, "row": row_no, "currency": row.currency, "amount_minor": str(row.amount_minor)}
    audit.record(work, "payout.approved", f"payout:{payout_id}", after=row_hash, detail=detail)


def _move(work: Work, row: Unsettled, new: PayoutState, verb: str, *, why: str = "", **changes: Any) -> PayoutState:
    provider_id = changes.pop("provider_id_", "")
    mine = payout.c.org_id == work.org_id, payout.c.id == row.id
    old = work.scalar(select(payout.c.state).where(*mine).with_for_update())
    if old != row.state:
        raise Conflict("PAYOUT_MOVED_ON", "This payout has just changed.", hint="Open the execution again.")
    rules.move(row.state, new)
    work.execute(update(payout).where(*mine).values(state=new, updated_at=work.now, **changes))
    detail = {"execution": row.execution_id, "row": row.row_no, "from": row.state.value, "to": new.value}
    if why:
        detail["why"] = why[:_MESSAGE_CHARS]
    if provider_id:
        detail["provider_id"] = provider_id
    audit.record(work, verb, f"payout:{row.id}", before=row.row_hash, after=row.row_hash, detail=detail)
    return new


def _place(column: str, payout_id: str) -> str:
    return f"payout|{column}|{payout_id}"
