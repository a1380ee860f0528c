"""The plan of an execution as preparer and approver see it: the same drawing in both places."""

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from finops_core.operations import PlanRowView, PlanView
from ui import html
from ui.format import Format, plural, words
from ui.html import Cell, Column, Markup

PAYOUT_COLUMNS = (
    Column("Currency", fixed=True),
    Column("Available", number=True),
    Column("To pay", number=True),
    Column("Left", number=True),
    Column("Why, and the rule", wide=True),
    Column("To bank account"),
    Column("Expected", fixed=True),
)
OWN_ACCOUNT = "Own account"
FEW_CURRENCIES = 4


def plan_view(plan: PlanView, shown: Format) -> None:
    """Totals, what the dry run warns of, and every row with what happens to it and why."""
    html.draw(totals(plan.totals, plan.rows, shown))
    for warning in plan.warnings:
        st.warning(warning, icon=":material/warning:")
    if plan.rows and "available" in plan.rows[0].body:
        rows = [_payout_row(row, shown) for row in plan.rows]
        html.draw(html.table(PAYOUT_COLUMNS, rows, "What will be paid, row by row"))
    elif plan.rows:
        html.draw(_plain_table(plan.rows, shown))


def totals(sums: Mapping[str, int], rows: Sequence[PlanRowView], shown: Format) -> Markup:
    """The sum of each currency in large figures, and how many payments make it."""
    payments = sum(1 for row in rows if row.amount_minor)
    quiet = len(rows) - payments
    facts = [plural(payments, "payment")] + ([f"{plural(quiet, 'row')} without one"] if quiet else [])
    size = "to-big" if len(sums) <= FEW_CURRENCIES else "to-mid"
    figures = "".join(f'<span class="{size}">{html.text(told)}</span>' for told in shown.each_amount(sums))
    nothing = '<span class="to-big">Nothing to pay</span>'
    return Markup(f'<div class="to-totals">{figures or nothing}<span>{html.faint(" · ".join(facts))}</span></div>')


def _payout_row(row: PlanRowView, shown: Format) -> tuple[Cell, ...]:
    body, currency = row.body, row.currency
    to_pay = shown.amount(row.amount_minor, currency)
    why, rule = _sentence(body.get("why_left")), _sentence(body.get("rule"))
    return (
        html.lines(html.strong(currency), html.faint(row.account or OWN_ACCOUNT)),
        shown.plain(body.get("available"), currency),
        html.strong(to_pay) if row.amount_minor else html.faint(to_pay, small=False),
        shown.plain(body.get("left"), currency),
        html.lines(why, html.faint(rule) if rule != why else ""),
        html.lines(html.fixed_tail(str(body.get("bank", ""))), html.faint(str(body.get("descriptor", "")))),
        str(body.get("arrival_on", "")) if row.amount_minor else "",
    )


def _plain_table(rows: Sequence[PlanRowView], shown: Format) -> Markup:
    keys = tuple(dict.fromkeys(key for row in rows for key in row.body))
    columns = (Column("Row", number=True), Column("Amount", number=True), *(Column(words(key)) for key in keys))
    drawn = [(row.row_no, shown.amount(row.amount_minor, row.currency), *_values(row.body, keys)) for row in rows]
    return html.table(columns, drawn, "The plan, row by row")


def _values(body: Mapping[str, Any], keys: Sequence[str]) -> list[Cell]:
    return [str(body.get(key, "")) for key in keys]


def _sentence(value: object) -> str:
    told = str(value or "")
    return told[:1].upper() + told[1:]
