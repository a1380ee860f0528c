"""What words in the search box may mean."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finops_core.kernel import sought


@pytest.mark.parametrize(
    ("typed", "numbers"),
    [
        ("EX-2026-0001", ("EX-2026-0001",)),
        ("ex-2026-0001", ("EX-2026-0001",)),
        ("ex20260001", ("EX-2026-0001",)),
        ("EX-2026-7", ("EX-2026-7", "EX-2026-0007")),
        ("AP-2026-", ("AP-2026-",)),
        ("EX 2026 0001", ("EX-2026-0001",)),
        ("ex 2026\u00a07", ("EX-2026-7", "EX-2026-0007")),
        ("je2026 0001", ("JE-2026-0001",)),
        ("AP 2026", ("AP-2026-",)),
        ("2026 0012", ("EX-2026-0012", "AP-2026-0012", "JE-2026-0012")),
        ("KW 2026", ()),
        ("1234 5678", ()),
        ("2026-0012", ("EX-2026-0012", "AP-2026-0012", "JE-2026-0012")),
        ("EX", ()),
        ("1250", ()),
    ],
)
def test_a_number_is_understood_however_it_is_typed(typed, numbers):
    assert sought.read(typed).numbers == numbers


@pytest.mark.parametrize(
    ("typed", "minor", "currency"),
    [
        ("1,250.00 EUR", 125_000, "EUR"),
        ("EUR 1250", 125_000, "EUR"),
        ("eur1250", 125_000, "EUR"),
        ("1 250.5 USD", 125_050, "USD"),
        ("1250", 125_000, "USD"),
        ("1250", 1_250, "JPY"),
        ("1250", 1_250_000, "KWD"),
        ("1,250.125", 1_250_125, "KWD"),
        ("3,01", 301, "EUR"),
        ("EUR 3,01", 301, "EUR"),
        ("3,01", 3_010, "KWD"),
        ("1 250,00 EUR", 125_000, "EUR"),
        ("1\u202f250,00\u00a0EUR", 125_000, "EUR"),
        ("1\u202f250.00", 125_000, "EUR"),
        ("1\u2009250.00", 125_000, "EUR"),
        ("1.250,00", 125_000, "EUR"),
        ("12,50", 1_250, "EUR"),
    ],
)
def test_an_amount_is_read_with_or_without_its_currency(typed, minor, currency):
    assert sought.read(typed).is_amount(minor, currency)


@pytest.mark.parametrize(
    ("typed", "minor", "currency"),
    [
        ("1250 EUR", 125_000, "USD"),
        ("1250", 1_250, "USD"),
        ("1,250.125", 125_012, "EUR"),
        ("3,010", 301, "EUR"),
        ("3,1", 310, "EUR"),
        ("1,250,00", 125_000, "EUR"),
        ("12 50,00", 125_000, "EUR"),
        ("0", 0, "EUR"),
        ("99999999999999999999", 1, "EUR"),
    ],
)
def test_what_is_another_amount_or_none_is_not_taken_for_it(typed, minor, currency):
    assert not sought.read(typed).is_amount(minor, currency)


@pytest.mark.parametrize("typed", ["6789", "•••• 6789", "****6789", "...6789", "- 6789"])
def test_the_last_four_digits_of_an_account_are_taken_alone(typed):
    assert sought.read(typed).name == "6789"


def test_ids_hashes_and_things_of_the_log_are_told_apart():
    assert sought.read("po_1Abc").id == "po_1Abc"
    assert sought.read("DEADBEEF").hash == "deadbeef"
    assert sought.read("dead").hash == ""
    assert sought.read("execution:ex_1").object == "execution:ex_1"
    assert sought.read("Nordlicht GmbH").id == ""


@pytest.mark.parametrize("typed", ["", " ", "x", "  7 "])
def test_one_character_is_not_enough_to_look_for(typed):
    assert not sought.read(typed)


@given(st.text(max_size=300))
def test_nothing_that_can_be_typed_is_too_strange(typed):
    assert len(sought.read(typed).text) <= 2 * sought.MOST_CHARS
