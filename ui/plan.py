"""The plan of an execution as preparer and approver see it: the same drawing in both places."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import streamlit as st

from finops_core.operations import PlanRowView, PlanView
from finops_core.payouts import Meanwhile, Remedies
from ui import changes, html, widgets
from ui.format import Format, plural, words
from ui.html import Cell, Column, Markup

COMPARED = "Against last time"
PAYOUT_COLUMNS = (
    Column("Currency", fixed=True),
    Column("Available", number=True),
    Column("To pay", number=True),
    Column("Left", number=True),
    Column("To bank account"),
    Column(COMPARED, wide=True),
    Column("Why, and the rule", wide=True),
    Column("Expected", fixed=True),
)
TRANSFER_COLUMNS = (
    Column("Payee"),
    Column("Amount", number=True),
    Column("To bank account"),
    Column(COMPARED, wide=True),
    Column("Reference", wide=True),
    Column("Paid on", fixed=True),
    Column("Expected", fixed=True),
)
CAPTION = "What will be paid, row by row"
AS_BEFORE = "Amounts and bank accounts are those that were approved before."
PAGE = "plan_page"
OWN_ACCOUNT = "Own account"
FEW_CURRENCIES = 4
TWICE = "Whoever is in it may be paid twice. Approve this one too only if both are meant."
NOTHING_SINCE = Meanwhile()
Cells = Callable[[PlanRowView, Format, Meanwhile], tuple[Cell, ...]]


def plan_view(
    plan: PlanView,
    shown: Format,
    retried: Remedies | None = None,
    page: str = PAGE,
    meanwhile: Meanwhile = NOTHING_SINCE,
) -> None:
    """Totals, what is new, what the dry run warns of, and every row with what happens to it and why.

    ``retried``: how the execution's payouts stand, when this plan pays some of its rows again. ``page``: the key under
    which the address keeps the page of a long plan. ``meanwhile``: what other executions did since it was made.
    """
    html.draw(totals(plan.totals, plan.rows, shown))
    html.draw(paid_from(plan.rows))
    if retried is not None:
        html.draw(left_out(plan, retried))
    html.draw(since(plan, meanwhile))
    html.draw(changes.summary(plan.rows, shown, meanwhile.paid))
    for warning in plan.warnings:
        st.warning(warning, icon=":material/warning:")
    if plan.rows:
        _rows(plan, shown, page, meanwhile)


def since(plan: PlanView, meanwhile: Meanwhile) -> Markup:
    """What others did with the same file, and where this plan pays, since it was made."""
    told = [html.told("content_copy", f"This file {each.told}.", TWICE, "red") for each in meanwhile.same_file]
    return Markup("".join([*told, changes.no_more_new(plan.rows, meanwhile.paid)]))


def left_out(plan: PlanView, found: Remedies) -> Markup:
    """What a new attempt pays again, and why the other rows are not in it."""
    unpaid = max(found.failed.count - len(plan.rows), 0)
    made = max(found.payouts - len(plan.rows) - unpaid, 0)
    told = [f"{plural(made, 'row')} that {'was' if made == 1 else 'were'} made before"] if made else []
    told += [f"{plural(unpaid, 'row')} not paid, which something else may pay; see its execution"] if unpaid else []
    why = f"Left out: {', and '.join(told)}." if told else "No row is left out."
    sentence = f"Attempt {plan.attempt} pays only what failed before: {plural(len(plan.rows), 'row')}."
    return html.told("replay", sentence, f"{why} {AS_BEFORE}", "amber" if unpaid else "blue")


def _rows(plan: PlanView, shown: Format, page: str, meanwhile: Meanwhile) -> None:
    """The rows a page at a time; in a long plan those that go somewhere new stand first."""
    kind = _kind(plan.rows[0])
    rows = plan.rows
    if len(rows) > widgets.PAGE_SIZE:
        rows = tuple(sorted(rows, key=lambda row: not changes.flagged(row)))
    widgets.within(len(rows), page)
    first = (widgets.page_wanted(page) - 1) * widgets.PAGE_SIZE
    told = rows[first : first + widgets.PAGE_SIZE]
    if kind is None:
        html.draw(_plain_table(told, shown))
    else:
        columns, cells = kind
        html.draw(html.table(columns, [cells(row, shown, meanwhile) for row in told], CAPTION))
    widgets.pager(len(rows), page)


def _kind(row: PlanRowView) -> tuple[Sequence[Column], Cells] | None:
    if "available" in row.body:
        return PAYOUT_COLUMNS, _payout_row
    return (TRANSFER_COLUMNS, _transfer_row) if "payee" in row.body else None


def totals(sums: Mapping[str, int], rows: Sequence[PlanRowView], shown: Format) -> Markup:
    """The sum of each currency in large figures, and how many payments make it."""
    payments = sum(1 for row in rows if row.amount_minor)
    quiet = len(rows) - payments
    facts = [plural(payments, "payment")] + ([f"{plural(quiet, 'row')} without one"] if quiet else [])
    size = "to-big" if len(sums) <= FEW_CURRENCIES else "to-mid"
    figures = "".join(f'<span class="{size}">{html.text(told)}</span>' for told in shown.each_amount(sums))
    nothing = '<span class="to-big">Nothing to pay</span>'
    return Markup(f'<div class="to-totals">{figures or nothing}<span>{html.faint(" · ".join(facts))}</span></div>')


def paid_from(rows: Sequence[PlanRowView]) -> Markup:
    """Which account of ours is debited, where a plan says so."""
    accounts = sorted({str(row.body["debited"]) for row in rows if row.body.get("debited")})
    if not accounts:
        return Markup()
    return html.line(html.icon("account_balance", "gray"), "Paid from", *map(html.fixed_tail, accounts))


def _payout_row(row: PlanRowView, shown: Format, meanwhile: Meanwhile) -> tuple[Cell, ...]:
    body, currency = row.body, row.currency
    to_pay = shown.amount(row.amount_minor, currency)
    why, rule = _sentence(body.get("why_left")), _sentence(body.get("rule"))
    return (
        html.lines(html.strong(currency), html.faint(row.account or OWN_ACCOUNT)),
        shown.plain(body.get("available"), currency),
        html.strong(to_pay) if row.amount_minor else html.faint(to_pay, small=False),
        shown.plain(body.get("left"), currency),
        html.lines(html.fixed_tail(str(body.get("bank", ""))), html.faint(str(body.get("descriptor", "")))),
        changes.cell(row, shown, meanwhile.paid),
        html.lines(why, html.faint(rule) if rule != why else ""),
        str(body.get("arrival_on", "")) if row.amount_minor else "",
    )


def _transfer_row(row: PlanRowView, shown: Format, meanwhile: Meanwhile) -> tuple[Cell, ...]:
    body = row.body
    payee = str(body.get("payee", ""))
    return (
        html.lines(
            html.strong(payee), html.faint(f"row {body.get('no', row.row_no)} · line {body['row']} of the file")
        ),
        html.strong(shown.amount(row.amount_minor, row.currency)),
        html.fixed_tail(str(body.get("bank", "")).removeprefix(payee).strip()),
        changes.cell(row, shown, meanwhile.paid),
        str(body.get("descriptor", "")),
        *_days(body),
    )


def _days(body: Mapping[str, Any]) -> tuple[str, str]:
    """When the bank is asked to pay, and when that should arrive, which plans of before do not tell."""
    expected = str(body.get("arrival_on", ""))
    return (str(body["execute_on"]), expected) if "execute_on" in body else (expected, "")


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
