"""News for the person who looks: counted on every page, told as it arrives, put away by opening it or by hand."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import streamlit as st

from finops_core import notifications
from finops_core.kernel.permissions import Permission
from finops_core.notifications import KINDS, Kind, NoticeView
from finops_core.platform.work import Reading
from ui import html, session, toasts
from ui.format import Format, ago, plural
from ui.html import Markup
from ui.session import Here

NOTICE, PAGE = "notice", "notices"
FIRST, LOOKED_AT, TOASTS = 5, 50, 3
SEEN = "tieout_news_seen"
STILL_HERE_S = 60
MARKS: Mapping[str, tuple[str, str]] = {
    Kind.APPROVAL_ASKED: ("task_alt", "amber"),
    Kind.APPROVAL_EXPIRING: ("hourglass_bottom", "amber"),
    Kind.APPROVAL_APPROVED: ("check_circle", "green"),
    Kind.APPROVAL_REJECTED: ("cancel", "red"),
    Kind.APPROVAL_EXPIRED: ("hourglass_disabled", "red"),
    Kind.EXECUTION_COMPLETED: ("check_circle", "green"),
    Kind.EXECUTION_FAILED: ("error", "red"),
    **dict.fromkeys((Kind.PAYOUT_RETURNED, Kind.PAYOUT_CANCELED, Kind.PAYOUT_REVERSED), ("undo", "red")),
    Kind.PAYOUT_REVIEW: ("help", "amber"),
    Kind.PAYOUT_UNEXPECTED: ("warning", "red"),
    Kind.PAYOUT_TWICE: ("content_copy", "red"),
    Kind.CANCEL_REFUSED: ("block", "amber"),
    Kind.KEY_REFUSED: ("key_off", "red"),
    Kind.SECOND_FACTOR_RESET: ("lock_reset", "amber"),
    Kind.ACCOUNT_CHANGED: ("manage_accounts", "amber"),
    Kind.LEDGER_DRIFT: ("balance", "red"),
    Kind.BANK_DETAILS: ("account_balance_wallet", "amber"),
    Kind.CHECK_VIOLATED: ("rule", "red"),
    Kind.WORKER_DEAD: ("engineering", "red"),
    Kind.MAIL_FAILING: ("mail_off", "amber"),
    Kind.FORWARDING_FAILING: ("cloud_off", "amber"),
}
PLAIN_MARK = ("notifications", "blue")
# What a check found names rows by their ids; its page links them, and says what to do.
UNTOLD = frozenset({Kind.CHECK_VIOLATED})
# What Markdown would take for markup, in text that comes from files, people and providers.
_MARKUP = re.compile(r"([\\`*_{}\[\]()#+\-.!|<>~:$&])")


@dataclass(frozen=True, slots=True)
class News:
    """How much the person has not put away; and the id it had reached before this screen, with what came since."""

    unread: int
    since: str
    arrived: tuple[NoticeView, ...]


def look(reading: Reading) -> News:
    """The news of the person who looks; none for somebody who has no first page to read it on."""
    if not reading.may(Permission.HOME_VIEW):
        return News(0, "", ())
    org, since, _ = _seen()
    if org != reading.org_id:
        # What is older than the first look is no news, though it may come into view late.
        return News(notifications.unread_count(reading), notifications.newest_id(reading), ())
    return News(notifications.unread_count(reading), since, notifications.unread_since(reading, since, LOOKED_AT))


@st.fragment(run_every=STILL_HERE_S)
def watch(here: Here, just_looked: list[News]) -> None:
    """Take an idle screen away once its session has ended; until then tell what arrives.

    ``just_looked`` is what the page itself has read, for the first time.
    """
    if not session.still_here(here):
        st.rerun()
    if just_looked:
        tell(here, just_looked.pop())
        return
    with here.read() as reading:
        found = look(reading)
    tell(here, found)
    toasts.draw()


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
    return html.link(label, PAGE, css=f"to-bell to-bell-{where}")


def kinds() -> dict[str, str]:
    """The kinds there are, as a filter shows them."""
    return {kind.value: facts.title for kind, facts in KINDS.items()}


def tell(here: Here, found: News) -> None:
    """A word about what arrived since this screen last looked; each once."""
    _, _, known = _seen()
    arrived = [each for each in found.arrived if each.id not in known]
    ids = known | {each.id for each in arrived} if arrived else known
    st.session_state[SEEN] = (here.session.org_id, found.since, ids if found.arrived else frozenset())
    for notice in reversed(arrived[:TOASTS]):
        icon = MARKS.get(notice.kind, PLAIN_MARK)[0]
        toasts.say(_MARKUP.sub(r"\\\1", here.shown.sentence(notice.title)), icon, long=True)
    if len(arrived) > TOASTS:
        toasts.say(f"And {plural(len(arrived) - TOASTS, 'more notice')}", "notifications")


def _seen() -> tuple[str, str, frozenset[str]]:
    """Organisation and id of this screen's first look, and the ids that it has told since."""
    seen: tuple[str, str, frozenset[str]] = st.session_state.get(SEEN, ("", "", frozenset()))
    return seen


def section(here: Here, notices: Sequence[NoticeView], unread: int, now: datetime) -> None:
    """The newest of it, and the way to all of it."""
    listed(here, notices[:FIRST], now, "News for you")
    if unread > FIRST:
        html.draw(html.line(html.link(f"All {unread} of them", PAGE)))


def listed(here: Here, notices: Sequence[NoticeView], now: datetime, title: str = "") -> None:
    """Notices below each other, each leading to what it is about; those that are unread can be put away."""
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        if title:
            st.header(title, anchor=False, width="content")
        if any(notice.read_at is None for notice in notices) and st.button(
            "Mark all as read", icon=":material/done_all:", type="tertiary", key="tall_read_all"
        ):
            _put_away(here)
    for notice in notices:
        with st.container(horizontal=True, vertical_alignment="center", gap="xsmall", key=f"unwrapped_{notice.id}"):
            html.draw(_notice(notice, here.shown, now))
            if notice.read_at is None and st.button(
                "", icon=":material/done:", type="tertiary", key=f"read_{notice.id}", help="Mark as read"
            ):
                _put_away(here, notice.id)


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
    title = shown.sentence(notice.title)
    head = html.strong(title) if notice.read_at is None else html.faint(title, small=False)
    body = Markup(f"{html.icon(mark, tone if notice.read_at is None else 'gray')}<span>{head}<br>{facts}</span>")
    link = html.link(body, notice.page, {**notice.query, NOTICE: notice.id})
    return Markup(f'<div class="to-needs">{link}</div>')
