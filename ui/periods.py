"""Locked periods on screen: those that are, those that were, and in dialogs a new one and the opening of one."""

from collections.abc import Mapping, Sequence
from datetime import timedelta

import streamlit as st

from finops_core import ledger, reference, security
from finops_core.kernel.errors import Invalid
from finops_core.kernel.permissions import Permission
from finops_core.ledger import PeriodView
from ui import html, widgets
from ui.dialogs import Dialogs, refused, send
from ui.html import Cell, Column, Markup
from ui.session import Here

LOCK, OPEN = "lock", "open"
DIALOGS = Dialogs("period")
FIRST, LAST, WHY, CHOSEN, OPENED = "period_first", "period_last", "period_why", "period_chosen", "period_opened"
MOST = 100
SOMEBODY = "Somebody"
LOCKED = (Column("Days", fixed=True), Column("Locked"), Column("Why", wide=True))
EARLIER = (*LOCKED, Column("Opened again"), Column("Why opened", wide=True))


def section(here: Here) -> None:
    """The periods that are locked, for those who may the ways to lock and open, and the record of earlier locks."""
    with here.read() as reading:
        # Apart: however many were opened since, one that is locked is shown.
        locked = ledger.periods(reading, MOST)
        opened = [period for period in ledger.periods(reading, MOST, locked=False) if period.unlocked_at]
        people = {who for period in (*locked, *opened) for who in (period.locked_by, period.unlocked_by) if who}
        names = security.names(reading, people)
    may = here.may(Permission.LEDGER_LOCK)
    if locked:
        html.draw(html.table(LOCKED, [_row(period, names, here) for period in locked], "Locked periods"))
    else:
        widgets.empty("lock_open", "No period is locked", "Entries may count for any day until somebody locks some.")
    with st.container(horizontal=True, key="tall_lock_period"):
        if may and st.button("Lock a period", icon=":material/lock:"):
            DIALOGS.ask(LOCK)
        if may and locked and st.button("Open one again", icon=":material/lock_open:"):
            DIALOGS.ask(OPEN)
    if opened:
        html.draw(html.table(EARLIER, [_row(period, names, here) for period in opened], "Earlier locks"))
    _open_asked(here, locked, may=may)


def days_of(period: PeriodView) -> str:
    """The days of a period, in a few words."""
    first, last = period.from_on.isoformat(), period.to_on.isoformat()
    return first if first == last else f"{first} to {last}"


def _row(period: PeriodView, names: Mapping[str, str], here: Here) -> tuple[Cell, ...]:
    def by(who: str, at: Cell) -> Markup:
        return html.lines(at, html.faint(names.get(who, SOMEBODY)))

    told = (days_of(period), by(period.locked_by, here.shown.instant(period.locked_at)), period.reason)
    if period.unlocked_at is None:
        return told
    return (*told, by(period.unlocked_by, here.shown.instant(period.unlocked_at)), period.unlocked_reason)


def _open_asked(here: Here, locked: Sequence[PeriodView], *, may: bool) -> None:
    what, which = DIALOGS.asked()
    if what == LOCK and may:
        st.dialog("Lock a period", on_dismiss=DIALOGS.close)(_lock)(here)
    elif what == OPEN and may and locked:
        st.dialog("Open a period again?", on_dismiss=DIALOGS.close)(_open)(here, locked, which)
    else:
        refused()


def _lock(here: Here) -> None:
    DIALOGS.head(here)
    with here.read() as reading:
        last = reference.today(reading).replace(day=1) - timedelta(days=1)
    st.caption("Nothing can be posted into these days any more, nor reversed into them: a reversal counts for today.")
    with st.form("lock_period", border=False):
        st.date_input("First day", last.replace(day=1), key=FIRST, format="YYYY-MM-DD")
        st.date_input("Last day", last, key=LAST, format="YYYY-MM-DD")
        st.text_input("Why", key=WHY, max_chars=200, placeholder="October is reported")
        send("Lock it now", lambda: _locked(here))


def _locked(here: Here) -> str:
    first, last = st.session_state.get(FIRST), st.session_state.get(LAST)
    if first is None or last is None:
        raise Invalid("PERIOD_BAD", "A period has a first and a last day.", hint="Choose both.")
    why = _typed(WHY)
    with here.work() as work:
        period_id = ledger.lock_period(work, first, last, why)
        days = days_of(ledger.period(work, period_id))
    return f"Locked: {days}. Nothing is posted into it until somebody opens it."


def _open(here: Here, locked: Sequence[PeriodView], which: str) -> None:
    DIALOGS.head(here)
    ids = [period.id for period in locked]
    told = {period.id: days_of(period) for period in locked}
    st.caption("What is posted into it changes what was reported. Its lock, and who opened it, stay as a record.")
    with st.form("open_period", border=False):
        first = ids.index(which) if which in ids else 0
        st.selectbox("Period", ids, first, format_func=told.__getitem__, key=CHOSEN)
        st.text_input("Why", key=OPENED, max_chars=200, placeholder="An invoice of October came late")
        send("Open it now", lambda: _opened(here))


def _opened(here: Here) -> str:
    chosen, why = _typed(CHOSEN), _typed(OPENED)
    with here.work() as work:
        ledger.unlock_period(work, chosen, why)
    return "Opened. Its days take entries again."


def _typed(name: str) -> str:
    return str(st.session_state.get(name) or "")
