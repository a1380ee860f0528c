"""Money moved in two steps: set aside first, so that it is there, then posted in whole or in part, or given back.

What nobody posts in time is given back by itself. Pending money has an account of its own beside what is held in
escrow, so that releasing the one never takes from the other. The move itself is booked like any other once it is
posted: what may refuse it (a stop, a frozen wallet) may still refuse it then, and the money stays set aside.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import Row, and_, insert, select, update
from sqlalchemy.exc import IntegrityError

from finops_core import audit, reference
from finops_core.kernel.actor import worker_actor
from finops_core.kernel.canonical import content_hash
from finops_core.kernel.errors import Conflict, FinOpsError, Invalid, NotFound
from finops_core.kernel.ids import new_id
from finops_core.kernel.money import Money
from finops_core.kernel.permissions import Permission
from finops_core.ledger import activity, booking, chart, queries, rules, service
from finops_core.ledger.activity import Refused
from finops_core.ledger.booking import Posted
from finops_core.ledger.models import ledger_account, ledger_balance, ledger_stop
from finops_core.ledger.records import ledger_pending as table
from finops_core.ledger.rules import PENDING, AccountState, Entry, EntryType, Line, StopWidth
from finops_core.ledger.service import Terms
from finops_core.platform.queue import Claim
from finops_core.platform.work import Reading, Units, Work

SOURCE = PENDING
"""Kind of document of the entries that a pending move makes."""
MAY_WAIT = frozenset(
    {EntryType.WITHDRAWAL, EntryType.PAYOUT, EntryType.FEE, EntryType.REFUND, EntryType.TRANSFER},
)
LEAST, MOST = timedelta(minutes=1), timedelta(days=90)
EXPIRE_JOB = "ledger.expire_pending"
AT_ONCE = 500
PAGE = 50


class PendingState(StrEnum):
    """What became of a pending move."""

    PENDING = "pending"
    POSTED = "posted"
    VOIDED = "voided"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class PendingMove:
    """A move in two steps as it is asked for.

    Attributes:
        type: what it becomes when it is posted.
        lasts: how long it waits.
        to_wallet_id: where it goes to another wallet, else "".
        source: kind and id of what it belongs to.
        key: the caller's idempotency key, "" for none.
    """

    type: EntryType
    wallet_id: str
    amount: Money
    lasts: timedelta
    to_wallet_id: str = ""
    reason: str = ""
    source: tuple[str, str] = ("", "")
    key: str = ""


@dataclass(frozen=True, slots=True)
class PendingView:
    """A pending move (``pend_…``).

    Attributes:
        posted: how much of it was posted; nothing while it waits and when it was given back.
        held_entry, entry: the entries that set it aside and that posted it ("" when nothing was).
        ended_at: when it was posted or given back; None while it waits.
    """

    id: str
    type: EntryType
    wallet_id: str
    to_wallet_id: str
    amount: Money
    posted: Money
    reason: str
    source: tuple[str, str]
    begun_by: str
    begun_at: datetime
    expires_at: datetime
    state: PendingState
    held_entry: str
    entry: str
    ended_by: str
    ended_at: datetime | None
    ended_reason: str


def begin_pending(work: Work, asked: PendingMove) -> str:
    """Set money of a wallet aside for a move that is posted later; its id. Needs ``LEDGER_POST``.

    Under a key that stands for it the first one is given, for something else ``DUPLICATE_TRANSACTION``. Raises
    ``OPERATION_BAD``, ``PENDING_TIME_BAD``, ``INVALID_AMOUNT`` and what the move and the hold themselves refuse.
    What leaves the desk asks for the holder's identity here, and again when it is posted.
    """
    with activity.told(Refused(EntryType.ESCROW_HOLD, asked.wallet_id, asked.amount)):
        return _begun(work, asked)


def post_pending(work: Work, pending_id: str, amount: Money | None = None, terms: Terms = service.NO_TERMS) -> Posted:
    """Book a pending move, in whole or in part (``amount``); the rest is given back. Needs ``LEDGER_POST``.

    Asked again for the same amount and day it gives the first result. ``PENDING_UNKNOWN``, ``PENDING_ENDED``,
    ``PENDING_EXPIRED``, ``INVALID_AMOUNT`` for more than is set aside, and what the move itself refuses.
    """
    work.require(Permission.LEDGER_POST)
    if len(terms.reason) > rules.REASON_MAX_CHARS:
        raise rules.reason_long()
    seen = _locked(work, pending_id)
    wanted = amount or seen.amount
    if seen.state is PendingState.POSTED and seen.posted == wanted:
        first = booking.first_result(work, seen.entry)
        if first is not None and terms.effective_on in (None, first.effective_on):
            return first
    _must_wait(seen)
    if seen.expires_at <= work.now:
        raise Conflict(
            "PENDING_EXPIRED", f"It could be posted until {seen.expires_at:%Y-%m-%d %H:%M} UTC.", hint="Begin it anew."
        )
    if wanted.currency != seen.amount.currency:
        raise rules.currency_mismatch(wanted, seen.amount.currency, "The wallet")
    if not 0 < wanted.minor <= seen.amount.minor:
        raise rules.invalid_amount(f"{seen.amount} is set aside; {wanted} cannot be posted of it.")
    _give_back(work, seen)
    reason = terms.reason.strip() or seen.reason
    told = Terms("", reason, terms.effective_on, (SOURCE, seen.id))
    posted = service.operate(work, seen.type, seen.wallet_id, wanted, told, seen.to_wallet_id)
    _end(work, seen, PendingState.POSTED, terms.reason, {"posted_minor": wanted.minor, "entry_id": posted.id})
    return posted


def void_pending(work: Work, pending_id: str, reason: str) -> None:
    """Give back what was set aside; of one that was given back already nothing is done. Needs ``LEDGER_POST``.

    ``REASON_MISSING``, ``REASON_LONG``, ``PENDING_UNKNOWN``, ``PENDING_ENDED``.
    """
    work.require(Permission.LEDGER_POST)
    rules.check_reason(reason, "Giving it back")
    seen = _locked(work, pending_id)
    if seen.state in (PendingState.VOIDED, PendingState.EXPIRED):
        return
    _must_wait(seen)
    _give_back(work, seen)
    _end(work, seen, PendingState.VOIDED, reason)


def expire_pending(units: Units, claim: Claim) -> None:
    """Give back what nobody posted in time. What the books refuse (a frozen wallet, a stop) waits until they do not."""
    del claim
    with units.read(worker_actor("")) as reading:
        org_ids = reference.all_ids(reading)
    for org_id in org_ids:
        with units.read(worker_actor(org_id)) as reading:
            due = [row.id for row in reading.rows(_due(reading))]
        for pending_id in due:
            try:
                with units.work(worker_actor(org_id)) as work:
                    _expire(work, pending_id)
            except FinOpsError:
                # Somebody stopped this money on purpose: it is late, which its page says, and no fault of the job.
                continue


def pending_move(reading: Reading, pending_id: str) -> PendingView:
    """One pending move; ``PENDING_UNKNOWN``. Needs ``LEDGER_VIEW``."""
    reading.require(Permission.LEDGER_VIEW)
    return _one(reading, pending_id)


def pending_moves(
    reading: Reading, wallet_id: str = "", limit: int = PAGE, before: str = "", *, waiting: bool = False
) -> tuple[PendingView, ...]:
    """Pending moves, newest first: of one wallet or of all, only those that wait or all. Needs ``LEDGER_VIEW``."""
    reading.require(Permission.LEDGER_VIEW)
    wanted = select(table).where(table.c.org_id == reading.org_id)
    if wallet_id:
        wanted = wanted.where(table.c.wallet_id == wallet_id)
    if waiting:
        wanted = wanted.where(table.c.state == PendingState.PENDING.value)
    if before:
        wanted = wanted.where(table.c.id < before)
    return tuple(_view(row) for row in reading.rows(wanted.order_by(table.c.id.desc()).limit(limit)))


def _begun(work: Work, asked: PendingMove) -> str:
    work.require(Permission.LEDGER_POST)
    wallet = queries.wallet_account(work, asked.wallet_id)
    bound = content_hash(_content(asked))
    if asked.key:
        # Another request under the same key waits here; what was begun once is told before anything else is asked.
        kept = ledger_balance
        work.execute(select(kept.c.id).where(kept.c.org_id == work.org_id, kept.c.id == wallet.id).with_for_update())
        if stands := _standing(work, asked.key, bound):
            return stands
    _check(work, asked, wallet.currency)
    pending_id = new_id("pend")
    aside = chart.account(work, chart.ESCROW, wallet.currency, wallet.party_id, PENDING)
    lines = Line(wallet.id, -asked.amount, rules.WALLET), Line(aside, asked.amount, PENDING)
    held = booking.post(
        work, Entry(EntryType.ESCROW_HOLD, lines, reason=asked.reason.strip(), source=(SOURCE, pending_id))
    )
    row = {
        "org_id": work.org_id,
        "id": pending_id,
        "type": asked.type.value,
        "wallet_id": wallet.id,
        "to_wallet_id": asked.to_wallet_id,
        "amount_minor": asked.amount.minor,
        "currency": asked.amount.currency,
        "reason": asked.reason.strip(),
        "source_kind": asked.source[0],
        "source_id": asked.source[1],
        "key": asked.key,
        "content": bound,
        "begun_by": work.actor.id,
        "begun_at": work.now,
        "expires_at": work.now + asked.lasts,
        "held_entry": held.id,
        "state": PendingState.PENDING.value,
        "posted_minor": 0,
        "entry_id": "",
        "ended_by": "",
        "ended_at": None,
        "ended_reason": "",
    }
    try:
        work.execute(insert(table), row)
    except IntegrityError as error:  # the same key for another wallet, at the same instant
        if not any(name in str(error.orig) for name in ("uq_ledger_pending_key", "ledger_pending.key")):
            raise
        raise rules.duplicate(asked.key) from error
    detail = {"type": asked.type.value, "wallet": wallet.id, "amount": str(asked.amount), "entry": held.id}
    audit.record(work, "pending.begun", f"pending:{pending_id}", detail=detail)
    return pending_id


def _check(work: Work, asked: PendingMove, currency: str) -> None:
    rules.check_amount(asked.amount)
    rules.check_key(asked.key)
    if asked.type not in MAY_WAIT:
        may = ", ".join(sorted(type_.value for type_ in MAY_WAIT))
        raise Invalid("OPERATION_BAD", f"{asked.type.value} is not done in two steps.", hint=f"One of {may} is.")
    if not LEAST <= asked.lasts <= MOST:
        raise Invalid(
            "PENDING_TIME_BAD",
            "Money is set aside for a minute at least, and for 90 days at most.",
            hint="Say how long it may wait.",
        )
    if asked.amount.currency != currency:
        raise rules.currency_mismatch(asked.amount, currency, "The wallet")
    service.check_other(asked.type, asked.to_wallet_id)
    service.check_leaving(work, asked.type, asked.wallet_id, asked.to_wallet_id)
    if asked.to_wallet_id:
        other = queries.wallet_account(work, asked.to_wallet_id)
        if other.id == asked.wallet_id:
            raise rules.invalid_amount("A wallet cannot pay itself.")
        if other.currency != currency:
            raise rules.currency_mismatch(asked.amount, other.currency, "The other wallet")


def _content(asked: PendingMove) -> Mapping[str, Any]:
    """What two requests with one key must have in common."""
    return {
        "type": asked.type.value,
        "wallet": asked.wallet_id,
        "to_wallet": asked.to_wallet_id,
        "amount": str(asked.amount),
        "seconds": int(asked.lasts.total_seconds()),
        "reason": asked.reason.strip(),
        "source": list(asked.source),
    }


def _standing(work: Work, key: str, bound: str) -> str:
    """The pending move that a key stands for, "" for none."""
    mine = table.c.org_id == work.org_id, table.c.key == key, table.c.key != ""
    row = work.first(select(table.c.id, table.c.content).where(*mine))
    if row is not None and row.content != bound:
        raise rules.duplicate(key)
    return str(row.id) if row is not None else ""


def _expire(work: Work, pending_id: str) -> None:
    seen = _locked(work, pending_id)
    if seen.state is PendingState.PENDING and seen.expires_at <= work.now:
        _give_back(work, seen)
        _end(work, seen, PendingState.EXPIRED)


def _due(reading: Reading) -> Any:
    wallet = ledger_account
    late = table.c.state == PendingState.PENDING.value, table.c.expires_at <= reading.now
    # Those of frozen and of stopped wallets are left out: many of them would keep everybody else's waiting.
    open_ = (
        wallet.c.org_id == table.c.org_id,
        wallet.c.id == table.c.wallet_id,
        wallet.c.state == AccountState.OPEN.value,
    )
    stop = ledger_stop
    stopped = (
        select(stop.c.id)
        .where(stop.c.org_id == table.c.org_id, stop.c.width == StopWidth.WALLET.value, stop.c.lifted_at.is_(None))
        .where(stop.c.party_id == wallet.c.party_id, stop.c.currency == wallet.c.currency)
        .exists()
    )
    mine = select(table.c.id).join(wallet, and_(*open_)).where(table.c.org_id == reading.org_id, *late, ~stopped)
    return mine.order_by(table.c.expires_at).limit(AT_ONCE)


def _give_back(work: Work, seen: PendingView) -> None:
    wallet = queries.wallet_account(work, seen.wallet_id)
    aside = chart.account(work, chart.ESCROW, wallet.currency, wallet.party_id, PENDING)
    lines = Line(aside, -seen.amount, PENDING), Line(wallet.id, seen.amount, rules.WALLET)
    booking.post(work, Entry(EntryType.ESCROW_RELEASE, lines, reason=seen.reason, source=(SOURCE, seen.id)))


def _end(
    work: Work, seen: PendingView, state: PendingState, reason: str = "", posted: Mapping[str, Any] | None = None
) -> None:
    """Written while the row is locked: nobody else ends it meanwhile."""
    done = {"state": state.value, "ended_by": work.actor.id, "ended_at": work.now, "ended_reason": reason.strip()}
    work.execute(
        update(table).where(table.c.org_id == work.org_id, table.c.id == seen.id).values(**done, **(posted or {}))
    )
    detail = {"wallet": seen.wallet_id, "amount": str(seen.amount)}
    if posted:
        detail |= {"posted": str(Money(posted["posted_minor"], seen.amount.currency)), "entry": posted["entry_id"]}
    audit.record(work, f"pending.{state.value}", f"pending:{seen.id}", detail=detail)


def _must_wait(seen: PendingView) -> None:
    if seen.state is not PendingState.PENDING:
        raise Conflict("PENDING_ENDED", f"It was {seen.state} before.", hint="Begin it anew if it is still wanted.")


def _locked(work: Work, pending_id: str) -> PendingView:
    """One pending move that nobody else can end until this unit is over."""
    mine = table.c.org_id == work.org_id, table.c.id == pending_id
    return _seen(work.first(select(table).where(*mine).with_for_update()))


def _one(reading: Reading, pending_id: str) -> PendingView:
    return _seen(reading.first(select(table).where(table.c.org_id == reading.org_id, table.c.id == pending_id)))


def _seen(row: Row[Any] | None) -> PendingView:
    if row is None:
        raise NotFound("PENDING_UNKNOWN", "There is no such pending move here.", hint="Look at the wallet's page.")
    return _view(row)


def _view(row: Row[Any]) -> PendingView:
    def money(minor: int) -> Money:
        return Money(minor, row.currency)

    return PendingView(
        row.id,
        EntryType(row.type),
        row.wallet_id,
        row.to_wallet_id,
        money(row.amount_minor),
        money(row.posted_minor),
        row.reason,
        (row.source_kind, row.source_id),
        row.begun_by,
        row.begun_at,
        row.expires_at,
        PendingState(row.state),
        row.held_entry,
        row.entry_id,
        row.ended_by,
        row.ended_at,
        row.ended_reason,
    )
