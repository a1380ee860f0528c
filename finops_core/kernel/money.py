"""Money as a whole number of minor units and a currency. Never a float, never two currencies in one sum."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from finops_core.kernel import currencies
from finops_core.kernel.errors import Invalid

MAX_MINOR = 2**53 - 1
"""The largest amount either side of zero: what a JSON number holds exactly (RFC 8785 refuses more)."""

MAX_DECIMAL_TEXT = 40
_PLAIN_DECIMAL = re.compile(r"(-?)([0-9]+)(?:\.([0-9]+))?")


@dataclass(frozen=True, slots=True)
class Money:
    """An amount that exists: ``minor`` whole minor units (ISO 4217 decimals) of a known currency.

    Raises Invalid CURRENCY_UNKNOWN, and Invalid AMOUNT_BAD for anything but an int within ``MAX_MINOR``.
    Sums, differences and comparisons of two currencies raise Invalid CURRENCY_MISMATCH.
    """

    minor: int
    currency: str

    def __post_init__(self) -> None:
        currencies.exponent(self.currency)
        if type(self.minor) is not int:
            raise Invalid("AMOUNT_BAD", "An amount is a whole number of minor units.", got=type(self.minor).__name__)
        if not -MAX_MINOR <= self.minor <= MAX_MINOR:
            raise _too_large(self.currency)

    @classmethod
    def parse(cls, text: str, currency: str) -> "Money":
        """Read ``1234.50``: dot decimal, no grouping, no more decimals than the currency has.

        Raises Invalid AMOUNT_BAD with a sentence for the person, Invalid CURRENCY_UNKNOWN.
        """
        decimals = currencies.exponent(currency)
        unscaled, scale = plain_decimal(text)
        if scale > decimals:
            raise _excess_decimals(text, scale, currency, decimals)
        return cls(unscaled * 10 ** (decimals - scale), currency)

    def plain(self) -> str:
        """The amount as ``1234.50``, which ``parse`` reads back; the currency is not in it."""
        decimals = currencies.exponent(self.currency)
        sign = "-" if self.minor < 0 else ""
        if decimals == 0:
            return f"{self.minor}"
        whole, rest = divmod(abs(self.minor), 10**decimals)
        return f"{sign}{whole}.{rest:0{decimals}d}"

    def __str__(self) -> str:
        return f"{self.plain()} {self.currency}"

    def __add__(self, other: "Money") -> "Money":
        return Money(self.minor + self._same(other), self.currency)

    def __sub__(self, other: "Money") -> "Money":
        return Money(self.minor - self._same(other), self.currency)

    def __neg__(self) -> "Money":
        return Money(-self.minor, self.currency)

    def __lt__(self, other: "Money") -> bool:
        return self.minor < self._same(other)

    def __le__(self, other: "Money") -> bool:
        return self.minor <= self._same(other)

    def __gt__(self, other: "Money") -> bool:
        return self.minor > self._same(other)

    def __ge__(self, other: "Money") -> bool:
        return self.minor >= self._same(other)

    def floor_to(self, step_minor: int) -> "Money":
        """The nearest multiple of ``step_minor`` that is not more than this; -0.05 to a step of 10 gives -0.10.

        Raises Invalid STEP_BAD for a step below 1.
        """
        if step_minor < 1:
            raise Invalid("STEP_BAD", f"A rounding step is at least 1 minor unit; {step_minor} was given.")
        return Money(self.minor - self.minor % step_minor, self.currency)

    def allocate(self, weights: Sequence[int]) -> tuple["Money", ...]:
        """Split by weights so that the parts add up to the whole, to the last minor unit.

        Largest-remainder method on integers: each part is its exact share rounded towards zero, and what is left
        goes one minor unit each to the largest remainders, ties to the earlier part.
        Raises Invalid WEIGHTS_BAD when a weight is negative or none is above zero.
        """
        whole = sum(weights)
        if whole <= 0 or min(weights) < 0:
            raise Invalid("WEIGHTS_BAD", "Weights are whole numbers of zero or more, and one is above zero.")
        sign = -1 if self.minor < 0 else 1
        shares = [divmod(abs(self.minor) * weight, whole) for weight in weights]
        parts = [share for share, _ in shares]
        left = abs(self.minor) - sum(parts)
        by_remainder = sorted(range(len(weights)), key=lambda index: -shares[index][1])
        for index in by_remainder[:left]:
            parts[index] += 1
        return tuple(Money(sign * part, self.currency) for part in parts)

    def _same(self, other: "Money") -> int:
        if other.currency != self.currency:
            raise Invalid(
                "CURRENCY_MISMATCH",
                f"{self} and {other} are of two currencies.",
                hint="Convert one of them at a stored rate first.",
            )
        return other.minor


def total(amounts: Iterable[Money]) -> dict[str, Money]:
    """The sum per currency, in alphabetical order of currency; an empty dict for nothing."""
    sums: dict[str, int] = {}
    for amount in amounts:
        sums[amount.currency] = sums.get(amount.currency, 0) + amount.minor
    return {currency: Money(sums[currency], currency) for currency in sorted(sums)}


def plain_decimal(text: str) -> tuple[int, int]:
    """``"-12.340"`` -> ``(-12340, 3)``: the digits as an integer, and how many of them are decimals.

    Raises Invalid AMOUNT_BAD, saying what is wrong with the text.
    """
    # int() refuses more than 4,300 digits with an error of its own, and is slow long before that.
    match = _PLAIN_DECIMAL.fullmatch(text) if len(text) <= MAX_DECIMAL_TEXT else None
    if match is None:
        raise Invalid("AMOUNT_BAD", _why_not_plain(text))
    sign, whole, decimals = match.groups(default="")
    return int(f"{sign}{whole}{decimals}"), len(decimals)


def _why_not_plain(text: str) -> str:
    shown = repr(text[:MAX_DECIMAL_TEXT])
    if len(text) > MAX_DECIMAL_TEXT:
        return f"This amount is longer than {MAX_DECIMAL_TEXT} characters."
    if "," in text:
        return f"{shown} has a comma. Write amounts as 1234.50: a dot before the decimals and no grouping."
    if re.fullmatch(r"-?[0-9]+(\.[0-9]*)?[eE][+-]?[0-9]+", text):
        return f"{shown} is in scientific notation. Format the column as a number and export it again."
    return f"{shown} is not an amount. Write it as 1234.50: digits, a dot, the decimals; a minus in front if negative."


def _excess_decimals(text: str, scale: int, currency: str, decimals: int) -> Invalid:
    found, has = ({0: "no decimals", 1: "one decimal"}.get(each, f"{each} decimals") for each in (scale, decimals))
    return Invalid("AMOUNT_BAD", f"{text} has {found}; {currency} has {has}.")


def _too_large(currency: str) -> Invalid:
    return Invalid(
        "AMOUNT_BAD",
        f"An amount in {currency} is past the largest the desk counts, {Money(MAX_MINOR, currency).plain()}.",
        hint="Split it, or check that the decimals stand where they should.",
    )
