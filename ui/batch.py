"""The payouts of one execution: which of them, a page at a time, with their earlier attempts."""

from datetime import datetime

import streamlit as st

from finops_core import payouts
from finops_core.operations import ExecutionView
from finops_core.payouts import PayoutFilter, PayoutPage, Remedies, Standing
from finops_core.platform.work import Reading
from ui import filters, html, payout_rows, widgets
from ui.format import plural
from ui.session import Here

SHOW, EARLIER, PAGE = "batch", "earlier", "batch_page"
FEW = 1
NOTHING = "No payout of this batch is like that."


def wanted(run: ExecutionView, found: Remedies) -> PayoutFilter | None:
    """Which rows are to be shown, kept in the address; None while the execution has none."""
    if not found.payouts:
        return None
    standing, earlier = "", False
    with st.container(horizontal=True, vertical_alignment="bottom"):
        if found.payouts > FEW or st.query_params.get(SHOW):
            standing = _choice()
        if run.attempt > 1:
            earlier = st.toggle("Earlier attempts too", key=EARLIER, bind="query-params", on_change=_fresh)
    return PayoutFilter(run.id, Standing(standing) if standing else None, newest=not earlier)


def look(reading: Reading, of: PayoutFilter, found: Remedies) -> PayoutPage:
    """A page of them, those that need somebody first."""
    offset = (widgets.page_wanted(PAGE) - 1) * widgets.PAGE_SIZE
    whole = of.newest and of.standing is None
    return payouts.page(reading, of, widgets.PAGE_SIZE, offset, known=found.sums if whole else None)


def draw(here: Here, shown: PayoutPage, now: datetime) -> None:
    """How many and how much, then a row each. Turns to the last page there is."""
    widgets.within(shown.sums.count, PAGE)
    told = plural(shown.sums.count, "payout")
    amounts = map(html.strong, here.shown.first_amounts(shown.sums.amounts))
    html.draw(html.line(told, *amounts, html.faint(f"as of {here.shown.as_of(now)}")))
    if shown.rows:
        html.draw(payout_rows.table(shown.rows, here.shown))
    else:
        widgets.empty("filter_alt_off", NOTHING, "Choose “All payouts” above.")
    widgets.pager(shown.sums.count, PAGE)


def _choice() -> str:
    options = filters.standings()
    chosen = st.selectbox(
        "Show",
        list(options),
        key=SHOW,
        bind="query-params",
        format_func=options.__getitem__,
        width=190,
        on_change=_fresh,
    )
    return chosen or ""


def _fresh() -> None:
    """Another question starts at its first page."""
    widgets.first_page(PAGE)
