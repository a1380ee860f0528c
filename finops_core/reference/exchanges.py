"""Stored exchange rates: noted by hand or taken in from the European Central Bank's files, and looked up by day.

A rate is never changed: a later one of the same day and currencies stands in its place.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from fractions import Fraction
from typing import Any

from sqlalchemy import Row, case, func, insert, select

from finops_core import audit
from finops_core.kernel.actor import worker_actor
from finops_core.kernel.currencies import exponent
from finops_core.kernel.errors import FinOpsError, Invalid, NotFound
from finops_core.kernel.ids import new_id
from finops_core.kernel.permissions import Permission
from finops_core.kernel.rates import parse_rate
from finops_core.platform.queue import Claim
from finops_core.platform.work import Reading, Units, Work
from finops_core.reference import ecb, queries
from finops_core.reference.ecb import EURO
from finops_core.reference.models import exchange_rate as table

VALID = timedelta(days=7)
"""How long a rate counts when no newer one was noted: over weekends and holidays, not over a forgotten month."""
PAGE = 200
ROWS_AT_ONCE = 1_000
FETCH_JOB = "rates.fetch"


class RateSource(StrEnum):
    """Where a rate comes from."""

    ECB = "ecb"
    MANUAL = "manual"


@dataclass(frozen=True, slots=True)
class RateView:
    """A stored rate: what one unit of ``currency`` cost in ``quote``."""

    id: str
    currency: str
    quote: str
    on_day: date
    rate: str
    source: RateSource
    noted_by: str
    noted_at: datetime


@dataclass(frozen=True, slots=True)
class RateUsed:
    """A rate as it is used: stored, turned round, or by way of the euro.

    Attributes:
        value: what one unit costs, exactly.
        on_day: the day it was published for.
        ids: the stored rates that it follows from, joined by "+".
        typed_by: who typed them; nobody for the bank's own.
    """

    value: Fraction
    on_day: date
    ids: str
    typed_by: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class RatesTaken:
    """What a file of rates held: how many are new, how many stood already, and of which days."""

    new: int
    known: int
    first_day: date
    last_day: date


def note_rate(work: Work, currency: str, quote: str, rate: str, day: date) -> str:
    """Note what one unit of a currency cost in another on a day; the rate's id. Needs ``LEDGER_ADJUST``.

    ``CURRENCY_UNKNOWN``, ``RATE_BAD``; ``RATE_OF_ITSELF`` for one currency twice, ``RATE_AHEAD`` for a day to come.
    """
    work.require(Permission.LEDGER_ADJUST)
    exponent(currency)
    exponent(quote)
    parse_rate(rate)
    if currency == quote:
        raise Invalid("RATE_OF_ITSELF", "A rate is between two currencies.", hint="Give another one.")
    if day > queries.today(work):
        raise Invalid("RATE_AHEAD", f"{day.isoformat()} is still to come.", hint="Note what was published for a day.")
    row = _row(work, currency, quote, day, rate.strip(), RateSource.MANUAL)
    work.execute(insert(table), row)
    detail = {"currency": currency, "quote": quote, "day": day.isoformat(), "rate": row["rate"]}
    audit.record(work, "rate.noted", f"rate:{row['id']}", detail=detail)
    return str(row["id"])


def take_in_rates(work: Work, content: bytes) -> RatesTaken:
    """Take in a file of the European Central Bank's reference rates, all or nothing. Needs ``LEDGER_ADJUST``.

    Taken in again it changes nothing. ``RATES_FILE_BAD``, ``RATE_AHEAD``.
    """
    work.require(Permission.LEDGER_ADJUST)
    return _taken(work, content)


def fetch_rates(units: Units, claim: Claim) -> None:
    """Fetch what is published and take it in for every organisation; nothing while no address is set."""
    del claim
    if units.ports.rates is None:
        return
    content = units.ports.rates()
    with units.read(worker_actor("")) as reading:
        org_ids = queries.all_ids(reading)
    troubles = []
    for org_id in org_ids:
        try:
            with units.work(worker_actor(org_id)) as work:
                _taken(work, content)
        except FinOpsError as error:
            # What one organisation refuses must not keep the others from their rates.
            troubles.append(error)
    if troubles:
        raise troubles[0]


def _taken(work: Work, content: bytes) -> RatesTaken:
    found = ecb.read(content)
    first, last = min(each.day for each in found), max(each.day for each in found)
    # The bank's day can be ahead of the organisation's own.
    if last > max(queries.today(work), work.now.date()):
        raise Invalid("RATE_AHEAD", f"{last.isoformat()} is still to come.", hint="Take in rates that were published.")
    known = _stored(work, first, last)
    new = [each for each in found if known.get((each.currency, each.day.isoformat())) != each.rate]
    rows = [_row(work, EURO, each.currency, each.day, each.rate, RateSource.ECB) for each in new]
    for start in range(0, len(rows), ROWS_AT_ONCE):
        work.execute(insert(table), rows[start : start + ROWS_AT_ONCE])
    taken = RatesTaken(len(new), len(found) - len(new), first, last)
    if new:
        days = {"first_day": first.isoformat(), "last_day": last.isoformat()}
        audit.record(
            work,
            "rates.taken_in",
            f"organisation:{work.org_id}",
            detail={"new": taken.new, "known": taken.known, **days},
        )
    return taken


def rates(reading: Reading, day: date | None = None) -> tuple[RateView, ...]:
    """The newest rate of each pair of currencies at the end of a day (None: now). Needs ``LEDGER_VIEW``."""
    reading.require(Permission.LEDGER_VIEW)
    until = day or queries.today(reading)
    forth = table.c.currency < table.c.quote
    pair = case((forth, table.c.currency), else_=table.c.quote), case((forth, table.c.quote), else_=table.c.currency)
    place = func.row_number().over(partition_by=pair, order_by=(table.c.on_day.desc(), table.c.id.desc()))
    each = (
        select(table, place.label("place"))
        .where(table.c.org_id == reading.org_id, table.c.on_day <= until.isoformat())
        .subquery()
    )
    newest = select(each).where(each.c.place == 1).order_by(each.c.currency, each.c.quote).limit(PAGE)
    return tuple(_view(row) for row in reading.rows(newest))


def rate(reading: Reading, currency: str, quote: str, day: date) -> RateUsed:
    """What one unit of a currency costs in another on a day; ``RATE_UNKNOWN`` when none of the week before is stored.

    Needs ``LEDGER_VIEW``.
    """
    reading.require(Permission.LEDGER_VIEW)
    exponent(currency)
    exponent(quote)
    found = rates_to(reading, quote, [currency], day).get(currency)
    if found is None:
        raise NotFound(
            "RATE_UNKNOWN",
            f"No rate from {currency} to {quote} is stored for {day.isoformat()} or the {VALID.days} days before.",
            hint="Have one noted, or the European Central Bank's rates of that day taken in.",
        )
    return found


def rates_to(reading: Reading, quote: str, currencies: Collection[str], day: date) -> Mapping[str, RateUsed]:
    """Those of the currencies that have a rate to ``quote`` on a day, in one look; for areas that ask for their own."""
    wanted = sorted(set(currencies) - {quote})
    if not wanted:
        return {}
    ends = {*wanted, quote, EURO}
    since = date.fromordinal(max(day.toordinal() - VALID.days, 1))
    rows = reading.rows(
        select(table)
        .where(table.c.org_id == reading.org_id, table.c.currency.in_(ends), table.c.quote.in_(ends))
        .where(table.c.on_day >= since.isoformat(), table.c.on_day <= day.isoformat())
        .order_by(table.c.on_day.desc(), table.c.id.desc())
    )
    days = _by_day(rows)
    chosen = {currency: _choose(days, currency, quote) for currency in wanted}
    return {currency: used for currency, used in chosen.items() if used is not None}


Legs = Mapping[frozenset[str], Row[Any]]
"""Of one day the rate of each pair of currencies that counts: the one noted last, whichever way round it was noted."""


def _by_day(rows: Iterable[Row[Any]]) -> Sequence[Legs]:
    """The days' rates, newest day first."""
    days: dict[str, dict[frozenset[str], Row[Any]]] = {}
    for row in rows:
        days.setdefault(row.on_day, {}).setdefault(frozenset({row.currency, row.quote}), row)
    return list(days.values())


def _choose(days: Sequence[Legs], currency: str, quote: str) -> RateUsed | None:
    """The newest day's way from one to the other: straight, or by way of the euro by two rates of that day."""
    for legs in days:
        way = [(currency, quote)]
        if frozenset(way[0]) not in legs:
            way = [(currency, EURO), (EURO, quote)]
        found = [legs.get(frozenset(leg)) for leg in way]
        rows = [row for row in found if row is not None]
        if len(rows) == len(way):
            return _used(way, rows)
    return None


def _used(way: Sequence[tuple[str, str]], rows: Sequence[Row[Any]]) -> RateUsed:
    value = Fraction(1)
    for (currency, _), row in zip(way, rows, strict=True):
        each = parse_rate(row.rate)
        value *= each if row.currency == currency else 1 / each
    typed = frozenset(row.noted_by for row in rows if row.source == RateSource.MANUAL.value)
    return RateUsed(value, date.fromisoformat(rows[0].on_day), "+".join(row.id for row in rows), typed)


def _stored(work: Work, first: date, last: date) -> Mapping[tuple[str, str], str]:
    """(currency, day) -> the bank's rate that stands for it."""
    rows = work.rows(
        select(table.c.quote, table.c.on_day, table.c.rate)
        .where(table.c.org_id == work.org_id, table.c.currency == EURO, table.c.source == RateSource.ECB.value)
        .where(table.c.on_day >= first.isoformat(), table.c.on_day <= last.isoformat())
        .order_by(table.c.id)
    )
    return {(row.quote, row.on_day): row.rate for row in rows}


def _row(work: Work, currency: str, quote: str, day: date, rate_: str, source: RateSource) -> dict[str, Any]:
    return {
        "org_id": work.org_id,
        "id": new_id("rate"),
        "currency": currency,
        "quote": quote,
        "on_day": day.isoformat(),
        "rate": rate_,
        "source": source.value,
        "noted_by": work.actor.id,
        "noted_at": work.now,
    }


def _view(row: Row[Any]) -> RateView:
    day = date.fromisoformat(row.on_day)
    return RateView(row.id, row.currency, row.quote, day, row.rate, RateSource(row.source), row.noted_by, row.noted_at)
