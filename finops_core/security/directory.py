"""The people of an organisation as its administrator looks them up: the list, one person, who had access on a day.

Everything here needs PEOPLE_ADMINISTER and knows people of the reading's organisation only.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, func, or_, select

from finops_core.kernel.permissions import Permission
from finops_core.platform.work import Reading
from finops_core.security.models import deactivation, membership, person, role, second_factor, session
from finops_core.security.queries import RoleHeld, live, unknown_person

LIKE_ESCAPE = "\\"


@dataclass(frozen=True, slots=True)
class PeopleFilter:
    """Which people. ``text`` is looked for in name, username and mail address; None and "" leave nobody out."""

    text: str = ""
    role: str = ""
    active: bool | None = None


@dataclass(frozen=True, slots=True)
class MemberEntry:
    """Somebody as a list shows them.

    Attributes:
        joined: whether they have ever set a password; an invitation was not used otherwise.
        roles: titles of what they hold now.
        last_seen_at: in a session of the last 30 days; None for none.
        second_factor: whether theirs is on.
    """

    id: str
    username: str
    display_name: str
    email: str
    active: bool
    joined: bool
    roles: tuple[str, ...]
    last_seen_at: datetime | None
    second_factor: bool


@dataclass(frozen=True, slots=True)
class MemberPage:
    """Some people, and how many there are in all."""

    rows: tuple[MemberEntry, ...]
    total: int


@dataclass(frozen=True, slots=True)
class RoleTime:
    """A role somebody holds or held: from when to when, by whom given and ended."""

    held: RoleHeld
    granted_by: str
    ended_by: str


@dataclass(frozen=True, slots=True)
class Absence:
    """A time in which somebody was deactivated."""

    since_at: datetime
    until_at: datetime | None
    made_by: str
    ended_by: str


@dataclass(frozen=True, slots=True)
class MemberDetail:
    """One person with their history in the organisation, newest first."""

    entry: MemberEntry
    held: tuple[RoleHeld, ...]
    history: tuple[RoleTime, ...]
    absences: tuple[Absence, ...]


@dataclass(frozen=True, slots=True)
class Access:
    """Somebody who could act at some moment of a stretch of time, and by which roles."""

    id: str
    username: str
    display_name: str
    roles: tuple[str, ...]


def directory(reading: Reading, wanted: PeopleFilter, limit: int = 50, offset: int = 0) -> MemberPage:
    """People with a role here, now or once, by name."""
    reading.require(Permission.PEOPLE_ADMINISTER)
    found = select(person).where(*_matching(reading, wanted))
    total = reading.scalar(select(func.count()).select_from(found.subquery())) or 0
    rows = reading.rows(found.order_by(func.lower(person.c.display_name), person.c.id).limit(limit).offset(offset))
    return MemberPage(_entries(reading, rows), int(total))


def member(reading: Reading, person_id: str) -> MemberDetail:
    """One of them; ``PERSON_UNKNOWN`` for everybody else."""
    reading.require(Permission.PEOPLE_ADMINISTER)
    row = reading.first(select(person).where(person.c.id == person_id, person.c.id.in_(_ever(reading))))
    if row is None:
        raise unknown_person()
    history = _roles_of(reading, [membership.c.person_id == person_id])
    off = select(deactivation).where(deactivation.c.person_id == person_id).order_by(deactivation.c.since_at.desc())
    return MemberDetail(
        _entries(reading, [row])[0],
        tuple(time.held for _, time in reversed(history) if time.held.until_at is None),
        tuple(time for _, time in history),
        tuple(Absence(each.since_at, each.until_at, each.made_by, each.ended_by) for each in reading.rows(off)),
    )


def access_between(reading: Reading, since: datetime, until: datetime) -> tuple[Access, ...]:
    """Who held a role here at some moment from ``since`` up to ``until``, and was not deactivated all that time.

    A deactivation counts when it spans the whole stretch. Those from before it was kept are not known: whoever is
    deactivated without a date is left out.
    """
    reading.require(Permission.PEOPLE_ADMINISTER)
    during = membership.c.since_at < until, or_(membership.c.until_at.is_(None), membership.c.until_at > since)
    held: dict[str, list[str]] = {}
    for person_id, time in reversed(_roles_of(reading, list(during))):
        titles = held.setdefault(person_id, [])
        if time.held.title not in titles:
            titles.append(time.held.title)
    gone = _shut_out(reading, since, until)
    rows = reading.rows(select(person).where(person.c.id.in_(sorted(set(held) - gone))).order_by(person.c.display_name))
    return tuple(Access(row.id, row.username, row.display_name, tuple(held[row.id])) for row in rows)


def _shut_out(reading: Reading, since: datetime, until: datetime) -> set[str]:
    spanning = (
        deactivation.c.since_at <= since,
        or_(deactivation.c.until_at.is_(None), deactivation.c.until_at >= until),
    )
    whole = set(reading.execute(select(deactivation.c.person_id).where(*spanning)).scalars())
    dated = select(deactivation.c.person_id).where(deactivation.c.until_at.is_(None))
    undated = select(person.c.id).where(person.c.active.is_(False), person.c.id.not_in(dated))
    return whole | set(reading.execute(undated).scalars())


def _matching(reading: Reading, wanted: PeopleFilter) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = [person.c.id.in_(_ever(reading))]
    if wanted.text:
        like = f"%{_escaped(wanted.text.casefold())}%"
        fields = (person.c.display_name, person.c.username, person.c.email)
        conditions.append(or_(*(func.lower(each).like(like, escape=LIKE_ESCAPE) for each in fields)))
    if wanted.role:
        holders = select(membership.c.person_id).where(*live(reading), membership.c.role_id == wanted.role)
        conditions.append(person.c.id.in_(holders))
    if wanted.active is not None:
        conditions.append(person.c.active.is_(wanted.active))
    return conditions


def _entries(reading: Reading, rows: Sequence[Row[Any]]) -> tuple[MemberEntry, ...]:
    ids = [row.id for row in rows]
    titles: dict[str, list[str]] = {}
    for person_id, time in _roles_of(reading, [membership.c.person_id.in_(ids), *live(reading)]):
        titles.setdefault(person_id, []).append(time.held.title)
    seen, factors = _last_seen(reading, ids), _second_factors(reading, ids)
    return tuple(
        MemberEntry(
            id=row.id,
            username=row.username,
            display_name=row.display_name,
            email=row.email,
            active=bool(row.active),
            joined=bool(row.password_hash),
            roles=tuple(sorted(titles.get(row.id, ()))),
            last_seen_at=seen.get(row.id),
            second_factor=row.id in factors,
        )
        for row in rows
    )


def _roles_of(reading: Reading, conditions: Iterable[ColumnElement[bool]]) -> list[tuple[str, RoleTime]]:
    """Memberships of the organisation with their person, newest first."""
    found = (
        select(membership, role.c.title)
        .join(role, role.c.id == membership.c.role_id)
        .where(membership.c.org_id == reading.org_id, *conditions)
        .order_by(membership.c.since_at.desc(), membership.c.id.desc())
    )
    return [
        (
            row.person_id,
            RoleTime(RoleHeld(row.role_id, row.title, row.since_at, row.until_at), row.granted_by, row.ended_by),
        )
        for row in reading.rows(found)
    ]


def _last_seen(reading: Reading, ids: Sequence[str]) -> Mapping[str, datetime]:
    latest = select(session.c.person_id, func.max(session.c.last_seen_at).label("at")).where(
        session.c.person_id.in_(ids)
    )
    return {row.person_id: row.at for row in reading.rows(latest.group_by(session.c.person_id))}


def _second_factors(reading: Reading, ids: Sequence[str]) -> set[str]:
    on = second_factor.c.person_id.in_(ids), second_factor.c.confirmed_at.is_not(None)
    return set(reading.execute(select(second_factor.c.person_id).where(*on)).scalars())


def _ever(reading: Reading) -> Select[tuple[str]]:
    return select(membership.c.person_id).where(membership.c.org_id == reading.org_id)


def _escaped(text: str) -> str:
    for special in (LIKE_ESCAPE, "%", "_"):
        text = text.replace(special, LIKE_ESCAPE + special)
    return text
