"""Reads of people and their roles. Only people with a role, now or once, in the reading's organisations are known."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Row, Select, and_, or_, select

from finops_core.kernel.errors import NotFound
from finops_core.kernel.permissions import Permission
from finops_core.platform.work import Reading
from finops_core.security.models import membership, person, role, role_permission


@dataclass(frozen=True, slots=True)
class PersonView:
    """Somebody, as far as colleagues may see."""

    id: str
    username: str
    display_name: str


@dataclass(frozen=True, slots=True)
class RoleHeld:
    """A role somebody holds or held in the organisation."""

    role_id: str
    title: str
    since_at: datetime
    until_at: datetime | None


@dataclass(frozen=True, slots=True)
class MemberView:
    """Somebody as the administrator of the organisation sees them."""

    person: PersonView
    email: str
    active: bool
    has_password: bool
    roles: tuple[RoleHeld, ...]


@dataclass(frozen=True, slots=True)
class RoleView:
    """A role and what it bundles."""

    id: str
    title: str
    description: str
    shipped: bool
    permissions: frozenset[str]


def people(reading: Reading) -> tuple[PersonView, ...]:
    """Everybody who has or had a role in the reading's organisations, by name."""
    known = select(person).where(person.c.id.in_(_members(reading))).order_by(person.c.display_name, person.c.id)
    return tuple(view_of(row) for row in reading.rows(known))


def person_view(reading: Reading, person_id: str) -> PersonView:
    """One of ``people``, or the actor themself; ``PERSON_UNKNOWN`` for everybody else."""
    itself = person_id == reading.actor.id
    known = person.c.id == person_id if itself else and_(person.c.id == person_id, person.c.id.in_(_members(reading)))
    row = reading.first(select(person).where(known))
    if row is None:
        raise unknown_person()
    return view_of(row)


def names(reading: Reading, person_ids: Iterable[str]) -> Mapping[str, str]:
    """Display names by id, for lists; ids not known here are left out."""
    wanted = select(person.c.id, person.c.display_name).where(
        person.c.id.in_(sorted(set(person_ids))), person.c.id.in_(_members(reading))
    )
    return {row.id: row.display_name for row in reading.rows(wanted)}


def people_with(reading: Reading, permission: Permission) -> tuple[PersonView, ...]:
    """Active people who hold a permission in the reading's organisation now, by name."""
    holders = (
        select(membership.c.person_id)
        .join(role_permission, role_permission.c.role_id == membership.c.role_id)
        .where(*live(reading), role_permission.c.permission == permission.value)
    )
    wanted = select(person).where(person.c.active.is_(True), person.c.id.in_(holders))
    return tuple(view_of(row) for row in reading.rows(wanted.order_by(person.c.display_name, person.c.id)))


def is_active(reading: Reading, person_id: str) -> bool:
    """Whether somebody is active and holds any role in the reading's organisation now."""
    found = select(person.c.id).where(
        person.c.id == person_id,
        person.c.active.is_(True),
        person.c.id.in_(select(membership.c.person_id).where(*live(reading))),
    )
    return reading.scalar(found) is not None


@dataclass(frozen=True, slots=True)
class MailAddress:
    """Where somebody gets their mail; ``address`` is "" when nobody has said."""

    name: str
    address: str


def mail_address(reading: Reading, person_id: str) -> MailAddress | None:
    """Where to write to somebody; None for whoever is not active, or has no role here any more.

    People see their own; for others it needs WORKER_ACT: their mail is on its way.
    """
    if person_id != reading.actor.id:
        reading.require(Permission.WORKER_ACT)
    here = person.c.id.in_(select(membership.c.person_id).where(*live(reading)))
    one = person.c.id == person_id, person.c.active.is_(True), here
    row = reading.first(select(person.c.display_name, person.c.email).where(*one))
    return None if row is None else MailAddress(row.display_name, row.email)


def members(reading: Reading) -> tuple[MemberView, ...]:
    """Everybody of the organisation with roles, past ones too; needs PEOPLE_ADMINISTER."""
    reading.require(Permission.PEOPLE_ADMINISTER)
    held = (
        select(membership.c.person_id, membership.c.role_id, membership.c.since_at, membership.c.until_at, role.c.title)
        .join(role, role.c.id == membership.c.role_id)
        .where(membership.c.org_id == reading.org_id)
        .order_by(membership.c.since_at, membership.c.id)
    )
    roles: dict[str, list[RoleHeld]] = {}
    for row in reading.rows(held):
        roles.setdefault(row.person_id, []).append(RoleHeld(row.role_id, row.title, row.since_at, row.until_at))
    who = select(person).where(person.c.id.in_(sorted(roles))).order_by(person.c.display_name, person.c.id)
    return tuple(
        MemberView(view_of(row), row.email, bool(row.active), bool(row.password_hash), tuple(roles[row.id]))
        for row in reading.rows(who)
    )


def roles(reading: Reading) -> tuple[RoleView, ...]:
    """Every role of the installation, shipped ones first."""
    bundles: dict[str, set[str]] = {}
    for row in reading.rows(select(role_permission)):
        bundles.setdefault(row.role_id, set()).add(row.permission)
    found = reading.rows(select(role).order_by(role.c.shipped.desc(), role.c.title))
    return tuple(
        RoleView(row.id, row.title, row.description, bool(row.shipped), frozenset(bundles.get(row.id, ())))
        for row in found
    )


def live(reading: Reading) -> tuple[ColumnElement[bool], ...]:
    """Conditions on ``membership``: in the reading's organisation, begun and not ended."""
    return (membership.c.org_id == reading.org_id, *in_force(reading))


def in_force(reading: Reading) -> tuple[ColumnElement[bool], ...]:
    """Conditions on ``membership``: begun and not ended, wherever it is."""
    return (
        membership.c.since_at <= reading.now,
        or_(membership.c.until_at.is_(None), membership.c.until_at > reading.now),
    )


def view_of(row: Row[tuple[object, ...]]) -> PersonView:
    """The view of one row of ``person``."""
    return PersonView(row.id, row.username, row.display_name)


def unknown_person() -> NotFound:
    """The one answer for people who do not exist and people of other organisations."""
    return NotFound("PERSON_UNKNOWN", "There is no such person here.", hint="Choose somebody from the list of people.")


def _members(reading: Reading) -> Select[tuple[str]]:
    return select(membership.c.person_id).where(membership.c.org_id.in_(sorted(reading.orgs)))
