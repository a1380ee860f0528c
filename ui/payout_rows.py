"""The payouts of an execution, a row each: where it goes, how it stands, and when it is expected, if at all."""

from collections.abc import Sequence

from finops_core.payouts import PayoutView
from ui import html
from ui.format import Format, words
from ui.html import Cell, Column, Markup
from ui.plan import OWN_ACCOUNT

TONES = {
    "approved": "gray",
    "submitting": "blue",
    "created": "blue",
    "in_transit": "blue",
    "paid": "green",
    "failed": "red",
    "rejected": "red",
    "in_doubt": "amber",
    "needs_review": "amber",
}
ARRIVING = frozenset({"approved", "submitting", "created", "in_transit", "paid"})
"""States of a payout whose money is expected; of one in doubt nobody knows."""
NEVER_SENT, TAKEN_BACK = "Never sent.", "Cancelled at the provider."
COLUMNS = (
    Column("Row", number=True),
    Column("Account"),
    Column("Amount", number=True),
    Column("To bank account"),
    Column("State"),
    Column("Provider id", wide=True),
    Column("Expected", fixed=True),
)


def table(rows: Sequence[PayoutView], shown: Format) -> Markup:
    """The rows in the plan's order."""
    return html.table(COLUMNS, [_row(row, shown) for row in rows], "Payouts, row by row")


def _row(row: PayoutView, shown: Format) -> tuple[Cell, ...]:
    state = html.badge(words(row.state.value), TONES.get(row.state.value, "gray"))
    why = _why(row)
    return (
        row.row_no,
        row.account or html.faint(OWN_ACCOUNT, small=False),
        html.strong(shown.amount(row.amount_minor, row.currency)),
        html.fixed_tail(row.bank),
        html.lines(state, html.faint(why) if why else ""),
        row.provider_id,
        row.arrival_on if row.state.value in ARRIVING else "",
    )


def _why(row: PayoutView) -> str:
    if row.error_message or row.state.value != "canceled":
        return row.error_message
    return TAKEN_BACK if row.provider_id else NEVER_SENT
