"""Booking what a provider takes for a payout once its statement shows it: from the cash there to the fees paid."""

from sqlalchemy import and_, case, func, or_, select

from finops_core import connections
from finops_core.kernel.actor import worker_actor
from finops_core.kernel.money import Money
from finops_core.ledger import chart, own_books
from finops_core.ledger.models import ledger_account, ledger_chart, ledger_journal, ledger_posting
from finops_core.ledger.own_books import Leg
from finops_core.ledger.rules import EntryType
from finops_core.payouts import bookkeeping, queries, rounds, rules
from finops_core.payouts.models import payout
from finops_core.payouts.queries import Unsettled
from finops_core.platform.queue import Claim
from finops_core.platform.work import Reading, Units, Work

BOOK_JOB = "payouts.book_fees"
SOURCE = "payout_fee"
"""Kind of document of these entries: apart from the payout's own, which say where its money is."""
# A wallet's operation may name such a document, too; it is no booking of a fee.
_OF_FEES = and_(ledger_journal.c.source_kind == SOURCE, ledger_journal.c.type == EntryType.JOURNAL.value)
# What the statement shows of both movements: of one that was given back, what is missing of its amount.
_SHOWN = func.coalesce(payout.c.fee_minor, 0) + case(
    (payout.c.returned_minor.is_not(None), payout.c.amount_minor - payout.c.returned_minor), else_=0
)
LATE = "Booked afterwards: the statement showed it before the ledger kept fees."


def book(work: Work, row: Unsettled, fee_minor: int, reason: str = "") -> None:
    """Book a fee in minor units; below zero it was given back. Nothing for none."""
    if not fee_minor:
        return
    way, holder = bookkeeping.way_of(row, connections.provider_of(work, row.connection_id))
    fee = Money(fee_minor, row.currency)
    legs = Leg(way.lies, fee), Leg(chart.PROVIDER_FEES, -fee)
    own_books.journal(work, legs, (SOURCE, row.id), party_id=holder, reason=reason)


def book_missing(units: Units, claim: Claim) -> None:
    """Book fees of the last month that a statement showed before the ledger kept any."""
    del claim
    for org_id in rounds.organisations(units):
        while _book_some(units, org_id) == bookkeeping.AT_ONCE:
            continue


def _book_some(units: Units, org_id: str) -> int:
    with units.work(worker_actor(org_id)) as work:
        told = select(ledger_journal.c.id).where(
            ledger_journal.c.org_id == payout.c.org_id,
            ledger_journal.c.source_id == payout.c.id,
            _OF_FEES,
        )
        wanted = and_(
            payout.c.org_id == work.org_id,
            _SHOWN != 0,
            payout.c.created_at >= work.now - bookkeeping.BACK,
            ~told.exists(),
        )
        first = select(payout.c.id).where(wanted).order_by(payout.c.id).limit(bookkeeping.AT_ONCE)
        held = [row.id for row in work.rows(first.with_for_update())]
        # Looked at again once they are held: what was booked meanwhile is no longer missing.
        fee = _SHOWN.label("shown_minor")
        rows = list(work.rows(select(payout, fee).where(wanted, payout.c.id.in_(held)).order_by(payout.c.id)))
        for row in rows:
            book(work, queries.unsettled(row), int(row.shown_minor), LATE)
    return len(held)


def fees_agree(reading: Reading) -> list[str]:
    """Payouts of the last month whose booked fees are not those that the statement shows.

    Of one that was given back the statement's fees are those of both movements.
    """
    spent = case((ledger_chart.c.code == chart.PROVIDER_FEES, -ledger_posting.c.amount_minor), else_=0)
    booked = (
        select(ledger_journal.c.source_id, func.sum(spent).label("minor"))
        .join(
            ledger_posting,
            and_(
                ledger_posting.c.org_id == ledger_journal.c.org_id, ledger_posting.c.journal_id == ledger_journal.c.id
            ),
        )
        .join(
            ledger_account,
            and_(
                ledger_account.c.org_id == ledger_posting.c.org_id, ledger_account.c.id == ledger_posting.c.account_id
            ),
        )
        .join(
            ledger_chart,
            and_(ledger_chart.c.org_id == ledger_account.c.org_id, ledger_chart.c.id == ledger_account.c.chart_id),
        )
        .where(ledger_journal.c.org_id == reading.org_id, _OF_FEES)
        .group_by(ledger_journal.c.source_id)
        .subquery()
    )
    kept = func.coalesce(booked.c.minor, 0)
    began = reading.scalar(
        select(func.min(ledger_journal.c.booked_at)).where(ledger_journal.c.org_id == reading.org_id, _OF_FEES)
    )
    # What a statement showed before the first fee was kept is booked by the job; that is no violation.
    told = booked.c.source_id.is_not(None)
    counts = or_(told, payout.c.reconciled_at >= began) if began else told
    rows = reading.rows(
        select(payout.c.execution_id, payout.c.row_no, payout.c.currency)
        .add_columns(kept.label("kept"), _SHOWN.label("stated"))
        .select_from(payout)
        .outerjoin(booked, booked.c.source_id == payout.c.id)
        .where(payout.c.org_id == reading.org_id, payout.c.created_at >= reading.now - bookkeeping.BACK)
        .where(counts, kept != _SHOWN)
        .order_by(payout.c.execution_id, payout.c.row_no)
        .limit(bookkeeping.AT_ONCE)
    )
    return [
        f"{rules.item_id(row.execution_id, row.row_no)}: the statement shows fees of "
        f"{Money(int(row.stated), row.currency)}, {Money(int(row.kept), row.currency)} is booked"
        for row in rows
    ]
