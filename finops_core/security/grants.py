"""What an actor may do, read anew in every unit of work, so that a lost role or session bites at the next click."""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import Row, Select, and_, bindparam, or_, select

from finops_core.kernel.actor import SYSTEM_ID, WEBHOOK_ID, WORKER_ID, Via
from finops_core.kernel.errors import NotAllowed
from finops_core.kernel.permissions import Permission
from finops_core.platform.work import Reading
from finops_core.security.models import api_token, membership, person, role_permission, second_factor, session
from finops_core.security.rules import permissions_within

Held = Mapping[str, frozenset[Permission]]
PERSON_PREFIX = "person_"
NOTHING: frozenset[Permission] = frozenset()
_PERMISSIONS = {permission.value: permission for permission in Permission}

# Made once: this statement runs in every unit of work. A membership that has ended grants nothing.
_HELD: Select[tuple[str, str]] = (
    select(membership.c.org_id, role_permission.c.permission)
    .join(person, person.c.id == membership.c.person_id)
    .join(role_permission, role_permission.c.role_id == membership.c.role_id)
    .where(
        person.c.id == bindparam("person_id"),
        person.c.active.is_(True),
        membership.c.org_id.in_(bindparam("orgs", expanding=True)),
        membership.c.since_at <= bindparam("now"),
        or_(membership.c.until_at.is_(None), membership.c.until_at > bindparam("now")),
    )
    .distinct()
)
_HELD_IN_SESSION = _HELD.where(
    select(session.c.id)
    .where(
        and_(
            session.c.id == bindparam("session_id"),
            session.c.person_id == person.c.id,
            session.c.ended_at.is_(None),
            session.c.expires_at > bindparam("now"),
            session.c.last_seen_at > bindparam("idle_since"),
        )
    )
    .exists()
)
# A token stands for its person in its own organisation alone.
_HELD_BY_TOKEN = (
    _HELD.add_columns(api_token.c.scopes)
    .join(
        api_token,
        and_(api_token.c.org_id == membership.c.org_id, api_token.c.person_id == person.c.id),
    )
    .where(
        api_token.c.id == bindparam("token_id"),
        api_token.c.revoked_at.is_(None),
        api_token.c.expires_at > bindparam("now"),
    )
)


def permissions_of(reading: Reading) -> frozenset[Permission]:
    """What the reading's actor may do in its organisation: one query, none for services; nobody known gives nothing.

    A person needs to be active, hold a role there that has not ended and, when the act belongs to a sign-in session,
    that session must be theirs, not ended, not idle for too long and not past its end. Through an API token they hold
    what its scopes leave of it, in its organisation, while it is neither revoked nor past its end. The worker holds
    what the person it acts for holds, and WORKER_ACT; when that person has been deactivated, WORKER_ACT alone, so that
    it can still record what an outside call has done.
    """
    return _held(reading, [reading.org_id]).get(reading.org_id, NOTHING)


def require_orgs(reading: Reading, orgs: Iterable[str]) -> None:
    """Refuse with ``ORGANISATION_NOT_ALLOWED`` unless the actor may do something in every one of these.

    Narrows ``reading.permissions`` to what is held in all of them: a right held in one organisation must not open
    the rows of another one.
    """
    wanted = sorted(set(orgs))
    held = _held(reading, wanted)
    missing = [org_id for org_id in wanted if not held.get(org_id)]
    if missing:
        reading.permissions = NOTHING
        raise NotAllowed(
            "ORGANISATION_NOT_ALLOWED",
            "You have no role in this organisation.",
            hint="Choose another organisation, or ask its administrator for a role.",
            missing=missing,
        )
    if wanted:
        reading.permissions = frozenset.intersection(*(held[org_id] for org_id in wanted))


def administers(reading: Reading, orgs: Iterable[str]) -> frozenset[str]:
    """Those of the organisations in which the actor may administer people."""
    held = _held(reading, sorted(set(orgs)))
    return frozenset(org_id for org_id, permissions in held.items() if Permission.PEOPLE_ADMINISTER in permissions)


def permissions_in_session(reading: Reading, person_id: str, session_id: str, org_id: str) -> frozenset[Permission]:
    """What a person may do in an organisation through one of their sessions."""
    if second_factor_due(reading, person_id):
        return NOTHING
    return _of_person(reading, person_id, session_id, [org_id]).get(org_id, NOTHING)


def second_factor_due(reading: Reading, person_id: str) -> bool:
    """Whether somebody holds, anywhere, a role that demands a second factor and has none: they may do nothing then.

    What the worker does for them goes on: it was asked for, and approved, before the demand was made.
    """
    demanding = reading.ports.settings.demanding_roles
    if not demanding:
        return False
    held = select(membership.c.id).where(
        membership.c.person_id == person_id,
        membership.c.role_id.in_(demanding),
        membership.c.since_at <= reading.now,
        or_(membership.c.until_at.is_(None), membership.c.until_at > reading.now),
    )
    on = select(second_factor.c.person_id).where(
        second_factor.c.person_id == person_id, second_factor.c.confirmed_at.is_not(None)
    )
    with reading.across_orgs("a person signs in once for all their organisations"):
        return reading.first(held) is not None and reading.first(on) is None


def oneself(reading: Reading) -> str:
    """The id of the person who acts, at a page and through a session of theirs that lives; no permission is needed.

    For what people do about themselves. ``NOT_ALLOWED`` for services and programs, ``SESSION_ENDED`` when it does not.
    """
    actor = reading.actor
    if actor.via is not Via.PAGE or not actor.session_id or not actor.id.startswith(PERSON_PREFIX):
        raise NotAllowed("NOT_ALLOWED", "You are not allowed to do this.", hint="People do it on their own page.")
    there = reading.scalar(
        select(session.c.id)
        .join(person, person.c.id == session.c.person_id)
        .where(
            session.c.id == actor.session_id,
            person.c.id == actor.id,
            person.c.active.is_(True),
            session.c.ended_at.is_(None),
            session.c.expires_at > reading.now,
            session.c.last_seen_at > reading.now - timedelta(seconds=reading.ports.settings.session_idle_s),
        )
    )
    if there is None:
        raise NotAllowed("SESSION_ENDED", "You are signed out.", hint="Sign in again.")
    return actor.id


def permissions_by_token(reading: Reading, person_id: str, token_id: str, org_id: str) -> frozenset[Permission] | None:
    """What a person may do through one of their tokens; None when it opens nothing, or they hold no role there."""
    if second_factor_due(reading, person_id):
        return None
    return _by_token(reading, person_id, token_id, [org_id]).get(org_id)


def _held(reading: Reading, orgs: list[str]) -> Held:
    actor = reading.actor
    if actor.id == SYSTEM_ID:
        return dict.fromkeys(orgs, frozenset(Permission))
    if actor.id == WORKER_ID:
        person_held = _of_person(reading, actor.on_behalf_of, None, orgs) if actor.on_behalf_of else {}
        return {org_id: person_held.get(org_id, NOTHING) | {Permission.WORKER_ACT} for org_id in orgs}
    if actor.id == WEBHOOK_ID:
        return dict.fromkeys(orgs, frozenset({Permission.NEWS_TAKE}))
    if not actor.id.startswith(PERSON_PREFIX) or second_factor_due(reading, actor.id):
        return {}
    if actor.token_id is not None:
        return _by_token(reading, actor.id, actor.token_id, orgs)
    return _of_person(reading, actor.id, actor.session_id, orgs)


def _by_token(reading: Reading, person_id: str, token_id: str, orgs: list[str]) -> Held:
    values = {"person_id": person_id, "orgs": orgs, "now": reading.now, "token_id": token_id}
    with reading.across_orgs("grants decide which organisations a unit may name"):
        rows = reading.execute(_HELD_BY_TOKEN, values).all()
    if not rows:
        return {}
    within = permissions_within(json.loads(rows[0].scopes))
    return {org_id: held & within for org_id, held in _by_org(rows).items()}


def _of_person(reading: Reading, person_id: str, session_id: str | None, orgs: list[str]) -> Held:
    values = {"person_id": person_id, "orgs": orgs, "now": reading.now}
    statement = _HELD
    if session_id is not None:
        statement = _HELD_IN_SESSION
        idle = timedelta(seconds=reading.ports.settings.session_idle_s)
        values |= {"session_id": session_id, "idle_since": reading.now - idle}
    with reading.across_orgs("grants decide which organisations a unit may name"):
        rows = reading.execute(statement, values).all()
    return _by_org(rows)


def _by_org(rows: Sequence[Row[Any]]) -> Held:
    held: dict[str, set[Permission]] = {}
    for row in rows:
        # A permission this version does not know (a newer one's row) grants nothing.
        if row.permission in _PERMISSIONS:
            held.setdefault(row.org_id, set()).add(_PERMISSIONS[row.permission])
    return {org_id: frozenset(permissions) for org_id, permissions in held.items()}
