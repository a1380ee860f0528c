"""The euro foreign exchange reference rates as the European Central Bank publishes them, read from its files.

Both of its forms: CSV (``eurofxref.csv`` of a day, ``eurofxref-hist.csv`` of many) and XML (``eurofxref-daily.xml``,
``eurofxref-hist-90d.xml``). One euro costs each rate. Source of the forms: the bank's page on these rates.
"""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import ParseError, fromstring

from finops_core.kernel import currencies
from finops_core.kernel.errors import Invalid
from finops_core.kernel.rates import parse_rate

EURO = "EUR"
MOST = 20_000
"""How many rates one file may hold: some 600 days."""
FAULTS_TOLD = 10
_NOT_FIXED = ("", "N/A")
_DAYS = ("%Y-%m-%d", "%d %B %Y")


@dataclass(frozen=True, slots=True)
class Quoted:
    """What one euro costs, as it stands in the file."""

    currency: str
    day: date
    rate: str


def read(content: bytes) -> tuple[Quoted, ...]:
    """Every rate of a file, of currencies that there are today. ``RATES_FILE_BAD`` names all that is wrong with it."""
    faults: list[str] = []
    try:
        text = content.decode("utf-8-sig")
        found = list(_of_xml(text, faults) if text.lstrip().startswith("<") else _of_csv(text, faults))
    except (UnicodeDecodeError, csv.Error, ParseError, DefusedXmlException):
        raise _bad(["It is neither a CSV nor an XML file."]) from None
    kept: dict[tuple[str, date], Quoted] = {}
    for each in found:
        stood = kept.setdefault((each.currency, each.day), each)
        if stood.rate != each.rate:
            faults.append(f"{each.currency} has two rates for {each.day.isoformat()}: {stood.rate} and {each.rate}.")
    if not (found or faults):
        faults.append("There is no rate in it.")
    if len(found) > MOST:
        faults.append(f"It holds {len(found):,} rates; at most {MOST:,} are taken in at once.")
    if faults:
        raise _bad(faults)
    return tuple(kept.values())


def _of_csv(text: str, faults: list[str]) -> Iterator[Quoted]:
    rows = csv.reader(io.StringIO(text), skipinitialspace=True)
    head = [cell.strip() for cell in next(rows, [])]
    if not head or head[0] != "Date":
        faults.append("Its first row does not begin with “Date”.")
        return
    for number, row in enumerate(rows, 2):
        if any(cell.strip() for cell in row):
            yield from _of_day(row[0].strip(), zip(head[1:], row[1:], strict=False), f"Row {number}", faults)


def _of_xml(text: str, faults: list[str]) -> Iterator[Quoted]:
    days = [each for each in fromstring(text, forbid_dtd=True).iter() if each.get("time")]
    for day in days:
        rates = [(each.get("currency", ""), each.get("rate", "")) for each in day]
        yield from _of_day(str(day.get("time")), rates, f"The day {str(day.get('time'))[:30]}", faults)


def _of_day(said: str, rates: Iterable[tuple[str, str]], where: str, faults: list[str]) -> Iterator[Quoted]:
    day = _day(said)
    if day is None:
        faults.append(f"{where}: “{said[:30]}” is not a day.")
        return
    for code, rate in rates:
        currency, told = code.strip(), rate.strip()
        # Currencies that are no more (the file goes back to 1999) cannot be counted, and need no rate.
        if told in _NOT_FIXED or currency == EURO or not currencies.is_known(currency):
            continue
        try:
            parse_rate(told)
        except Invalid as error:
            faults.append(f"{where}, {currency}: {error.message}")
            continue
        yield Quoted(currency, day, told)


def _day(said: str) -> date | None:
    for form in _DAYS:
        try:
            return datetime.strptime(said, form).date()  # noqa: DTZ007 - a day has no zone
        except ValueError:
            continue
    return None


def _bad(faults: Sequence[str]) -> Invalid:
    more = f" And {len(faults) - FAULTS_TOLD} more." if len(faults) > FAULTS_TOLD else ""
    return Invalid(
        "RATES_FILE_BAD",
        f"These rates cannot be taken in. {' '.join(faults[:FAULTS_TOLD])}{more}",
        hint="Take the reference rates of the European Central Bank, as CSV or XML; of many days, the last 90.",
    )
