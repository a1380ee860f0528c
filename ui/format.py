"""How figures and instants read on a screen, in the zone and locale of whoever looks. It computes no money."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from zoneinfo import ZoneInfo

from babel import Locale
from babel.core import UnknownLocaleError
from babel.dates import format_datetime
from babel.numbers import NumberPattern, parse_pattern

from finops_core.kernel import currencies
from finops_core.kernel.errors import FinOpsError
from finops_core.kernel.money import Money

NOTHING = "\N{EN DASH}"
MINUTE_S, HOUR_S, DAY_S = 60, 3600, 86400
SECOND_MS, MINUTE_MS = 1000, 60_000
DAYS_SHOWN_IN_HOURS = 2
KIBI = 1024
_AMOUNT = re.compile(r"(?<![\w.-])(-?[0-9]+(?:\.[0-9]+)?) ([A-Z]{3})\b", re.ASCII)


@dataclass(frozen=True, slots=True)
class Format:
    """Formats for one person at one organisation.

    ``zone`` is an IANA name and ``locale`` a CLDR one such as ``en_US``: the person's, or the organisation's for
    somebody who has set none. ``base`` is the currency the organisation counts in. Its days begin in ``business_zone``
    whoever looks ("" for ``zone``): a business date is the same for everybody.
    """

    zone: str = "UTC"
    locale: str = "en_US"
    base: str = ""
    business_zone: str = ""

    def amount(self, minor: int, currency: str) -> str:
        """``184,220.15 USD``; negatives in parentheses, as accountants write them. Exact: integers and Decimal only."""
        digits = self._digits(abs(minor), currency)
        return f"({digits}) {currency}" if minor < 0 else f"{digits} {currency}"

    def plain(self, text: object, currency: str) -> str:
        """An amount kept as plain text (``1234.50``) as ``amount`` shows it; any other text stays as it is."""
        if text in (None, ""):
            return NOTHING
        try:
            return self.amount(Money.parse(str(text), currency).minor, currency)
        except FinOpsError:
            return str(text)

    def sentence(self, text: str) -> str:
        """A sentence of the core's, with each plain amount in it (``1234.50 USD``) as ``amount`` shows it."""
        return _AMOUNT.sub(lambda found: self._written(found.group(1), found.group(2)), text)

    def each_amount(self, totals: Mapping[str, int]) -> list[str]:
        """One text a currency: the organisation's own first, then the largest figure; no rate weighs them."""
        return [self.amount(minor, currency) for currency, minor in sorted(totals.items(), key=self._place)]

    def first_amounts(self, totals: Mapping[str, int], most: int = 3) -> list[str]:
        """The first few of ``each_amount`` and how many more there are: for a place without room for all."""
        each = self.each_amount(totals)
        more = len(each) - most
        return each if more <= 0 else [*each[:most], f"and {more} more"]

    def figure(self, text: str) -> str:
        """A plain number (``-1234.50``) with the locale's grouping and its own decimals: ``(1,234.50)``. Exact."""
        unsigned = text.removeprefix("-")
        pattern = _pattern(self.locale, len(unsigned.partition(".")[2]))
        digits = str(pattern.apply(Decimal(unsigned), _locale(self.locale)))
        return digits if unsigned == text else f"({digits})"

    def count(self, number: int) -> str:
        """A whole number with the locale's grouping."""
        return str(_pattern(self.locale, 0).apply(Decimal(number), _locale(self.locale)))

    def instant(self, at: datetime | None, *, seconds: bool = False) -> str:
        """``2026-11-20 09:15`` in the person's zone, for tables and logs."""
        if at is None:
            return NOTHING
        return at.astimezone(_zone(self.zone)).strftime("%Y-%m-%d %H:%M:%S" if seconds else "%Y-%m-%d %H:%M")

    def clock(self, at: datetime) -> str:
        """``09:15:07`` in the person's zone, for the lines of a log."""
        return at.astimezone(_zone(self.zone)).strftime("%H:%M:%S")

    def as_of(self, at: datetime) -> str:
        """``20 Nov 2026 09:15 UTC``: the sentence form, with its zone."""
        return format_datetime(at, "d MMM yyyy HH:mm zzz", tzinfo=_zone(self.zone), locale=_locale(self.locale))

    def start_of(self, day: date) -> datetime:
        """The instant a day begins in the organisation's zone, in UTC."""
        return datetime(day.year, day.month, day.day, tzinfo=_zone(self.business_zone or self.zone)).astimezone(UTC)

    def end_of(self, day: date) -> datetime:
        """The instant the next day begins: a day's end, not included."""
        return self.start_of(day + timedelta(days=1))

    def day(self, at: datetime) -> date:
        """The date an instant falls on in the organisation's zone."""
        return at.astimezone(_zone(self.business_zone or self.zone)).date()

    def _written(self, plain: str, currency: str) -> str:
        try:
            return self.amount(Money.parse(plain, currency).minor, currency)
        except FinOpsError:
            return f"{plain} {currency}"

    def _digits(self, minor: int, currency: str) -> str:
        pattern = _pattern(self.locale, currencies.exponent(currency))
        return str(pattern.apply(_units(minor, currency), _locale(self.locale)))

    def _place(self, sum_: tuple[str, int]) -> tuple[bool, Decimal, str]:
        currency, minor = sum_
        return (currency != self.base, -abs(_units(minor, currency)), currency)


def ago(at: datetime, now: datetime) -> str:
    """``just now``, ``12 min ago``, ``3 h ago``, ``4 days ago``."""
    passed = max(0, int((now - at).total_seconds()))
    return "just now" if passed < MINUTE_S else f"{_span(passed)} ago"


def until(at: datetime | None, now: datetime) -> str:
    """``expires in 5 h``, or ``expired``; empty when it never does."""
    if at is None:
        return ""
    left = int((at - now).total_seconds())
    return f"expires in {_span(max(left, MINUTE_S))}" if left > 0 else "expired"


def countdown(seconds: float) -> str:
    """``4:12``, or ``1:04:12`` from an hour on: whole seconds, the one that has begun counted in."""
    left = max(0, -int(-seconds // 1))
    hours, rest = divmod(left, HOUR_S)
    minutes, rest = divmod(rest, MINUTE_S)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def duration(ms: int | None) -> str:
    """``820 ms``, ``3.4 s``, ``2 min 10 s``."""
    if ms is None:
        return NOTHING
    if ms < SECOND_MS:
        return f"{ms} ms"
    if ms < MINUTE_MS:
        return f"{ms // SECOND_MS}.{ms % SECOND_MS // 100} s"
    minutes, rest = divmod(ms // SECOND_MS, MINUTE_S)
    return f"{minutes} min {rest} s"


def size(count: int) -> str:
    """``812 B``, ``14 KiB``, ``3 MiB``, rounded up."""
    for unit in ("B", "KiB", "MiB"):
        if count < KIBI:
            return f"{count} {unit}"
        count = -(-count // KIBI)
    return f"{count} GiB"


def plural(number: int, one: str, many: str = "") -> str:
    """``1 row``, ``12 rows``."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def words(value: str) -> str:
    """``needs_review`` as ``Needs review``."""
    return spelled(value.replace("_", " ")).capitalize()


def spelled(text: str) -> str:
    """The screens' one spelling: a provider writes ``canceled``, the desk ``cancelled``."""
    return text.replace("canceled", "cancelled")


def _units(minor: int, currency: str) -> Decimal:
    return Decimal(minor).scaleb(-currencies.exponent(currency))


def _span(seconds: int) -> str:
    if seconds < HOUR_S:
        return f"{seconds // MINUTE_S} min"
    if seconds < DAYS_SHOWN_IN_HOURS * DAY_S:
        return f"{seconds // HOUR_S} h"
    return f"{seconds // DAY_S} days"


@lru_cache(maxsize=64)
def _locale(name: str) -> Locale:
    try:
        return Locale.parse(name, sep="-" if "-" in name else "_")
    except (UnknownLocaleError, ValueError):
        return Locale("en", "US")


@lru_cache(maxsize=64)
def _pattern(name: str, decimals: int) -> NumberPattern:
    """The locale's grouping with exactly so many decimals; CLDR's own decimals differ from ISO 4217 for some."""
    whole = str(_locale(name).decimal_formats[None].pattern).partition(".")[0]
    return parse_pattern(f"{whole}.{'0' * decimals}" if decimals else whole)


@lru_cache(maxsize=64)
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)
