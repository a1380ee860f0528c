"""One wrong file of each kind through the uploader: every fault in the user's words, nothing stored, no page broken."""

import io

import openpyxl
import pytest

from finops_core.operations import State
from tests.e2e.screens import Screen

pytestmark = [pytest.mark.browser, pytest.mark.slow]

PNG = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + bytes(64)
PDF = b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj\n"
AS_CSV = "save it as CSV (UTF-8) and upload that."
LONG = "x" * 5000
MEGABYTE = 1024 * 1024


def workbook() -> bytes:
    book, stream = openpyxl.Workbook(), io.BytesIO()
    book.active.append(["currency"])
    book.save(stream)
    return stream.getvalue()


# kind: the file, and for each fault its row, its column, its value, and how its sentence begins.
WRONG = {
    "empty": (b"", [("", "", "", "The file is empty. Its first row must hold the headers.")]),
    "only-headers": (b"currency,maximum\n", [("", "", "", "The file has headers but no rows below them.")]),
    "workbook": (workbook(), [("", "", "", f"This is an Excel workbook; {AS_CSV}")]),
    "document": (PDF, [("", "", "", "This is a PDF document; export the table it was made from as CSV (UTF-8).")]),
    "picture": (PNG, [("", "", "", "This is a file of the kind PNG; a CSV file (UTF-8) is expected.")]),
    "latin-1": (
        "currency,descriptor\nEUR,Größe\n".encode("latin-1"),
        [("2", "", "", "Byte 27 (hexadecimal F6) is not")],
    ),
    "nul": (b"currency\nEUR\nU\0SD\n", [("3", "", "", "Byte 15 is a NUL character, which no text file has.")]),
    "headers-twice": (
        b"currency,maximum,Currency\nEUR,1,EUR\n",
        [("1", "Currency", "Currency", "The header “Currency” stands twice, in columns 1 and 3; keep one.")],
    ),
    "header-unknown": (
        b"currency,maximun\nEUR,1\n",
        [("1", "maximun", "maximun", "The column “maximun” is not known; did you mean “maximum”?")],
    ),
    "column-missing": (
        b"account,maximum\n,1\n",
        [("1", "currency", "", "The column “currency” is missing. The first row must hold the headers;")],
    ),
    "cells": (
        b"currency,maximum\nEUR,1.00\nEURO,2.00\nUSD,1.234,56\nUSD,12e3\nJPY,1.50\nUSD,0.001\nGBP,-5\n",
        [
            ("3", "currency", "EURO", "“EURO” is not a currency; use a three-letter code such as EUR, USD or JPY."),
            ("4", "", "", "This row has 3 cells, the header has 2; a value with the delimiter in it needs quotes."),
            ("5", "maximum", "12e3", ""),
            ("6", "maximum", "1.50", ""),
            ("7", "maximum", "0.001", ""),
            ("7", "", "", "The same account and currency as in row 5; each may stand only once."),
            ("8", "maximum", "-5", "Must be more than zero."),
        ],
    ),
    "rows-twice": (
        b"currency,account\nEUR,\nUSD,\nEUR,\n",
        [("4", "", "", "The same account and currency as in row 2; each may stand only once.")],
    ),
    "quote-open": (
        b'currency,descriptor\nEUR,"never closed\nUSD,x\n',
        [("2", "", "", 'A quotation mark (") is opened in this row and never closed.')],
    ),
    "cell-long": (
        f"currency,descriptor\nEUR,{LONG}\n".encode(),
        [("2", "descriptor", "x" * 80, "This cell has 5,000 characters; at most 4,096 are accepted.")],
    ),
    "too-large": (
        b"currency\n" + b"EUR\n" * 150_000,
        [("", "", "", "The file has 600,009 bytes; at most 524,288 bytes are accepted.")],
    ),
}


def told(screen: Screen, name: str) -> list[tuple[str, str, str, str]]:
    """The faults on the screen, once they are those of this file."""
    screen.sees(f"to mend in {name}; nothing was stored.")
    rows = screen.table(f"What is wrong in {name}")
    return [(row["Row"], row["Column"], row["Value"], row["What is wrong"]) for row in rows]


def differences(seen: list[tuple[str, str, str, str]], expected: list[tuple[str, str, str, str]]) -> list[object]:
    """What does not match; sentences are given by their beginning and must end as sentences do."""
    wrong: list[object] = [] if len(seen) == len(expected) else [f"{len(seen)} faults: {seen}"]
    for got, want in zip(seen, expected, strict=False):
        sentence = got[3]
        fits = sentence.startswith(want[3]) and len(sentence) > 10 and sentence.rstrip("”").endswith((".", "?"))
        if got[:2] != want[:2] or got[2][:20] != want[2][:20] or not fits:
            wrong.append((got, want))
    return wrong


def test_each_wrong_file_is_told_by_row_and_column_stores_nothing_and_a_good_one_works_after_all(enter, backstage):
    # Given Ana at the form
    ana = enter("ana", "run?operation=payouts.stripe_balance")
    before = backstage.stored()
    wrong = {}

    # When she uploads one wrong file after another on the same page
    for kind, (content, expected) in WRONG.items():
        ana.choose(f"{kind}.csv", content)
        ana.press("Make the plan")
        wrong[kind] = differences(told(ana, f"{kind}.csv"), expected)
        if kind in {"cells", "workbook", "cell-long"}:
            ana.look(f"20-wrong-{kind}")

    # Then each is told in the user's words, by row and column, and nothing was stored
    assert {kind: found for kind, found in wrong.items() if found} == {}
    assert backstage.stored() == before
    ana.page.get_by_role("button", name="Make the plan").wait_for()

    # When she uploads a good one on that very page
    ana.choose("good.csv", b"currency,maximum\nSEK,1.06\n")
    ana.press("Make the plan")

    # Then it leads to its plan
    ana.page.get_by_role("button", name="Submit for approval").wait_for()
    assert backstage.execution(ana.query()["execution"]).state is State.READY
    assert backstage.stored()["stored_file"] == before["stored_file"] + 1


def test_a_form_without_a_file_and_a_file_past_the_uploaders_own_limit_are_refused_with_a_sentence(enter, backstage):
    # Given Ana at the form
    ana = enter("ana", "run?operation=payouts.stripe_balance")
    before = backstage.stored()

    # When she presses without a file
    ana.press("Make the plan")

    # Then she is told to choose one
    ana.sees("Choose a file: Currencies to pay out (CSV).")

    # When the file is more than the uploader takes, or is named as another kind
    ana.drop("huge.csv", b"currency\n" + b"EUR\n" * (MEGABYTE // 2))
    ana.sees("File must be 1")
    ana.drop("workbook.xlsx", workbook())
    ana.sees("files are not allowed")
    ana.look("20-wrong-uploader")

    # Then nothing has been stored
    assert backstage.stored() == before


def test_more_faults_than_a_page_shows_can_be_downloaded_as_a_file(enter, tmp_path):
    # Given a file with sixty wrong rows
    ana = enter("ana", "run?operation=payouts.stripe_balance")
    ana.choose("many.csv", b"currency\n" + b"".join(b"X%02d\n" % each for each in range(60)))

    # When it is refused
    ana.press("Make the plan")

    # Then fifty faults are shown, and the file has all of them
    assert len(told(ana, "many.csv")) == 50
    file = ana.download(ana.main.get_by_role("button", name="Download all of them"), tmp_path)
    assert len(file.read_text(encoding="utf-8-sig").splitlines()) == 61
