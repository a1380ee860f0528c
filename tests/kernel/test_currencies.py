"""The currency table: decimals as ISO 4217 has them, and nothing that money cannot be counted in."""

import pytest

from finops_core.kernel import currencies
from finops_core.kernel.errors import Invalid


@pytest.mark.parametrize(
    ("currency", "decimals"),
    [
        ("EUR", 2), ("USD", 2), ("HUF", 2), ("TWD", 2), ("MGA", 2), ("AFN", 2),
        ("JPY", 0), ("ISK", 0), ("UGX", 0), ("KRW", 0), ("XOF", 0),
        ("KWD", 3), ("IQD", 3), ("TND", 3),
        ("CLF", 4), ("UYW", 4),
    ],
)  # fmt: skip
def test_a_currency_has_the_decimals_of_iso_4217(currency, decimals):
    assert currencies.exponent(currency) == decimals


@pytest.mark.parametrize("code", ["XAU", "XDR", "XTS", "XXX", "BGN", "eur", "EU", "", "EURO", "\uff25\uff35\uff32"])
def test_what_is_no_active_currency_with_a_minor_unit_is_unknown(code):
    assert not currencies.is_known(code)
    with pytest.raises(Invalid) as refusal:
        currencies.exponent(code)
    assert refusal.value.code == "CURRENCY_UNKNOWN"


def test_the_table_is_complete_sorted_and_named():
    codes = currencies.codes()

    assert len(codes) == 165
    assert list(codes) == sorted(set(codes))
    assert all(len(code) == 3 and code.isascii() and code.isupper() for code in codes)
    assert all(currencies.name(code) for code in codes)
    assert currencies.name("CHF") == "Swiss Franc"


def test_the_table_cannot_be_changed():
    with pytest.raises(TypeError):
        currencies.CURRENCIES["EUR"] = (3, "Euro")
