"""Stripe's units against ISO 4217 minor units, by the published table and by properties."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finops_core.adapters.stripe_currencies import (
    SUPPORTED,
    THREE_DECIMAL,
    ZERO_DECIMAL,
    api_exponent,
    balance_from_api,
    from_api,
    is_supported,
    payout_rule,
    payout_step_api,
    to_api,
)
from finops_core.kernel.currencies import exponent
from finops_core.kernel.errors import Invalid
from tests.sandbox import DATA

TABLE = json.loads((DATA / "currencies.json").read_text(encoding="utf-8"))
currencies = st.sampled_from(sorted(SUPPORTED))
amounts = st.integers(min_value=-(10**15), max_value=10**15)


def test_the_published_table_is_the_table_we_use():
    listed_as_two = {code.upper() for code in TABLE["zero_decimal_listed_but_api_uses_two_decimals"]}

    assert {code.upper() for code in TABLE["zero_decimal"]} == ZERO_DECIMAL
    assert {code.upper() for code in TABLE["three_decimal_last_digit_must_be_zero"]} == THREE_DECIMAL
    assert all(api_exponent(code) == 2 for code in listed_as_two)
    multiples = {code.upper() for code in TABLE["two_decimal_amount_must_be_multiple_of_100"]}
    assert {code for code in SUPPORTED if payout_step_api(code) == 100} == multiples


def test_every_supported_currency_is_one_of_iso_4217():
    assert [code for code in sorted(SUPPORTED) if not is_supported(code)] == []


@pytest.mark.parametrize(
    ("currency", "minor", "api"),
    [
        ("USD", 12_345, 12_345),
        ("JPY", 500, 500),
        ("MGA", 1_200, 12),
        ("UGX", 37, 3_700),
        ("ISK", 99, 9_900),
        ("HUF", 100, 100),
        ("KWD", 1_230, 1_230),
        ("usd", -5, -5),
    ],
)
def test_amounts_are_translated_both_ways(currency, minor, api):
    assert to_api(currency, minor) == api
    assert from_api(currency, api) == minor


@pytest.mark.parametrize(("currency", "minor"), [("MGA", 1_250), ("MGA", 1)])
def test_a_fraction_that_stripe_does_not_have_is_refused(currency, minor):
    with pytest.raises(Invalid) as caught:
        to_api(currency, minor)

    assert caught.value.code == "STRIPE_AMOUNT_STEP"


@pytest.mark.parametrize(("currency", "api", "minor"), [("ISK", 9_950, 99), ("UGX", -50, -1), ("MGA", 7, 700)])
def test_a_balance_is_rounded_down_to_what_can_be_named(currency, api, minor):
    assert balance_from_api(currency, api) == minor


@pytest.mark.parametrize(
    ("currency", "step", "minimum"),
    [
        ("USD", 1, 100),
        ("JPY", 1, 1),
        ("MGA", 100, 100),
        ("UGX", 1, 1),
        ("ISK", 1, 1),
        ("HUF", 100, 100),
        ("TWD", 100, 100),
        ("KWD", 10, 1_000),
    ],
)
def test_the_payout_rule_names_step_and_minimum_in_iso_minor_units(currency, step, minimum):
    rule = payout_rule(currency)

    assert (rule.step_minor, rule.minimum_minor) == (step, minimum)
    assert bool(rule.reason) == (step > 1)


def test_a_minimum_is_a_setting_and_is_kept_on_the_step():
    assert payout_rule("USD", 2_500).minimum_minor == 2_500
    assert payout_rule("HUF", 150).minimum_minor == 200
    assert payout_rule("USD", 0).minimum_minor == 1


@pytest.mark.parametrize("currency", ["IQD", "XXX", "", "EURO", "BTC"])
def test_a_currency_that_stripe_does_not_pay_out_is_refused(currency):
    with pytest.raises(Invalid) as caught:
        payout_rule(currency)

    assert caught.value.code == "STRIPE_CURRENCY_UNSUPPORTED"


@given(currencies, amounts)
def test_whatever_can_be_paid_survives_the_way_to_stripe_and_back(currency, number):
    minor = number * payout_rule(currency).step_minor

    assert from_api(currency, to_api(currency, minor)) == minor
    assert to_api(currency, minor) % payout_step_api(currency) == 0


@given(currencies, amounts)
def test_a_balance_is_never_told_larger_than_it_is_and_by_less_than_one_unit(currency, api):
    told = balance_from_api(currency, api)
    scale = max(0, api_exponent(currency) - exponent(currency))
    grow = max(0, exponent(currency) - api_exponent(currency))

    assert told * 10**scale <= api * 10**grow < (told + 1) * 10**scale
