"""The script Streamlit runs for every page: sign-in, frame and menu around the page's own file.

There is no ``pages`` folder beside this file, and there must never be one: in a fresh process Streamlit would serve
its files without this script, and so without the sign-in. ``st.navigation`` comes before the form for the same reason,
and so that the address somebody came for is kept.
"""

import streamlit as st

from finops_core.kernel.errors import FinOpsError, NotFound
from finops_core.kernel.permissions import Permission
from finops_core.platform import logs, metrics
from finops_core.upkeep import outage
from ui import (
    address,
    finding,
    html,
    navigation,
    news,
    organisation,
    second_factor,
    session,
    sign_in,
    standing,
    toasts,
    widgets,
)
from ui.session import Here


def frame(here: Here, unread: int) -> None:
    """The sidebar below the menu: search, news, organisation and person."""
    with st.sidebar:
        if here.may(Permission.HOME_VIEW):
            html.draw(finding.box())
        html.draw(news.bell(unread, "menu"))
        names = {choice.id: choice.name for choice in here.session.organisations}
        if len(names) > 1:
            orgs = list(names)
            chosen = st.selectbox(
                "Organisation", orgs, index=orgs.index(here.session.org_id), format_func=names.__getitem__
            )
            if chosen and chosen != here.session.org_id:
                session.switch_organisation(here, chosen)
                navigation.go("")
        else:
            st.caption(here.around.name)
        with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
            html.draw(html.link(widgets.person_chip(here.session), "me", css="to-chip"))
            if st.button("Sign out", icon=":material/logout:", type="tertiary"):
                session.sign_out(here)
                st.rerun()


st.set_page_config(page_title="Tieout", page_icon=str(widgets.mark()), layout="wide")
html.draw_style()
session.clear_cookie_if_left()
arrived = session.arrive()
if arrived is None:
    st.navigation(navigation.all_pages(), position="hidden")
    sign_in.page()
    toasts.draw()
    st.stop()
session.hand_over_cookie()
arrived = organisation.follow(arrived)
st.logo(widgets.mark(), size="large")
if second_factor.is_demanded(arrived):
    st.navigation(navigation.all_pages(), position="hidden")
    frame(arrived, 0)
    second_factor.demand(arrived)
    toasts.draw()
    st.stop()
# Whole: an entry behind "View more" is one that nobody finds, and on a phone the menu is a sheet of its own.
page = st.navigation(navigation.menu(arrived.session.permissions), expanded=True)
logs.about_now(
    actor=arrived.actor.id, session=arrived.session.id, org=arrived.actor.org_id, page=page.url_path or "home"
)
address.asked_anew()
news.put_away_opened(arrived)
with arrived.read() as reading:
    found, gone_s = news.look(reading), outage.absence_s(reading)
frame(arrived, found.unread)
with st.container(key="unseen_watch"):
    news.watch(arrived, [found])
widgets.mode_strip(arrived.around, html.join(finding.glass(arrived), news.bell(found.unread, "strip"), by=""))
standing.worker_line(arrived, gone_s)
organisation.check(arrived)
try:
    with metrics.PAGE_SECONDS.labels(page.url_path or "home").time():
        page.run()
except FinOpsError as error:
    if isinstance(error, NotFound):
        widgets.head("Not found", arrived.around.name)  # the page ended before it could say a title of its own
    widgets.refusal(error)
toasts.draw()
