"""What is new in a plan against the last payments of its kind: a line nobody can miss, and a cell for each row."""

from collections.abc import Mapping, Sequence
from typing import Any

from finops_core import payouts
from finops_core.kernel.errors import FinOpsError
from finops_core.kernel.money import Money
from finops_core.operations import PlanRowView
from ui import html
from ui.format import Format, plural, words
from ui.html import Cell, Markup

NEW, MOVED = "New destination", "Changed bank account"
MOST_TOLD = 5
BE_SURE = "Before you approve, make sure that it is right: ask a person you know, never the sender of the news."
BEHIND = "the same name and last four digits, but other details behind them"
FIRST_TIME = "Nothing was paid there through this connection in the last 400 days."
NOT_NEW = "New when it was planned"
NOBODY: Mapping[str, tuple[str, ...]] = {}
NOTHING: Mapping[str, Any] = {}


def summary(rows: Sequence[PlanRowView], shown: Format, paid: Mapping[str, tuple[str, ...]] = NOBODY) -> Markup:
    """``1 changed bank account, 2 new destinations, 5 amounts changed``; nothing for a plan that was not compared.

    ``paid``: destination -> the other executions that paid it since the plan was made, or are about to.
    """
    compared = [row for row in rows if row.amount_minor and _change(row) and not _retried(row)]
    if not compared:
        return Markup()
    found = payouts.differences(compared)
    if found.none:
        told = "Nothing is new: the same bank accounts and amounts as last time."
        return html.line(html.icon("check_circle", "green"), told)
    counted = [
        plural(found.moved, "changed bank account") if found.moved else "",
        _new(found.first, when_planned=bool(paid)),
        f"{plural(found.amounts, 'amount')} changed" if found.amounts else "",
    ]
    sentence = ", ".join(filter(None, counted)) + "."
    if found.moved:
        lines = _moved(compared, shown)
        return html.told("account_balance", sentence, html.lines(*lines, BE_SURE if lines else ""), "red")
    if found.first:
        return html.told("fiber_new", sentence, "" if paid else FIRST_TIME, "amber")
    return html.line(html.icon("compare_arrows", "blue"), html.strong(sentence), "The same bank accounts as last time.")


def no_more_new(rows: Sequence[PlanRowView], paid: Mapping[str, tuple[str, ...]]) -> Markup:
    """That other executions paid since, or are about to, where nothing had been paid when the plan was made."""
    many = sum(bool(row.amount_minor) and row.body.get("destination") in paid for row in rows)
    if not many:
        return Markup()
    numbers = sorted({number for each in paid.values() for number in each})
    who = ", ".join(numbers[:MOST_TOLD]) + (f" and {len(numbers) - MOST_TOLD} more" if len(numbers) > MOST_TOLD else "")
    goes = f"{plural(many, 'payment')} of this plan {'goes' if many == 1 else 'go'}"
    pay = f"paid, or {'is' if len(numbers) == 1 else 'are'} about to pay"
    sentence = f"Since it was planned, {who} {pay}, where {goes}."
    return html.told("content_copy", sentence, "Approve only if these payees are to be paid by both.", "red")


def cell(row: PlanRowView, shown: Format, paid: Mapping[str, tuple[str, ...]] = NOBODY) -> Cell:
    """How one row differs from the last one of its kind, or why it is tried again."""
    told = _change(row)
    if _retried(row):
        why = str(told.get("why", "")) or words(str(told.get("failed", "")).lower())
        return html.lines(html.badge("Tried again", "blue"), html.faint(f"attempt {told['retry_of']}: {why}"))
    if not told or not row.amount_minor:
        return ""
    if told.get("bank") == payouts.FIRST:
        since = paid.get(str(row.body.get("destination", "")))
        return (
            html.lines(html.badge(NOT_NEW, "red"), html.faint(", ".join(since))) if since else html.badge(NEW, "amber")
        )
    moved = told.get("bank") in payouts.MOVED
    return html.lines(
        html.badge(MOVED, "red") if moved else html.faint("Same bank account"),
        html.faint(_before(row)) if moved else "",
        _amount(told, row.currency, shown),
        html.faint(html.join(_whole(told.get("last")), _whole(told.get("last_on")))),
    )


def flagged(row: PlanRowView) -> bool:
    """Whether an approver has to look at it first: to somebody new, or to another bank account."""
    return bool(row.amount_minor) and _change(row).get("bank") in {payouts.FIRST, *payouts.MOVED}


def _new(many: int, *, when_planned: bool) -> str:
    if not many:
        return ""
    told = plural(many, "new destination")
    return f"{told} when it was planned" if when_planned else told


def _moved(rows: Sequence[PlanRowView], shown: Format) -> list[Markup]:
    """Each payment whose bank account is another one, in a line; payees are told by their plan's own warnings."""
    rows = [row for row in rows if _change(row).get("bank") in payouts.MOVED and "payee" not in row.body]
    lines = [
        html.join(
            html.strong(shown.amount(row.amount_minor, row.currency)),
            html.join("to", html.fixed_tail(str(row.body.get("bank", "")))),
            html.join("(", _before(row), ")", by=""),
        )
        for row in rows[:MOST_TOLD]
    ]
    return [*lines, *([html.text(f"and {len(rows) - MOST_TOLD} more")] if len(rows) > MOST_TOLD else [])]


def _before(row: PlanRowView) -> Markup:
    """Where the money went the last time."""
    last = str(_change(row).get("last_bank", ""))
    return html.text(BEHIND) if last == row.body.get("bank") else html.join("before:", html.fixed_tail(last))


def _whole(value: object) -> Markup:
    """A number or a date that no line break may tear apart."""
    return Markup(f'<span class="to-fix">{html.text(str(value))}</span>') if value else Markup()


def _amount(told: Mapping[str, Any], currency: str, shown: Format) -> Markup:
    """``+50.00 EUR``, ``(50.00) EUR`` less, or the last amount when that was in another currency."""
    before = str(told.get("last_currency", currency))
    if before != currency:
        return html.join("last time", _whole(shown.plain(told.get("last_amount"), before)))
    try:
        difference = Money.parse(str(told.get("difference", "")), currency).minor
    except FinOpsError:
        return Markup()
    if not difference:
        return html.faint("same amount")
    sign = "+" if difference > 0 else "\N{MINUS SIGN}"
    return _whole(f"{sign}{shown.amount(abs(difference), currency)}")


def _change(row: PlanRowView) -> Mapping[str, Any]:
    found = row.body.get("change")
    return found if isinstance(found, dict) else NOTHING


def _retried(row: PlanRowView) -> bool:
    return "retry_of" in _change(row)
