"""Entries of the organisation's own books, for what another area saw happen: by chart line, currency and holder."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import bindparam, select

from finops_core.kernel.money import Money
from finops_core.ledger import booking, chart
from finops_core.ledger.booking import Posted
from finops_core.ledger.chart import Wanted
from finops_core.ledger.models import ledger_journal
from finops_core.ledger.rules import Entry, EntryType, Line
from finops_core.platform.work import Reading, Work

_OF_SOURCE = (
    select(ledger_journal.c.id)
    .where(
        ledger_journal.c.org_id == bindparam("org"),
        ledger_journal.c.source_kind == bindparam("kind"),
        ledger_journal.c.source_id == bindparam("source"),
        ledger_journal.c.type == EntryType.JOURNAL.value,
    )
    .limit(1)
)


@dataclass(frozen=True, slots=True)
class Leg:
    """One side of what happened: a line of the chart, credited (positive) or debited (negative)."""

    code: str
    amount: Money


def journal(
    work: Work, legs: Sequence[Leg], source: tuple[str, str], *, party_id: str = "", reason: str = ""
) -> Posted:
    """Book something that has happened, all legs for one holder ("" for the organisation's own).

    No money stop holds it: that would make the books wrong, not the money stay. Who may ask is its caller's to decide.
    """
    wanted = [Wanted(leg.code, leg.amount.currency, party_id) for leg in legs]
    accounts = chart.accounts(work, wanted)
    lines = tuple(Line(accounts[each], leg.amount) for each, leg in zip(wanted, legs, strict=True))
    return booking.post(work, Entry(EntryType.JOURNAL, lines, reason=reason, source=source))


def is_booked(reading: Reading, source: tuple[str, str]) -> bool:
    """Whether any entry here was booked because of this document; one that only names it tells nothing."""
    given = {"org": reading.org_id, "kind": source[0], "source": source[1]}
    return reading.execute(_OF_SOURCE, given).first() is not None
