"""Sign-in sessions: who they belong to, whether they live, and the verbs that keep, move and end them.

A session id is no secret (it stands in the audit log); it is proof only inside the server's own memory. From outside
only the cookie's secret counts, and of that only the SHA-256 is stored.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Row, and_, delete, or_, select, update

from finops_core import audit
from finops_core.kernel.actor import Actor, Via
from finops_core.kernel.errors import Conflict, NotAllowed
from finops_core.kernel.permissions import Permission
from finops_core.platform.work import Reading, Work
from finops_core.reference.models import organisation
from finops_core.security.grants import permissions_in_session, second_factor_due
from finops_core.security.models import (
    membership,
    one_time_link,
    person,
    role,
    second_factor,
    session,
    sign_in_attempt,
    sign_in_ticket,
)
from finops_core.security.passwords import digest, new_secret
from finops_core.security.queries import PersonView, in_force, person_view

VISITOR_ID = "service:visitor"
TOUCH_EVERY = timedelta(minutes=1)
KEPT = timedelta(days=30)
REFUSED_EVERY = timedelta(hours=1)
NO_ROLE = "no role"
"""Why a session opens nothing that nobody has ended: its person holds no role any more, or was switched off."""


@dataclass(frozen=True, slots=True)
class OrganisationChoice:
    """An organisation somebody may switch to, and the titles of their roles in it."""

    id: str
    slug: str
    name: str
    roles: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SessionView:
    """A living session.

    Attributes:
        organisations: those the person has a role in, by name.
        permissions: what they may do in ``org_id``.
        expires_at: the absolute end; without activity it ends earlier.
        touch_due: whether activity should be noted with ``touch`` (at most once a minute).
        second_factor_due: whether a role demands a second factor that the person lacks; they may do nothing then.
        zone: the person's own time zone; "" for the organisation's.
        locale: likewise.
    """

    id: str
    person: PersonView
    org_id: str
    organisations: tuple[OrganisationChoice, ...]
    permissions: frozenset[Permission]
    expires_at: datetime
    touch_due: bool
    second_factor_due: bool = False
    zone: str = ""
    locale: str = ""

    @property
    def person_id(self) -> str:
        """Whose session it is."""
        return self.person.id

    @property
    def display_name(self) -> str:
        """Whose session it is, by name."""
        return self.person.display_name

    @property
    def orgs(self) -> frozenset[str]:
        """The organisations the person may switch to."""
        return frozenset(choice.id for choice in self.organisations)

    @property
    def roles(self) -> tuple[str, ...]:
        """The titles of the person's roles in the present organisation."""
        return self.organisation.roles

    @property
    def organisation(self) -> OrganisationChoice:
        """The present organisation."""
        return next(choice for choice in self.organisations if choice.id == self.org_id)

    def actor(self, via: Via = Via.PAGE) -> Actor:
        """The person, acting through this session."""
        return Actor(id=self.person.id, org_id=self.org_id, via=via, session_id=self.id)


@dataclass(frozen=True, slots=True)
class SessionEntry:
    """A session as a list shows it."""

    id: str
    opened_at: datetime
    last_seen_at: datetime
    expires_at: datetime
    address: str


def visitor(via: Via = Via.PAGE) -> Actor:
    """Whoever stands at the door: no person, no organisation, no permission."""
    return Actor(id=VISITOR_ID, org_id="", via=via)


def session_of(reading: Reading, *, secret: str = "", session_id: str = "") -> SessionView | None:
    """The living session of a cookie's secret, or of an id from the server's own memory; None when there is none.

    None too when the person was deactivated or has no role left anywhere. Changes nothing: looking is no activity.
    """
    if not secret and not session_id:
        return None
    key = session.c.secret_hash == digest(secret) if secret else session.c.id == session_id
    row = reading.first(
        select(session, person.c.username, person.c.display_name, person.c.zone, person.c.locale)
        .join(person, person.c.id == session.c.person_id)
        .where(key, person.c.active.is_(True), *living(reading))
    )
    choices = organisations_of(reading, row.person_id) if row is not None else ()
    return _view(reading, row, choices) if row is not None and choices else None


def organisations_of(reading: Reading, person_id: str) -> tuple[OrganisationChoice, ...]:
    """The organisations somebody has a role in now, by name."""
    held = (
        select(organisation.c.id, organisation.c.slug, organisation.c.name, role.c.title)
        .join(membership, membership.c.org_id == organisation.c.id)
        .join(role, role.c.id == membership.c.role_id)
        .where(membership.c.person_id == person_id, *in_force(reading))
        .order_by(organisation.c.name, organisation.c.id, role.c.title)
    )
    with reading.across_orgs("the organisations a person may choose from"):
        rows = reading.rows(held)
    titles: dict[tuple[str, str, str], list[str]] = {}
    for row in rows:
        titles.setdefault((row.id, row.slug, row.name), []).append(row.title)
    return tuple(OrganisationChoice(*which, tuple(found)) for which, found in titles.items())


def sessions_of(reading: Reading, person_id: str) -> tuple[SessionEntry, ...]:
    """Living sessions, newest first: one's own, or with PEOPLE_ADMINISTER a colleague's in this organisation."""
    mine = person_id == reading.actor.id
    wanted = select(session).where(session.c.person_id == person_id, *living(reading))
    if not mine:
        reading.require(Permission.PEOPLE_ADMINISTER)
        person_view(reading, person_id)
        wanted = wanted.where(session.c.org_id.in_(sorted(reading.orgs)))
    return tuple(
        SessionEntry(row.id, row.opened_at, row.last_seen_at, row.expires_at, row.address)
        for row in reading.rows(wanted.order_by(session.c.opened_at.desc(), session.c.id.desc()))
    )


def redeem(work: Work, ticket: str) -> str | None:
    """The cookie's secret in exchange for a ticket, once and within its minute; None for anything else.

    Only the secret's SHA-256 is stored, so this is the only time anybody sees it.
    """
    mark = digest(ticket)
    used = work.execute(
        update(sign_in_ticket)
        .where(
            sign_in_ticket.c.ticket_hash == mark,
            sign_in_ticket.c.used_at.is_(None),
            sign_in_ticket.c.expires_at > work.now,
        )
        .values(used_at=work.now)
    )
    if used.rowcount != 1:
        _note_stale_ticket(work, mark)
        return None
    secret = new_secret()
    session_id = select(sign_in_ticket.c.session_id).where(sign_in_ticket.c.ticket_hash == mark).scalar_subquery()
    kept = work.first(
        update(session)
        .where(session.c.id == session_id, session.c.secret_hash.is_(None), *living(work))
        .values(secret_hash=digest(secret))
        .returning(session.c.id, session.c.org_id)
    )
    if kept is None:
        return None
    audit.record(work, "session.cookie_given", f"session:{kept.id}", org_id=kept.org_id)
    return secret


def why_refused(reading: Reading, *, secret: str = "", session_id: str = "") -> tuple[str, bool]:
    """Why a session opens nothing, and whether ``note_refused`` has to tell the log: what ended it, or ``NO_ROLE``.

    "" for one that opens something, was given to nobody, or has simply run out.
    """
    wanted = select(session.c.ended_why, _quiet(reading).label("due"))
    row = reading.first(wanted.where(*_refusable(reading, secret, session_id)))
    if row is None or session_of(reading, secret=secret, session_id=session_id) is not None:
        return "", False
    return row.ended_why or NO_ROLE, bool(row.due)


def note_refused(work: Work, *, secret: str = "", session_id: str = "") -> bool:
    """Record that somebody came with a session that opens nothing, at most once an hour: whether it was recorded.

    A copied cookie, sent after its sign-out, looks like this; so does the next click of somebody who was let go.
    """
    if session_of(work, secret=secret, session_id=session_id) is not None:
        return False
    noted = work.first(
        update(session)
        .where(*_refusable(work, secret, session_id), _quiet(work))
        .values(refused_at=work.now)
        .returning(session.c.id, session.c.org_id, session.c.person_id, session.c.ended_why)
    )
    if noted is None:
        return False
    detail = {"person": noted.person_id, "why": noted.ended_why or NO_ROLE}
    audit.record(work, "session.refused", f"session:{noted.id}", detail=detail, org_id=noted.org_id)
    return True


def touch(work: Work, session_id: str, *, activity: bool = True) -> bool:
    """Note that the person is there, at most once a minute: whether it was written.

    Live parts of a page that refresh by themselves pass ``activity=False`` and keep nobody signed in.
    """
    if not activity:
        return False
    noted = work.execute(
        update(session)
        .where(
            session.c.id == session_id,
            session.c.person_id == work.actor.id,
            session.c.last_seen_at <= work.now - TOUCH_EVERY,
            *living(work),
        )
        .values(last_seen_at=work.now)
    )
    return noted.rowcount == 1


def sign_out(work: Work, session_id: str = "", *, secret: str = "") -> bool:
    """End one of the actor's own sessions by id, or the session of a cookie's secret. Whether one ended."""
    if secret:
        which: tuple[ColumnElement[bool], ...] = (session.c.secret_hash == digest(secret),)
    else:
        which = (session.c.id == session_id, session.c.person_id == work.actor.id)
    ended = work.first(
        update(session)
        .where(*which, session.c.ended_at.is_(None))
        .values(ended_at=work.now, ended_why="signed out")
        .returning(session.c.id, session.c.org_id)
    )
    if ended is None:
        return False
    audit.record(work, "session.ended", f"session:{ended.id}", org_id=ended.org_id)
    return True


def switch_organisation(work: Work, session_id: str, org_id: str) -> None:
    """Make another organisation the session's present one.

    Refuses with ``SESSION_ENDED`` when it lives no more and ``ORGANISATION_NOT_ALLOWED`` without a role there.
    """
    if org_id not in {choice.id for choice in organisations_of(work, work.actor.id)}:
        raise NotAllowed(
            "ORGANISATION_NOT_ALLOWED",
            "You have no role in this organisation.",
            hint="Choose another organisation, or ask its administrator for a role.",
            org_id=org_id,
        )
    mine = (session.c.id == session_id, session.c.person_id == work.actor.id, *living(work))
    before = work.scalar(select(session.c.org_id).where(*mine).with_for_update())
    if before is None:
        raise NotAllowed("SESSION_ENDED", "You are signed out.", hint="Sign in again.")
    work.execute(update(session).where(*mine).values(org_id=org_id))
    detail = {"from": before, "to": org_id}
    audit.record(work, "session.switched", f"session:{session_id}", detail=detail, org_id=org_id)


def require_present(reading: Reading) -> None:
    """Refuse with ``ORGANISATION_SWITCHED`` when the actor's session looks at another organisation than the actor.

    Whoever acts through a page acts on what it showed. A page that was drawn before a switch (in another tab, say)
    still names the organisation it was drawn for. Actors without a session pass; one that lives no more has no rights.
    """
    actor = reading.actor
    found = session_of(reading, session_id=actor.session_id) if actor.session_id else None
    if found is None or found.org_id == actor.org_id:
        return
    names = {choice.id: choice.name for choice in found.organisations}
    raise Conflict(
        "ORGANISATION_SWITCHED",
        f"This page was drawn for {names.get(actor.org_id, 'another organisation')}; "
        f"you now look at {names[found.org_id]}. Nothing was done.",
        hint="Load the page again, or switch back first.",
        drawn_for=actor.org_id,
        present=found.org_id,
    )


def require_still(reading: Reading, drawn_for: frozenset[Permission]) -> None:
    """Refuse whoever holds less by now than the page that they act on was drawn for.

    ``SESSION_ENDED`` when nothing is left of it, else ``RIGHTS_ENDED``.
    """
    missing = sorted(permission.value for permission in drawn_for - reading.permissions)
    if missing and not reading.permissions:
        raise NotAllowed("SESSION_ENDED", "You are signed out.", hint="Sign in again.", missing=missing)
    if missing:
        raise NotAllowed(
            "RIGHTS_ENDED",
            "Your roles have changed since this page was drawn. Nothing was done.",
            hint="Load the page again: it shows what you may do now.",
            missing=missing,
        )


def tidy(work: Work) -> int:
    """Delete sessions, tickets, links, attempts and set-ups of no use for 30 days: how many. The worker's, daily."""
    work.require(Permission.WORKER_ACT)
    before = work.now - KEPT
    old = (
        delete(sign_in_ticket).where(sign_in_ticket.c.expires_at < before),
        delete(session).where(or_(session.c.ended_at < before, session.c.expires_at < before)),
        delete(sign_in_attempt).where(sign_in_attempt.c.at < before),
        delete(one_time_link).where(one_time_link.c.expires_at < before),
        delete(second_factor).where(second_factor.c.confirmed_at.is_(None), second_factor.c.created_at < before),
    )
    return sum(int(work.execute(statement).rowcount) for statement in old)


def living(reading: Reading) -> tuple[ColumnElement[bool], ...]:
    """Conditions on ``session``: not ended, not idle for too long, not past its end."""
    idle = timedelta(seconds=reading.ports.settings.session_idle_s)
    return (
        session.c.ended_at.is_(None),
        session.c.expires_at > reading.now,
        session.c.last_seen_at > reading.now - idle,
    )


def _quiet(reading: Reading) -> ColumnElement[bool]:
    return or_(session.c.refused_at.is_(None), session.c.refused_at <= reading.now - REFUSED_EVERY)


def _refusable(reading: Reading, secret: str, session_id: str) -> tuple[ColumnElement[bool], ...]:
    """One that was ended; or lives, and opens nothing since its person is not what they were."""
    key = session.c.secret_hash == digest(secret) if secret else session.c.id == session_id
    return key, or_(session.c.ended_at.is_not(None), and_(*living(reading)))


def _note_stale_ticket(work: Work, mark: str) -> None:
    """A ticket that was used or is too old is told to the log; what was never given to anybody is not."""
    known = (
        select(session.c.id, session.c.org_id)
        .join(sign_in_ticket, sign_in_ticket.c.session_id == session.c.id)
        .where(sign_in_ticket.c.ticket_hash == mark)
    )
    row = work.first(known)
    if row is not None:
        audit.record(work, "session.ticket_refused", f"session:{row.id}", org_id=row.org_id)


def _view(reading: Reading, row: Row[tuple[object, ...]], choices: tuple[OrganisationChoice, ...]) -> SessionView:
    # The role in the present organisation may have ended since; the person then finds themself in another one.
    org_id = row.org_id if row.org_id in {choice.id for choice in choices} else choices[0].id
    return SessionView(
        id=row.id,
        person=PersonView(row.person_id, row.username, row.display_name),
        org_id=org_id,
        organisations=choices,
        permissions=permissions_in_session(reading, row.person_id, row.id, org_id),
        expires_at=row.expires_at,
        touch_due=row.last_seen_at <= reading.now - TOUCH_EVERY,
        second_factor_due=second_factor_due(reading, row.person_id),
        zone=row.zone or "",
        locale=row.locale or "",
    )
