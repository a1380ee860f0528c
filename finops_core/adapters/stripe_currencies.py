"""Stripe's units and ISO 4217 minor units, and the steps that payouts must keep. Pure; no call leaves the machine.

Source: Stripe's page "Supported currencies" (https://docs.stripe.com/currencies), read as of 2024-04: zero-decimal
currencies, the special cases ISK, UGX, HUF and TWD, and the three-decimal currencies. "API units" below are the
integers that stand in Stripe's requests and answers; they differ from ISO 4217 for MGA, ISK and UGX.
"""

from finops_core.kernel.currencies import exponent, is_known
from finops_core.kernel.errors import Invalid
from finops_core.kernel.provider import CurrencyRule

ZERO_DECIMAL = frozenset(
    ("BIF", "CLP", "DJF", "GNF", "JPY", "KMF", "KRW", "MGA", "PYG", "RWF", "VND", "VUV", "XAF", "XOF", "XPF")
)
THREE_DECIMAL = frozenset(("BHD", "JOD", "KWD", "OMR", "TND"))
# fmt: off
TWO_DECIMAL = frozenset((
    "AED", "AFN", "ALL", "AMD", "AOA", "ARS", "AUD", "AWG", "AZN", "BAM", "BBD", "BDT", "BMD", "BND", "BOB",
    "BRL", "BSD", "BWP", "BYN", "BZD", "CAD", "CDF", "CHF", "CNY", "COP", "CRC", "CVE", "CZK", "DKK", "DOP",
    "DZD", "EGP", "ETB", "EUR", "FJD", "FKP", "GBP", "GEL", "GIP", "GMD", "GTQ", "GYD", "HKD", "HNL", "HTG",
    "HUF", "IDR", "ILS", "INR", "ISK", "JMD", "KES", "KGS", "KHR", "KYD", "KZT", "LAK", "LBP", "LKR", "LRD",
    "LSL", "MAD", "MDL", "MKD", "MMK", "MNT", "MOP", "MUR", "MVR", "MWK", "MXN", "MYR", "MZN", "NAD", "NGN",
    "NIO", "NOK", "NPR", "NZD", "PAB", "PEN", "PGK", "PHP", "PKR", "PLN", "QAR", "RON", "RSD", "RUB", "SAR",
    "SBD", "SCR", "SEK", "SGD", "SHP", "SLE", "SOS", "SRD", "SZL", "THB", "TJS", "TOP", "TRY", "TTD", "TWD",
    "TZS", "UAH", "UGX", "USD", "UYU", "UZS", "WST", "XCD", "XCG", "YER", "ZAR", "ZMW",
))
# fmt: on
SUPPORTED = ZERO_DECIMAL | TWO_DECIMAL | THREE_DECIMAL

# Payouts must be a multiple of this many API units. ISK and UGX keep two decimals in the API for compatibility
# though the currencies have none; HUF and TWD are paid out in whole units only.
_PAYOUT_STEP_API = dict.fromkeys(("ISK", "UGX", "HUF", "TWD"), 100) | dict.fromkeys(THREE_DECIMAL, 10)

_REASONS = {
    "HUF": "Stripe pays out HUF in whole forint only.",
    "TWD": "Stripe pays out TWD in whole dollars only.",
    "MGA": "Stripe moves MGA in whole ariary only.",
}
_THREE_DECIMAL_REASON = "Stripe takes {currency} with a last digit of 0 only."


def is_supported(currency: str) -> bool:
    """Whether Stripe moves this currency (ISO 4217, any case) and we know its decimals."""
    return currency.upper() in SUPPORTED and is_known(currency.upper())


def api_exponent(currency: str) -> int:
    """How many decimals Stripe's amounts have in this currency; ``STRIPE_CURRENCY_UNSUPPORTED`` when it has none."""
    code = _supported(currency)
    if code in ZERO_DECIMAL:
        return 0
    return 3 if code in THREE_DECIMAL else 2


def payout_step_api(currency: str) -> int:
    """Payouts must be a multiple of this many API units."""
    return _PAYOUT_STEP_API.get(_supported(currency), 1)


def to_api(currency: str, amount_minor: int) -> int:
    """ISO minor units as API units; ``STRIPE_AMOUNT_STEP`` when Stripe has no such fraction (half an ariary)."""
    return _scaled(currency, amount_minor, api_exponent(currency) - exponent(currency.upper()))


def from_api(currency: str, amount_api: int) -> int:
    """API units as ISO minor units; ``STRIPE_AMOUNT_STEP`` when ISO 4217 has no such fraction (0.5 króna)."""
    return _scaled(currency, amount_api, exponent(currency.upper()) - api_exponent(currency))


def balance_from_api(currency: str, amount_api: int) -> int:
    """A balance in API units as ISO minor units, rounded down to what can be named, so never more than there is."""
    shift = exponent(currency.upper()) - api_exponent(currency)
    return amount_api * _ten_to(shift) if shift >= 0 else amount_api // _ten_to(-shift)


def payout_rule(currency: str, minimum_minor: int | None = None) -> CurrencyRule:
    """What can be paid out in a currency.

    ``minimum_minor`` is a setting: Stripe's minimum depends on the country and is "typically one base unit of the
    local currency", which is what None stands for.
    """
    code = _supported(currency)
    shift = exponent(code) - api_exponent(code)
    step_api = payout_step_api(code)
    step = max(1, step_api * _ten_to(shift) if shift >= 0 else step_api // _ten_to(-shift))
    smallest = _ten_to(exponent(code)) if minimum_minor is None else minimum_minor
    reason = _THREE_DECIMAL_REASON.format(currency=code) if code in THREE_DECIMAL else _REASONS.get(code, "")
    return CurrencyRule(currency=code, step_minor=step, minimum_minor=_next_multiple(smallest, step), reason=reason)


def _supported(currency: str) -> str:
    code = currency.upper()
    if not is_supported(code):
        raise Invalid(
            "STRIPE_CURRENCY_UNSUPPORTED",
            f"Stripe does not pay out {code}.",
            hint="Leave this currency out, or pay it another way.",
        )
    return code


def _scaled(currency: str, amount: int, shift: int) -> int:
    if shift >= 0:
        return amount * _ten_to(shift)
    whole, rest = divmod(amount, _ten_to(-shift))
    if rest:
        raise Invalid(
            "STRIPE_AMOUNT_STEP",
            f"An amount of {currency.upper()} has a fraction that cannot be paid.",
            hint="Round it to the step that the plan shows for this currency.",
            amount=amount,
        )
    return whole


def _next_multiple(amount: int, step: int) -> int:
    return max(step, -(-amount // step) * step)


def _ten_to(power: int) -> int:
    # A negative power would silently make a float.
    return int("1" + "0" * power)
