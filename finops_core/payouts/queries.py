"""Reads of payouts: rows as screens show them, what is in flight or in doubt, and what the batch and the jobs need."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Row, and_, case, func, or_, select

from finops_core import operations, reference
from finops_core.kernel.errors import NotFound
from finops_core.operations.models import execution
from finops_core.operations.queries import visible
from finops_core.operations.rules import OVER
from finops_core.payouts import counting, rules
from finops_core.payouts.models import payout
from finops_core.payouts.rules import DOUBTFUL, IN_FLIGHT, LIVE, MOVED, UNSETTLED, PayoutState
from finops_core.platform.work import Reading

BAD = frozenset({PayoutState.FAILED, PayoutState.REJECTED})
NOT_MADE = frozenset({PayoutState.REJECTED, PayoutState.CANCELED, PayoutState.EXPIRED})


class Standing(StrEnum):
    """What people look for among payouts.

    In flight: on its way to the bank. Late: in flight, and expected before today. In doubt: the run is over, and of
    the payout nobody can be sure. Returned: made, and come back. Not made: refused, called off or taken back. Sent:
    made, and not come back. For a person: waits until somebody has looked, or has dealt with money that left twice.
    """

    IN_FLIGHT = "in_flight"
    LATE = "late"
    IN_DOUBT = "in_doubt"
    RETURNED = "returned"
    NOT_MADE = "not_made"
    SENT = "sent"
    FOR_A_PERSON = "for_a_person"


_MOVED_ONLY = frozenset({Standing.IN_FLIGHT, Standing.LATE, Standing.IN_DOUBT, Standing.SENT, Standing.FOR_A_PERSON})


class Order(StrEnum):
    """In which order payouts are listed: what needs somebody first, by arrival, the last sent first, or as planned."""

    TROUBLE = "trouble"
    ARRIVAL = "arrival"
    NEWEST = "newest"
    PLAN = "plan"


@dataclass(frozen=True, slots=True)
class PayoutView:
    """One payout as screens show it.

    Attributes:
        bank: name and last four digits of the bank account.
        late: it should have arrived before today, by the organisation's calendar, and is still on its way.
        error_message: why it is not on its way, or why it came back; "" while all is well.
        refusal: why what a person said last of it was not confirmed.
        trace: the bank's reference, to ask the bank by.
        fee_minor, returned_minor: what the provider took, and gave back; None while its statement does not show it.
        newest: it counts (``counting``): money may have moved by it, or it is the last attempt of a row of which none
            did; a void one that was never sent does not.
        twice: it paid its row although an earlier attempt had, and nobody has dealt with that yet.
        void: prepared for a plan that was made anew before anything was sent; its number means another row by now.
    """

    id: str
    execution_id: str
    number: str
    row_no: int
    attempt: int
    account: str
    currency: str
    amount_minor: int
    bank: str
    state: PayoutState
    late: bool
    provider_id: str
    arrival_on: str
    error_code: str
    error_message: str
    refusal: str
    trace: str
    fee_minor: int | None
    returned_minor: int | None
    reconciled: bool
    cancel_asked: bool
    newest: bool
    twice: bool
    void: bool
    sent_at: datetime | None
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class PayoutFilter:
    """Which payouts; empty fields do not filter. ``newest``: only the attempts that count (``counting``)."""

    execution_id: str = ""
    standing: Standing | None = None
    states: frozenset[PayoutState] = frozenset()
    currency: str = ""
    text: str = ""
    sent_since: datetime | None = None
    newest: bool = True


@dataclass(frozen=True, slots=True)
class Sums:
    """How many payouts, and their sums per currency in minor units."""

    count: int
    amounts: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class PayoutPage:
    """Some payouts, and how many there are in all."""

    rows: tuple[PayoutView, ...]
    sums: Sums


@dataclass(frozen=True, slots=True)
class Unsettled:
    """A payout as the batch and the jobs need it: what was or will be sent, under which key."""

    id: str
    execution_id: str
    row_no: int
    attempt: int
    connection_id: str
    account: str
    provider_account: str
    currency: str
    amount_minor: int
    destination: str
    row_hash: str
    key: str
    sealed_body: bytes
    body_hash: str
    state: PayoutState
    stops: str
    provider_id: str
    error_code: str
    error_message: str
    asked_at: datetime
    first_sent_at: datetime | None
    followed_at: datetime | None
    tried_at: datetime | None
    unheard_since: datetime | None

    @property
    def item(self) -> str:
        """What it is for ever: execution and row."""
        return rules.item_id(self.execution_id, self.row_no)


def rows(reading: Reading, execution_id: str, row_no: int | None = None) -> tuple[PayoutView, ...]:
    """Every payout of an execution this person may see, or of one of its rows; of all attempts, in the plan's order."""
    seen = operations.execution(reading, execution_id)
    wanted = _select(reading, PayoutFilter(execution_id=seen.id, newest=False))
    if row_no is not None:
        wanted = wanted.where(payout.c.row_no == row_no)
    order = payout.c.row_no, payout.c.attempt
    return _views(reading, reading.rows(wanted.order_by(*order)))


def page(
    reading: Reading,
    wanted: PayoutFilter,
    limit: int = 50,
    offset: int = 0,
    order: Order = Order.TROUBLE,
    known: Sums | None = None,
) -> PayoutPage:
    """Payouts this person may see, a page at a time; counted and summed in SQL, unless the sums are ``known``."""
    found = reading.rows(_select(reading, wanted).order_by(*_ordered(wanted, order)).limit(limit).offset(offset))
    return PayoutPage(_views(reading, found), known if known is not None else sums(reading, wanted))


def sums(reading: Reading, wanted: PayoutFilter) -> Sums:
    """How many payouts this person may see, and how much they are; not one of them is fetched."""
    columns = payout.c.currency, func.count().label("many"), func.sum(payout.c.amount_minor).label("minor")
    totals = select(*columns).select_from(_joined()).where(*_conditions(reading, wanted))
    found = reading.rows(totals.group_by(payout.c.currency).order_by(payout.c.currency))
    return Sums(sum(int(row.many) for row in found), {row.currency: int(row.minor) for row in found})


def counts(reading: Reading) -> Mapping[PayoutState, int]:
    """How many payouts there are of each state; inside ``across_orgs`` those of all organisations."""
    state = payout.c.state
    found = {
        row.state: int(row.many) for row in reading.rows(select(state, func.count().label("many")).group_by(state))
    }
    return {each: found.get(each, 0) for each in PayoutState}


def one(reading: Reading, payout_id: str) -> PayoutView:
    """One payout, by our id or the provider's; ``PAYOUT_UNKNOWN`` when there is none this person may see."""
    named = or_(payout.c.id == payout_id, and_(payout.c.provider_id == payout_id, payout.c.provider_id != ""))
    row = reading.first(_select(reading, PayoutFilter(newest=False)).where(named).limit(1))
    if row is None:
        raise unknown()
    return _views(reading, [row])[0]


def views_of(reading: Reading, payout_ids: Sequence[str]) -> tuple[PayoutView, ...]:
    """Those of these payouts that this person may see, in the order given."""
    if not payout_ids:
        return ()
    wanted = _select(reading, PayoutFilter(newest=False)).where(payout.c.id.in_(sorted(payout_ids)))
    found = {each.id: each for each in _views(reading, reading.rows(wanted))}
    return tuple(found[each] for each in payout_ids if each in found)


def unknown() -> NotFound:
    """What is said of a payout that is not there, or not for this person."""
    return NotFound("PAYOUT_UNKNOWN", "There is no such payout among those you may see.", hint="Open it from its list.")


def batch(reading: Reading, execution_id: str, attempt: int) -> tuple[Unsettled, ...]:
    """Every payout of an attempt, in the plan's order; for the run itself."""
    mine = payout.c.org_id == reading.org_id, payout.c.execution_id == execution_id, payout.c.attempt == attempt
    return tuple(unsettled(row) for row in reading.rows(select(payout).where(*mine).order_by(payout.c.row_no)))


def never_sent(reading: Reading, execution_id: str, attempt: int) -> tuple[Unsettled, ...]:
    """Payouts of an attempt that wait to be sent."""
    mine = payout.c.org_id == reading.org_id, payout.c.execution_id == execution_id, payout.c.attempt == attempt
    where = (*mine, payout.c.state == PayoutState.APPROVED)
    return tuple(unsettled(row) for row in reading.rows(select(payout).where(*where).order_by(payout.c.row_no)))


def newest_of(reading: Reading, execution_id: str) -> tuple[Unsettled, ...]:
    """The attempts that count, in the plan's order; for the verbs that repair them.

    One a row, unless money may have moved by several of it.
    """
    where = payout.c.org_id == reading.org_id, payout.c.execution_id == execution_id, counting.counts(reading)
    found = reading.rows(select(payout).where(*where).order_by(payout.c.row_no, payout.c.attempt))
    return tuple(unsettled(row) for row in found)


def is_twice(reading: Reading, payout_id: str) -> bool:
    """Whether a payout paid its row again, and nobody has dealt with that yet."""
    mine = payout.c.org_id == reading.org_id, payout.c.id == payout_id
    return reading.scalar(select(payout.c.id).where(*mine, counting.twice(reading))) is not None


def waiting_since(reading: Reading, row: Unsettled) -> datetime | None:
    """Since when another payout of the same execution waits for a person; None when none does."""
    of_it = payout.c.execution_id == row.execution_id, payout.c.id != row.id
    waits = payout.c.org_id == reading.org_id, *of_it, payout.c.state == PayoutState.NEEDS_REVIEW
    found = reading.rows(select(payout.c.updated_at).where(*waits).order_by(payout.c.updated_at).limit(1))
    return found[0].updated_at if found else None


def for_change(reading: Reading, payout_id: str) -> Unsettled:
    """One payout of an execution this person may see, by our id; ``PAYOUT_UNKNOWN`` otherwise."""
    where = (
        payout.c.org_id == reading.org_id,
        payout.c.id == payout_id,
        payout.c.execution_id.in_(visible_executions(reading)),
    )
    row = reading.first(select(payout).where(*where))
    if row is None:
        raise unknown()
    return unsettled(row)


def asked_back_at(reading: Reading, payout_id: str) -> datetime | None:
    """When somebody here last asked for a payout to be taken back; None when nobody did, or it could not be."""
    mine = payout.c.org_id == reading.org_id, payout.c.id == payout_id
    asked: datetime | None = reading.scalar(select(payout.c.cancel_asked_at).where(*mine))
    return asked


def in_turn(reading: Reading, wanted: ColumnElement[bool], most: int) -> tuple[Unsettled, ...]:
    """Payouts that are wanted, at most so many of each connection, and one of each in turn.

    So a connection that is not answered takes no turn from the others. Of each those come first that were never asked
    about, then those asked about longest ago, whatever came of it.
    """
    asked_at = func.coalesce(payout.c.tried_at, payout.c.followed_at)
    order = asked_at.is_not(None), asked_at, payout.c.created_at, payout.c.id
    turn = func.row_number().over(partition_by=payout.c.connection_id, order_by=order).label("turn")
    numbered = select(payout, turn).where(payout.c.org_id == reading.org_id, wanted).subquery()
    found = select(numbered).where(numbered.c.turn <= most).order_by(numbered.c.turn, numbered.c.connection_id)
    return tuple(unsettled(row) for row in reading.rows(found))


def left_over(reading: Reading, most: int = 500) -> tuple[Unsettled, ...]:
    """Payouts of executions whose run is over: sent without a clear answer, or never sent; ``in_turn``."""
    states = payout.c.state.in_(sorted(UNSETTLED | {PayoutState.APPROVED}))
    return in_turn(reading, and_(states, run_is_over(reading)), most)


def unheard(reading: Reading, connection_id: str, before: datetime) -> tuple[Unsettled, ...]:
    """Payouts of a connection in doubt, no run at them, whose look-ups have failed since before then."""
    of_it = payout.c.connection_id == connection_id, payout.c.state.in_(sorted(UNSETTLED))
    mine = payout.c.org_id == reading.org_id, *of_it, payout.c.unheard_since <= before, run_is_over(reading)
    return tuple(unsettled(row) for row in reading.rows(select(payout).where(*mine).order_by(payout.c.id)))


def run_is_over(reading: Reading) -> ColumnElement[bool]:
    """The condition that no run is at a payout."""
    over = select(execution.c.id).where(execution.c.org_id == reading.org_id, execution.c.state.in_(sorted(OVER)))
    return payout.c.execution_id.in_(over)


def _select(reading: Reading, wanted: PayoutFilter) -> Any:
    void = execution.c.whole_attempt > payout.c.attempt
    told = counting.counts(reading).label("newest"), counting.twice(reading).label("twice"), void.label("void")
    columns = payout, execution.c.number, *told
    return select(*columns).select_from(_joined()).where(*_conditions(reading, wanted))


def _joined() -> Any:
    together = and_(execution.c.org_id == payout.c.org_id, execution.c.id == payout.c.execution_id)
    return payout.join(execution, together)


def _conditions(reading: Reading, wanted: PayoutFilter) -> list[ColumnElement[bool]]:
    conditions = [payout.c.org_id == reading.org_id, execution.c.org_id == reading.org_id, visible(reading)]
    # What may have moved money counts whatever its attempt: only for the rest that has to be asked.
    if wanted.newest and wanted.standing not in _MOVED_ONLY and not (wanted.states and wanted.states <= MOVED):
        conditions.append(counting.counts(reading))
    if wanted.execution_id:
        conditions.append(payout.c.execution_id == wanted.execution_id)
    if wanted.standing:
        conditions += _stands(reading, wanted.standing)
    if wanted.states:
        conditions.append(payout.c.state.in_(sorted(wanted.states)))
    if wanted.sent_since:
        conditions.append(payout.c.first_sent_at >= wanted.sent_since)
    if wanted.currency:
        conditions.append(payout.c.currency == wanted.currency)
    if wanted.text:
        fields = (payout.c.provider_id, payout.c.trace, payout.c.bank, execution.c.number)
        text = wanted.text.lower()
        conditions.append(or_(*(func.lower(field).contains(text, autoescape=True) for field in fields)))
    return conditions


def _stands(reading: Reading, standing: Standing) -> tuple[ColumnElement[bool], ...]:
    state, arrival = payout.c.state, payout.c.arrival_on
    in_flight = state.in_(sorted(IN_FLIGHT))
    conditions: Mapping[Standing, tuple[ColumnElement[bool], ...]] = {
        Standing.IN_FLIGHT: (in_flight,),
        Standing.LATE: (in_flight, arrival != "", arrival < reference.today(reading).isoformat()),
        # While a run is busy, every row it sends is unclear for a moment: nobody has to look at those.
        Standing.IN_DOUBT: (state.in_(sorted(DOUBTFUL)), execution.c.state.in_(sorted(OVER))),
        Standing.RETURNED: (state == PayoutState.FAILED,),
        Standing.NOT_MADE: (state.in_(sorted(NOT_MADE)),),
        Standing.SENT: (state.in_(sorted(LIVE)),),
        Standing.FOR_A_PERSON: (or_(state == PayoutState.NEEDS_REVIEW, counting.twice(reading)),),
    }
    return conditions[standing]


def _ordered(wanted: PayoutFilter, order: Order) -> tuple[ColumnElement[Any], ...]:
    """The columns to sort by; the row's own place comes last, so that pages never overlap."""
    by_arrival = (payout.c.arrival_on == "", payout.c.arrival_on)
    never_sent = payout.c.first_sent_at.is_(None)
    first: Mapping[Order, tuple[ColumnElement[Any], ...]] = {
        # Across executions the one that should have arrived first stands first.
        Order.TROUBLE: (_trouble(), *(() if wanted.execution_id else (payout.c.arrival_on,))),
        Order.ARRIVAL: by_arrival,
        Order.NEWEST: (never_sent, payout.c.first_sent_at.desc()),
        Order.PLAN: (),
    }
    return (*first[order], payout.c.execution_id.desc(), payout.c.row_no, payout.c.attempt)


def _trouble() -> ColumnElement[int]:
    """Those that need somebody first."""
    return case(
        (payout.c.state.in_(sorted(DOUBTFUL)), 0),
        (payout.c.state.in_(sorted(BAD)), 1),
        (payout.c.state.in_(sorted(IN_FLIGHT)), 3),
        (payout.c.state == PayoutState.PAID, 4),
        else_=2,
    )


def visible_executions(reading: Reading) -> Any:
    """The ids of the executions this person may see, as a query."""
    return select(execution.c.id).where(execution.c.org_id == reading.org_id, visible(reading))


def _views(reading: Reading, rows: Sequence[Row[Any]]) -> tuple[PayoutView, ...]:
    today = reference.today(reading)
    return tuple(_view(row, today) for row in rows)


def _view(row: Row[Any], today: date) -> PayoutView:
    same = ("id", "execution_id", "number", "row_no", "attempt", "account", "currency", "amount_minor", "bank")
    more = ("provider_id", "arrival_on", "error_code", "error_message", "refusal", "trace")
    sums = ("fee_minor", "returned_minor")
    state = PayoutState(row.state)
    return PayoutView(
        **{name: getattr(row, name) for name in (*same, *more, *sums)},
        state=state,
        late=rules.is_late(state, row.arrival_on, today),
        reconciled=row.reconciled_at is not None,
        cancel_asked=row.cancel_asked_at is not None,
        newest=bool(row.newest),
        twice=bool(row.twice),
        void=bool(row.void),
        sent_at=row.first_sent_at,
        updated_at=row.updated_at,
    )


def unsettled(row: Row[Any]) -> Unsettled:
    """A row of the table as the batch needs it."""
    same = ("id", "execution_id", "row_no", "attempt", "connection_id", "account", "currency", "amount_minor")
    more = ("provider_account", "destination", "row_hash", "key", "body_hash", "stops", "provider_id", "error_code")
    rest = ("error_message", "asked_at", "first_sent_at", "followed_at", "tried_at", "unheard_since")
    return Unsettled(
        **{name: getattr(row, name) for name in (*same, *more, *rest)},
        sealed_body=row.request_body,
        state=PayoutState(row.state),
    )
