"""Money in flight: every payout from the call to the bank, those that need somebody first."""

import streamlit as st

from finops_core import insight, payouts
from finops_core.kernel.permissions import Permission
from finops_core.payouts import Order, PayoutFilter, Standing
from ui import figures, filters, html, in_flight, payout, widgets
from ui.format import plural
from ui.session import open_page

here = open_page(Permission.EXECUTIONS_VIEW_OWN, Permission.EXECUTIONS_VIEW_ALL, Permission.APPROVALS_VIEW)
PAGE, STANDING, SINCE, SORT = "payouts_page", "standing", "sent_since", "sort"
NOTHING = {
    Standing.IN_FLIGHT: (
        "flight_land",
        "Nothing is on its way",
        "Payouts appear here once a plan was approved and sent.",
    ),
    Standing.LATE: ("check_circle", "Nothing is late", "A payout is late when it was expected before today."),
    Standing.IN_DOUBT: ("check_circle", "No payout is in doubt", "Of every payout it is known what became of it."),
    Standing.RETURNED: ("check_circle", "Nothing came back", "A bank may return a payout days after it arrived."),
}


def fresh() -> None:
    """Another question starts at its first page."""
    widgets.first_page(PAGE)


def wanted_rows() -> tuple[PayoutFilter, Order]:
    """The filters and the order, kept in the address."""
    with filters.bar(fresh, "Filters and order") as bar:
        standing = bar.choice("Show", filters.standings(), STANDING, width=170)
        text = bar.search("payout_find", "Execution, provider id or bank")
        currency = bar.search("payout_currency", "USD", "Currency", width=100)
        since = bar.day("Sent from", SINCE)
        order = bar.order("Order", in_flight.orders(), SORT, width=220)
    wanted = PayoutFilter(
        standing=Standing(standing) if standing else None,
        text=text,
        currency=currency.upper(),
        sent_since=here.shown.start_of(since) if since else None,
    )
    return wanted, Order(order)


filters.speak("payouts")
title, cards = st.empty(), st.empty()
wanted, order = wanted_rows()
offset = (widgets.page_wanted(PAGE) - 1) * widgets.PAGE_SIZE
with here.read() as reading:
    view = insight.money(reading)
    found = payouts.page(reading, wanted, widgets.PAGE_SIZE, offset, order)
widgets.within(found.sums.count, PAGE)
with title.container():
    told = plural(found.sums.count, "payout")
    widgets.head("Money in flight", here.around.name, told, f"as of {here.shown.as_of(view.as_of)}")
with cards.container():
    spoken = {figure.key: filters.spoken(figure.query, ()) for figure in view.figures}
    html.draw(figures.cards(view.figures, here.shown, spoken, wanted.standing.value if wanted.standing else ""))
if found.rows:
    html.draw(in_flight.totals(found.sums, here.shown))
    html.draw(in_flight.table(found.rows, here.shown))
elif wanted == PayoutFilter(standing=wanted.standing) and wanted.standing in NOTHING:
    widgets.empty(*NOTHING[wanted.standing])
elif wanted == PayoutFilter():
    widgets.empty("flight_takeoff", "Nothing was paid yet", "Payouts appear here once a plan was approved.")
else:
    widgets.empty("filter_alt_off", "Nothing matches", "Loosen the filters above.")
widgets.pager(found.sums.count, PAGE)
payout.open_drawer(here)
