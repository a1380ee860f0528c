"""What an administrator does with people: invite, roles, links, second factor, sessions, deactivation.

What needs thought first opens a dialog, named by the address. A one-time link is drawn once and kept nowhere else.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import streamlit as st

from finops_core import insight, security
from finops_core.insight import Departure
from finops_core.kernel.permissions import Permission
from finops_core.operations import Part
from finops_core.security import MemberDetail, RoleHeld, RoleView, SessionEntry
from ui import acts, address, html
from ui.connections import base_address
from ui.format import plural, words
from ui.session import Here

DO, ROLE = "do", "role_id"
INVITE, END, RESET, AGAIN, FACTOR, OFF = "invite", "end", "reset", "again", "factor", "off"
LINK, GIVE = "people_link", "people_give"
NAME, EMAIL, USERNAME, ROLES = "invite_name", "invite_email", "invite_username", "invite_roles"
ONCE = "It is shown this once and works once. Hand it over in a way you trust: whoever opens it sets the password."
OUT = "Signing out everywhere ends every session and API token of theirs, in all their organisations."
NOTHING_WAITS = "Nothing here waits for this person: no request needs them, and no run of theirs has still to start."
PARTS = {Part.PREPARED: "prepared it", Part.APPROVED: "approved it"}


def invite_button() -> None:
    """The way to another person."""
    with st.container(key="tall_invite", width="content"):
        if st.button("Invite somebody", icon=":material/person_add:", type="primary"):
            ask(INVITE)


def roles(here: Here, found: MemberDetail, every: Sequence[RoleView]) -> None:
    """What the person holds now; each can be ended, others given."""
    st.header("Roles", anchor=False)
    for held in found.held:
        with st.container(
            horizontal=True,
            vertical_alignment="center",
            horizontal_alignment="distribute",
            key=f"tall_role_{held.role_id}",
        ):
            since = html.faint(f"since {here.shown.instant(held.since_at)}")
            html.draw(html.lines(html.strong(held.title), since))
            if st.button("End", key=f"end_{held.role_id}", help=f"End the role {held.title}"):
                ask(END, role_id=held.role_id)
    if not found.held:
        st.caption("No role any more: nothing can be done here.")
    free = {role.id: role for role in every if role.id not in {held.role_id for held in found.held}}
    if not free or found.entry.id == here.session.person_id:
        st.caption("Another administrator gives you a role." if free else "")
        return
    with st.form("people_grant", border=False):
        st.selectbox(
            "Another role",
            list(free),
            None,
            key=GIVE,
            placeholder="Choose a role",
            format_func=lambda id_: f"{free[id_].title}: {free[id_].description}",
        )
        acts.send("Give the role", "people_grant", lambda: _grant(here, found, free), primary=False)


def ways_in(here: Here, found: MemberDetail, sessions: Sequence[SessionEntry]) -> None:
    """How the person gets in: link, second factor, sessions."""
    st.header("Sign-in", anchor=False)
    entry = found.entry
    told = f"{plural(len(sessions), 'open session')} in this organisation." if sessions else "Not signed in here now."
    st.caption(f"{told} {OUT}")
    acts.refusal_at("people_out")
    with st.container(key="tall_ways_in"):
        if entry.active and not entry.joined:
            if st.button("Make a new invitation link", icon=":material/link:"):
                ask(AGAIN)
        elif entry.active and st.button("Reset the password by a link", icon=":material/lock_reset:"):
            ask(RESET)
        if (
            entry.second_factor
            and entry.id != here.session.person_id
            and st.button("Reset the second factor", icon=":material/phonelink_erase:")
        ):
            ask(FACTOR)
        acts.button("Sign out everywhere", "people_out", lambda: _sign_out(here, found), "logout")


def standing(here: Here, found: MemberDetail) -> None:
    """Deactivate or reactivate."""
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute", key="tall_off"):
        if found.entry.active:
            st.markdown("**Leaves the organisation?** Deactivated people cannot sign in; their history stays.")
            if st.button("Deactivate …", icon=":material/person_off:"):
                ask(OFF)
        else:
            st.markdown("**Deactivated.** With the roles above they could sign in again.")
            acts.button("Reactivate", "people_on", lambda: _reactivate(here, found), "person_check", primary=True)
    acts.refusal_at("people_on")


def ask(what: str, **more: str) -> None:
    """Open a dialog, by the address."""
    st.session_state.pop(acts.REFUSED, None)
    st.session_state.pop(LINK, None)
    st.query_params.update(html.addressed({DO: what, **more}))


def close() -> None:
    """The dialog was put away, and a link shown in it is gone."""
    st.session_state.pop(LINK, None)
    address.put_away(DO, ROLE)


def open_asked(here: Here, found: MemberDetail | None, every: Sequence[RoleView]) -> None:
    """The dialog that the address asks for, if it still makes sense."""
    what = st.query_params.get(DO, "")
    if LINK in st.session_state:
        st.dialog("A link to hand over", on_dismiss=close)(_hand_over)(here)
    elif what == INVITE and found is None:
        st.dialog("Invite somebody", on_dismiss=close)(_invite)(here, every)
    elif found is not None:
        _open_about(here, found, every, what)


def _open_about(here: Here, found: MemberDetail, every: Sequence[RoleView], what: str) -> None:
    name = found.entry.display_name
    held = {role.role_id: role for role in found.held}.get(st.query_params.get(ROLE, ""))
    if what == END and held is not None:
        st.dialog(f"End the role {held.title}?", on_dismiss=close, width="medium")(_end_role)(here, found, held, every)
    elif what == RESET:
        st.dialog(f"Reset the password of {name}?", on_dismiss=close)(_reset)(here, found)
    elif what == AGAIN:
        st.dialog(f"A new invitation for {name}?", on_dismiss=close)(_again)(here, found)
    elif what == FACTOR:
        st.dialog(f"Reset the second factor of {name}?", on_dismiss=close)(_factor)(here, found)
    elif what == OFF and found.entry.active:
        st.dialog(f"Deactivate {name}?", on_dismiss=close, width="medium")(_deactivate)(here, found)


def _begin(here: Here, *facts: str) -> None:
    """First thing in a dialog: whose it is. What its form did closes it: the whole page is drawn anew."""
    if acts.settled():
        st.rerun()
    html.draw(html.line(html.strong(here.around.name), *facts))


def _invite(here: Here, every: Sequence[RoleView]) -> None:
    _begin(here)
    with st.form("people_invite", border=False):
        st.text_input("Name", key=NAME, max_chars=80)
        st.text_input("E-mail", key=EMAIL, max_chars=254)
        st.text_input("Username", key=USERNAME, max_chars=64, help="What they sign in with. It cannot be changed.")
        # Not a list that opens: it would lie over the button, and its first entry would be "Select all".
        titles = {role.id: role.title for role in every}
        st.pills("Roles", list(titles), selection_mode="multi", key=ROLES, format_func=titles.__getitem__)
        acts.send("Make the invitation", "people_invite", lambda: _invited(here))


def _invited(here: Here) -> str:
    told = {key: str(st.session_state.get(key, "")).strip() for key in (NAME, EMAIL, USERNAME)}
    wanted = st.session_state.get(ROLES) or ()
    with here.work() as work:
        made = security.invite(work, told[USERNAME], told[NAME], told[EMAIL], wanted)
    _keep_link(here, "invite", made.token, "within a week")
    return f"{told[NAME]} was invited."


def _end_role(here: Here, found: MemberDetail, held: RoleHeld, every: Sequence[RoleView]) -> None:
    _begin(here, found.entry.display_name)
    last = " It is the last one here: their API tokens here end with it, for good." if len(found.held) == 1 else ""
    st.markdown(f"It ends at once, at their next click, and stays in the history. It can be given again.{last}")
    if _decides_no_more(found, held, every):
        with here.read() as reading:
            departure = insight.departure(reading, found.entry.id)
        # Runs go on while somebody has any role: only the last one to end holds them.
        departure = departure if len(found.held) == 1 else replace(departure, runs=())
        if not departure.harmless:
            _consequences(departure)
    _refusable("people_end", "End the role", lambda: _ended(here, found, held), ends=True)


def _decides_no_more(found: MemberDetail, held: RoleHeld, every: Sequence[RoleView]) -> bool:
    """Whether, without this role, nothing is left by which they could approve, or nothing at all."""
    others = {role.role_id for role in found.held} - {held.role_id}
    decide = {role.id for role in every if Permission.APPROVALS_DECIDE in role.permissions}
    return not others or (held.role_id in decide and not others & decide)


def _ended(here: Here, found: MemberDetail, held: RoleHeld) -> str:
    with here.work() as work:
        security.end_role(work, found.entry.id, held.role_id, work.org_id)
    close()
    return f"{found.entry.display_name} is no {held.title.lower()} any more."


def _reset(here: Here, found: MemberDetail) -> None:
    _begin(here, found.entry.display_name)
    st.markdown("You get a link by which they set a new password within a day. Their sessions end when they do.")
    _refusable("people_reset", "Make the link", lambda: _reset_link(here, found))


def _reset_link(here: Here, found: MemberDetail) -> str:
    with here.work() as work:
        token = security.reset_link(work, found.entry.id)
    _keep_link(here, "reset", token, "within a day")
    return "The link was made."


def _again(here: Here, found: MemberDetail) -> None:
    _begin(here, found.entry.display_name)
    st.markdown("The earlier link stops working.")
    _refusable("people_again", "Make the link", lambda: _invite_again(here, found))


def _invite_again(here: Here, found: MemberDetail) -> str:
    with here.work() as work:
        made = security.invitation_link(work, found.entry.id)
    _keep_link(here, "invite", made.token, "within a week")
    return "The link was made."


def _factor(here: Here, found: MemberDetail) -> None:
    _begin(here, found.entry.display_name)
    st.markdown(
        "From then on **their password alone opens their account**, until they set up another one. Be sure that it is "
        "they who ask. Their sessions end, and they are told."
    )
    _refusable("people_factor", "Reset it", lambda: _factor_reset(here, found))


def _factor_reset(here: Here, found: MemberDetail) -> str:
    with here.work() as work:
        security.reset_second_factor(work, found.entry.id)
    close()
    return "The second factor was reset."


def _deactivate(here: Here, found: MemberDetail) -> None:
    _begin(here, found.entry.display_name)
    st.markdown("They are signed out at once and cannot sign in. Roles and history stay; it can be taken back.")
    seen = _departures(here, found)
    for name, departure in seen.items():
        if len(seen) > 1:
            st.markdown(f"**{name}**")
        _consequences(departure)
    _refusable("people_off", "Deactivate", lambda: _deactivated(here, found), ends=True)


def _departures(here: Here, found: MemberDetail) -> Mapping[str, Departure]:
    """What would wait, in each organisation that whoever looks administers: people are deactivated in all of theirs."""
    seen = {}
    for choice in here.session.organisations:
        with here.desk.read(replace(here.actor, org_id=choice.id)) as reading:
            known = found.entry.id in security.names(reading, [found.entry.id])
            if known and reading.may(Permission.PEOPLE_ADMINISTER):
                seen[choice.name] = insight.departure(reading, found.entry.id)
    return seen


def _consequences(departure: Departure) -> None:
    if departure.harmless:
        st.success(NOTHING_WAITS, icon=":material/check_circle:")
        return
    for kind in departure.kinds:
        told = f"Nobody else here may approve: {words(kind).lower()}."
        html.draw(html.told("group_off", told, "Give somebody the authority first, or every new one will wait.", "red"))
    if departure.requests:
        st.markdown(f"**{plural(len(departure.requests), 'request')} could not be decided any more**")
        rows = [(each.number, each.title, f"{each.left} of {each.wanting}") for each in departure.requests]
        columns = (html.Column("Request", fixed=True), html.Column("About"), html.Column("Others who could"))
        html.draw(html.table(columns, rows, "Requests that would wait for nobody"))
    if departure.runs:
        st.markdown(f"**{plural(len(departure.runs), 'run')} would not start**")
        runs = [(each.number, each.title, PARTS[each.part]) for each in departure.runs]
        columns = (html.Column("Execution", fixed=True), html.Column("What"), html.Column("They"))
        html.draw(html.table(columns, runs, "Runs that would not start"))


def _deactivated(here: Here, found: MemberDetail) -> str:
    with here.work() as work:
        security.set_active(work, found.entry.id, active=False)
    close()
    return f"{found.entry.display_name} was deactivated."


def _reactivate(here: Here, found: MemberDetail) -> str:
    with here.work() as work:
        security.set_active(work, found.entry.id, active=True)
    return f"{found.entry.display_name} can sign in again."


def _grant(here: Here, found: MemberDetail, free: Mapping[str, RoleView]) -> str:
    chosen = str(st.session_state.get(GIVE) or "")
    with here.work() as work:
        security.grant_role(work, found.entry.id, chosen, work.org_id)
    return f"{found.entry.display_name} is {free[chosen].title.lower()} now."


def _sign_out(here: Here, found: MemberDetail) -> str:
    with here.work() as work:
        ended = security.sign_out_everywhere(work, found.entry.id)
    return f"{plural(ended, 'session')} ended."


def _refusable(place: str, label: str, act: acts.Act, *, ends: bool = False) -> None:
    """``ends``: it takes something away, and is red as everywhere."""
    acts.refusal_at(place)
    with st.container(key=f"tall_{'ends_' if ends else ''}{place}"):
        acts.button(label, place, act, primary=True)


def _keep_link(here: Here, kind: str, token: str, until: str) -> None:
    base = base_address(here.desk.settings.public_url)
    st.session_state[LINK] = (f"{base}/?{kind}={token}", until)


def _hand_over(here: Here) -> None:
    if LINK not in st.session_state:
        st.rerun()
    html.draw(html.line(html.strong(here.around.name)))
    address, until = st.session_state[LINK]
    st.markdown(f"Good once, {until}.")
    st.code(address, language=None, wrap_lines=True)
    st.caption(ONCE)
    with st.container(key="tall_handed"):
        st.button("I have copied it", type="primary", on_click=close)
