"""The second operation, without approval: from the upload straight to its result, its viewer and its files."""

import csv
import io
from pathlib import Path

import pytest

pytestmark = [pytest.mark.browser, pytest.mark.slow]

AMOUNTS = b"currency,amount,reference\nEUR,1200.50,a\nUSD,-75.25,b\nJPY,180000,c\nEUR,99.50,d\nKWD,12.345,e\n"
SHOWN = [("EUR", "2", "1,300.00"), ("JPY", "1", "180,000"), ("KWD", "1", "12.345"), ("USD", "1", "(75.25)")]
TOTALS = [("EUR", "2", "1300.00"), ("JPY", "1", "180000"), ("KWD", "1", "12.345"), ("USD", "1", "-75.25")]


def test_a_file_of_amounts_is_added_up_without_approval_and_its_result_is_seen_and_downloaded(enter, tmp_path: Path):
    # Given Ana at the catalogue, where the operation says that nobody has to approve it
    ana = enter("ana", "run")
    card = ana.main.locator("a.to-figure").filter(has_text="CSV totals")
    assert "No approval" in card.inner_text()
    assert "Low risk" in card.inner_text()

    # When she uploads amounts and runs it
    ana.follow("CSV totals")
    ana.choose("amounts.csv", AMOUNTS)
    ana.press("Run")

    # Then it follows to its end by itself; nobody was asked
    ana.sees("Added up 5 rows in 4 currencies.")
    ana.turn_to("Approvals")
    ana.sees("This operation needs no approval.")
    ana.turn_to("Plan")
    ana.sees("This operation runs without a plan.")

    # and the viewer has a row per currency
    ana.turn_to("Result & files")
    ana.sees("4 rows;")
    rows = ana.table("Result of")
    assert [(row["Currency"], row["Count"], row["Sum"]) for row in rows] == SHOWN
    for total in ("1,300.00 EUR", "180,000 JPY", "12.345 KWD", "(75.25) USD"):
        ana.sees(total, ana.main)
    ana.look("30-totals")

    # and it sorts by the number, not by its text
    ana.pick("Sort by", "Sum, smallest first")
    assert [row["Currency"] for row in ana.table("Result of")] == ["USD", "KWD", "EUR", "JPY"]
    assert ana.page.get_by_test_id("stDataFrame").count() == 0

    # and the file says the same
    as_csv = ana.download(ana.main.get_by_role("button", name="Download", exact=True).nth(1), tmp_path)
    lines = list(csv.DictReader(io.StringIO(as_csv.read_text(encoding="utf-8-sig"))))
    assert [(line["currency"], line["count"], line["sum"]) for line in lines] == TOTALS


def test_the_same_file_again_asks_for_a_reason_and_then_runs(enter):
    # Given a file that has been added up
    ana = enter("ana", "run?operation=reporting.csv_totals")
    ana.choose("again.csv", b"currency,amount\nEUR,4.01\n")
    ana.press("Run")
    ana.sees("Added up 1 row")
    first = ana.query()["execution"]

    # When it is uploaded again
    ana.open("run?operation=reporting.csv_totals")
    ana.choose("again.csv", b"currency,amount\nEUR,4.01\n")
    ana.press("Run")

    # Then the page names the first run and asks why
    ana.sees(f"already ran as {first}")
    ana.look("31-already-ran")
    ana.main.get_by_label("Reason to run it again").fill("The first print was lost")
    ana.press("Run")
    ana.sees("Added up 1 row")
    assert ana.query()["execution"] != first
