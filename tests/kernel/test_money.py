"""Money: exact, bounded, one currency at a time."""

import dataclasses
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finops_core.kernel import currencies
from finops_core.kernel.errors import FinOpsError, Invalid
from finops_core.kernel.money import MAX_MINOR, Money, plain_decimal, total

minors = st.integers(-MAX_MINOR, MAX_MINOR)
codes = st.sampled_from(currencies.codes())
amounts = st.builds(Money, minors, codes)


def code_of(call) -> str:
    with pytest.raises(Invalid) as refusal:
        call()
    return refusal.value.code


@pytest.mark.parametrize(
    ("text", "currency", "minor"),
    [
        ("1234.50", "EUR", 123450), ("1234.5", "EUR", 123450), ("1234", "EUR", 123400), ("-0.05", "USD", -5),
        ("0", "EUR", 0), ("-0.00", "EUR", 0), ("007.10", "EUR", 710), ("1500", "JPY", 1500), ("1.234", "KWD", 1234),
        ("0.0001", "CLF", 1), ("90071992547409.91", "EUR", MAX_MINOR),
    ],
)  # fmt: skip
def test_plain_decimal_text_is_read(text, currency, minor):
    assert Money.parse(text, currency) == Money(minor, currency)


@pytest.mark.parametrize(
    ("text", "currency", "says"),
    [
        ("12.345", "EUR", "12.345 has 3 decimals; EUR has 2 decimals."),
        ("12.340", "EUR", "EUR has 2 decimals"),
        ("100.00", "JPY", "100.00 has 2 decimals; JPY has no decimals."),
        ("1.5", "JPY", "1.5 has one decimal; JPY has no decimals."),
        ("1,234.50", "EUR", "has a comma"),
        ("1234,50", "EUR", "has a comma"),
        ("1.5E+06", "EUR", "scientific notation"),
        ("1 234.50", "EUR", "is not an amount"),
        ("€5", "EUR", "is not an amount"),
        ("+5", "EUR", "is not an amount"),
        (".5", "EUR", "is not an amount"),
        ("5.", "EUR", "is not an amount"),
        ("--5", "EUR", "is not an amount"),
        ("\u22125", "EUR", "is not an amount"),
        ("٣", "EUR", "is not an amount"),
        ("5\n", "EUR", "is not an amount"),
        ("", "EUR", "is not an amount"),
        ("nan", "EUR", "is not an amount"),
        ("inf", "EUR", "is not an amount"),
        ("90071992547409.92", "EUR", "past the largest"),
        ("9" * 5000, "EUR", "longer than 40 characters"),
    ],
)
def test_any_other_text_is_refused_with_a_sentence(text, currency, says):
    with pytest.raises(Invalid) as refusal:
        Money.parse(text, currency)

    assert refusal.value.code == "AMOUNT_BAD"
    assert says in refusal.value.message
    assert "\n" not in refusal.value.message


@given(st.text(), codes)
def test_parsing_gives_money_or_a_sentence_never_another_error(text, currency):
    try:
        amount = Money.parse(text, currency)
    except FinOpsError as refusal:
        assert refusal.code == "AMOUNT_BAD"  # noqa: PT017 - either outcome is right
    else:
        assert Fraction(amount.minor, 10 ** currencies.exponent(currency)) == Fraction(text)


@given(amounts)
def test_plain_text_reads_back_as_the_same_amount(amount):
    assert Money.parse(amount.plain(), amount.currency) == amount
    unscaled, scale = plain_decimal(amount.plain())
    assert (unscaled, scale) == (amount.minor, currencies.exponent(amount.currency))


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        (Money(123450, "EUR"), "1234.50"),
        (Money(-5, "EUR"), "-0.05"),
        (Money(-1500, "JPY"), "-1500"),
        (Money(1, "KWD"), "0.001"),
        (Money(0, "EUR"), "0.00"),
    ],
)
def test_plain_text_has_all_decimals_of_the_currency(amount, text):
    assert amount.plain() == text
    assert str(amount) == f"{text} {amount.currency}"


@pytest.mark.parametrize("minor", [1.0, True, "1", None])
def test_only_whole_numbers_are_money(minor):
    assert code_of(lambda: Money(minor, "EUR")) == "AMOUNT_BAD"


@pytest.mark.parametrize("minor", [MAX_MINOR + 1, -MAX_MINOR - 1])
def test_an_amount_past_the_bound_is_refused(minor):
    assert code_of(lambda: Money(minor, "EUR")) == "AMOUNT_BAD"
    assert code_of(lambda: Money(MAX_MINOR, "EUR") + Money(1, "EUR")) == "AMOUNT_BAD"


def test_money_of_an_unknown_currency_cannot_be_made():
    assert code_of(lambda: Money(1, "XAU")) == "CURRENCY_UNKNOWN"
    assert code_of(lambda: Money.parse("1", "eur")) == "CURRENCY_UNKNOWN"


def test_money_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Money(1, "EUR").minor = 2


def test_amounts_of_one_currency_add_subtract_negate_and_compare():
    five, seven = Money(500, "EUR"), Money(700, "EUR")

    assert five + seven == Money(1200, "EUR")
    assert five - seven == -Money(200, "EUR") == Money(-200, "EUR")
    assert five < seven
    assert five <= five  # noqa: PLR0124 - equality is part of the promise
    assert seven > five
    assert seven >= seven  # noqa: PLR0124


@pytest.mark.parametrize(
    "mix",
    [
        lambda a, b: a + b,
        lambda a, b: a - b,
        lambda a, b: a < b,
        lambda a, b: a <= b,
        lambda a, b: a > b,
        lambda a, b: a >= b,
    ],
)
def test_two_currencies_do_not_mix(mix):
    assert code_of(lambda: mix(Money(1, "EUR"), Money(1, "USD"))) == "CURRENCY_MISMATCH"
    assert Money(1, "EUR") != Money(1, "USD")


@given(minors, st.lists(st.integers(0, 10**18), min_size=1, max_size=20).filter(any))
def test_allocation_loses_no_minor_unit_and_is_fair_to_within_one(minor, weights):
    parts = Money(minor, "EUR").allocate(weights)

    assert sum(part.minor for part in parts) == minor
    for part, weight in zip(parts, weights, strict=True):
        assert abs(part.minor - Fraction(minor * weight, sum(weights))) < 1
        assert weight or part.minor == 0


def test_what_is_left_goes_to_the_largest_remainder_then_to_the_earlier_part():
    assert [part.minor for part in Money(100, "EUR").allocate([1, 1, 1])] == [34, 33, 33]
    assert [part.minor for part in Money(-100, "EUR").allocate([1, 1, 1])] == [-34, -33, -33]
    assert [part.minor for part in Money(101, "EUR").allocate([10, 10, 80])] == [10, 10, 81]


@pytest.mark.parametrize("weights", [[], [0, 0], [2, -1], [-1]])
def test_weights_that_share_nothing_are_refused(weights):
    assert code_of(lambda: Money(100, "EUR").allocate(weights)) == "WEIGHTS_BAD"


@given(st.integers(-(2**52), 2**52), st.integers(1, 10**6))
def test_flooring_gives_the_next_lower_multiple(minor, step):
    floored = Money(minor, "EUR").floor_to(step)

    assert floored.minor % step == 0
    assert 0 <= minor - floored.minor < step


def test_a_step_below_one_is_refused():
    assert code_of(lambda: Money(100, "EUR").floor_to(0)) == "STEP_BAD"


def test_a_total_is_kept_per_currency_in_alphabetical_order():
    sums = total([Money(5, "USD"), Money(1, "EUR"), Money(-2, "USD")])

    assert list(sums.items()) == [("EUR", Money(1, "EUR")), ("USD", Money(3, "USD"))]
    assert total([]) == {}
