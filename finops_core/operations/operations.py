"""Operations that belong to no other area. ``CSV_TOTALS`` is also the example of how little an operation needs."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from finops_core.kernel.money import Money
from finops_core.kernel.operation import Category, Column, FileSpec, Metrics, Operation, Result, Risk, RunContext
from finops_core.operations import cells


def add_up(context: RunContext) -> Result:
    """Count and sum of every currency in the file. Raises Invalid AMOUNT_BAD when a sum is past what is counted."""
    columns = context.sheet.columns
    counts = Counter(columns["currency"])
    minor = dict.fromkeys(sorted(counts), 0)
    for currency, amount in zip(columns["currency"], columns["amount"], strict=True):
        minor[currency] += cells.money_of(amount, currency).minor
    sums = [Money(total, currency) for currency, total in minor.items()]
    rows = len(context.sheet)
    return Result(
        success=True,
        message=f"Added up {_many(rows, 'row', 'rows')} in {_many(len(sums), 'currency', 'currencies')}.",
        metrics=Metrics(records_processed=rows, records_successful=rows, total_minor=minor),
        table={"currency": list(minor), "count": [counts[currency] for currency in minor], "sum": sums},
    )


def _many(count: int, one: str, more: str) -> str:
    return f"{count:,} {one if count == 1 else more}"


def _check_row(row: Mapping[str, Any]) -> list[tuple[str, str]]:
    try:
        cells.money_of(row["amount"], row["currency"])
    except ValueError as error:
        return [("amount", str(error))]
    return []


CSV_TOTALS = Operation(
    id="reporting.csv_totals",
    version="1.0.0",
    title="CSV totals",
    description="Counts and sums a file of amounts per currency. Moves no money.",
    category=Category.REPORTING,
    risk=Risk.LOW,
    file=FileSpec(
        label="Amounts (CSV)",
        columns=(
            Column("currency", cells.currency, required=True, description="ISO 4217 code, such as USD."),
            Column("amount", cells.decimal_amount, required=True, description="Such as 1234.50; may be negative."),
        ),
        sample_name="amounts.csv",
        sample="currency,amount\nEUR,1200.50\nUSD,-75.25\nJPY,180000\nEUR,99.50\n",
        extra_columns=True,
        check_row=_check_row,
    ),
    run=add_up,
    procedure="Use it to check a file's control totals before you hand it on; other columns are ignored.",
)
