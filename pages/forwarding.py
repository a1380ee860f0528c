"""Forwarding: the addresses outside that the organisation's notices are sent on to, and what became of each notice."""

import streamlit as st

from finops_core import notifications, security
from finops_core.kernel.permissions import Permission
from finops_core.notifications import DispatchState, EndpointView
from ui import filters, forwarding, forwarding_acts, widgets
from ui.format import plural, words
from ui.session import open_page

here = open_page(Permission.CONNECTIONS_ADMINISTER)
ENDPOINTS, LOG = "Endpoints", "Log"
PAGE = "forwarding_page"


def fresh() -> None:
    """Another question starts at its first page."""
    widgets.first_page(PAGE)


def card(view: EndpointView, names: dict[str, str]) -> None:
    """One endpoint: what it is, how it goes, and what can be done."""
    with st.container(border=True):
        forwarding.card(view, names, here.shown, now)
        forwarding_acts.buttons(here, view)


def log() -> None:
    """What was forwarded, newest first."""
    states = {"": "Any state", **{state.value: words(state.value) for state in DispatchState}}
    with here.read() as reading:
        names = notifications.endpoint_names(reading)
    with filters.bar(fresh) as bar:
        state = bar.choice("State", states, "forwarded_state")
        endpoint = bar.choice("Endpoint", {"": "Any endpoint", **forwarding.told_apart(names)}, "forwarded_to", 240)
    offset = (widgets.page_wanted(PAGE) - 1) * widgets.PAGE_SIZE
    with here.read() as reading:
        found = notifications.dispatch_log(
            reading, endpoint_id=endpoint, state=state, limit=widgets.PAGE_SIZE, offset=offset
        )
    widgets.within(found.total, PAGE)
    with title.container():
        widgets.head("Forwarding", here.around.name, f"{plural(found.total, 'notice')}, newest first")
    if found.rows:
        forwarding.table(found.rows, names, here.shown)
    elif state or endpoint:
        widgets.empty("filter_alt_off", "Nothing matches", "Loosen the filters above.")
    else:
        widgets.empty("outbox", "Nothing was forwarded yet", "What was sent, and what came back, stands here.")
    widgets.pager(found.total, PAGE)
    forwarding_acts.open_drawer(here, names)


title = st.empty()
view = st.segmented_control(
    "Show",
    [ENDPOINTS, LOG],
    default=ENDPOINTS,
    required=True,
    key="forwarding_view",
    bind="query-params",
    label_visibility="collapsed",
    on_change=fresh,
)
if view == LOG:
    log()
else:
    with here.read() as reading:
        every = notifications.endpoint_list(reading)
        people = dict(security.names(reading, {each.created_by for each in every}))
        now = reading.now
    with title.container():
        widgets.head("Forwarding", here.around.name, plural(len(every), "endpoint"), f"as of {here.shown.as_of(now)}")
    forwarding_acts.secret_once(every)
    if not every:
        told = "A program of yours, or a channel in Slack, can be told what people here are told."
        widgets.empty("webhook", "Notices are not forwarded anywhere", told)
    for each in every:
        card(each, people)
    forwarding_acts.add_button(first=not every)
    forwarding_acts.open_asked(here, every)
