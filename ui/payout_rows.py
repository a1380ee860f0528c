"""The payouts of an execution, a row each: where it goes, how it stands, and when it is expected, if at all."""

from collections.abc import Sequence

from finops_core.payouts import PayoutView, Sums
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
NEVER_SENT, TAKEN_BACK, TAKING_BACK = "Never sent.", "Cancelled at the provider.", "Asked to be taken back."
_WHERE = (
    Column("Account"),
    Column("Amount", number=True),
    Column("To bank account"),
    Column("State"),
    Column("Provider id", wide=True),
    Column("Expected", fixed=True),
)
COLUMNS = (Column("Row", number=True), *_WHERE)
ACROSS = (Column("Execution"), *_WHERE)


def table(rows: Sequence[PayoutView], shown: Format) -> Markup:
    """The rows of one execution, in the order given."""
    return html.table(COLUMNS, [(_number(row), *_where(row, shown)) for row in rows], "Payouts, row by row")


def across(rows: Sequence[PayoutView], shown: Format) -> Markup:
    """Rows of several executions; the number opens theirs."""
    return html.table(ACROSS, [(_execution(row), *_where(row, shown)) for row in rows], "Payouts")


def totals(sums: Sums, shown: Format) -> Markup:
    """What the rows come to, a figure per currency."""
    return html.line(html.faint("Together", small=False), *map(html.strong, shown.first_amounts(sums.amounts)))


def named(row: PayoutView, shown: Format) -> str:
    """A payout in a line, where it has to be told from others: ``Row 3: 100.00 USD to Harbour Bank •••• 6789``."""
    return f"Row {row.row_no}: {shown.amount(row.amount_minor, row.currency)} to {row.bank}"


def _number(row: PayoutView) -> Cell:
    """The row, and of a repeated one which attempt this is."""
    if row.attempt == 1 and row.newest:
        return row.row_no
    counts = ", planned anew" if row.void else "" if row.newest else ", tried again"
    return html.lines(row.row_no, html.faint(Markup(f'<span class="to-fix">attempt {row.attempt}</span>{counts}')))


def _execution(row: PayoutView) -> Markup:
    number = html.link(row.number, "executions", {"execution": row.number})
    return html.lines(number, html.faint(f"row {row.row_no}"))


def _where(row: PayoutView, shown: Format) -> tuple[Cell, ...]:
    return (
        row.account or html.faint(OWN_ACCOUNT, small=False),
        html.strong(shown.amount(row.amount_minor, row.currency)),
        html.fixed_tail(row.bank),
        html.lines(state(row), *map(html.faint, why(row))),
        html.lines(row.provider_id, html.faint(f"bank: {row.trace}") if row.trace else ""),
        row.arrival_on if row.state.value in ARRIVING else "",
    )


def state(row: PayoutView) -> Markup:
    """Where it stands, and beside it what its state does not say: paid twice, or late."""
    mark = html.badge("Paid twice", "red") if row.twice else html.badge("Late", "amber") if row.late else ""
    return html.join(html.badge(words(row.state.value), TONES.get(row.state.value, "gray")), mark)


def why(row: PayoutView) -> list[str]:
    """Why it stands as it does, in the provider's or the bank's words; nothing while all is well."""
    never = NEVER_SENT if row.state.value == "canceled" and not row.provider_id else ""
    taken = TAKEN_BACK if row.state.value == "canceled" and row.provider_id else ""
    asked = TAKING_BACK if row.cancel_asked and row.state.value in {"created", "in_transit"} else ""
    return [told for told in (row.error_message or never or taken, asked) if told]
