"""Verbs that move a payout: each is one step of the crash-safe batch, in the caller's unit, with one audit entry.

The order per row is: ``intend`` (commit) → the call → ``record_answer`` (commit). Nothing here calls a provider.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import Update, bindparam, insert, update

from finops_core import audit, operations
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
    Scope,
    Unknown,
)
from finops_core.ledger import EntryType, stopping
from finops_core.operations import ExecutionView, outcome
from finops_core.operations.engine import stop_requested
from finops_core.payouts import attempts, bookkeeping, notices, queries, rules, settlement, strays
from finops_core.payouts.models import payout, payout_call
from finops_core.payouts.queries import Unsettled
from finops_core.payouts.rules import PayoutState
from finops_core.platform.ports import PayoutProvider
from finops_core.platform.work import Work

# A refusal that comes from executing the request itself, so that an earlier sending of the same key cannot have paid.
PROVES_ABSENCE = frozenset({"balance_insufficient"})
CALLED_OFF = "CALLED_OFF"
ENDED = frozenset({PayoutState.REJECTED, PayoutState.FAILED, PayoutState.CANCELED, PayoutState.EXPIRED})
_MESSAGE_CHARS = 500
_ADD_CALL = insert(payout_call)

OrderOf = Callable[[int, PlanRow], PayoutOrder]


@dataclass(frozen=True, slots=True)
class Called:
    """What is kept of one call to the provider, whatever it changes."""

    kind: str
    outcome: str
    told: str = ""
    request_id: str = ""
    raw: bytes = b""
    duration_ms: int = 0
    fence: int = 0
    body_hash: str = ""


def prepare(
    work: Work, execution_id: str, attempt: int, plan: Plan, provider: PayoutProvider, order_of: OrderOf
) -> tuple[Unsettled, ...]:
    """Turn the approved plan's rows into payouts, once; called again after a crash it finds them there.

    ``ALREADY_PAID`` when an earlier attempt of any of these rows has not definitely failed (I5), or anything was sent
    for a plan that is held for void.
    """
    there = queries.batch(work, execution_id, attempt)
    paying = [row for row in plan.rows if row.amount_minor > 0]
    if there or not paying:
        return there
    seen = operations.execution(work, execution_id)
    _refuse_what_was_paid(work, seen, frozenset(map(number_of, paying)))
    asked_at = seen.submitted_at or work.now
    made = [_made(work, execution_id, attempt, plan, row, provider, order_of) for row in paying]
    work.execute(insert(payout), [{**row, "asked_at": asked_at} for row in made])
    detail = {"attempt": attempt, "payouts": len(made), "key": plan.key_fingerprint, "mode": plan.mode}
    audit.record(work, "payouts.prepared", f"execution:{execution_id}", detail=detail)
    rows = queries.batch(work, execution_id, attempt)
    bookkeeping.open_accounts(work, rows)
    return rows


def _refuse_what_was_paid(work: Work, seen: ExecutionView, numbers: frozenset[int]) -> None:
    earlier = (row for row in queries.newest_of(work, seen.id) if row.row_no in numbers)
    unfit = [row for row in earlier if row.state not in rules.RETRYABLE]
    # Where the whole was planned anew a number tells nothing of what was paid before: nothing at all may have been.
    for row in (*unfit, *attempts.sent_before(work, seen.id, seen.whole_attempt)):
        raise Conflict(
            "ALREADY_PAID",
            f"Row {row.row_no} was paid, or may have been, by an earlier attempt. Nothing was sent.",
            hint="Tell whoever maintains the desk: this row should not have been planned.",
        )


def number_of(row: PlanRow) -> int:
    """The row's place in the last plan of the whole, which it keeps in every later attempt."""
    return int(row.body["no"])


def metadata_of(execution_id: str, attempt: int, row_no: int, row_hash: str) -> dict[str, str]:
    """What a payout carries at the provider, so that a lost answer is found again. No names, no secrets."""
    return {
        rules.META_ITEM: rules.item_id(execution_id, row_no),
        rules.META_EXECUTION: execution_id,
        rules.META_ATTEMPT: str(attempt),
        rules.META_HASH: row_hash,
    }


def intend(work: Work, row: Unsettled, *, asked: bool = False) -> Unsettled:
    """Commit to sending: APPROVED → SUBMITTING.

    Called off instead, CANCELED, when a stop came first, of this run or of all such money, or when another attempt, or
    another payout by the provider's word, may pay the row. Of a payout that only news tells of, the row stays APPROVED
    until the provider was ``asked``: then it is called off too.
    """
    if stop_requested(work, row.execution_id):
        return replace(row, state=call_off(work, row, "Stopped before it was sent."))
    stopped = stopping.why_not(work, EntryType.PAYOUT)
    if stopped:
        return replace(row, state=call_off(work, row, f"Not sent: {stopped}"))
    attempt = attempts.paid_otherwise(work, row)
    if attempt is not None:
        why = f"Not sent: attempt {attempt} may have paid it after all."
        return replace(row, state=call_off(work, row, why))
    other = strays.of_rows(work, row.execution_id, [row.row_no]).get(row.row_no)
    if other is not None and not (other.asked or asked):
        return row
    if other is not None:
        why = f"Not sent: the provider has told of another payout for it, {other.payout_id}."
        return replace(row, state=call_off(work, row, why))
    _move(work, row, PayoutState.SUBMITTING, {"first_sent_at": work.now})
    return replace(row, state=PayoutState.SUBMITTING, first_sent_at=work.now)


def record_answer(work: Work, row: Unsettled, answer: Answer, called: Called) -> PayoutState:
    """Keep what the provider said; gives the row's new state."""
    note_call(work, row, called)
    if _says_nothing(row, answer):
        return row.state
    told: dict[str, Any] = {"request_id": answer.request_id}
    match answer:
        case Created():
            return _exists(work, row, answer.payout, replayed=answer.replayed, **told)
        case Rejected():
            told["stops"] = "" if answer.scope is Scope.ROW else answer.scope.value
            return reject(work, row, answer.code, answer.message, **told)
        case OurFault():
            return review(work, row, answer.message, stops=Scope.BATCH.value, **told)
        case RetryLater() | Unknown():
            return doubt(work, row, answer.why, **told)


def _says_nothing(row: Unsettled, answer: Answer) -> bool:
    """No news of the row: it was turned away unexecuted, or it is in doubt and this does not clear it.

    For a row in doubt neither another unclear answer counts, nor a refusal given before the provider looked at the key.
    """
    if isinstance(answer, RetryLater) and not answer.executing:
        return True
    if row.state is not PayoutState.IN_DOUBT:
        return False
    unclear = isinstance(answer, Unknown | RetryLater)
    return unclear or (isinstance(answer, Rejected) and answer.code not in PROVES_ABSENCE)


def note_call(work: Work, row: Unsettled, called: Called) -> None:
    """Keep one call, its answer sealed."""
    call_id = new_id("call")
    sealed = work.ports.vault.seal(called.raw, _place("payout_call|answer", call_id)) if called.raw else None
    made = {
        "org_id": work.org_id,
        "id": call_id,
        "payout_id": row.id,
        "at": work.now,
        "kind": called.kind,
        "outcome": called.outcome,
        "told": called.told[:_MESSAGE_CHARS],
        "request_id": called.request_id,
        "duration_ms": called.duration_ms,
        "fence": called.fence,
        "body_hash": called.body_hash,
        "answer": sealed,
    }
    work.execute(_ADD_CALL, made)


def doubt(work: Work, row: Unsettled, why: str, **more: Any) -> PayoutState:
    """Nobody can say whether it was executed: it is looked up before anything else."""
    return _move(work, row, PayoutState.IN_DOUBT, {**_error("NO_CLEAR_ANSWER", why), **more}, why=why)


def adopt(work: Work, row: Unsettled, found: ProviderPayout, told: str = "") -> PayoutState:
    """A look-up found the payout at the provider: CREATED, under its id, and on. The caller settles its batch.

    ``told``: what people must know of it from now on, a sentence.
    """
    state = _exists(work, row, found, replayed=True, error_message=told)
    settlement.ask_to_reconcile(work)
    return state


def _exists(work: Work, row: Unsettled, found: ProviderPayout, *, replayed: bool, **more: Any) -> PayoutState:
    """CREATED, under the provider's id; and on to wherever it stands there by now."""
    changes = {
        "provider_id": found.id,
        "arrival_on": found.arrival_on.isoformat(),
        "replayed": replayed,
        "movement_id": found.movement_id,
        "error_code": "",
        "error_message": "",
        "refusal": "",
        **more,
    }
    state = _move(work, row, PayoutState.CREATED, changes, detail={"provider_id": found.id})
    state = follow(work, replace(row, state=state, provider_id=found.id), found)
    other = attempts.paid_otherwise(work, row, rules.LIVE) if state in rules.LIVE else None
    if other is not None:
        notices.tell_of_twice(work, row, other)
    return state


def follow(work: Work, row: Unsettled, found: ProviderPayout) -> PayoutState:
    """Move a payout on to where the provider says it stands; news from the past changes nothing.

    However it became known, what follows is the same: whom it concerns is told of money that came back, or that
    somebody else took back, and its batch and the statement hear of the move. One that is said to be paid after it was
    said to have failed waits for a person: until then it is not paid again.
    """
    if rules.contradicts(row.state, found.status):
        why = f"The provider says now that it was paid; before, it was {rules.words(row.state)}."
        other = attempts.paid_otherwise(work, row)
        if other is not None:
            why += f" Attempt {other} paid the row, or may have: the money may have left twice."
        state = review(work, row, why, once=f"contradicted:{row.id}:{work.now.isoformat()}", ended_at=None)
        _settle(work, row)
        return state
    new = rules.followed(row.state, found.status)
    if found.reversed_by and (new or row.state) in rules.LIVE and row.error_code != rules.REVERSED:
        _mark_reversed(work, row, found)
    if new is None:
        return row.state
    changes: dict[str, Any] = {
        "arrival_on": found.arrival_on.isoformat(),
        "trace": found.trace,
        "movement_id": found.movement_id,
        "return_id": found.return_id,
    }
    if new is PayoutState.PAID:
        changes |= {"paid_at": work.now}
    if new is PayoutState.FAILED:
        changes |= _error(found.failure_code or "failed", found.failure_message or "The bank returned it.")
        notices.tell_of_return(work, row, found)
    if new is PayoutState.CANCELED:
        changes |= _error("canceled", "Taken back at the provider.")
        if queries.asked_back_at(work, row.id) is None:
            notices.tell_of_cancel(work, row)
    _move(work, row, new, changes, why=found.failure_code)
    if row.state in rules.LIVE and new in rules.LIVE:
        # Of what was made and stays made, no sentence of its batch speaks: it has come to what it had come to.
        settlement.ask_to_reconcile(work)
    else:
        _settle(work, row)
    return new


def _mark_reversed(work: Work, row: Unsettled, found: ProviderPayout) -> None:
    """Said of a payout that stays made: a reversal can fail, and then the money has arrived after all."""
    why = f"Reversed at the provider by {found.reversed_by}. Do not pay it again before that money is there."
    mine = payout.c.org_id == work.org_id, payout.c.id == row.id
    work.execute(update(payout).where(*mine).values(**_error(rules.REVERSED, why)))
    notices.tell_of_reversal(work, row, why)
    detail = {"execution": row.execution_id, "row": row.row_no, "reversed_by": found.reversed_by}
    audit.record(work, "payout.reversed", f"payout:{row.id}", before=row.row_hash, after=row.row_hash, detail=detail)


def _settle(work: Work, row: Unsettled) -> None:
    """A payout has moved at the provider: its batch is told anew, and the provider's statement is fetched soon."""
    outcome.settle(work, row.execution_id)
    settlement.ask_to_reconcile(work)


def review(work: Work, row: Unsettled, why: str, *, once: str = "", **more: Any) -> PayoutState:
    """A person must look, and is told so: nothing is sent for this row any more."""
    notices.tell_of_review(work, row, why, once=once)
    return _move(work, row, PayoutState.NEEDS_REVIEW, {**_error("NEEDS_REVIEW", why), **more}, why=why)


def reject(work: Work, row: Unsettled, code: str, why: str, **more: Any) -> PayoutState:
    """It is certain that it was never made."""
    return _move(work, row, PayoutState.REJECTED, {**_error(code, why), **more}, why=code)


def call_off(work: Work, row: Unsettled, why: str, new: PayoutState = PayoutState.CANCELED) -> PayoutState:
    """A row that was never sent, or was definitely refused unexecuted, is canceled (or expired with its approval)."""
    return _move(work, row, new, _error(CALLED_OFF, why), why=why)


def looked_at(work: Work, payout_id: str, *, answered: bool) -> None:
    """Note that the provider was asked about a payout, so that the next turn is another one's."""
    told = {"followed_at": work.now, "unheard_since": None} if answered else {}
    mine = payout.c.org_id == work.org_id, payout.c.id == payout_id
    work.execute(update(payout).where(*mine).values(tried_at=work.now, **told))


def cannot_take_back(work: Work, payout_id: str, asked_at: datetime, reason: str) -> None:
    """What somebody asked for then cannot be: the row says why, and whoever asked is told; nothing when it was done."""
    row = queries.for_change(work, payout_id)
    if row.state is PayoutState.CANCELED or queries.asked_back_at(work, payout_id) != asked_at:
        return
    why = f"It could not be taken back{'' if row.state is PayoutState.CREATED else ' any more'}: {reason}"
    told = {"error_message": why[:_MESSAGE_CHARS]} if row.state in rules.LIVE else {}
    mine = payout.c.org_id == work.org_id, payout.c.id == row.id
    work.execute(update(payout).where(*mine).values(cancel_asked_at=None, **told))
    trail = audit.of_object(work, f"payout:{row.id}")
    asked = {record.actor for record in trail if record.verb == "payout.cancel_asked"}
    notices.tell_of_refused_cancel(work, row, asked, why, asked_at)
    detail = {"execution": row.execution_id, "row": row.row_no, "why": why[:_MESSAGE_CHARS]}
    audit.record(work, "payout.cancel_refused", f"payout:{row.id}", before=row.row_hash, detail=detail)


def body_of(work_or_reading: Any, row: Unsettled) -> bytes:
    """The stored request body, opened."""
    opened: bytes = work_or_reading.ports.vault.open(row.sealed_body, _place("payout|request_body", row.id))
    return opened


def _made(
    work: Work,
    execution_id: str,
    attempt: int,
    plan: Plan,
    row: PlanRow,
    provider: PayoutProvider,
    order_of: OrderOf,
) -> dict[str, Any]:
    payout_id, row_no = new_id("pay"), number_of(row)
    order = order_of(row_no, row)
    row_hash = order.metadata[rules.META_HASH]
    body = provider.request_body(order)
    return {
        "org_id": work.org_id,
        "id": payout_id,
        "execution_id": execution_id,
        "row_no": row_no,
        "attempt": attempt,
        "connection_id": plan.connection_id or "",
        "mode": plan.mode,
        "key_fingerprint": plan.key_fingerprint,
        "account": row.account,
        "provider_account": str(row.body.get("provider_account", "")),
        "currency": row.currency,
        "amount_minor": row.amount_minor,
        "destination": order.destination,
        "bank": str(row.body.get("bank", "")),
        "bank_fingerprint": str(row.body.get("bank_fingerprint", "")),
        "row_hash": row_hash,
        "key": rules.idempotency_key(rules.item_id(execution_id, row_no), row_hash, attempt),
        "request_body": work.ports.vault.seal(body, _place("payout|request_body", payout_id)),
        "body_hash": hashlib.sha256(body).hexdigest(),
        "state": PayoutState.APPROVED.value,
        "arrival_on": str(row.body.get("arrival_on", "")),
        "replayed": False,
        **dict.fromkeys(_EMPTY, ""),
        "created_at": work.now,
        "updated_at": work.now,
    }


_MOVEMENTS = ("movement_id", "return_id")
_EMPTY = ("stops", "provider_id", "request_id", "error_code", "error_message", "refusal", "trace", *_MOVEMENTS)


def _error(code: str, message: str) -> dict[str, Any]:
    return {"error_code": code, "error_message": message[:_MESSAGE_CHARS]}


@cache
def _moving(columns: tuple[str, ...]) -> Update:
    """A move that sets these columns; made once, since building it takes longer than the database needs."""
    seen = (
        payout.c.org_id == bindparam("of_org"),
        payout.c.id == bindparam("of_id"),
        payout.c.state == bindparam("of_state"),
    )
    return update(payout).where(*seen).values({name: bindparam(f"new_{name}") for name in columns})


def _move(
    work: Work,
    row: Unsettled,
    new: PayoutState,
    changes: Mapping[str, Any],
    *,
    why: str = "",
    detail: Mapping[str, str] | None = None,
) -> PayoutState:
    rules.move(row.state, new)
    ended = {"ended_at": work.now} if new in ENDED else {}
    # Only from the state that was seen: whoever comes second changes nothing.
    after = {"state": new, "updated_at": work.now, **changes, **ended}
    seen = {"of_org": work.org_id, "of_id": row.id, "of_state": row.state}
    moved = work.execute(_moving(tuple(after)), {**seen, **{f"new_{name}": value for name, value in after.items()}})
    if moved.rowcount != 1:
        raise Conflict("PAYOUT_MOVED_ON", "This payout has just changed.", hint="Open the execution again.")
    told = {"execution": row.execution_id, "row": row.row_no, "from": row.state.value, "to": new.value}
    if why:
        told["why"] = why[:_MESSAGE_CHARS]
    told |= detail or {}
    audit.record(work, f"payout.{new.value}", f"payout:{row.id}", before=row.row_hash, after=row.row_hash, detail=told)
    bookkeeping.book(work, row, new)
    return new


def _place(column: str, row_id: str) -> str:
    return f"{column}|{row_id}"
