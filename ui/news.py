"""News for the person who looks: counted on every page, listed on the first one, put away by opening it or by hand."""

from collections.abc import Sequence
from datetime import datetime

import streamlit as st

from finops_core import notifications
from finops_core.kernel.permissions import Permission
from finops_core.notifications import NoticeView
from ui import html
from ui.format import Format, ago
from ui.html import Markup
from ui.session import Here

NOTICE, NEWS, ALL = "notice", "news", "all"
FIRST, MOST = 5, 100
MARKS = {
    **dict.fromkeys(("payout.returned", "payout.canceled", "payout.reversed"), ("undo", "red")),
    "check.violated": ("rule", "red"),
}
PLAIN_MARK = ("notifications", "blue")
# What a check found names rows by their ids; its page links them, and says what to do.
UNTOLD = frozenset({"check.violated"})


def count(here: Here) -> int:
    """How much the person has not put away; none for somebody who has no first page to read it on."""
    if not here.may(Permission.HOME_VIEW):
        return 0
    with here.read() as reading:
        return notifications.unread_count(reading)


def put_away_opened(here: Here) -> None:
    """Whoever follows a notice's link has read it."""
    opened = st.query_params.get(NOTICE, "")
    if opened:
        with here.work() as work:
            notifications.read_one(work, opened)
        st.query_params.pop(NOTICE, None)


def bell(unread: int, where: str) -> Markup:
    """The way to the news, with how much there is; nothing when there is none. ``where``: menu or strip."""
    if not unread:
        return Markup()
    words = Markup('<span class="to-words">News for you</span>')
    label = html.join(html.icon("notifications"), words, html.badge(str(unread), "red"))
    return html.link(label, "", {NEWS: ALL}, css=f"to-bell to-bell-{where}")


def section(here: Here, notices: Sequence[NoticeView], now: datetime) -> None:
    """The newest of it; everything when the address asks for it."""
    whole = st.query_params.get(NEWS, "") == ALL
    if whole:
        html.bring_into_view("news", "the bell was pressed")
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.subheader("News for you", anchor=False, width="content")
        if st.button("Mark all as read", icon=":material/done_all:", type="tertiary", key="tall_read_all"):
            _put_away(here)
    for notice in notices[: MOST if whole else FIRST]:
        with st.container(horizontal=True, vertical_alignment="center", gap="xsmall", key=f"unwrapped_{notice.id}"):
            html.draw(_notice(notice, here.shown, now))
            if st.button("", icon=":material/done:", type="tertiary", key=f"read_{notice.id}", help="Mark as read"):
                _put_away(here, notice.id)
    if len(notices) > FIRST and not whole:
        html.draw(html.line(html.link(f"All {len(notices)} of them", "", {NEWS: ALL})))


def _put_away(here: Here, notice_id: str = "") -> None:
    with here.work() as work:
        if notice_id:
            notifications.read_one(work, notice_id)
        else:
            notifications.read_all(work)
    st.rerun()


def _notice(notice: NoticeView, shown: Format, now: datetime) -> Markup:
    mark, tone = MARKS.get(notice.kind, PLAIN_MARK)
    said = "" if notice.kind in UNTOLD else shown.sentence(notice.body)
    facts = html.faint(" · ".join(filter(None, (said, ago(notice.created_at, now)))))
    body = Markup(f"{html.icon(mark, tone)}<span>{html.strong(shown.sentence(notice.title))}<br>{facts}</span>")
    link = html.link(body, notice.page, {**notice.query, NOTICE: notice.id})
    return Markup(f'<div class="to-needs">{link}</div>')
