"""Schedules on screen: when the desk looks after itself, what is switched off, and in a dialog a change of one."""

from collections.abc import Mapping, Sequence

import streamlit as st

from finops_core import security
from finops_core.catalog.schedules import SCHEDULES
from finops_core.kernel.errors import Invalid
from finops_core.kernel.permissions import Permission
from finops_core.upkeep import calendars, scheduling
from finops_core.upkeep.scheduling import ScheduleView
from ui import html, log
from ui.dialogs import Dialogs, refused, send
from ui.html import Cell, Column, Markup
from ui.session import Here

CHANGE = "change"
DIALOGS = Dialogs("schedule")
CHOSEN, CALENDAR, ON, WHY = "schedule_chosen", "schedule_calendar", "schedule_on", "schedule_why"
COLUMNS = (
    Column("Schedule", wide=True),
    Column("Calendar (UTC)", fixed=True),
    Column("State", fixed=True),
    Column("Next three times", fixed=True),
    Column("Changed"),
)


def off(rows: Sequence[ScheduleView]) -> str:
    """What is switched off, in a few words; "" for nothing."""
    return ", ".join(row.title.lower() for row in rows if not row.enabled)


def section(here: Here, rows: Sequence[ScheduleView]) -> None:
    """What is switched off and what that costs, every schedule, and for those who may the way to change one."""
    with here.read() as reading:
        names = security.names(reading, {row.changed_by for row in rows if row.changed_by})
    may = here.may(Permission.SCHEDULES_ADMINISTER)
    st.header("Schedules", anchor=False)
    for row in rows:
        if not row.enabled:
            html.draw(html.told("pause_circle", f"{row.title}: switched off.", row.off, "amber"))
    html.draw(html.table(COLUMNS, [_row(row, names, here) for row in rows], "Schedules"))
    with st.container(key="tall_change_schedule"):
        if may and rows and st.button("Change a schedule", icon=":material/edit_calendar:"):
            DIALOGS.ask(CHANGE)
    what, which = DIALOGS.asked()
    if what == CHANGE and may and rows:
        st.dialog("Change a schedule", on_dismiss=DIALOGS.close)(_change)(here, rows, which)
    else:
        refused()


def _row(row: ScheduleView, names: Mapping[str, str], here: Here) -> tuple[Cell, ...]:
    state = html.badge("On", "green") if row.enabled else html.badge("Switched off", "amber")
    shipped = "" if row.calendar == row.shipped else html.faint(f"shipped as {row.shipped}")
    changed: Cell = ""
    if row.changed_by:
        changed = html.lines(here.shown.instant(row.changed_at), html.faint(log.actor_name(row.changed_by, names)))
    return (
        html.lines(row.title, html.faint(row.name)),
        html.lines(Markup(f"<code>{html.text(row.calendar)}</code>"), shipped),
        state,
        html.lines(*(here.shown.instant(at) for at in row.next_at)),
        changed,
    )


def _change(here: Here, rows: Sequence[ScheduleView], which: str) -> None:
    DIALOGS.head(here)
    by_name = {row.name: row for row in rows}
    first = list(by_name).index(which) if which in by_name else 0
    titles = {name: row.title for name, row in by_name.items()}
    name = st.selectbox("Schedule", list(by_name), first, format_func=titles.__getitem__, key=CHOSEN)
    row = by_name[name]
    calendar = st.text_input(
        "Calendar",
        row.calendar,
        key=f"{CALENDAR}_{name}",
        max_chars=calendars.CHARS_MAX,
        help="Minute, hour, day, month and day of the week in UTC, such as 30 1 * * * or 0 2 * * sun.",
    )
    st.caption(_preview(here, calendar))
    with st.form("change_schedule", border=False):
        st.toggle("On", row.enabled, key=f"{ON}_{name}", help=row.off)
        st.text_input("Why", key=WHY, max_chars=200, placeholder="Moved out of the close's way")
        send("Change it", lambda: _changed(here, name))


def _preview(here: Here, calendar: str) -> str:
    """The next three times of what was typed, or why it is no calendar."""
    try:
        plain = calendars.checked(calendar)
    except Invalid as bad:
        return f"{bad.message} {bad.hint}"
    with here.read() as reading:
        found = calendars.next_times(plain, reading.now)
    return f"Next: {', '.join(here.shown.instant(at) for at in found)}"


def _changed(here: Here, name: str) -> str:
    state = st.session_state
    calendar, why = str(state.get(f"{CALENDAR}_{name}") or ""), str(state.get(WHY) or "")
    enabled = bool(state.get(f"{ON}_{name}"))
    with here.work() as work:
        scheduling.change(work, SCHEDULES, name, why, calendar=calendar, enabled=enabled)
    return "Changed. The worker goes by it within a minute."
