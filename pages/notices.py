"""Notices: what the person was told, how they want to be told, and what became of their mail."""

import streamlit as st

from finops_core import notifications, security
from finops_core.kernel.permissions import Permission
from finops_core.notifications import MailState
from ui import filters, mails, news, preferences, widgets
from ui.format import plural, words
from ui.session import open_page

here = open_page(Permission.HOME_VIEW)
UNREAD, ALL, PREFERENCES, MAIL = "Unread", "All", "Preferences", "Mail"
PAGE = "notices_page"


def fresh() -> None:
    """Another question starts at its first page."""
    widgets.first_page(PAGE)


def told(*, unread_only: bool) -> None:
    """The notices, a page at a time."""
    with filters.bar(fresh) as bar:
        kind = bar.choice("About", {"": "Anything", **news.kinds()}, "about", width=280)
    offset = (widgets.page_wanted(PAGE) - 1) * widgets.PAGE_SIZE
    with here.read() as reading:
        found = notifications.notices(
            reading, kind=kind, unread_only=unread_only, limit=widgets.PAGE_SIZE, offset=offset
        )
        ever = found.total or (unread_only and not kind and notifications.notices(reading, limit=1).total)
        now = reading.now
    widgets.within(found.total, PAGE)
    with title.container():
        widgets.head("Notices", here.around.name, f"{plural(found.total, 'notice')}, newest first")
    if found.rows:
        news.listed(here, found.rows, now)
    elif kind:
        widgets.empty("filter_alt_off", "Nothing matches", "Loosen the filters above.")
    elif ever:
        widgets.empty("done_all", "You have read everything", "What you have put away stands under “All”.")
    else:
        widgets.empty("notifications", "You were told of nothing yet", "What needs you, or concerns you, appears here.")
    widgets.pager(found.total, PAGE)


def sent() -> None:
    """The delivery log."""
    states = {"": "Any state", **{state.value: words(state.value) for state in MailState}}
    with filters.bar(fresh) as bar:
        state = bar.choice("State", states, "mail_state")
        everybody = here.may(Permission.HEALTH_VIEW) and bar.switch("Everybody's", "everybody")
    offset = (widgets.page_wanted(PAGE) - 1) * widgets.PAGE_SIZE
    with here.read() as reading:
        found = notifications.mails(reading, everybody=everybody, state=state, limit=widgets.PAGE_SIZE, offset=offset)
        names = security.names(reading, {row.person_id for row in found.rows}) if everybody else {}
    widgets.within(found.total, PAGE)
    with title.container():
        widgets.head("Notices", here.around.name, f"{plural(found.total, 'mail')}, newest first")
    mails.about(here)
    if found.rows:
        mails.table(found.rows, names, here.shown)
    else:
        widgets.empty("mail", "No mail", "Mail about what you chose under “Preferences” is listed here.")
    widgets.pager(found.total, PAGE)
    mails.open_drawer(here)


title = st.empty()
view = st.segmented_control(
    "Show",
    [UNREAD, ALL, PREFERENCES, MAIL],
    default=UNREAD,
    required=True,
    key="view",
    bind="query-params",
    label_visibility="collapsed",
    on_change=fresh,
)
if view == PREFERENCES:
    with title.container():
        widgets.head("Notices", here.around.name, "how you want to be told")
    mails.about(here)
    preferences.form(here)
elif view == MAIL:
    sent()
else:
    told(unread_only=view == UNREAD)
