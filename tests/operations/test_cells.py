"""Readers of cells: a value, or a sentence that says what would be right."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finops_core.kernel.money import Money, plain_decimal
from finops_core.operations import cells

READERS = {
    "currency": cells.currency,
    "decimal_amount": cells.decimal_amount,
    "unsigned_amount": cells.unsigned_amount,
    "text": cells.text(22),
    "date_iso": cells.date_iso,
    "identifier": cells.identifier("acct_"),
    "account_id": cells.account_id,
}


@pytest.mark.parametrize(
    ("reader", "cell", "value"),
    [
        ("currency", "EUR", "EUR"),
        ("currency", "jpy", "JPY"),
        ("decimal_amount", "1234.50", "1234.50"),
        ("decimal_amount", "007.10", "7.10"),
        ("decimal_amount", "000", "0"),
        ("decimal_amount", "-0.00", "0.00"),
        ("decimal_amount", "-05", "-5"),
        ("unsigned_amount", "0", "0"),
        ("text", "TIEOUT Zürich", "TIEOUT Zürich"),
        ("text", "x" * 22, "x" * 22),
        ("date_iso", "2026-11-20", date(2026, 11, 20)),
        ("date_iso", "2024-02-29", date(2024, 2, 29)),
        ("identifier", "acct_1AbC-x", "acct_1AbC-x"),
        ("account_id", "acct_sbx_harbour", "acct_sbx_harbour"),
    ],
)
def test_a_good_cell_is_read(reader, cell, value):
    assert READERS[reader](cell) == value


@pytest.mark.parametrize(
    ("reader", "cell", "says"),
    [
        ("currency", "EURO", "three-letter code"),
        ("currency", "XAU", "is not a currency"),
        ("currency", "€", "is not a currency"),
        ("currency", "u\u017fd", "is not a currency"),  # a long s, whose upper case is S
        ("decimal_amount", "1,234.50", "comma"),
        ("decimal_amount", "1e6", "scientific"),
        ("decimal_amount", "€5", "is not an amount"),
        ("unsigned_amount", "-0.01", "negative"),
        ("text", "x" * 23, "23 characters; at most 22"),
        ("text", "two\nlines", "line break"),
        ("text", "right\u202eleft", "control character"),
        ("date_iso", "20.11.2026", "2026-11-20"),
        ("date_iso", "20261120", "2026-11-20"),
        ("date_iso", "2026-W47-5", "2026-11-20"),
        ("date_iso", "2026-02-30", "2026-11-20"),
        ("date_iso", "2026-11-20T00:00", "2026-11-20"),
        ("identifier", "cus_123", "starting with acct_"),
        ("identifier", "acct_é", "letters, digits"),
        ("account_id", "a b", "letters, digits"),
        ("account_id", "x" * 65, "at most 64"),
    ],
)
def test_any_other_cell_is_refused_with_a_sentence(reader, cell, says):
    with pytest.raises(ValueError, match=r".") as refusal:
        READERS[reader](cell)

    assert says in str(refusal.value)


@pytest.mark.parametrize("reader", READERS)
@given(cell=st.text(min_size=1))
def test_a_reader_gives_a_value_or_a_printable_sentence(reader, cell):
    try:
        READERS[reader](cell)
    except ValueError as error:
        assert str(error).isprintable()  # noqa: PT017 - either outcome is right


@given(st.from_regex(r"-?[0-9]{1,15}(\.[0-9]{1,4})?", fullmatch=True))
def test_the_canonical_amount_is_the_same_number_and_reads_as_itself(cell):
    amount = cells.decimal_amount(cell)

    assert plain_decimal(amount) == plain_decimal(cell)
    assert cells.decimal_amount(amount) == amount


def test_an_amount_becomes_money_only_with_the_decimals_of_its_currency():
    assert cells.money_of("1.5", "EUR") == Money(150, "EUR")
    with pytest.raises(ValueError, match="JPY has no decimals"):
        cells.money_of("1.5", "JPY")
    with pytest.raises(ValueError, match="past the largest"):
        cells.money_of("9" * 20, "EUR")
