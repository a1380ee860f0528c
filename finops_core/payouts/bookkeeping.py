"""Booking what payouts do with money: from where it lay, on its way, to where it arrives; and back when it returns.

Each move of a payout is booked in the unit that stores the move, so that ledger and payouts never tell two stories.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import ColumnElement, FromClause, and_, case, func, literal, or_, select

from finops_core import connections
from finops_core.connections.models import connection
from finops_core.connections.rules import BANK_FILE
from finops_core.kernel.actor import worker_actor
from finops_core.kernel.money import Money
from finops_core.ledger import chart, own_books
from finops_core.ledger.chart import Wanted
from finops_core.ledger.models import ledger_account, ledger_chart, ledger_journal, ledger_posting
from finops_core.ledger.own_books import Leg
from finops_core.ledger.rules import EntryType
from finops_core.payouts import queries, rounds, rules
from finops_core.payouts.models import payout
from finops_core.payouts.queries import Unsettled
from finops_core.payouts.rules import IN_FLIGHT, LIVE, PayoutState
from finops_core.platform.queue import Claim
from finops_core.platform.work import Reading, Units, Work

BOOK_JOB = "payouts.book"
SOURCE = "payout"
LATE = "Booked afterwards: it was paid before the ledger kept payouts."
AT_ONCE = 500
# The desk books what it has seen within the window its checks look at; what is older was never in these books.
BACK = timedelta(days=31)
# An adjustment may name a payout, too; it is no booking of what became of it.
_OF_PAYOUTS = and_(ledger_journal.c.source_kind == SOURCE, ledger_journal.c.type == EntryType.JOURNAL.value)


class Place(StrEnum):
    """Where the money of a payout is: it LIES, is ON_ITS_WAY, or has ARRIVED."""

    LIES = "lies"
    ON_ITS_WAY = "on_its_way"
    ARRIVED = "arrived"


@dataclass(frozen=True, slots=True)
class Route:
    """The lines of the chart that a payout's money passes."""

    lies: str
    arrives: str

    def at(self, place: Place) -> str:
        """The line of a place."""
        return {Place.LIES: self.lies, Place.ON_ITS_WAY: chart.TRANSIT, Place.ARRIVED: self.arrives}[place]


FROM_BANK = Route(chart.BANK, chart.EXTERNAL)
TO_OWN_BANK = Route(chart.PROVIDER, chart.BANK)
# What a connected account is paid arrives at a bank account that is not the organisation's.
TO_OTHERS = Route(chart.PROVIDER, chart.EXTERNAL)


def place(state: PayoutState) -> Place:
    """Where the money of a payout in this state is; it lies where it was until somebody knows that it left."""
    if state in IN_FLIGHT:
        return Place.ON_ITS_WAY
    return Place.ARRIVED if state is PayoutState.PAID else Place.LIES


def route(provider: str, holder: str) -> Route:
    """The way of a payout: ``holder`` is the connected account it leaves, "" for the organisation's own."""
    if provider == BANK_FILE:
        return FROM_BANK
    return TO_OTHERS if holder else TO_OWN_BANK


def open_accounts(work: Work, rows: Collection[Unsettled]) -> None:
    """Make the accounts that a batch is booked to, all at once: one by one they would cost each row a third more."""
    providers = {each: connections.provider_of(work, each) for each in {row.connection_id for row in rows}}
    wanted: dict[Wanted, None] = {}
    for row in rows:
        way, holder = way_of(row, providers[row.connection_id])
        wanted |= dict.fromkeys(Wanted(way.at(each), row.currency, holder) for each in Place)
    chart.accounts(work, wanted)


def way_of(row: Unsettled, provided: tuple[str, str]) -> tuple[Route, str]:
    """The way of a payout and whose money it is, given its provider and the organisation's own account there."""
    provider, own_account = provided
    holder = "" if row.account == own_account else row.account
    return route(provider, holder), holder


def book(work: Work, row: Unsettled, new: PayoutState) -> None:
    """Book that a payout moves on from the state that was seen."""
    before, after = place(row.state), place(new)
    if before is after:
        return
    source = (SOURCE, row.id)
    late = before is not Place.LIES and not own_books.is_booked(work, source)
    if late:
        before = Place.LIES
    if before is not after:
        _enter(work, row, before, after, LATE if late else "")


def _enter(work: Work, row: Unsettled, before: Place, after: Place, reason: str = "") -> None:
    way, holder = way_of(row, connections.provider_of(work, row.connection_id))
    amount = Money(row.amount_minor, row.currency)
    legs = Leg(way.at(before), amount), Leg(way.at(after), -amount)
    own_books.journal(work, legs, (SOURCE, row.id), party_id=holder, reason=reason)


def book_missing(units: Units, claim: Claim) -> None:
    """Book payouts of the last month that were made before the ledger kept any, in units of ``AT_ONCE``."""
    del claim
    for org_id in rounds.organisations(units):
        while _book_some(units, org_id) == AT_ONCE:
            continue


def _book_some(units: Units, org_id: str) -> int:
    with units.work(worker_actor(org_id)) as work:
        ids = [row.id for row in missing(work, AT_ONCE)]
        held = select(payout.c.id).where(payout.c.org_id == work.org_id, payout.c.id.in_(ids)).order_by(payout.c.id)
        work.execute(held.with_for_update())
        # Looked at again once they are held: what was booked meanwhile is no longer missing.
        for row in missing(work, AT_ONCE, only=ids):
            _enter(work, row, Place.LIES, place(row.state), LATE)
    return len(ids)


def missing(
    reading: Reading, limit: int, since: datetime | None = None, only: Collection[str] | None = None
) -> tuple[Unsettled, ...]:
    """Payouts of the last month whose money moved (``since`` then) and that no entry tells of, oldest first.

    ``only``: of those with these ids.
    """
    same = ledger_journal.c.org_id == payout.c.org_id, ledger_journal.c.source_id == payout.c.id
    told = select(ledger_journal.c.id).where(*same, _OF_PAYOUTS).exists()
    wanted = and_(
        payout.c.org_id == reading.org_id,
        payout.c.state.in_(sorted(LIVE)),
        payout.c.created_at >= reading.now - BACK,
        ~told,
        *([payout.c.updated_at >= since] if since else []),
        *([payout.c.id.in_(only)] if only is not None else []),
    )
    rows = reading.rows(select(payout).where(wanted).order_by(payout.c.created_at, payout.c.id).limit(limit))
    return tuple(queries.unsettled(row) for row in rows)


def books_agree(reading: Reading) -> list[str]:
    """Payouts of the last month whose entries do not say that the money is where the payout says."""
    mine = payout.c.org_id == reading.org_id, payout.c.created_at >= reading.now - BACK
    lies = case((connection.c.provider == BANK_FILE, chart.BANK), else_=chart.PROVIDER)
    left, on_its_way = _sum_at(lies), _sum_at(literal(chart.TRANSIT))
    amount, state = payout.c.amount_minor, payout.c.state
    rows = reading.rows(
        select(payout.c.execution_id, payout.c.row_no, state)
        .select_from(_booked())
        .where(*mine)
        .group_by(payout.c.org_id, payout.c.id, connection.c.provider)
        .having(
            or_(
                left != case((state.in_(sorted(LIVE)), amount), else_=0),
                on_its_way != case((state.in_(sorted(IN_FLIGHT)), -amount), else_=0),
            )
        )
        .order_by(payout.c.execution_id, payout.c.row_no)
        .limit(AT_ONCE)
    )
    began = reading.scalar(select(func.min(ledger_journal.c.booked_at)).select_from(_booked()).where(*mine))
    # What was paid before the first entry is booked by the job; that is no violation.
    gone = missing(reading, AT_ONCE, began) if began else ()
    return [
        *(f"{rules.item_id(row.execution_id, row.row_no)} is {row.state}; its entries differ" for row in rows),
        *(f"{row.item} is {row.state.value}; no entry tells of it" for row in gone),
    ]


def _booked() -> FromClause:
    """Payouts with their connections and the postings of their entries."""
    same_org = ledger_posting.c.org_id == ledger_journal.c.org_id
    return (
        payout.join(connection, and_(connection.c.org_id == payout.c.org_id, connection.c.id == payout.c.connection_id))
        .join(
            ledger_journal,
            and_(
                ledger_journal.c.org_id == payout.c.org_id,
                ledger_journal.c.source_id == payout.c.id,
                _OF_PAYOUTS,
            ),
        )
        .join(ledger_posting, and_(same_org, ledger_posting.c.journal_id == ledger_journal.c.id))
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
    )


def _sum_at(code: ColumnElement[str]) -> ColumnElement[int]:
    return func.sum(case((ledger_chart.c.code == code, ledger_posting.c.amount_minor), else_=0))
