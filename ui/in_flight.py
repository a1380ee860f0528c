"""Payouts of many executions in one list: those that need somebody, those on their way, and where each is opened."""

from collections.abc import Mapping, Sequence

import streamlit as st

from finops_core.payouts import Order, PayoutView, Sums
from ui import html, payout_rows
from ui.format import Format
from ui.html import Cell, Column, Markup

OPEN = "payout"
ORDERS = {
    Order.TROUBLE: "What needs somebody first",
    Order.ARRIVAL: "Expected first",
    Order.NEWEST: "Last sent first",
}
COLUMNS = (
    Column("Execution"),
    Column("Amount", number=True),
    Column("To bank account"),
    Column("State"),
    Column("Expected", fixed=True),
    Column("Provider id", wide=True),
)


def table(rows: Sequence[PayoutView], shown: Format, *, kept: bool = True) -> Markup:
    """The number opens the execution, the amount opens the payout beside the list, which stays as it is if ``kept``."""
    return html.table(COLUMNS, [_row(row, shown, kept=kept) for row in rows], "Payouts")


def totals(sums: Sums, shown: Format) -> Markup:
    """What all the rows come to, a figure per currency."""
    return html.line(html.faint("Together", small=False), *map(html.strong, shown.each_amount(sums.amounts)))


def orders() -> dict[str, str]:
    """Ways to sort, by value; the first one is where a list starts."""
    return {order.value: label for order, label in ORDERS.items()}


def beside(query: Mapping[str, str]) -> dict[str, str]:
    """An address that keeps the list as it is filtered now, with something more."""
    return {**st.query_params.to_dict(), **query}


def expected(row: PayoutView) -> str:
    """The day its money should arrive; "" while nobody can expect it."""
    return row.arrival_on if row.state.value in payout_rows.ARRIVING else ""


def _row(row: PayoutView, shown: Format, *, kept: bool) -> tuple[Cell, ...]:
    opened = {OPEN: row.id}
    number = html.link(row.number, "executions", {"execution": row.number})
    amount = html.strong(shown.amount(row.amount_minor, row.currency))
    return (
        html.lines(number, html.faint(f"row {row.row_no}")),
        html.link(amount, "payouts", beside(opened) if kept else opened),
        html.lines(html.fixed_tail(row.bank), html.faint(row.account)),
        html.lines(payout_rows.state(row), *map(html.faint, payout_rows.why(row))),
        expected(row),
        html.lines(row.provider_id, html.faint(f"bank: {row.trace}") if row.trace else ""),
    )
