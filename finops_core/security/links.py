"""One-time links: the first administrator's, invitations, and those by which somebody sets a new password.

The token is shown once and only its SHA-256 is stored. A link ends with its first use, after a day (an invitation
after a week), when a newer one for the same purpose is made, when the person gets a password in any other way, or when
they get a role in an organisation other than the link's.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Row, insert, select, update

from finops_core import audit, reference
from finops_core.kernel.actor import SYSTEM_ID
from finops_core.kernel.errors import Conflict, Invalid, NotAllowed
from finops_core.kernel.ids import new_id
from finops_core.kernel.permissions import Permission
from finops_core.platform.work import Reading, Work
from finops_core.security import rules
from finops_core.security.models import one_time_link, person
from finops_core.security.news import AccountChanged, Change
from finops_core.security.passwords import digest, new_secret
from finops_core.security.roles import ADMINISTRATOR
from finops_core.security.service import (
    add_person,
    administered,
    end_sessions,
    ensure_roles,
    give_role,
    grant_role,
    lock_person,
    password_hash,
    register,
    require_administered_person,
    void_links,
)
from finops_core.security.sessions import organisations_of

LINK_LASTS, INVITATION_LASTS = timedelta(hours=24), timedelta(days=7)


class LinkKind(StrEnum):
    """What a link lets its holder do."""

    SETUP = "setup"
    RESET = "reset"
    INVITE = "invite"


@dataclass(frozen=True, slots=True)
class LinkView:
    """An unused link, for the page that takes it; ``username`` is "" for the first administrator's."""

    kind: LinkKind
    username: str
    expires_at: datetime
    display_name: str = ""


@dataclass(frozen=True, slots=True)
class Invitation:
    """Somebody who was invited, and the token of their link: shown once."""

    person_id: str
    token: str = field(repr=False)
    expires_at: datetime


def first_administrator_link(work: Work) -> str:
    """A token with which one person becomes the first administrator; voids earlier ones.

    Of the unit's organisation, or outside any, of every organisation there is when the link is used. Only the
    installation itself may (set-up on the machine). ``ADMINISTRATOR_EXISTS`` when one of these has one.
    """
    if work.actor.id != SYSTEM_ID:
        raise NotAllowed("NOT_ALLOWED", "You are not allowed to do this.", hint="Run the set-up on the server itself.")
    ensure_roles(work)
    _require_no_administrator(work, _concerned(work, work.org_id))
    return _make(work, LinkKind.SETUP, None)


def invite(work: Work, username: str, display_name: str, email: str, role_ids: Iterable[str]) -> Invitation:
    """A new person with these roles in this organisation, who signs in once they have used the link. In one unit.

    Refuses with what ``add_person`` and ``grant_role`` refuse, or ``ROLES_NEEDED`` without any role.
    """
    wanted = sorted(set(role_ids))
    if not wanted:
        raise Invalid("ROLES_NEEDED", "Somebody without a role cannot do anything.", hint="Choose at least one role.")
    with work.savepoint():  # a caller that goes on after a refusal keeps nobody half invited
        person_id = add_person(work, username, display_name, email)
        for role_id in wanted:
            grant_role(work, person_id, role_id, work.org_id)
        return invitation_link(work, person_id)


def invitation_link(work: Work, person_id: str) -> Invitation:
    """A fresh link for somebody who has not used theirs yet; voids the earlier one. Needs PEOPLE_ADMINISTER.

    Refuses with ``PERSON_UNKNOWN``, ``PERSON_SHARED``, ``PERSON_OFF`` or ``PERSON_JOINED``.
    """
    _require_active(work, person_id)
    if work.scalar(select(person.c.password_hash).where(person.c.id == person_id)):
        raise Conflict("PERSON_JOINED", "This person has signed up already.", hint="Make a reset link instead.")
    return Invitation(person_id, _make(work, LinkKind.INVITE, person_id), work.now + INVITATION_LASTS)


def reset_link(work: Work, person_id: str) -> str:
    """A token with which a colleague sets a new password; voids earlier ones. Needs PEOPLE_ADMINISTER.

    Refuses with ``PERSON_UNKNOWN``, ``PERSON_OFF``, or ``PERSON_SHARED`` when the person has roles elsewhere: whoever
    holds the link could act there.
    """
    _require_active(work, person_id)
    return _make(work, LinkKind.RESET, person_id)


def link_of(reading: Reading, token: str) -> LinkView | None:
    """What an unused link is for; None for any other token."""
    row = reading.first(
        select(one_time_link, person.c.username, person.c.display_name)
        .outerjoin(person, person.c.id == one_time_link.c.person_id)
        .where(one_time_link.c.token_hash == digest(token), *_usable(reading))
    )
    if row is None:
        return None
    return LinkView(LinkKind(row.kind), row.username or "", row.expires_at, row.display_name or "")


def accept_link(work: Work, token: str, username: str, display_name: str, password: str, email: str = "") -> str:
    """Make the first administrator with their own name and password: the person's id.

    A caller that also makes the installation's first organisation does so before, in the same unit. Refuses with
    ``LINK_NOT_VALID``, ``ADMINISTRATOR_EXISTS``, ``ORGANISATION_NEEDED`` when there is none, or what ``add_person``
    refuses; the link then stays good.
    """
    with work.savepoint():
        link = _use(work, token, LinkKind.SETUP)
        orgs = _concerned(work, link.org_id)
        if not orgs:
            raise Invalid("ORGANISATION_NEEDED", "There is no organisation yet.", hint="Make the organisation first.")
        _require_no_administrator(work, orgs)
        person_id = register(work, username, display_name, email, password)
        with work.across_orgs("the first administrator belongs to no organisation yet"):
            for org_id in orgs:
                give_role(work, person_id, ADMINISTRATOR, org_id)
    audit.record(work, "link.used", f"link:{link.id}", detail={"person": person_id}, org_id=link.org_id or "")
    return person_id


def accept_reset(work: Work, token: str, password: str) -> str:
    """Set a new password by a reset link; the person's sessions, tokens and other links end: the person's id.

    Refuses with ``LINK_NOT_VALID``, ``PASSWORD_WEAK`` or ``PASSWORD_TOO_LONG``; after the latter two it stays good.
    """
    with work.savepoint():
        link = _use(work, token, LinkKind.RESET)
        username = work.scalar(select(person.c.username).where(person.c.id == link.person_id))
        hashed = password_hash(work, password, username)
    work.execute(update(person).where(person.c.id == link.person_id).values(password_hash=hashed))
    end_sessions(work, link.person_id, "new password")
    void_links(work, link.person_id)
    audit.record(work, "password.set", f"person:{link.person_id}", detail={"link": link.id}, org_id=link.org_id or "")
    _tell(work, link)
    return str(link.person_id)


def accept_invitation(work: Work, token: str, display_name: str, password: str) -> str:
    """Set one's name and first password by an invitation; the person's other links end: the person's id.

    Refuses with ``LINK_NOT_VALID`` (also for who has a password already), ``NAME_BAD``, ``PASSWORD_WEAK`` or
    ``PASSWORD_TOO_LONG``; after the latter three it stays good.
    """
    with work.savepoint():
        link = _use(work, token, LinkKind.INVITE)
        one = person.c.id == link.person_id, person.c.password_hash == ""
        username = work.scalar(select(person.c.username).where(*one))
        if username is None:
            raise _not_valid()
        name = rules.checked_display_name(display_name)
        values = {"display_name": name, "password_hash": password_hash(work, password, username)}
        if work.execute(update(person).where(*one).values(**values)).rowcount != 1:
            raise _not_valid()
    end_sessions(work, link.person_id, "new password")
    void_links(work, link.person_id)
    audit.record(work, "person.joined", f"person:{link.person_id}", detail={"link": link.id}, org_id=link.org_id or "")
    _tell(work, link)
    return str(link.person_id)


def _tell(work: Work, link: Row[Any]) -> None:
    """Whoever used the link may not be the person: they are told where it was made, or else where they have a role."""
    orgs = [choice.id for choice in organisations_of(work, link.person_id)]
    if orgs:
        where = link.org_id if link.org_id in orgs else orgs[0]
        work.tell(AccountChanged(where, link.person_id, Change.PASSWORD_BY_LINK, work.now))


def _require_active(work: Work, person_id: str) -> None:
    work.require(Permission.PEOPLE_ADMINISTER)
    lock_person(work, person_id)
    require_administered_person(work, person_id)
    if not work.scalar(select(person.c.active).where(person.c.id == person_id)):
        raise Conflict("PERSON_OFF", "This person is deactivated.", hint="Reactivate them first.")


def _make(work: Work, kind: LinkKind, person_id: str | None) -> str:
    org_id = work.org_id or None
    same = (
        one_time_link.c.kind == kind,
        one_time_link.c.org_id.is_not_distinct_from(org_id),
        one_time_link.c.person_id.is_not_distinct_from(person_id),
        one_time_link.c.used_at.is_(None),
    )
    work.execute(update(one_time_link).where(*same).values(used_at=work.now))
    token, link_id = new_secret(), new_id("link")
    work.execute(
        insert(one_time_link).values(
            id=link_id,
            token_hash=digest(token),
            kind=kind,
            org_id=org_id,
            person_id=person_id,
            created_at=work.now,
            expires_at=work.now + (INVITATION_LASTS if kind is LinkKind.INVITE else LINK_LASTS),
            used_at=None,
        )
    )
    audit.record(work, f"link.{kind}_made", f"link:{link_id}", detail={"person": person_id or ""})
    return token


def _use(work: Work, token: str, kind: LinkKind) -> Row[tuple[object, ...]]:
    whose = work.scalar(select(one_time_link.c.person_id).where(one_time_link.c.token_hash == digest(token)))
    if whose is not None:
        lock_person(work, whose)  # before the link, in the order of ``give_role``
    used = work.first(
        update(one_time_link)
        .where(one_time_link.c.token_hash == digest(token), one_time_link.c.kind == kind, *_usable(work))
        .values(used_at=work.now)
        .returning(one_time_link)
    )
    if used is None:
        raise _not_valid()
    return used


def _not_valid() -> NotAllowed:
    return NotAllowed(
        "LINK_NOT_VALID",
        "This link is not valid or no longer valid.",
        hint="Links work once and for a limited time: ask for a new one.",
    )


def _usable(reading: Reading) -> tuple[ColumnElement[bool], ...]:
    return (one_time_link.c.used_at.is_(None), one_time_link.c.expires_at > reading.now)


def _concerned(work: Work, org_id: str | None) -> tuple[str, ...]:
    return (org_id,) if org_id else reference.all_ids(work)


def _require_no_administrator(work: Work, orgs: tuple[str, ...]) -> None:
    with work.across_orgs("a first administrator is made only where there is none"):
        found = administered(work, orgs)
    if found:
        raise Conflict(
            "ADMINISTRATOR_EXISTS",
            "There is an administrator already.",
            hint="Ask them to add you; a forgotten password needs a reset link from them.",
        )
