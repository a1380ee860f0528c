"""Payouts of many executions in one list: those that need somebody, those on their way, and where each is opened."""

from collections.abc import Mapping, Sequence

import streamlit as st

from finops_core.payouts import Order, PayoutView, Sums
from ui import html, payout_rows
from ui.format import Format, words
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


def state(row: PayoutView) -> Markup:
    """Where it stands, and whether it should have arrived."""
    badge = html.badge(words(row.state.value), payout_rows.TONES.get(row.state.value, "gray"))
    return html.join(badge, html.badge("Late", "amber") if row.late else "")


def expected(row: PayoutView) -> str:
    """The day its money should arrive; "" while nobody can expect it."""
    return row.arrival_on if row.state.value in payout_rows.ARRIVING else ""


def why(row: PayoutView) -> list[str]:
    """Why it stands as it does, in the provider's or the bank's words; nothing while all is well."""
    canceled = row.state.value == "canceled"
    ended = (payout_rows.TAKEN_BACK if row.provider_id else payout_rows.NEVER_SENT) if canceled else ""
    asked = row.cancel_asked and row.state.value in {"created", "in_transit"}
    return [told for told in (row.error_message or ended, payout_rows.TAKING_BACK if asked else "") if told]


def _row(row: PayoutView, shown: Format, *, kept: bool) -> tuple[Cell, ...]:
    opened = {OPEN: row.id}
    number = html.link(row.number, "executions", {"execution": row.number})
    amount = html.strong(shown.amount(row.amount_minor, row.currency))
    return (
        html.lines(number, html.faint(f"row {row.row_no}")),
        html.link(amount, "payouts", beside(opened) if kept else opened),
        html.lines(html.fixed_tail(row.bank), html.faint(row.account)),
        html.lines(state(row), *map(html.faint, why(row))),
        expected(row),
        html.lines(row.provider_id, html.faint(f"bank: {row.trace}") if row.trace else ""),
    )
