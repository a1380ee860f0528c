"""What somebody typed into the search box, read in every way it can be meant. Pure; nothing is looked up here."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from finops_core.kernel import currencies
from finops_core.kernel.money import MAX_MINOR

LEAST_CHARS, MOST_CHARS = 2, 100
HASH_LEAST = 6
_NUMBER = re.compile(r"([A-Z]{2})-?([0-9]{4})-?([0-9]{0,8})", re.ASCII)
SERIES = ("EX", "AP", "JE")
# Blanks for dashes are read where nothing else is written so: after a series of ours, or in a year of this century.
_SPACED = re.compile(
    rf"(?:{'|'.join(SERIES)})[- ]?[0-9]{{4}}(?:[- ]?[0-9]{{1,8}})?|20[0-9]{{2}} [0-9]{{4,8}}", re.ASCII
)
_YEAR_NUMBER = re.compile(r"[0-9]{4}-[0-9]{4,8}", re.ASCII)
_ID = re.compile(r"[a-z]+(_[a-zA-Z0-9]+)+", re.ASCII)
_OBJECT = re.compile(r"[a-z_]+:\S+", re.ASCII)
_HASH = re.compile(rf"[0-9a-f]{{{HASH_LEAST},64}}", re.ASCII)
_AMOUNT = re.compile(r"([0-9]{1,3}(?:[, '\u00a0\u202f][0-9]{3})+|[0-9]{1,16})(?:\.([0-9]{1,4}))?", re.ASCII)
# Some write a comma before the decimals. Two of them, at the end: three may be thousands.
_COMMA_AMOUNT = re.compile(r"([0-9]{1,3}(?:[. '\u00a0\u202f][0-9]{3})+|[0-9]{1,16}),([0-9]{2})", re.ASCII)
_LAST_FOUR = re.compile(r"[•*.… -]*([0-9]{4})")
PLACES = 4
NUMBER_DIGITS = 4


@dataclass(frozen=True, slots=True)
class Sought:
    """One question, and what it may be.

    Attributes:
        text: as typed, trimmed, in lower case: part of a name.
        numbers: human numbers it may begin, such as ``EX-2026-00``; a whole one may be written without its zeros.
        id: one of our ids or a provider's, "" when it cannot be one.
        object: a thing as the log names it (``execution:ex_…``), "" when it cannot be one.
        hash: the beginning of a SHA-256, "" when it cannot be one.
        currency: the currency typed beside an amount, "" without one.
        minor: decimals of a currency -> the amount in its minor units; empty when it is no amount.
    """

    text: str
    numbers: tuple[str, ...] = ()
    id: str = ""
    object: str = ""
    hash: str = ""
    currency: str = ""
    minor: Mapping[int, int] = field(default_factory=dict)

    def __bool__(self) -> bool:
        """Whether there is enough of it to look for."""
        return len(self.text) >= LEAST_CHARS

    @property
    def may_be_name(self) -> bool:
        """Whether names are looked through; not for a number, an id or money, which are told by their form."""
        return not (self.numbers or self.id or self.object or self.currency)

    @property
    def name(self) -> str:
        """The text as part of a name; of an account's last four digits only those, however they are dotted."""
        last_four = _LAST_FOUR.fullmatch(self.text)
        return last_four[1] if last_four else self.text

    def is_amount(self, minor: int, currency: str) -> bool:
        """Whether it means this amount of money."""
        if self.currency and currency != self.currency:
            return False
        return currencies.is_known(currency) and self.minor.get(currencies.exponent(currency)) == minor


def read(typed: str) -> Sought:
    """Everything the words may mean; never raises, whatever was typed."""
    # What does not print cannot be part of a name, and PostgreSQL takes no NUL.
    text = " ".join("".join(char if char.isprintable() else " " for char in typed).split())[:MOST_CHARS]
    lower = text.lower()
    currency, minor = _amount(text)
    return Sought(
        text=lower,
        numbers=_numbers(text.upper()),
        id=text if _ID.fullmatch(text) else "",
        object=text if _OBJECT.fullmatch(text) else "",
        hash=lower if _HASH.fullmatch(lower) else "",
        currency=currency,
        minor=minor,
    )


def _numbers(text: str) -> tuple[str, ...]:
    if _SPACED.fullmatch(text):
        text = text.replace(" ", "-")
    if _YEAR_NUMBER.fullmatch(text):
        return tuple(f"{series}-{text}" for series in SERIES)
    found = _NUMBER.fullmatch(text)
    if found is None:
        return ()
    series, year, place = found.groups()
    begun = f"{series}-{year}-{place}"
    whole = f"{series}-{year}-{place.zfill(NUMBER_DIGITS)}" if place else begun
    return (begun,) if whole == begun else (begun, whole)


def _amount(text: str) -> tuple[str, Mapping[int, int]]:
    """The currency beside it, and its minor units for each number of decimals.

    Those stand after a dot (decision 8); two of them may stand after a comma.
    """
    words, currency = text, ""
    for begin, end in ((text[:3], text[3:]), (text[-3:], text[:-3])):
        if currencies.is_known(begin.upper()):
            words, currency = end.strip(), begin.upper()
            break
    found = _AMOUNT.fullmatch(words) or _COMMA_AMOUNT.fullmatch(words)
    if found is None:
        return "", {}
    whole, decimals = re.sub(r"[^0-9]", "", found[1]), found[2] or ""
    significant = decimals.rstrip("0")
    fits = range(len(significant), PLACES + 1)
    minor = {places: int(whole + decimals[:places].ljust(places, "0")) for places in fits}
    return currency, {places: units for places, units in minor.items() if 0 < units <= MAX_MINOR}
