"""Verbs on people and their roles. Each needs PEOPLE_ADMINISTER; the installation itself (set-up, seeding) has it."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from sqlalchemy import ColumnElement, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from finops_core import audit
from finops_core.kernel.actor import SYSTEM_ID
from finops_core.kernel.errors import Conflict, FinOpsError, Invalid, NotAllowed, NotFound
from finops_core.kernel.ids import new_id
from finops_core.kernel.permissions import Permission
from finops_core.platform.work import Reading, Work
from finops_core.security import passwords, rules
from finops_core.security.grants import administers
from finops_core.security.models import (
    deactivation,
    membership,
    one_time_link,
    person,
    role,
    role_permission,
    session,
)
from finops_core.security.news import AccountChanged, Change
from finops_core.security.queries import in_force, unknown_person
from finops_core.security.roles import SHIPPED_ROLES, ShippedRole
from finops_core.security.tokens import require_in_person, revoke_all_of

NO_ROLE_LEFT = "no role left"


@dataclass(frozen=True, slots=True)
class SignedOut:
    """What became of one of several people: how many sessions ended, or why none did."""

    person_id: str
    sessions: int
    refusal: FinOpsError | None = None


def ensure_roles(work: Work) -> None:
    """Write the shipped roles as this version bundles them; roles made by people stay as they are.

    Called at set-up and after each migration, by the installation itself. ``ROLE_UNKNOWN`` when the settings demand a
    second factor of a role that does not exist.
    """
    work.require(Permission.PEOPLE_ADMINISTER)
    bundles: dict[str, set[str]] = {shipped.id: set() for shipped in SHIPPED_ROLES}
    for row in work.rows(select(role_permission).where(role_permission.c.role_id.in_(sorted(bundles)))):
        bundles[row.role_id].add(row.permission)
    standing = set(work.execute(select(role.c.id)).scalars())
    for shipped in SHIPPED_ROLES:
        if shipped.id not in standing:
            work.execute(
                insert(role).values(id=shipped.id, title=shipped.title, description=shipped.description, shipped=True)
            )
        _set_bundle(work, shipped, bundles[shipped.id])
    _require_known_roles(work)


def add_person(work: Work, username: str, display_name: str, email: str, password: str | None = None) -> str:
    """A new person's id, without any role yet.

    Without a password they cannot sign in until they have used a link of ``reset_link``. Refuses with
    ``USERNAME_BAD``, ``USERNAME_TAKEN``, ``NAME_BAD``, ``EMAIL_BAD``, ``PASSWORD_WEAK`` or ``PASSWORD_TOO_LONG``.
    """
    work.require(Permission.PEOPLE_ADMINISTER)
    return register(work, username, display_name, email, password)


def register(work: Work, username: str, display_name: str, email: str, password: str | None) -> str:
    """``add_person`` for callers of this area that have checked another right (a one-time link)."""
    name = rules.checked_username(username)
    stored = "" if password is None else password_hash(work, password, name)
    values = {
        "id": new_id("person"),
        "username": name,
        "display_name": rules.checked_display_name(display_name),
        "email": rules.checked_email(email),
        "password_hash": stored,
        "active": True,
        "created_at": work.now,
    }
    try:
        with work.savepoint():
            work.execute(insert(person).values(**values))
    except IntegrityError:
        # From None: the database's message repeats the row, the password's hash with it.
        raise Conflict(
            "USERNAME_TAKEN", f"The user name {name} is taken.", hint="Choose another one.", username=name
        ) from None
    audit.record(work, "person.added", f"person:{values['id']}")
    return str(values["id"])


def grant_role(work: Work, person_id: str, role_id: str, org_id: str) -> str:
    """Give somebody a role in an organisation: the membership's id; the one that stands when they hold it already.

    Refuses with ``ROLE_UNKNOWN``, ``PERSON_UNKNOWN`` (also for people of organisations the actor does not
    administer) or ``GRANT_TO_SELF``: an administrator needs another one to gain rights.
    """
    with _administered(work, org_id):
        _require_known(work, person_id)
        if person_id in {work.actor.id, work.actor.on_behalf_of}:
            raise NotAllowed(
                "GRANT_TO_SELF", "You cannot give a role to yourself.", hint="Ask another administrator to do it."
            )
        title = work.scalar(select(role.c.title).where(role.c.id == role_id))
        if title is None:
            raise Invalid("ROLE_UNKNOWN", "There is no such role.", hint="Choose one from the list.", role=role_id)
        new = work.scalar(select(membership.c.id).where(*_one(person_id, role_id, org_id))) is None
        membership_id = give_role(work, person_id, role_id, org_id)
        if new and _is_told(work, person_id):
            work.tell(AccountChanged(org_id, person_id, Change.ROLE_GRANTED, work.now, about=title))
        return membership_id


def _is_told(work: Work, person_id: str) -> bool:
    """Whether somebody learns of a role by a notice: not at set-up, nor before they have joined."""
    joined = person.c.id == person_id, person.c.password_hash != ""
    return work.actor.id != SYSTEM_ID and work.scalar(select(person.c.id).where(*joined)) is not None


def give_role(work: Work, person_id: str, role_id: str, org_id: str) -> str:
    """``grant_role`` for callers of this area that have checked another right; inside ``across_orgs`` if need be.

    Links to the person that another organisation made end: who made them may not act in this one.
    """
    lock_person(work, person_id)
    if not _holds_any(work, person_id, org_id):
        # One that outlived its person's last role, in a version that let it, must not come back to life.
        revoke_all_of(work, person_id, NO_ROLE_LEFT, org_id)
    held = work.scalar(select(membership.c.id).where(*_one(person_id, role_id, org_id)))
    if held is not None:
        return str(held)
    membership_id = new_id("mem")
    work.execute(
        insert(membership).values(
            org_id=org_id,
            id=membership_id,
            person_id=person_id,
            role_id=role_id,
            since_at=work.now,
            until_at=None,
            granted_by=work.actor.id,
            ended_by="",
        )
    )
    void_links(work, person_id, one_time_link.c.org_id.is_distinct_from(org_id))
    audit.record(work, "role.granted", f"person:{person_id}", detail={"role": role_id}, org_id=org_id)
    return membership_id


def end_role(work: Work, person_id: str, role_id: str, org_id: str) -> None:
    """Take a role away from now on; it stays as history. With the last one here, the person's API tokens here end.

    Refuses with ``ROLE_NOT_HELD``, or ``LAST_ADMINISTRATOR`` when nobody else could give roles afterwards.
    """
    with _administered(work, org_id), _keeping_administrators(work, [org_id]):
        ended = work.execute(
            update(membership)
            .where(*_one(person_id, role_id, org_id))
            .values(until_at=work.now, ended_by=work.actor.id)
        )
        if ended.rowcount != 1:
            raise Conflict("ROLE_NOT_HELD", "This person does not hold this role.", hint="Reload the list of people.")
        audit.record(work, "role.ended", f"person:{person_id}", detail={"role": role_id}, org_id=org_id)
        if not _holds_any(work, person_id, org_id):
            revoke_all_of(work, person_id, NO_ROLE_LEFT, org_id)


def set_active(work: Work, person_id: str, *, active: bool) -> None:
    """Let somebody sign in or not; switched off, all their sessions end at once.

    Needs PEOPLE_ADMINISTER in every organisation the person has a role in (``PERSON_SHARED`` otherwise). Refuses with
    ``PERSON_UNKNOWN`` or ``LAST_ADMINISTRATOR``.
    """
    orgs = require_administered_person(work, person_id)
    with (
        work.across_orgs("a person is active or not in all their organisations at once"),
        _keeping_administrators(work, orgs),
    ):
        changed = work.execute(
            update(person).where(person.c.id == person_id, person.c.active.is_(not active)).values(active=active)
        )
    if changed.rowcount != 1:
        return
    if active:
        standing = deactivation.c.person_id == person_id, deactivation.c.until_at.is_(None)
        work.execute(update(deactivation).where(*standing).values(until_at=work.now, ended_by=work.actor.id))
    else:
        _shut_out(work, person_id)
    audit.record(work, "person.activated" if active else "person.deactivated", f"person:{person_id}")


def _shut_out(work: Work, person_id: str) -> None:
    """Sessions end, links count no more, and from when on is kept: roles stay as they are."""
    end_sessions(work, person_id, "deactivated")
    void_links(work, person_id)
    values = {"id": new_id("off"), "person_id": person_id, "since_at": work.now, "made_by": work.actor.id}
    work.execute(insert(deactivation).values(**values, until_at=None, ended_by=""))


def void_links(work: Work, person_id: str, *only: ColumnElement[bool]) -> None:
    """End every unused link of a person (that meets ``only``), for callers of this area that have checked the right."""
    unused = one_time_link.c.person_id == person_id, one_time_link.c.used_at.is_(None)
    work.execute(update(one_time_link).where(*unused, *only).values(used_at=work.now))


def lock_person(work: Work, person_id: str) -> None:
    """Have a link and a role for one person wait for each other: at once, each would be checked without the other."""
    work.scalar(select(person.c.id).where(person.c.id == person_id).with_for_update(key_share=True))


def require_administered_person(work: Work, person_id: str) -> frozenset[str]:
    """The organisations a person has a role in now; refuses unless the actor administers people in all of them."""
    work.require(Permission.PEOPLE_ADMINISTER)
    _require_known(work, person_id)
    roles_now = select(membership.c.org_id).where(membership.c.person_id == person_id, *in_force(work)).distinct()
    with work.across_orgs("a person is one and the same in all their organisations"):
        orgs = frozenset(work.execute(roles_now).scalars())
    if not orgs <= administers(work, orgs):
        raise NotAllowed(
            "PERSON_SHARED",
            "This person also works for an organisation you do not administer.",
            hint="End their roles here, or ask an administrator of all their organisations.",
        )
    return orgs


def sign_out_everywhere(work: Work, person_id: str) -> int:
    """End every session of a person, in whatever organisation, one's own or a colleague's: how many ended.

    Their API tokens end too: whoever asks for this no longer knows who else is in. For a colleague it needs
    PEOPLE_ADMINISTER wherever they have a role (``PERSON_UNKNOWN``, ``PERSON_SHARED`` otherwise).
    """
    if person_id != work.actor.id:
        require_administered_person(work, person_id)
    else:
        require_in_person(work)
    ended = end_sessions(work, person_id, "signed out everywhere")
    audit.record(work, "session.ended_all", f"person:{person_id}", detail={"sessions": ended})
    return ended


def sign_out_several(work: Work, person_ids: Iterable[str]) -> tuple[SignedOut, ...]:
    """Sign several people out everywhere, in one unit; each of them is signed out, or refused and told why.

    Needs PEOPLE_ADMINISTER; each is asked for and recorded as by ``sign_out_everywhere``.
    """
    work.require(Permission.PEOPLE_ADMINISTER)
    # In one order, whoever asks: two of these at once wait for each other and never both.
    return tuple(_signed_out(work, person_id) for person_id in sorted(set(person_ids)))


def _signed_out(work: Work, person_id: str) -> SignedOut:
    try:
        return SignedOut(person_id, sign_out_everywhere(work, person_id))
    except NotFound as refusal:
        return SignedOut(person_id, 0, refusal)
    except NotAllowed as refusal:
        # As the desk records it of one who is refused alone: here the unit goes on.
        audit.record(work, "access.denied", f"actor:{work.actor.id}", detail={"code": refusal.code})
        return SignedOut(person_id, 0, refusal)


def end_sessions(work: Work, person_id: str, why: str, *, but: str | None = None) -> int:
    """End every open session and API token of a person, for callers of this area that have checked the right to.

    With ``but``, that session goes on and so do the tokens. Gives how many sessions ended.
    """
    if but is None:
        revoke_all_of(work, person_id, why)
    ended = work.execute(
        update(session)
        .where(session.c.person_id == person_id, session.c.ended_at.is_(None), session.c.id != (but or ""))
        .values(ended_at=work.now, ended_why=why)
    )
    return int(ended.rowcount)


def password_hash(reading: Reading, password: str, username: str) -> str:
    """The bcrypt hash of a new password; ``PASSWORD_WEAK`` or ``PASSWORD_TOO_LONG`` for one that may not be set."""
    return passwords.hashed(rules.checked_password(password, username), reading.ports.settings.bcrypt_rounds)


def administered(reading: Reading, orgs: Iterable[str]) -> set[str]:
    """Those of the organisations that have an administrator who can sign in; inside ``across_orgs`` if need be.

    Whoever was invited and has set no password yet may never come: their link ends after a week.
    """
    found = (
        select(membership.c.org_id)
        .join(person, person.c.id == membership.c.person_id)
        .join(role_permission, role_permission.c.role_id == membership.c.role_id)
        .where(
            membership.c.org_id.in_(sorted(orgs)),
            *in_force(reading),
            person.c.active.is_(True),
            person.c.password_hash != "",
            role_permission.c.permission == Permission.PEOPLE_ADMINISTER.value,
        )
        .distinct()
    )
    return set(reading.execute(found).scalars())


@contextmanager
def _administered(work: Work, org_id: str) -> Iterator[None]:
    work.require(Permission.PEOPLE_ADMINISTER)
    if org_id == work.org_id:
        yield
    elif work.actor.id == SYSTEM_ID:
        with work.across_orgs("set-up and seeding give roles in every organisation"):
            yield
    else:
        raise NotAllowed(
            "ORGANISATION_NOT_ALLOWED",
            "You are signed in for another organisation.",
            hint="Switch to the organisation first.",
            org_id=org_id,
        )


@contextmanager
def _keeping_administrators(work: Work, orgs: Iterable[str]) -> Iterator[None]:
    """Refuse what is done inside when it takes an organisation's last active administrator away."""
    wanted = sorted(orgs)
    _lock_administrators(work, wanted)
    before = administered(work, wanted)
    with work.savepoint():  # a caller that goes on after the refusal keeps nothing of what was tried
        yield
        bare = before - administered(work, wanted)
        if bare:
            raise Conflict(
                "LAST_ADMINISTRATOR",
                "This is the organisation's last administrator.",
                hint="Make somebody else administrator first.",
                orgs=sorted(bare),
            )


def _lock_administrators(work: Work, orgs: Iterable[str]) -> None:
    # Two administrators who remove each other at the same moment would otherwise both find the other one still there.
    ids = select(role_permission.c.role_id).where(role_permission.c.permission == Permission.PEOPLE_ADMINISTER.value)
    work.rows(
        select(membership.c.id)
        .where(membership.c.org_id.in_(sorted(orgs)), membership.c.until_at.is_(None), membership.c.role_id.in_(ids))
        .order_by(membership.c.org_id, membership.c.id)
        .with_for_update(of=membership)
    )


def _require_known(work: Work, person_id: str) -> None:
    """People are known to administrators of one of their organisations, past ones included, and to all while new."""
    if work.actor.id == SYSTEM_ID:
        found = work.scalar(select(person.c.id).where(person.c.id == person_id)) is not None
    else:
        with work.across_orgs("whose person this is must be known before anybody may touch them"):
            exists = work.scalar(select(person.c.id).where(person.c.id == person_id)) is not None
            orgs = set(work.execute(select(membership.c.org_id).where(membership.c.person_id == person_id)).scalars())
        found = exists and (not orgs or work.org_id in orgs or bool(administers(work, orgs)))
    if not found:
        raise unknown_person()


def _require_known_roles(work: Work) -> None:
    """A role that nobody has would demand a second factor of nobody, and nobody would notice."""
    demanding = work.ports.settings.demanding_roles
    known = set(work.execute(select(role.c.id)).scalars())
    for unknown in sorted(set(demanding) - known):
        raise Invalid(
            "ROLE_UNKNOWN",
            f"TIEOUT_SECOND_FACTOR_ROLES names a role that does not exist: {unknown}.",
            hint=f"Choose among {', '.join(sorted(known))}.",
            role=unknown,
        )


def _one(person_id: str, role_id: str, org_id: str) -> tuple[ColumnElement[bool], ...]:
    return (
        membership.c.org_id == org_id,
        membership.c.person_id == person_id,
        membership.c.role_id == role_id,
        membership.c.until_at.is_(None),
    )


def _holds_any(work: Work, person_id: str, org_id: str) -> bool:
    held = membership.c.org_id == org_id, membership.c.person_id == person_id, *in_force(work)
    return work.first(select(membership.c.id).where(*held)) is not None


def _set_bundle(work: Work, shipped: ShippedRole, standing: set[str]) -> None:
    wanted = {permission.value for permission in shipped.permissions}
    for surplus in sorted(standing - wanted):
        work.execute(
            delete(role_permission).where(
                role_permission.c.role_id == shipped.id, role_permission.c.permission == surplus
            )
        )
    for lacking in sorted(wanted - standing):
        work.execute(insert(role_permission).values(role_id=shipped.id, permission=lacking))
