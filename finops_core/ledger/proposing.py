"""Adjustments that somebody else must agree to: those worth more than the limit, booked once they are approved.

What is proposed is kept as it was asked for; its approval binds exactly that. When it cannot be booked any more (the
wallet is frozen, the money is gone, money is stopped), the approval is refused with the reason, and it waits on.
"""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Row, insert, select, update
from sqlalchemy.exc import IntegrityError

from finops_core import approvals, audit, parties, security
from finops_core.kernel.actor import WORKER_ID
from finops_core.kernel.canonical import content_hash
from finops_core.kernel.errors import Conflict, NotFound
from finops_core.kernel.ids import new_id
from finops_core.kernel.money import Money
from finops_core.kernel.permissions import Permission
from finops_core.ledger import booking, chart, drift, queries, rules
from finops_core.ledger.drift import Off
from finops_core.ledger.queries import AccountView
from finops_core.ledger.records import ledger_proposal as table
from finops_core.ledger.rules import Entry, EntryType, Line
from finops_core.platform.work import Reading, Work

SUBJECT = ITEM_TYPE = "adjustment"
DRIFT = "drift"
"""What an adjustment is about that the desk itself put up."""
HOLDER = "holder"
"""What a request shows beside what is bound: whose wallet it is."""
PAGE = 50


class ProposalState(StrEnum):
    """What became of a proposed adjustment."""

    WAITING = "waiting"
    BOOKED = "booked"
    REJECTED = "rejected"
    EXPIRED = "expired"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True, slots=True)
class Proposal:
    """An adjustment as it is asked for.

    ``about``: kind and id of what it belongs to. ``key``: the caller's idempotency key, "" for none.
    """

    wallet_id: str
    amount: Money
    reason: str
    effective_on: date | None = None
    about: tuple[str, str] = ("", "")
    key: str = ""


@dataclass(frozen=True, slots=True)
class ProposalView:
    """A proposed adjustment (``adj_…``); ``journal_id`` is its entry once it is booked, "" before."""

    id: str
    asked: Proposal
    request_id: str
    proposed_by: str
    proposed_at: datetime
    state: ProposalState
    journal_id: str


def propose_adjustment(work: Work, asked: Proposal) -> str:
    """Ask somebody else to agree to an adjustment; its id. Needs ``LEDGER_ADJUST``.

    Refused as the adjustment itself would be, as far as that can be said before; ``PROPOSED_BEFORE`` while the very
    same waits already. Under a key that stands for it the first one is given, for something else
    ``DUPLICATE_TRANSACTION``.
    """
    work.require(Permission.LEDGER_ADJUST)
    wallet = queries.wallet_account(work, asked.wallet_id)
    _check(work, asked, wallet.currency)
    if stands := _standing(work, asked.key, content_hash(_content(asked))):
        return stands
    return _put_up_for(work, wallet, asked)


def _put_up_for(work: Work, wallet: AccountView, asked: Proposal) -> str:
    proposal_id, bound, holder = new_id("adj"), content_hash(_content(asked)), wallet.party_id
    called = parties.names(work, [holder]).get(holder, holder)
    request_id = approvals.request(
        work,
        subject_kind=SUBJECT,
        subject_id=proposal_id,
        content_hash=bound,
        item_type=ITEM_TYPE,
        title=f"Adjustment of {asked.amount} for {called}",
        summary={**_content(asked), HOLDER: holder},
        amounts=_put_up(asked),
        excluded={},
    )
    row = {
        "org_id": work.org_id,
        "id": proposal_id,
        "wallet_id": wallet.id,
        "amount_minor": asked.amount.minor,
        "currency": asked.amount.currency,
        "reason": asked.reason.strip(),
        "effective_on": asked.effective_on.isoformat() if asked.effective_on else "",
        "about_kind": asked.about[0],
        "about_id": asked.about[1],
        "key": asked.key,
        "content": bound,
        "request_id": request_id,
        "proposed_by": work.actor.id,
        "proposed_at": work.now,
        "state": ProposalState.WAITING.value,
        "journal_id": "",
    }
    try:
        work.execute(insert(table), row)
    except IntegrityError as error:  # somebody else's, at the same instant
        raise _before() from error
    detail = {"wallet": wallet.id, "amount": str(asked.amount), "request": request_id}
    audit.record(work, "adjustment.proposed", f"adjustment:{proposal_id}", detail=detail, after=bound)
    return proposal_id


def propose_for_drift(work: Work, drift_id: str, seen: Off) -> bool:
    """Put up what would bring a wallet's lost postings back; whether that waits. Not for what is no wallet.

    Once: again only when nobody decided in time.
    """
    amount = seen.shown - seen.should
    mine = table.c.org_id == work.org_id, table.c.about_kind == DRIFT, table.c.about_id == drift_id
    there = work.first(select(table.c.state).where(*mine, table.c.state != ProposalState.EXPIRED.value))
    if there is not None or not amount.minor:
        return there is not None and there.state == ProposalState.WAITING
    with suppress(NotFound):
        wallet = queries.wallet_account(work, seen.account_id)
        why = f"Postings are gone: the balance said {seen.shown}, those that are left add up to {seen.should}."
        _put_up_for(work, wallet, Proposal(wallet.id, amount, why, about=(DRIFT, drift_id)))
        return True
    return False


def asked_before(reading: Reading, key: str) -> bool:
    """Whether a key stands for a proposal, whatever became of it."""
    mine = table.c.org_id == reading.org_id, table.c.key == key, table.c.key != ""
    return bool(key) and reading.first(select(table.c.id).where(*mine)) is not None


def binds(summary: Mapping[str, Any], bound: str) -> bool:
    """Whether what a request shows of an adjustment is what its approval binds."""
    return content_hash({name: value for name, value in summary.items() if name != HOLDER}) == bound


def withdraw_proposal(work: Work, proposal_id: str) -> None:
    """Take one's own proposal back while it waits. Needs ``LEDGER_ADJUST``; refused as ``approvals.withdraw`` is."""
    work.require(Permission.LEDGER_ADJUST)
    approvals.withdraw(work, _one(work, proposal_id).request_id)


def proposal(reading: Reading, proposal_id: str) -> ProposalView:
    """One proposal; ``PROPOSAL_UNKNOWN``. Needs ``LEDGER_VIEW``."""
    reading.require(Permission.LEDGER_VIEW)
    return _one(reading, proposal_id)


def proposals(
    reading: Reading, wallet_id: str = "", limit: int = PAGE, before: str = "", *, waiting: bool = False
) -> tuple[ProposalView, ...]:
    """Proposals, newest first: of one wallet or of all, only those that wait or every one. Needs ``LEDGER_VIEW``."""
    reading.require(Permission.LEDGER_VIEW)
    wanted = select(table).where(table.c.org_id == reading.org_id)
    if wallet_id:
        wanted = wanted.where(table.c.wallet_id == wallet_id)
    if waiting:
        wanted = wanted.where(table.c.state == ProposalState.WAITING.value)
    if before:
        wanted = wanted.where(table.c.id < before)
    return tuple(_view(row) for row in reading.rows(wanted.order_by(table.c.id.desc()).limit(limit)))


def on_approved(work: Work, event: approvals.Approved) -> None:
    """An approval books exactly what was proposed; what the books refuse is the approver's to read."""
    if event.subject_kind != SUBJECT:
        return
    seen = _one(work, event.subject_id)
    request = approvals.of_subject(work, SUBJECT, seen.id)[0]
    shown = {money.currency: money.minor for money in request.amounts}
    same = content_hash(_content(seen.asked)) == event.content_hash and binds(request.summary, event.content_hash)
    if seen.state is not ProposalState.WAITING or not same or shown != _put_up(seen.asked):
        raise Conflict("PROPOSAL_CHANGED", "This is not what was asked for.", hint="Have it proposed anew.")
    if seen.asked.about[0] == DRIFT:
        _bring_back(work, seen)
    if seen.proposed_by != WORKER_ID and seen.proposed_by not in {
        person.id for person in security.people_with(work, Permission.LEDGER_ADJUST)
    }:
        raise Conflict("PROPOSER_LEFT", "Whoever proposed it may not adjust any more.", hint="Have it proposed anew.")
    posted = booking.post(work, _entry(work, seen.asked, (SUBJECT, seen.id)))
    _end(work, seen, ProposalState.BOOKED, posted.id)


def _bring_back(work: Work, seen: ProposalView) -> None:
    """Take what is left of a wallet's postings for all there are, so that it can be adjusted."""
    was = drift.let_go(work, seen.asked.wallet_id)
    if was is None or was.shown - was.should != seen.asked.amount:
        told = "The wallet is not off by this any more."
        raise Conflict("PROPOSAL_CHANGED", told, hint="Reject it, and have the wallet looked at anew.")
    detail = {"shown": str(was.shown), "postings": str(was.should), "drift": seen.asked.about[1]}
    audit.record(work, "ledger.let_go", f"account:{seen.asked.wallet_id}", detail=detail)


def on_ended(work: Work, event: approvals.Rejected | approvals.Expired | approvals.Withdrawn) -> None:
    """Nobody agreed to it: nothing is booked."""
    if event.subject_kind == SUBJECT:
        _end(work, _one(work, event.subject_id), ProposalState(type(event).__name__.lower()))


def _end(work: Work, seen: ProposalView, state: ProposalState, journal_id: str = "") -> None:
    mine = table.c.org_id == work.org_id, table.c.id == seen.id, table.c.state == ProposalState.WAITING.value
    work.execute(update(table).where(*mine).values(state=state.value, journal_id=journal_id))
    detail = {"wallet": seen.asked.wallet_id, **({"entry": journal_id} if journal_id else {})}
    audit.record(work, f"adjustment.{state.value}", f"adjustment:{seen.id}", detail=detail)


def _check(work: Work, asked: Proposal, currency: str) -> None:
    if asked.amount.currency != currency:
        raise rules.currency_mismatch(asked.amount, currency, "The wallet")
    if not asked.amount.minor:
        raise rules.invalid_amount("An adjustment of nothing changes nothing.")
    rules.check_entry(_entry(work, asked, ("", "")))


def _entry(work: Work, asked: Proposal, source: tuple[str, str]) -> Entry:
    """What it is booked as. Without a key: that it is booked once, its own state says."""
    against = chart.account(work, chart.SUSPENSE, asked.amount.currency)
    lines = Line(against, -asked.amount), Line(asked.wallet_id, asked.amount, rules.WALLET)
    return Entry(EntryType.ADJUSTMENT, lines, asked.effective_on, "", asked.reason.strip(), source)


def _standing(work: Work, key: str, bound: str) -> str:
    """The proposal that a key stands for, "" for none; the very same that waits is refused."""
    mine = table.c.org_id == work.org_id
    if key and (
        row := work.first(select(table.c.id, table.c.content).where(mine, table.c.key == key, table.c.key != ""))
    ):
        if row.content != bound:
            raise rules.duplicate(key)
        return str(row.id)
    same = table.c.content == bound, table.c.state == ProposalState.WAITING.value
    if work.first(select(table.c.id).where(mine, *same)) is not None:
        raise _before()
    return ""


def _before() -> Conflict:
    return Conflict(
        "PROPOSED_BEFORE", "The very same adjustment waits for approval already.", hint="Look at the requests."
    )


def _put_up(asked: Proposal) -> Mapping[str, int]:
    """What an approver's authority is held against."""
    return {asked.amount.currency: abs(asked.amount.minor)}


def _content(asked: Proposal) -> Mapping[str, Any]:
    """What an approval binds."""
    facts = {name: value for name, value in asdict(asked).items() if name != "key"}
    day = asked.effective_on.isoformat() if asked.effective_on else ""
    told = {
        "amount": str(asked.amount),
        "reason": asked.reason.strip(),
        "effective_on": day,
        "about": list(asked.about),
    }
    return {**facts, **told}


def _one(reading: Reading, proposal_id: str) -> ProposalView:
    row = reading.first(select(table).where(table.c.org_id == reading.org_id, table.c.id == proposal_id))
    if row is None:
        raise NotFound("PROPOSAL_UNKNOWN", "There is no such proposal here.", hint="Look at the ledger's requests.")
    return _view(row)


def _view(row: Row[Any]) -> ProposalView:
    asked = Proposal(
        row.wallet_id,
        Money(row.amount_minor, row.currency),
        row.reason,
        date.fromisoformat(row.effective_on) if row.effective_on else None,
        (row.about_kind, row.about_id),
        row.key,
    )
    state = ProposalState(row.state)
    return ProposalView(row.id, asked, row.request_id, row.proposed_by, row.proposed_at, state, row.journal_id)
