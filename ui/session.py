"""Who is at the page. The second of three locks: ``open_page`` gives a page nothing unless the shell signed it in.

A session is a row in the database; the browser holds a random secret in an HttpOnly cookie that ``finops_core.api``
sets in exchange for a single-use ticket. streamlit-authenticator's cookie and login are not used: its token holds only
a name and an end, so a copy of it works after sign-out, after a new password and after a lost role. A row can be ended.
"""

import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from typing import NoReturn

import streamlit as st

from finops_core import connections, reference, security
from finops_core.api.session import COOKIE
from finops_core.desk import Desk, open_desk
from finops_core.kernel.actor import Actor
from finops_core.kernel.errors import FinOpsError, NotAllowed
from finops_core.kernel.permissions import Permission
from finops_core.platform.work import Reading, Work
from finops_core.security import SessionView
from ui import html, toasts
from ui.format import Format

CODE_WANTED = "tieout_code_wanted"
SESSION, TICKET, HERE, LEFT = "tieout_session_id", "tieout_ticket", "tieout_here", "tieout_left"
DRAWN_FOR, ENDED = "tieout_drawn_for", "tieout_ended"
RAN_OUT, GONE = "ran out", frozenset({"SESSION_ENDED", "RIGHTS_ENDED"})
LOOKED = "tieout_looked_up"
SURROUNDINGS_S = 30
JUST_NOW_S = 5


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What every page of an organisation shows: its name, how it writes figures, which money its provider moves.

    ``currency``: the one it counts in. ``mode``: test, live, or "" without a provider. ``sandbox``: the provider is
    the one on this machine.
    """

    name: str
    currency: str
    zone: str
    locale: str
    mode: str
    sandbox: bool


@dataclass(frozen=True, slots=True)
class Here:
    """A signed-in person on a page: what the page needs to read, act and format."""

    desk: Desk
    actor: Actor
    session: SessionView
    around: Surroundings
    shown: Format

    @contextmanager
    def read(self) -> Iterator[Reading]:
        """One look at the database, for who the person was when the page was drawn.

        Parts of a page run without it: once less is held than it was drawn for, the whole page is drawn anew instead.
        """
        try:
            with self.desk.read(self.actor) as reading:
                security.require_still(reading, self.session.permissions)
                yield reading
        except NotAllowed as refusal:
            if refusal.code in GONE:
                toasts.say(refusal.message, "lock", long=True)
                st.rerun()
            raise

    @contextmanager
    def work(self) -> Iterator[Work]:
        """One transaction; ``ORGANISATION_SWITCHED`` once the person looks at another organisation than this page."""
        with self.desk.work(self.actor) as work:
            security.require_present(work)
            if not work.permissions:
                security.require_still(work, self.session.permissions)
            yield work

    def hand_out(self) -> AbstractContextManager[Work]:
        """One transaction that gives out what this page shows, and records it; it changes nothing else.

        Not refused after a switch elsewhere: what is taken along is what the page says, and a download that fails
        cannot say why.
        """
        return self.desk.work(self.actor)

    def may(self, *any_of: Permission) -> bool:
        """Whether one of these is held. A courtesy for drawing: every verb asks again."""
        return any(permission in self.session.permissions for permission in any_of)


@st.cache_resource(show_spinner=False)
def the_desk() -> Desk:
    """The desk, opened once per process."""
    return open_desk()


def arrive() -> Here | None:
    """The signed-in person of this run, looked up anew, or None; a live one counts as active."""
    desk = the_desk()
    session = _look_up(desk)
    if session is None:
        if SESSION in st.session_state or _secret():
            st.session_state[ENDED] = _told_the_log(desk) or RAN_OUT
        for key in (SESSION, TICKET, HERE, DRAWN_FOR, html.PRESENT):
            st.session_state.pop(key, None)
        return None
    st.session_state[SESSION], st.session_state[LOOKED] = session.id, time.monotonic()
    actor = session.actor()
    if session.touch_due:
        with desk.work(actor) as work:
            security.touch(work, session.id, activity=True)
    around = _surroundings(session.org_id, desk, actor)
    here = Here(desk, actor, session, around, _format(session, around))
    st.session_state[HERE] = here
    return here


def open_page(*any_of: Permission, everybody: bool = False) -> Here:
    """Every page's first call: gives the signed-in person, or stops the page without one of these permissions.

    ``everybody``: a page for whoever is signed in, about nobody but themselves. The shell leaves its pass for exactly
    one page a run, so a page that is run without the shell finds none.
    """
    here: Here | None = st.session_state.pop(HERE, None)
    if here is None:
        st.stop()
    if not everybody and not here.may(*any_of):
        _not_for_you(here, any_of)
    return here


def sign_in(username: str, password: str) -> security.SignInRefused | None:
    """Try a name and password; on success the next run is signed in and the cookie is on its way."""
    desk, address = the_desk(), st.context.ip_address or ""
    with desk.read(security.visitor()) as reading:
        proof = security.prove(reading, username, password, address)
    with desk.work(security.visitor()) as work:
        outcome = security.admit(work, proof)
    return _concluded(outcome)


def code_wanted() -> bool:
    """Whether the password was right and a code of the second factor is still to come."""
    return CODE_WANTED in st.session_state


def sign_in_by_code(code: str) -> security.SignInRefused | None:
    """The second step; a refusal that no other code can mend leads back to the first one."""
    wanted: security.CodeWanted = st.session_state[CODE_WANTED]
    with the_desk().work(security.visitor()) as work:
        outcome = security.admit_code(work, wanted, code)
    return _concluded(outcome)


def start_again() -> None:
    """Back to name and password."""
    st.session_state.pop(CODE_WANTED, None)


def _concluded(outcome: security.Outcome) -> security.SignInRefused | None:
    """Keep what an attempt gave. That a code is wanted stands in the server's memory alone, never in the browser."""
    if isinstance(outcome, security.SignInRefused):
        return outcome
    start_again()
    if isinstance(outcome, security.CodeWanted):
        st.session_state[CODE_WANTED] = outcome
    else:
        st.session_state[SESSION], st.session_state[TICKET] = outcome.session_id, outcome.ticket
    return None


def link_of(token: str) -> security.LinkView | None:
    """What a one-time link is for; None when it is not valid any more."""
    with the_desk().read(security.visitor()) as reading:
        return security.link_of(reading, token)


def accept_setup(token: str, username: str, name: str, password: str) -> None:
    """Make the first administrator; raises what ``security`` refuses."""
    with the_desk().work(security.visitor()) as work:
        security.accept_link(work, token, username, name, password)


def accept_reset(token: str, password: str) -> None:
    """Set a new password by a link; raises what ``security`` refuses."""
    with the_desk().work(security.visitor()) as work:
        security.accept_reset(work, token, password)


def accept_invitation(token: str, name: str, password: str) -> None:
    """Join by an invitation; raises what ``security`` refuses."""
    with the_desk().work(security.visitor()) as work:
        security.accept_invitation(work, token, name, password)


def hand_over_cookie() -> None:
    """Swap the single-use ticket of a fresh sign-in for the cookie, in the browser."""
    ticket = st.session_state.pop(TICKET, None)
    if ticket:
        _post("/session/begin", ticket)


def sign_out(here: Here) -> None:
    """End the session; the next run clears the cookie and shows the sign-in page."""
    with here.work() as work:
        security.sign_out(work, session_id=here.session.id)
    st.session_state.clear()
    st.session_state[LEFT] = True


def clear_cookie_if_left() -> None:
    """After a sign-out: have the server forget the cookie and load the page afresh."""
    if st.session_state.get(LEFT):
        _post("/session/end", "", then="location.assign(location.pathname)")
        st.stop()


def switch_organisation(here: Here, org_id: str) -> None:
    """Look at another of the person's organisations from the next run on."""
    with here.work() as work:
        security.switch_organisation(work, here.session.id, org_id)
    st.session_state.pop(DRAWN_FOR, None)
    st.session_state[html.PRESENT] = next(each.slug for each in here.session.organisations if each.id == org_id)


def still_here(here: Here) -> bool:
    """Whether the session lives and looks where it did; asking is no activity. Nobody asks right after a look-up."""
    if time.monotonic() - st.session_state.get(LOOKED, 0) < JUST_NOW_S:
        return True
    with here.desk.read(security.visitor()) as reading:
        found = security.session_of(reading, session_id=here.session.id)
    return found is not None and found.org_id == here.session.org_id


def has_ended() -> str:
    """Why this browser, which was signed in, is not any more without having signed out; "" when it was not."""
    return str(st.session_state.get(ENDED, ""))


def _look_up(desk: Desk) -> SessionView | None:
    session_id = st.session_state.get(SESSION, "")
    secret = "" if session_id else _secret()
    if not session_id and not secret:
        return None
    with desk.read(security.visitor()) as reading:
        if session_id:
            return security.session_of(reading, session_id=session_id)
        return security.session_of(reading, secret=secret)


def _secret() -> str:
    given = st.context.cookies.get(COOKIE)
    return given if isinstance(given, str) else ""


def look_anew() -> None:
    """Have what every page shows of its organisation read afresh: a connection has changed."""
    _surroundings.clear()


@st.cache_resource(ttl=SURROUNDINGS_S, show_spinner=False)
def _surroundings(org_id: str, _desk: Desk, _actor: Actor) -> Surroundings:
    with _desk.read(_actor) as reading:
        own = reference.organisation(reading, org_id)
        mode, sandbox = _provider(reading)
    return Surroundings(own.name, own.base_currency, own.zone, own.locale, mode, sandbox)


def _format(session: SessionView, around: Surroundings) -> Format:
    """The person's own zone and locale over the organisation's."""
    return Format(session.zone or around.zone, session.locale or around.locale, around.currency, around.zone)


def _provider(reading: Reading) -> tuple[str, bool]:
    try:
        connection = connections.active(reading, "stripe")
    except FinOpsError:
        return "", False
    return connection.mode, connection.base_url == reading.ports.settings.stripe_sandbox_url


def _post(path: str, body: str, then: str = "0") -> None:
    base = (st.get_option("server.baseUrlPath") or "").strip("/")
    address = f"/{base}{path}" if base else path
    html.run_script(f"fetch({address!r},{{method:'POST',body:{body!r},credentials:'same-origin'}}).finally(()=>{then})")


def _told_the_log(desk: Desk) -> str:
    """Somebody has come with a session that opens nothing: a copied cookie, or a person who was let go; gives why."""
    key = {"session_id": st.session_state.get(SESSION, ""), "secret": ""}
    if not key["session_id"]:
        key["secret"] = _secret()
    with desk.read(security.visitor()) as reading:
        why, due = security.why_refused(reading, **key)
    if due:
        with desk.work(security.visitor()) as work:
            security.note_refused(work, **key)
    return why


def _not_for_you(here: Here, any_of: tuple[Permission, ...]) -> NoReturn:
    # The refusal of a unit is recorded by the desk; a page that draws nothing would leave no trace.
    with suppress(NotAllowed), here.read() as reading:
        reading.require(*any_of[:1])
    st.title("Not part of your role", anchor=False)
    st.caption("Ask an administrator for a role that includes this page.")
    st.stop()
