"""Money moved in two steps, as programs see it and ask for it; no rule lives here."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from pydantic import Field

from finops_core import ledger
from finops_core.answers import ledger as told
from finops_core.answers.common import Amount, Answer, amount
from finops_core.answers.ledger import NEXT, PostedAnswer
from finops_core.answers.ledger_verbs import Move, Part, page_of
from finops_core.kernel.money import Money
from finops_core.ledger import PendingMove, PendingView, Terms
from finops_core.platform.work import Reading, Work


class PendingAnswer(Answer):
    """A move in two steps."""

    id: str = Field(examples=["pend_0199b1c2d3e4"])
    type: str = Field(description="What it becomes when it is posted.", examples=["TRANSFER"])
    wallet: str
    to_wallet: str
    amount: Amount
    posted: Amount = Field(description="How much of it was posted.")
    reason: str
    source_kind: str
    source_id: str
    begun_by: str
    begun_at: datetime
    expires_at: datetime = Field(description="Until when it can be posted; it is given back then.")
    state: str = Field(examples=["pending"])
    held_entry: str = Field(description="The entry that set it aside.")
    entry: str = Field(description="The entry that posted it; empty while and when there is none.")
    ended_by: str
    ended_at: datetime | None
    ended_reason: str


class PendingMovesAnswer(Answer):
    """Moves in two steps, newest first."""

    items: list[PendingAnswer]
    next: str = NEXT


@dataclass(frozen=True, slots=True)
class Share:
    """How much of a pending move is posted: all of it while ``amount`` is empty."""

    amount: str = ""
    currency: str = ""


def pending(view: PendingView) -> PendingAnswer:
    """One of them."""
    same = ("id", "reason", "begun_by", "begun_at", "expires_at", "held_entry", "entry")
    ended = ("ended_by", "ended_at", "ended_reason")
    return PendingAnswer(
        type=view.type.value,
        wallet=view.wallet_id,
        to_wallet=view.to_wallet_id,
        amount=amount(view.amount),
        posted=amount(view.posted),
        source_kind=view.source[0],
        source_id=view.source[1],
        state=view.state.value,
        **{name: getattr(view, name) for name in (*same, *ended)},
    )


def set_aside(work: Work, asked: Move, lasts: timedelta) -> PendingAnswer:
    """Set money aside for a move."""
    terms, money = asked.terms, Money.parse(asked.amount, asked.currency)
    move = PendingMove(asked.type, asked.wallet, money, lasts, asked.to_wallet, terms.reason, terms.source, terms.key)
    return one(work, ledger.begin_pending(work, move))


def post(work: Work, pending_id: str, share: Share, terms: Terms) -> PostedAnswer:
    """Post it, in whole or in part."""
    money = Money.parse(share.amount, share.currency) if share.amount else None
    return told.posted(ledger.post_pending(work, pending_id, money, terms))


def void(work: Work, pending_id: str, reason: str) -> PendingAnswer:
    """Give back what was set aside."""
    ledger.void_pending(work, pending_id, reason)
    return one(work, pending_id)


def one(reading: Reading, pending_id: str) -> PendingAnswer:
    """One move in two steps."""
    return pending(ledger.pending_move(reading, pending_id))


def several(reading: Reading, wallet_id: str, part: Part, *, waiting: bool) -> PendingMovesAnswer:
    """Moves in two steps, newest first."""
    rows, more = page_of(ledger.pending_moves(reading, wallet_id, part.limit + 1, part.past, waiting=waiting), part)
    return PendingMovesAnswer(items=[pending(row) for row in rows], next=rows[-1].id if more else "")
