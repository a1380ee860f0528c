"""People on screen: the list with its filters, one person with their history, and who had access on a day."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from finops_core import security
from finops_core.kernel.actor import SYSTEM_ID
from finops_core.security import Access, MemberDetail, MemberEntry, PeopleFilter, RoleView
from ui import authorities, filters, html, people_acts, several, widgets
from ui.format import NOTHING, Format, ago, plural
from ui.html import Cell, Column, Markup
from ui.session import Here

PAGE, PERSON, ON = "people_page", "person", "on"
COLUMNS = (
    Column("Name"),
    Column("Roles"),
    Column("State"),
    Column("Second factor", fixed=True),
    Column("Last seen", fixed=True),
)
HISTORY = (
    Column("What"),
    Column("From", fixed=True),
    Column("Until", fixed=True),
    Column("Given by"),
    Column("Ended by"),
)
ACCESS = (Column("Name"), Column("Roles they held that day"))
STATES = {"": "Anybody", "active": "Active", "off": "Deactivated"}


def fresh() -> None:
    """Another question starts at its first page."""
    widgets.first_page(PAGE)


def wanted_people(every: Sequence[RoleView]) -> PeopleFilter:
    """The filters, kept in the address."""
    with filters.bar(fresh) as bar:
        text = bar.search("find_person", "Name or e-mail")
        role = bar.choice("Role", {"": "Any role", **{role.id: role.title for role in every}}, "role", width=190)
        state = bar.choice("State", STATES, "person_state")
    return PeopleFilter(text, role, {"active": True, "off": False}.get(state))


def listed(here: Here, title: DeltaGenerator) -> None:
    """The people of the organisation, a page at a time."""
    with here.read() as reading:
        every = security.roles(reading)
    wanted = wanted_people(every)
    offset = (widgets.page_wanted(PAGE) - 1) * widgets.PAGE_SIZE
    with here.read() as reading:
        found = security.directory(reading, wanted, widgets.PAGE_SIZE, offset)
        now = reading.now
    widgets.within(found.total, PAGE)
    with title.container():
        widgets.head("People", here.around.name, plural(found.total, "person", "people"))
    if found.rows:
        html.draw(html.table(COLUMNS, [_row(entry, now) for entry in found.rows], "People"))
        several.sign_out(here, found.rows)
    else:
        widgets.empty("filter_alt_off", "Nobody matches", "Loosen the filters above.")
    widgets.pager(found.total, PAGE)
    people_acts.open_asked(here, None, every)


def one(here: Here, person_id: str) -> None:
    """One person: roles, ways in, and their history here."""
    with here.read() as reading:
        found = security.member(reading, person_id)
        every = security.roles(reading)
        names = security.names(reading, _people(found))
        sessions = security.sessions_of(reading, person_id)
        now = reading.now
    entry = found.entry
    html.draw(html.line(html.link("← All people", "people")))
    widgets.head(entry.display_name, here.around.name, entry.username)
    seen = f"last seen {ago(entry.last_seen_at, now)}" if entry.last_seen_at else "not seen in the last 30 days"
    html.draw(html.line(state(entry), factor(entry), entry.email, html.faint(seen, small=False)))
    left, right = st.columns(2, gap="medium")
    with left, st.container(border=True):
        people_acts.roles(here, found, every)
    with right, st.container(border=True):
        people_acts.ways_in(here, found, sessions)
    with st.container(border=True):
        authorities.section(here, found)
    with st.container(border=True):
        people_acts.standing(here, found)
    st.header("History", anchor=False)
    html.draw(html.table(HISTORY, _history(found, names, here.shown), f"History of {entry.display_name}"))
    people_acts.open_asked(here, found, every)


def access(here: Here, title: DeltaGenerator) -> None:
    """Who could do something here on a day of the organisation's."""
    with title.container():
        widgets.head("Who had access", here.around.name)
    with here.read() as reading:
        now = reading.now
    chosen = st.date_input(
        "On", here.shown.day(now), key=ON, bind="query-params", format="YYYY-MM-DD", width=160, max_value="today"
    )
    with here.read() as reading:
        found = security.access_between(reading, here.shown.start_of(chosen), _end(here.shown, chosen, now))
    st.caption(
        f"{plural(len(found), 'person', 'people')} held a role here at some moment of {chosen.isoformat()} "
        f"({here.around.zone}). Whoever was deactivated all that time is left out."
    )
    if found:
        html.draw(html.table(ACCESS, [_could(each) for each in found], f"Who had access on {chosen.isoformat()}"))
    else:
        widgets.empty("group_off", "Nobody had access that day", "Choose another one.")


def state(entry: MemberEntry) -> Markup:
    """Whether somebody can sign in."""
    if not entry.active:
        return html.badge("Deactivated", "red")
    return html.badge("Active", "green") if entry.joined else html.badge("Invited", "amber")


def factor(entry: MemberEntry) -> Markup:
    """Whether a code is asked for after the password."""
    return html.badge("Second factor", "green") if entry.second_factor else html.badge("No second factor", "gray")


def _row(entry: MemberEntry, now: datetime) -> tuple[Cell, ...]:
    name = html.link(html.strong(entry.display_name), "people", {PERSON: entry.id})
    return (
        html.lines(name, html.faint(f"{entry.username} · {entry.email}" if entry.email else entry.username)),
        ", ".join(entry.roles) or html.faint("none any more", small=False),
        state(entry),
        html.badge("On", "green") if entry.second_factor else html.badge("Off", "gray"),
        ago(entry.last_seen_at, now) if entry.last_seen_at else NOTHING,
    )


def _could(access: Access) -> tuple[Cell, ...]:
    name = html.link(html.strong(access.display_name), "people", {PERSON: access.id})
    return html.lines(name, html.faint(access.username)), ", ".join(access.roles)


def _history(found: MemberDetail, names: Mapping[str, str], shown: Format) -> list[tuple[Cell, ...]]:
    rows = [
        (
            time.held.since_at,
            (time.held.title, time.held.since_at, time.held.until_at, time.granted_by, time.ended_by),
        )
        for time in found.history
    ]
    rows += [
        (each.since_at, ("Deactivated", each.since_at, each.until_at, each.made_by, each.ended_by))
        for each in found.absences
    ]
    rows.sort(key=lambda row: row[0], reverse=True)
    return [
        (what, shown.instant(since), shown.instant(until), _actor(by, names), _actor(ended_by, names))
        for _, (what, since, until, by, ended_by) in rows
    ]


def _actor(actor: str, names: Mapping[str, str]) -> str:
    if actor == SYSTEM_ID:
        return "The installation"
    return names.get(actor, "somebody") if actor else NOTHING


def _people(found: MemberDetail) -> set[str]:
    times = [*((time.granted_by, time.ended_by) for time in found.history)]
    times += [(each.made_by, each.ended_by) for each in found.absences]
    return {actor for pair in times for actor in pair if actor}


def _end(shown: Format, day: date, now: datetime) -> datetime:
    """A day that is not over ends now: what is still to come is no access somebody had."""
    return min(shown.end_of(day), now + timedelta(seconds=1))
