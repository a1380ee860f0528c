"""Exports: what is written reads back as the same values, and no text becomes a formula."""

import csv
import io
import zipfile
from datetime import UTC, date, datetime, timedelta, timezone

import openpyxl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from finops_core.kernel.errors import Invalid
from finops_core.kernel.money import MAX_MINOR, Money
from finops_core.operations.spreadsheets import MAX_SHEET_ROWS, csv_bytes, workbook_bytes, xlsx_bytes

FORMULAS = [
    "=1+1",
    "+1",
    "-1",
    "@SUM(A1)",
    "\t=1",
    "\r=1",
    "\n=1",
    "\0=1",
    "  =1",
    "\u00a0=1",
    "\uff1d1",
    "\uff0b1",
    "\uff0d1",
    "\uff20x",
    '=HYPERLINK("https://example.org","x")',
    "=cmd|' /C calc'!A0",
]


def read_csv(content: bytes) -> list[list[str]]:
    assert content.startswith(b"\xef\xbb\xbf")
    return list(csv.reader(io.StringIO(content.decode("utf-8-sig"), newline=""), strict=True))


def read_xlsx(content: bytes) -> list[list[openpyxl.cell.Cell]]:
    book = openpyxl.load_workbook(io.BytesIO(content))
    assert book.sheetnames == ["Result"]
    return [list(row) for row in book["Result"].iter_rows()]


def values_of(content: bytes) -> list[list[object]]:
    return [[cell.value for cell in row] for row in read_xlsx(content)]


DAY = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)
TABLE = {
    "payee": ["Acme, Inc", 'He said "no"', None],
    "count": [3, -7, None],
    "day": [date(2026, 11, 20), None, date(1999, 1, 2)],
    "at": [DAY.astimezone(timezone(timedelta(hours=1))), None, None],
    "paid": [Money(-123450, "EUR"), Money(5, "EUR"), None],
}


def test_csv_holds_plain_values_in_utf_8():
    assert read_csv(csv_bytes(TABLE)) == [
        ["payee", "count", "day", "at", "paid (EUR)"],
        ["Acme, Inc", "3", "2026-11-20", "2026-11-20T09:30:00Z", "-1234.50"],
        ['He said "no"', "-7", "", "", "0.05"],
        ["", "", "1999-01-02", "", ""],
    ]


def test_xlsx_holds_typed_cells():
    header, first, second, third = read_xlsx(xlsx_bytes(TABLE, title="Payouts"))

    assert [cell.value for cell in header] == ["payee", "count", "day", "at (UTC)", "paid (EUR)"]
    assert [cell.value for cell in first[:2]] == ["Acme, Inc", 3]
    assert first[2].value == DAY.replace(hour=0, minute=0, tzinfo=None)
    assert first[3].value == DAY.replace(tzinfo=None)
    assert first[4].value == -1234.5
    assert [cell.data_type for cell in first] == ["s", "n", "d", "d", "n"]
    assert second[4].value == 0.05
    assert [cell.value for cell in third][:2] == [None, None]


@pytest.mark.parametrize(
    ("currency", "minor", "value", "number_format"),
    [("EUR", 123450, 1234.5, "#,##0.00"), ("JPY", 1500, 1500, "#,##0"), ("KWD", -1, -0.001, "#,##0.000"),
     ("CLF", 1, 0.0001, "#,##0.0000")],
)  # fmt: skip
def test_an_amount_is_a_number_shown_with_the_decimals_of_its_currency(currency, minor, value, number_format):
    cell = read_xlsx(xlsx_bytes({"sum": [Money(minor, currency)]}))[1][0]

    assert (cell.value, cell.number_format, cell.data_type) == (value, number_format, "n")


@pytest.mark.parametrize(
    "write", [lambda table: read_csv(csv_bytes(table)), lambda table: values_of(xlsx_bytes(table))]
)
def test_the_currency_of_every_amount_is_said_somewhere(write):
    euro, dollar = Money(100, "EUR"), Money(200, "USD")

    assert write({"sum": [euro, None, euro]})[0] == ["sum (EUR)"]
    assert write({"sum": [euro, dollar]})[0] == ["sum", "sum currency"]
    assert [row[1] for row in write({"sum": [euro, dollar]})] == ["sum currency", "EUR", "USD"]
    assert write({"currency": ["EUR", "USD"], "sum": [euro, dollar]})[0] == ["currency", "sum"]
    assert write({"currency": ["EUR", "EUR"], "sum": [euro, dollar]})[0] == ["currency", "sum", "sum currency"]


def test_numbers_past_15_digits_lose_none():
    table = {"id": [10**15], "small": [10**15 - 1], "paid": [Money(MAX_MINOR, "EUR")]}

    assert values_of(xlsx_bytes(table))[1] == ["1000000000000000", 999999999999999, "90071992547409.91"]
    assert read_csv(csv_bytes(table))[1] == ["1000000000000000", "999999999999999", "90071992547409.91"]


@pytest.mark.parametrize("text", FORMULAS)
def test_text_that_could_run_is_escaped_in_csv_cells_and_headers(text):
    header, row = read_csv(csv_bytes({text: [text]}))

    assert header == [f"'{text}"]
    assert row == [f"'{text}"]


@pytest.mark.parametrize("text", FORMULAS)
def test_text_that_could_run_stays_text_in_xlsx(text):
    content = xlsx_bytes({text: [text, "https://example.org", "mailto:a@example.org", "12"]})

    for row in read_xlsx(content):
        assert row[0].data_type == "s"
        assert row[0].hyperlink is None
    with zipfile.ZipFile(io.BytesIO(content)) as package:
        sheet = package.read("xl/worksheets/sheet1.xml")
    assert b"<f>" not in sheet
    assert b"hyperlink" not in sheet


def test_negative_numbers_and_amounts_are_not_escaped():
    table = {"count": [-3], "paid": [Money(-5, "EUR")]}

    assert read_csv(csv_bytes(table))[1] == ["-3", "-0.05"]


@given(st.text(max_size=30))
def test_no_csv_text_begins_like_a_formula(text):
    cell = read_csv(csv_bytes({"a": [text], "b": [1]}))[1][0]

    assert not cell.lstrip().startswith(
        ("=", "+", "-", "@", "\t", "\r", "\n", "\0", "\uff1d", "\uff0b", "\uff0d", "\uff20")
    )
    assert cell in {text, f"'{text}"}


@settings(max_examples=40)
@given(st.lists(st.text(st.characters(categories=["L", "N", "P", "S", "Zs"]), max_size=20), min_size=1, max_size=3))
def test_any_readable_text_comes_back_from_xlsx_as_it_was(texts):
    rows = values_of(xlsx_bytes({"a": texts, "b": [1] * len(texts)}))[1:]

    assert [row[0] or "" for row in rows] == texts


def test_half_a_surrogate_pair_breaks_no_export():
    table = {"a": ["x\ud800"]}

    assert read_csv(csv_bytes(table))[1] == ["x\\ud800"]
    assert values_of(xlsx_bytes(table))[1] == ["x\\ud800"]


def test_a_text_longer_than_a_cell_can_hold_is_cut_and_says_so():
    value = values_of(xlsx_bytes({"a": ["x" * 40_000]}))[1][0]

    assert len(value) == 32_767
    assert value.endswith("… (cut)")


@pytest.mark.parametrize("rows", [3, 10_001])
def test_the_same_table_gives_the_same_bytes_small_or_streamed(rows):
    table = {"n": list(range(rows)), "t": ["x"] * rows, "m": [Money(1, "EUR")] * rows}

    assert xlsx_bytes(table, title="A") == xlsx_bytes(table, title="A")
    assert csv_bytes(table) == csv_bytes(table)


def test_a_streamed_sheet_holds_the_same_values():
    rows = 10_001
    table = {"n": list(range(rows)), "t": [f"=t{n}" for n in range(rows)], "m": [Money(n, "EUR") for n in range(rows)]}

    values = values_of(xlsx_bytes(table))

    assert values[0] == ["n", "t", "m (EUR)"]
    assert values[1] == [0, "=t0", 0]
    assert values[-1] == [10_000, "=t10000", 100]
    assert len(values) == rows + 1


def test_the_workbook_says_no_time_of_making():
    book = openpyxl.load_workbook(io.BytesIO(xlsx_bytes({"a": [1]}, title="Payouts")))

    assert book.properties.title == "Payouts"
    assert book.properties.created.replace(tzinfo=UTC) == datetime(2000, 1, 1, tzinfo=UTC)


def test_an_instant_without_a_zone_is_refused():
    table = {"at": [datetime(2026, 11, 20)]}  # noqa: DTZ001 - the point of the test

    for write in (csv_bytes, xlsx_bytes):
        with pytest.raises(ValueError, match="without a zone"):
            write(table)


def test_columns_of_different_length_are_refused():
    for write in (csv_bytes, xlsx_bytes):
        with pytest.raises(ValueError, match="zip"):
            write({"a": [1], "b": [1, 2]})


def test_more_rows_than_a_sheet_holds_are_refused_with_a_way_out():
    with pytest.raises(Invalid) as refusal:
        xlsx_bytes({"a": [None] * (MAX_SHEET_ROWS + 1)})

    assert refusal.value.code == "TABLE_LONG"
    assert "CSV" in refusal.value.hint


def test_an_empty_table_is_a_file_all_the_same():
    assert read_csv(csv_bytes({"a": []})) == [["a"]]
    assert values_of(xlsx_bytes({"a": []})) == [["a"]]


def test_yes_and_no_are_words():
    assert read_csv(csv_bytes({"a": [True, False]}))[1:] == [["yes"], ["no"]]
    assert values_of(xlsx_bytes({"a": [True, False]}))[1:] == [["yes"], ["no"]]


def test_a_workbook_has_a_sheet_for_each_table():
    book = openpyxl.load_workbook(io.BytesIO(workbook_bytes({"Rows": {"A": [1, 2]}, "Sums": {"B": ["=1+1"]}})))

    assert [[[cell.value for cell in row] for row in sheet] for sheet in book.worksheets] == [
        [["A"], [1], [2]],
        [["B"], ["=1+1"]],
    ]
    assert book.sheetnames == ["Rows", "Sums"]
