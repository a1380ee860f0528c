"""Connections: the outside services of the organisation, what their keys may do, and how their news comes in."""

import streamlit as st

from finops_core import connections as core
from finops_core import security
from finops_core.connections import ConnectionView
from finops_core.kernel.permissions import Permission
from ui import connection_acts, html, widgets
from ui import connections as cards
from ui.format import plural
from ui.session import open_page

here = open_page(Permission.CONNECTIONS_ADMINISTER)
settings = here.desk.settings


def card(view: ConnectionView) -> None:
    """One connection in use: its facts, its last test, its news, and what can be done."""
    with st.container(border=True):
        html.draw(cards.head(view))
        html.draw(cards.facts(view, names, here.shown, settings.stripe_sandbox_url))
        opened = st.session_state.get(connection_acts.TESTED) == view.id
        html.draw(cards.tested(view, here.shown, now, open_=opened))
        connection_acts.buttons(here, view)
        inbox = news[view.id]
        if inbox is not None:
            with st.container(key=f"ruled_{view.id}"):
                webhook(view, inbox)


def webhook(view: ConnectionView, inbox: cards.News) -> None:
    """Where its news comes in, what proves it, and when some last came."""
    base = cards.base_address(settings.public_url)
    html.draw(html.line(html.strong("News from the provider"), "Give it this address, for its payout events:"))
    st.code(cards.address_of(view, base), language=None, wrap_lines=True)
    if told := cards.reach(view, base, settings.stripe_sandbox_url):
        st.caption(told)
    html.draw(cards.heard(inbox, now))
    html.draw(cards.secrets(inbox, here.shown))
    label = "Roll the secret" if inbox.secrets else "Set the secret"
    with st.container(key=f"tall_sign_{view.id}"):
        if st.button(label, icon=":material/signature:", key=f"sign_{view.id}"):
            connection_acts.DIALOGS.ask(connection_acts.SIGN, view.id)


with here.read() as reading:
    every = core.listed(reading)
    used = cards.in_order(every)
    names = security.names(reading, cards.people(every))
    news = {view.id: cards.news_of(reading, view) for view in used}
    now = reading.now

retired = [view for view in every if not view.active]
facts = f"{len(used)} in use" + (f" · {plural(len(retired), 'retired one', 'retired ones')}" if retired else "")
widgets.head("Connections", here.around.name, facts, f"as of {here.shown.as_of(now)}")
if not used:
    told = "Plans can be made once a provider is connected. Have its key at hand."
    widgets.empty("link_off", "This organisation is connected to no provider", told)
for each in used:
    card(each)
if connection_acts.free_providers(every):
    with st.container(key="tall_add_connection"):
        if st.button("Add a connection", icon=":material/add_link:", type="secondary" if used else "primary"):
            connection_acts.DIALOGS.ask(connection_acts.ADD)
if retired:
    st.header("Retired", anchor=False)
    html.draw(cards.retired_table(retired, here.shown))
    connection_acts.retired_buttons(retired)
connection_acts.open_asked(here, every)
