"""Intake: a good file becomes a sheet, a wrong one every fault by row and column, and no bytes make it raise."""

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from finops_core.kernel.faults import Fault
from finops_core.kernel.operation import Column, FileSpec, Sheet
from finops_core.operations import cells, intake_faults
from finops_core.operations.intake import read_sheet
from finops_core.operations.intake_faults import MAX_FAULTS, Faults, printable

DATA = Path(__file__).parent / "data"
LIMIT = 1024 * 1024


def spec_of(**changes) -> FileSpec:
    values = {
        "label": "Amounts",
        "columns": (
            Column("currency", cells.currency, required=True, aliases=("Währung", "curr")),
            Column("amount", cells.decimal_amount, required=True),
            Column("pay_on", cells.date_iso),
        ),
        "sample_name": "amounts.csv",
        "sample": "",
    }
    return FileSpec(**{**values, **changes})


def sheet_of(text: str | bytes, spec: FileSpec | None = None) -> Sheet:
    content = text if isinstance(text, bytes) else text.encode()
    result = read_sheet(content, "amounts.csv", spec or spec_of(), LIMIT)
    assert isinstance(result, Sheet), result
    return result


def faults_of(text: str | bytes, spec: FileSpec | None = None, name: str = "amounts.csv", limit: int = LIMIT):
    content = text if isinstance(text, bytes) else text.encode()
    result = read_sheet(content, name, spec or spec_of(), limit)
    assert isinstance(result, tuple), result
    return result


def places(faults: tuple[Fault, ...]) -> list[tuple[str, int | None, str | None]]:
    return [(fault.code, fault.row, fault.column) for fault in faults]


# Good files


def test_a_good_file_becomes_columns_of_values_with_their_row_numbers():
    sheet = sheet_of("currency,amount\nEUR,1.50\nusd,-007\n")

    assert sheet.columns == {"currency": ["EUR", "USD"], "amount": ["1.50", "-7"], "pay_on": [None, None]}
    assert sheet.rows == [2, 3]
    assert len(sheet) == 2


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_delimiter_line_ending_and_byte_order_mark_make_no_difference(delimiter, ending, mark):
    lines = ["currency", "amount", "pay_on"], ["EUR", "1.50", "2026-11-20"], ["JPY", "5", ""]
    text = ending.join(delimiter.join(line) for line in lines)

    sheet = sheet_of(mark + text.encode())

    assert sheet.columns["amount"] == ["1.50", "5"]
    assert sheet.columns["pay_on"][1] is None
    assert sheet.rows == [2, 3]


@pytest.mark.parametrize("header", ["CURRENCY,Amount,Pay On", " curr , A_MOUNT,payon", "währung,amount,PAY_ON"])
def test_headers_match_without_regard_to_case_spaces_underscores_and_by_alias(header):
    assert sheet_of(f"{header}\nEUR,1,2026-11-20\n").columns["currency"] == ["EUR"]


def test_the_delimiter_is_told_by_known_headers_not_by_the_most_signs():
    spec = spec_of(extra_columns=True)

    sheet = sheet_of('currency;amount;"note, free, of, form"\nEUR;1.50;"a, b"\n', spec)

    assert sheet.columns["amount"] == ["1.50"]


def test_blank_rows_are_skipped_and_still_counted():
    sheet = sheet_of("\n\ncurrency,amount\n\nEUR,1\n , \n,\nUSD,2\n\n")

    assert sheet.rows == [5, 8]


def test_a_row_is_numbered_by_the_line_it_starts_on():
    spec = spec_of(extra_columns=True)

    sheet = sheet_of('currency,amount,note\nEUR,1,"two\nlines"\nUSD,2,x\n', spec)

    assert sheet.rows == [2, 4]


def test_quoted_cells_may_hold_delimiters_quotes_and_spaces_around_them():
    spec = spec_of(columns=(Column("payee", cells.text(40), required=True), Column("amount", cells.decimal_amount)))

    sheet = sheet_of('payee, amount\n"Acme, ""Inc""", "1.50"\n', spec)

    assert sheet.columns == {"payee": ['Acme, "Inc"'], "amount": ["1.50"]}


def test_extra_columns_pass_unread_where_the_operation_allows_them():
    spec = spec_of(extra_columns=True)

    sheet = sheet_of(",currency,memo,amount,memo\n0,EUR,x,1,y\n", spec)

    assert sheet.columns == {"currency": ["EUR"], "amount": ["1"], "pay_on": [None]}


def test_text_that_starts_like_a_foreign_file_type_is_still_text():
    # BM is how a bitmap begins, MZ how a program does.
    spec = spec_of(columns=(Column("BMW", cells.text(9)), Column("MZN", cells.text(9))))

    assert sheet_of("BMW,MZN\na,b\n", spec).columns["BMW"] == ["a"]
    assert sheet_of("MZN,BMW\na,b\n", spec).columns["BMW"] == ["b"]


# Wrong files


@pytest.mark.parametrize(
    ("name", "code", "row", "says"),
    [
        ("workbook.xlsx", "FILE_TYPE", None, "This is an Excel workbook; save it as CSV (UTF-8)"),
        ("workbook-renamed.csv", "FILE_TYPE", None, "This is an Excel workbook; save it as CSV (UTF-8)"),
        ("old-workbook.csv", "FILE_TYPE", None, "old Excel workbook"),
        ("archive.csv", "FILE_TYPE", None, "ZIP archive; unpack it"),
        ("compressed.csv", "FILE_TYPE", None, "gzip"),
        ("picture.csv", "FILE_TYPE", None, "kind PNG"),
        ("program.csv", "FILE_TYPE", None, "kind EXE"),
        ("document.csv", "FILE_TYPE", None, "PDF"),
        ("web-page.csv", "FILE_TYPE", None, "web page"),
        ("formatted-text.csv", "FILE_TYPE", None, "formatting"),
        ("markup.csv", "FILE_TYPE", None, "XML"),
        ("objects.csv", "FILE_TYPE", None, "JSON"),
        ("utf16.csv", "FILE_TYPE", None, "UTF-16"),
        ("windows-1252.csv", "FILE_NOT_UTF8", 3, "Byte 49 (hexadecimal E9)"),
        ("nul.csv", "FILE_NUL", 3, "Byte 31"),
        ("empty.csv", "FILE_EMPTY", None, "is empty"),
        ("only-line-breaks.csv", "FILE_EMPTY", None, "is empty"),
        ("only-mark.csv", "FILE_EMPTY", None, "is empty"),
        ("only-headers.csv", "FILE_NO_ROWS", None, "no rows below"),
        ("open-quote.csv", "QUOTE_OPEN", 3, "never closed"),
    ],
)
def test_a_wrong_file_of_each_kind_is_named_for_what_it_is(name, code, row, says):
    faults = faults_of((DATA / name).read_bytes(), name=name)

    assert places(faults) == [(code, row, None)]
    assert says in faults[0].message


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("no-headers.csv", [
            ("COLUMN_UNKNOWN", 1, "EUR"), ("COLUMN_UNKNOWN", 1, "1.00"),
            ("COLUMN_MISSING", 1, "currency"), ("COLUMN_MISSING", 1, "amount"),
        ]),
        ("duplicate-header.csv", [("COLUMN_TWICE", 1, "Amount")]),
        ("blank-header.csv", [("HEADER_BLANK", 1, None)]),
        ("misspelt-header.csv", [("COLUMN_UNKNOWN", 1, "curency"), ("COLUMN_MISSING", 1, "currency")]),
        ("missing-column.csv", [("COLUMN_UNKNOWN", 1, "reference"), ("COLUMN_MISSING", 1, "amount")]),
        ("ragged.csv", [("ROW_SHORT", 3, None), ("ROW_WIDE", 4, None), ("ROW_WIDE", 5, None)]),
        ("stray-quote.csv", [("QUOTE_BAD", 3, None), ("CELL_BAD", 4, "amount")]),
        ("long-cell.csv", [("CELL_TOO_LONG", 3, "amount")]),
        ("bad-cells.csv", [
            ("CELL_BAD", 2, "currency"), ("CELL_EMPTY", 3, "amount"), ("CELL_BAD", 4, "amount"),
            ("CELL_EMPTY", 6, "currency"), ("CELL_BAD", 7, "currency"), ("CELL_BAD", 7, "amount"),
        ]),
    ],
)  # fmt: skip
def test_every_fault_comes_at_once_by_row_and_column(name, expected):
    assert places(faults_of((DATA / name).read_bytes())) == expected


def test_a_misspelt_header_is_recognised():
    first = faults_of("curency,amount\nEUR,1\n")[0]

    assert "did you mean “currency”?" in first.message


@pytest.mark.parametrize("name", ["amounts.xlsx", "amounts.exe", "amounts.csv.", "amounts.csv\n"])
def test_another_extension_is_refused_even_with_good_content(name):
    faults = faults_of("currency,amount\nEUR,1\n", name=name)

    assert places(faults) == [("FILE_TYPE", None, None)]
    assert faults[0].message.isprintable()


@pytest.mark.parametrize("name", ["amounts.csv", "AMOUNTS.CSV", "a.b.txt", "amounts.tsv", "amounts"])
def test_the_extensions_of_text_tables_pass(name):
    assert isinstance(read_sheet(b"currency,amount\nEUR,1\n", name, spec_of(), LIMIT), Sheet)


def test_a_file_past_the_size_limit_is_refused_unread_and_one_at_the_limit_is_read():
    content = b"currency,amount\nEUR,1\n"

    assert places(faults_of(content, limit=len(content) - 1)) == [("FILE_TOO_LARGE", None, None)]
    assert isinstance(read_sheet(content, "a.csv", spec_of(), len(content)), Sheet)


def test_more_rows_than_allowed_are_one_fault():
    text = "currency,amount\n" + "EUR,1\n" * 3

    assert places(faults_of(text, spec_of(max_rows=2))) == [("ROWS_MANY", 4, None)]
    assert len(sheet_of(text, spec_of(max_rows=3))) == 3


def test_a_cell_at_the_limit_is_read_and_one_past_it_is_not():
    spec = spec_of(columns=(Column("note", cells.text(5000)),))

    assert sheet_of("note\n" + "x" * 4096 + "\n", spec).columns["note"] == ["x" * 4096]
    assert places(faults_of("note\nok\n" + "x" * 4097, spec)) == [("CELL_TOO_LONG", 3, "note")]


def test_a_quote_that_swallows_the_file_is_named_and_the_rows_behind_its_reach_are_read():
    text = 'currency,amount\n"EUR,1\n' + "EUR,1\n" * 30_000 + "EUR,x\n"

    assert places(faults_of(text)) == [("CELL_TOO_LONG", 2, None), ("CELL_BAD", 30_003, "amount")]


@pytest.mark.parametrize(
    "text", ["currency" + "," * 1_000_001, '"\n",' * 400_000, "currency,amount\n" + "x" * 1_000_001]
)
def test_a_row_without_end_is_cut_off(text):
    codes = {fault.code for fault in faults_of(text, limit=8 * LIMIT)}

    assert "ROW_TOO_LONG" in codes


def test_a_file_of_blank_rows_is_cut_off():
    faults = faults_of("currency,amount\n" + "\n" * 1_100_000, limit=8 * LIMIT)

    assert [fault.code for fault in faults] == ["ROWS_MANY"]


def test_more_columns_than_anybody_has_are_one_fault():
    assert places(faults_of("a," * 1_001 + "b\n")) == [("COLUMNS_MANY", 1, None)]


def test_when_no_known_column_is_found_that_is_the_fault_even_if_none_is_required():
    spec = spec_of(columns=(Column("note", cells.text(9)),), extra_columns=True)

    assert places(faults_of("a,b\n1,2\n", spec)) == [("COLUMN_MISSING", 1, None)]


def test_a_second_look_at_the_row_speaks_of_row_column_and_value():
    def check(row):
        return [("amount", "Must not be zero.")] if row["amount"] == "0" else []

    faults = faults_of("currency,amount\nEUR,0\nEUR,1\nEUR, 0 \nEUR,x\n", spec_of(check_row=check))

    assert places(faults) == [("ROW_BAD", 2, "amount"), ("ROW_BAD", 4, "amount"), ("CELL_BAD", 5, "amount")]
    assert [fault.value for fault in faults] == ["0", "0", "x"]


def test_the_second_look_sees_every_column_of_the_spec_even_an_absent_one():
    seen = []

    sheet_of("amount,currency\n1,EUR\n", spec_of(check_row=lambda row: seen.append(dict(row)) or []))

    assert seen == [{"amount": "1", "currency": "EUR", "pay_on": None}]


def test_the_second_look_is_spared_rows_whose_required_cells_are_bad():
    seen = []

    faults_of("amount,currency\nx,EUR\n2,EUR\n", spec_of(check_row=lambda row: seen.append(row["amount"]) or []))

    assert seen == ["2"]


def test_a_bad_cell_does_not_hide_what_else_is_wrong_with_its_row():
    def check(row):
        return [(name, "is odd") for name in ("amount", "pay_on") if name == "pay_on" or row[name] != "2"]

    faults = faults_of("currency,amount,pay_on\nEUR,1,\nEUR,3,never\n", spec_of(check_row=check, unique=("currency",)))

    # A cell that cannot be read is one fault, whatever else is said of it.
    assert places(faults) == [
        ("ROW_BAD", 2, "amount"),
        ("ROW_BAD", 2, "pay_on"),
        ("CELL_BAD", 3, "pay_on"),
        ("ROW_BAD", 3, "amount"),
        ("ROW_TWICE", 3, None),
    ]


def test_a_value_that_cannot_be_read_is_not_compared():
    faults = faults_of("currency,amount\nE,1\nE,1\n", spec_of(unique=("currency",)))

    assert places(faults) == [("CELL_BAD", 2, "currency"), ("CELL_BAD", 3, "currency")]


def test_values_that_may_stand_only_once_are_compared_as_read():
    spec = spec_of(unique=("pay_on", "currency"))

    faults = faults_of("currency,amount\nEUR,1\nUSD,1\neur,2\nEUR,3\n", spec)

    assert places(faults) == [("ROW_TWICE", 4, None), ("ROW_TWICE", 5, None)]
    assert "as in row 2" in faults[0].message


def test_what_a_file_says_cannot_write_a_second_line_into_a_message():
    text = 'currency,amount,"x\n2026 ERROR paid\x1b[2J"\n"E\r\nUR",1,\n\u202eEUR,"1\n",\nEUR,1\x07,\n'

    faults = faults_of(text)

    assert len(faults) == 4
    for fault in faults:
        assert fault.message.isprintable()
        assert fault.value.isprintable()
        assert fault.column is None or fault.column.isprintable()
        assert len(fault.value) <= 80


def test_a_long_value_is_cut_to_80_characters():
    assert faults_of("currency,amount\nEUR," + "9" * 200)[0].value == "9" * 80


MEASURE = """
import resource, sys
from finops_core.operations.intake import read_sheet
from finops_core.operations.operations import CSV_TOTALS
content = sys.stdin.buffer.read()
read_sheet(content[:1000], "a.csv", CSV_TOTALS.file, 60 * 2**20)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
result = read_sheet(content, "a.csv", CSV_TOTALS.file, 60 * 2**20)
print(len(result), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("row", "rows", "results"),
    [("EUR,{n}.50,{pad}\n", 100_000, 100_000), ("Z{n},{n}x,{pad}\n", 100_000, 200_000), (",", 50 * 2**20, 1)],
    ids=["good rows", "two faults a row", "50 MB of delimiters"],
)
def test_a_large_file_takes_less_than_150_mb_more_memory(row, rows, results):
    body = row * rows if row == "," else "".join(row.format(n=n, pad="x" * 85) for n in range(rows))

    done = subprocess.run(
        [sys.executable, "-c", MEASURE], input=f"currency,amount,memo\n{body}".encode(), capture_output=True, check=True
    )

    count, kibibytes = map(int, done.stdout.split())
    assert count == results
    assert kibibytes * (1 if sys.platform != "darwin" else 1 / 1024) < 150 * 1024


# Properties

PIECES = st.sampled_from(
    ["currency", "amount", "EUR", "1.5", ",", ";", "\t", "|", '"', '""', "\n", "\r", "\r\n", " ", "\0", "\x1f",
     "\ufeff", "é", "\u2028", "\U0001f4b6", "-", "9" * 50, "x" * 4200]
)  # fmt: skip
PREFIXES = st.sampled_from(
    [b"", b"\xef\xbb\xbf", b"\xff\xfe", b"PK\x03\x04", b"%PDF", b"\x89PNG\r\n\x1a\n", b"\x1f\x8b\x08", b"GIF89a",
     b"RIFF", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", b"ID3", b"\x00\x00\x00\x18ftyp", b"\xff\xd8\xff", b"MZ", b"BM"]
)  # fmt: skip
FILES = st.one_of(
    st.builds(lambda prefix, rest: prefix + rest, PREFIXES, st.binary(max_size=400)),
    st.lists(PIECES, max_size=40).map(lambda pieces: "".join(pieces).encode()),
    st.lists(PIECES, max_size=40).map(lambda pieces: ("currency,amount\n" + "".join(pieces)).encode()),
)
SPECS = st.sampled_from([spec_of(), spec_of(extra_columns=True), spec_of(max_rows=1, unique=("currency",))])


@given(FILES, st.text(max_size=20), SPECS)
@example(b'"', "a.csv", spec_of())
@example(b'currency,amount\n"', "a.csv", spec_of())
@example(b"\xef\xbb\xbf\xef\xbb\xbf", "a.csv", spec_of())
def test_no_bytes_and_no_name_make_intake_raise(content, name, spec):
    result = read_sheet(content, name, spec, 10_000)

    if isinstance(result, Sheet):
        assert {len(values) for values in result.columns.values()} == {len(result.rows)}
        assert result.rows
    else:
        assert result
        assert all(fault.message.isprintable() and fault.value.isprintable() for fault in result)


@given(st.lists(st.tuples(st.sampled_from(["EUR", "JPY", "KWD"]), st.integers(-(10**12), 10**12)), min_size=1))
def test_every_good_row_comes_back_once_and_in_order(rows):
    text = "currency,amount\n" + "".join(f"{currency},{amount}\n" for currency, amount in rows)

    sheet = sheet_of(text)

    assert list(zip(sheet.columns["currency"], map(int, sheet.columns["amount"]), strict=True)) == rows


@given(st.lists(st.sampled_from(["EUR,1", "EUR,x", "XX,1", "EUR", ",1", ""]), min_size=1, max_size=30))
def test_every_bad_row_has_a_fault_and_no_good_one_has(lines):
    text = "currency,amount\n" + "\n".join(lines)
    bad = {number for number, line in enumerate(lines, 2) if line not in {"EUR,1", ""}}

    result = read_sheet(text.encode(), "a.csv", spec_of(), LIMIT)

    if bad:
        assert {fault.row for fault in result} == bad
    elif any(lines):
        assert len(result) == lines.count("EUR,1")


@given(st.integers(0, 30), st.integers(0, 255))
def test_the_first_byte_that_is_not_utf_8_is_found_wherever_pieces_meet(before, bad):
    # Given pieces of 1 MiB, a character across their border, and a byte that may not stand there
    content = b"x" * (1024 * 1024 - 10) + "ж€\U0001f4b6".encode() * 3
    content = content[: 1024 * 1024 - 15 + before] + bytes([bad]) + b"x"

    try:
        content.decode("utf-8")
        expected = None
    except UnicodeDecodeError as error:
        expected = error.start

    result = read_sheet(content, "a.csv", spec_of(), 4 * LIMIT)
    found = [fault.message for fault in result if fault.code == "FILE_NOT_UTF8"]
    assert bool(found) == (expected is not None and b"\0" not in content)
    if found:
        assert found[0].startswith(f"Byte {expected + 1:,} ")


def test_faults_past_the_bound_are_counted_not_kept():
    faults = Faults()

    for row in range(MAX_FAULTS + 5):
        faults.add("CELL_BAD", "x", row)

    found = faults.found()
    assert len(found) == MAX_FAULTS + 1
    assert found[-1].code == "FAULTS_MANY"
    assert "5 more" in found[-1].message


@given(st.text())
def test_printable_text_stays_and_all_other_becomes_printable(text):
    assert printable(text).isprintable()
    assert printable(text) == text or not text.isprintable()
    assert len(intake_faults.shown(text)) <= 80
