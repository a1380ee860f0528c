"""CSV totals: any file of amounts, counted and added up per currency."""

from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finops_core.kernel.errors import Invalid
from finops_core.kernel.money import Money
from finops_core.kernel.operation import Sheet
from finops_core.operations.intake import read_sheet
from finops_core.operations.operations import CSV_TOTALS
from finops_core.operations.spreadsheets import csv_bytes, xlsx_bytes
from finops_core.payouts.operations import STRIPE_BALANCE

SAMPLES = Path(__file__).parents[2] / "data" / "samples"


@dataclass
class Context:
    """As much of a run's context as adding up needs."""

    sheet: Sheet


def result_of(text: str):
    sheet = read_sheet(text.encode(), "amounts.csv", CSV_TOTALS.file, 10**7)
    assert isinstance(sheet, Sheet), sheet
    return CSV_TOTALS.run(Context(sheet))


def test_each_currency_is_counted_and_added_up():
    result = result_of("currency,amount,memo\nUSD,1.5,x\nEUR,0.05,y\nUSD,-0.25,z\nJPY,1500,\n")

    assert result.success
    assert result.message == "Added up 4 rows in 3 currencies."
    assert result.table == {
        "currency": ["EUR", "JPY", "USD"],
        "count": [1, 1, 2],
        "sum": [Money(5, "EUR"), Money(1500, "JPY"), Money(125, "USD")],
    }
    assert result.metrics.total_minor == {"EUR": 5, "JPY": 1500, "USD": 125}
    assert (result.metrics.records_processed, result.metrics.records_successful) == (4, 4)


def test_it_needs_no_approval():
    assert not CSV_TOTALS.approval_required
    assert CSV_TOTALS.dry_run is None


def test_decimals_are_checked_by_currency_in_every_row():
    faults = read_sheet(b"currency,amount\nJPY,1.5\nEUR,1.5\nEUR,1.505\nKWD,1.505\n", "a.csv", CSV_TOTALS.file, 10**7)

    assert [(fault.row, fault.column, fault.value) for fault in faults] == [
        (2, "amount", "1.5"),
        (4, "amount", "1.505"),
    ]
    assert "JPY has no decimals" in faults[0].message


def test_a_sum_past_what_is_counted_is_refused_not_rounded():
    with pytest.raises(Invalid) as refusal:
        result_of("currency,amount\n" + "EUR,90071992547409.91\n" * 2)

    assert refusal.value.code == "AMOUNT_BAD"


@given(st.lists(st.tuples(st.sampled_from(["EUR", "JPY", "KWD"]), st.integers(-(10**12), 10**12)), min_size=1))
def test_the_sums_are_exact_whatever_the_order(rows):
    lines = [f"{currency},{Money(minor, currency).plain()}" for currency, minor in rows]

    result = result_of("currency,amount\n" + "\n".join(lines))
    turned = result_of("currency,amount\n" + "\n".join(reversed(lines)))

    for currency, count, total in zip(*result.table.values(), strict=True):
        assert total.minor == sum(minor for each, minor in rows if each == currency)
        assert count == sum(each == currency for each, _ in rows)
    assert turned.table == result.table


def test_its_result_can_be_exported():
    table = result_of(CSV_TOTALS.file.sample).table

    assert csv_bytes(table).decode("utf-8-sig").splitlines() == [
        "currency,count,sum", "EUR,2,1300.00", "JPY,1,180000", "USD,1,-75.25",
    ]  # fmt: skip
    assert xlsx_bytes(table)


@pytest.mark.parametrize(
    ("operation", "name"), [(CSV_TOTALS, "amounts.csv"), (STRIPE_BALANCE, "stripe-balance-payout.csv")]
)
def test_the_samples_are_files_their_operation_takes(operation, name):
    stored = (SAMPLES / name).read_bytes()

    for content in (stored, operation.file.sample.encode()):
        sheet = read_sheet(content, operation.file.sample_name, operation.file, 10**6)
        assert isinstance(sheet, Sheet), sheet
    assert operation.file.sample_name == name
