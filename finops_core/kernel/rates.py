"""What one unit of a currency costs in another. Rates are exact fractions; an amount is rounded once, at the end."""

from fractions import Fraction

from finops_core.kernel.currencies import exponent
from finops_core.kernel.errors import Invalid
from finops_core.kernel.money import Money, plain_decimal

DIGITS_MOST = 12
"""Of a rate: before its dot, and after it."""


def parse_rate(text: str) -> Fraction:
    """Read ``1.0543``: a decimal above zero. ``RATE_BAD`` for anything else."""
    try:
        unscaled, scale = plain_decimal(text.strip())
    except Invalid:
        unscaled, scale = 0, 0
    rate = Fraction(unscaled, 10**scale)
    if rate <= 0 or scale > DIGITS_MOST or rate >= 10**DIGITS_MOST:
        raise Invalid(
            "RATE_BAD",
            f"{text[:40]!r} is not a rate.",
            hint=f"Write it as 1.0543: above zero, at most {DIGITS_MOST} digits on either side of the dot.",
        )
    return rate


def convert(amount: Money, rate: Fraction, currency: str) -> Money:
    """The amount in another currency, of which one unit of the amount's costs ``rate``; rounded half to even.

    ``AMOUNT_BAD`` past what can be counted exactly.
    """
    scale = Fraction(10) ** (exponent(currency) - exponent(amount.currency))
    return Money(round(amount.minor * rate * scale), currency)
