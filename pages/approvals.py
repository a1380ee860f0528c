"""Approvals: requests that wait, a drawer with the plan and its checks, and one decision."""

import streamlit as st

from finops_core import approvals, security
from finops_core.kernel.permissions import Permission
from ui import html, request_cards, review, widgets
from ui.format import plural
from ui.session import open_page

here = open_page(Permission.APPROVALS_VIEW)
WAITING, DECIDED = "Waiting", "Decided"
PAGE = "approvals_page"

title, missing = st.empty(), st.container()
view = st.segmented_control(
    "Show",
    [WAITING, DECIDED],
    default=WAITING,
    required=True,
    key="show",
    bind="query-params",
    label_visibility="collapsed",
    on_change=lambda: widgets.first_page(PAGE),
)
offset = (widgets.page_wanted(PAGE) - 1) * widgets.PAGE_SIZE
with here.read() as reading:
    waiting = approvals.waiting(reading)
    done = approvals.decided(reading, widgets.PAGE_SIZE, offset) if view == DECIDED else None
    shown = done.rows if done else waiting[offset : offset + widgets.PAGE_SIZE]
    names = security.names(reading, request_cards.people(shown))
    now = reading.now
total = done.total if done else len(waiting)
widgets.within(total, PAGE)
mine = [request for request in waiting if request.refusal is None]
with title.container():
    facts = f"{plural(len(waiting), 'request')} waiting · {len(mine)} for you" if waiting else "Nothing waits"
    widgets.head("Approvals", here.around.name, facts)

for request in shown:
    if request_cards.card(request, names, here.shown, now):
        st.query_params.update(html.addressed({review.OPEN: request.number}))
if not shown:
    told = "New requests appear here as soon as somebody submits a plan."
    widgets.empty("inbox", "Nothing waits for a decision" if view == WAITING else "Nothing was decided yet", told)
widgets.pager(total, PAGE)

opened = next((each for each in (*waiting, *shown) if review.wanted(each)), None) or review.elsewhere(here, missing)
if opened is not None:
    review.open_drawer(here, opened)
