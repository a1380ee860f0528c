"""Attempts to prove who one is: passwords and codes count together, and too many failures lock both for a while.

``prove`` compares a password in a read, for bcrypt takes a quarter of a second on purpose; whoever decides on it does
so in a short unit of their own: ``sign_in`` at the door, ``own`` for people who are inside.
"""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Row, and_, func, insert, select, update

from finops_core import audit
from finops_core.kernel.ids import new_id
from finops_core.platform.work import Reading, Work
from finops_core.security import passwords, rules
from finops_core.security.models import person, sign_in_attempt

LOCKED = "SIGN_IN_LOCKED"
SUCCEEDED, FAILED = "succeeded", "failed"
REFUSED = "locked "  # and how often, in one row
PROOF_LASTS = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Proof:
    """What ``prove`` found out, for verbs of this area alone; says nothing in its repr.

    Attributes:
        name_mark: the keyed mark of the typed name.
        address: where the attempt came from; "" when not known.
        person_id: whose name it is, None for nobody's.
        right: whether the password is that person's.
        against: the stored hash it was compared with.
        rounds: the bcrypt cost spent; 0 when attempts were locked out already.
        at: when.
    """

    name_mark: str = field(repr=False)
    address: str = field(repr=False)
    person_id: str | None = field(repr=False)
    right: bool = field(repr=False)
    against: str = field(repr=False)
    rounds: int = field(repr=False)
    at: datetime = field(repr=False)


@dataclass(frozen=True, slots=True)
class SignInRefused:
    """Not signed in, or not believed. ``retry_at`` is set when attempts are locked out.

    A value, not an exception: the unit must commit, for the attempt is to be kept.
    """

    code: str
    message: str
    hint: str
    retry_at: datetime | None = None


PASSWORD_WRONG = SignInRefused("PASSWORD_WRONG", "This is not your present password.", "Type it again.")
PASSWORD_NEEDED = SignInRefused(
    "PASSWORD_NEEDED", "This needs your present password.", "Type it: a page left open must not be enough."
)


def prove(reading: Reading, username: str, password: str, address: str = "") -> Proof:
    """Compare a password; costs the same for names that do not exist and for passwords that cannot be."""
    name, where = rules.plain_username(username), rules.plain_address(address)
    mark = reading.ports.vault.fingerprint(name)
    if locked_until(reading, mark, where) is not None:
        return Proof(mark, where, None, right=False, against="", rounds=0, at=reading.now)
    row = None
    if rules.username_is_sound(name):
        row = reading.first(select(person.c.id, person.c.password_hash).where(person.c.username == name))
    stored = row.password_hash if row is not None else ""
    compared = passwords.compare(password, stored, reading.ports.settings.bcrypt_rounds)
    person_id = row.id if row is not None else None
    return Proof(mark, where, person_id, compared.right, stored, compared.rounds, reading.now)


def one_at_a_time(work: Work, name_mark: str) -> None:
    """Have attempts on one name wait for each other: sent at once each would count only the failures before all."""
    # SQLite's writers queue anyway.
    if work.dialect == "postgresql":
        work.execute(select(func.pg_advisory_xact_lock(int(name_mark[:15], 16))))


def refused_when_locked(work: Work, proof: Proof) -> SignInRefused | None:
    """The refusal while attempts are locked out, also of a proof that spent no work because of it.

    Such attempts cost whoever makes them nothing. They are counted in one row for each lock, and audited when they are
    the first, the tenth, the hundredth: nobody fills the log from outside.
    """
    by_name, by_address = _locks(work, proof.name_mark, proof.address)
    if by_name is None and by_address is None and proof.rounds:
        return None
    until = max((end for end in (by_name, by_address) if end is not None), default=work.now)
    _count_locked(work, proof, by_name=by_name is not None or by_address is None)
    wait = rules.wait_in_words(until, work.now)
    return SignInRefused(LOCKED, "Too many attempts have failed.", f"Try again in {wait}.", until)


def locked_until(reading: Reading, name_mark: str, address: str) -> datetime | None:
    """Until when attempts on a name, or from an address, are refused; None when they are not."""
    return max((end for end in _locks(reading, name_mark, address) if end is not None), default=None)


def _locks(reading: Reading, name_mark: str, address: str) -> tuple[datetime | None, datetime | None]:
    """Until when the name is locked, and until when the address."""
    settings = reading.ports.settings
    window = timedelta(seconds=settings.lockout_window_s)
    since = reading.now - window
    succeeded = reading.scalar(
        select(func.max(sign_in_attempt.c.at)).where(
            sign_in_attempt.c.name_mark == name_mark,
            sign_in_attempt.c.outcome == SUCCEEDED,
            sign_in_attempt.c.at > since,
        )
    )
    whose = sign_in_attempt.c.name_mark == name_mark
    may_be_many = not address or rules.may_be_many(address, settings.proxy_networks)
    if not may_be_many and _is_familiar(reading, name_mark, address):
        # Else whoever knows a name could keep its person out for as long as they like.
        whose = and_(whose, sign_in_attempt.c.address == address)
    by_name = _failures(reading, whose, succeeded or since, settings.lockout_attempts)
    of_name = rules.locked_until(by_name, settings.lockout_attempts, window)
    of_address = None
    if not may_be_many:
        # A success does not clear an address: somebody with one account could else go on guessing others'.
        allowed = settings.lockout_address_attempts
        by_address = _failures(reading, sign_in_attempt.c.address == address, since, allowed)
        of_address = rules.locked_until(by_address, allowed, window)
    return of_name, of_address


def _is_familiar(reading: Reading, name_mark: str, address: str) -> bool:
    """Whether the name has signed in from the address, as far as attempts are kept."""
    before = sign_in_attempt.c.name_mark == name_mark, sign_in_attempt.c.address == address
    good = select(sign_in_attempt.c.id).where(*before, sign_in_attempt.c.outcome == SUCCEEDED)
    return reading.first(good.limit(1)) is not None


def _count_locked(work: Work, proof: Proof, *, by_name: bool) -> None:
    since = work.now - timedelta(seconds=work.ports.settings.lockout_window_s)
    whose = sign_in_attempt.c.name_mark == proof.name_mark if by_name else sign_in_attempt.c.address == proof.address
    counted = whose, sign_in_attempt.c.outcome.like(f"{REFUSED}%"), sign_in_attempt.c.at > since
    newest = select(sign_in_attempt.c.id, sign_in_attempt.c.outcome).where(*counted)
    row = work.first(newest.order_by(sign_in_attempt.c.at.desc(), sign_in_attempt.c.id.desc()).limit(1))
    count = int(row.outcome.removeprefix(REFUSED) or 1) + 1 if row is not None else 1
    if row is None:
        attempt = keep(work, proof, f"{REFUSED}1")
    else:
        attempt = row.id
        work.execute(update(sign_in_attempt).where(sign_in_attempt.c.id == attempt).values(outcome=f"{REFUSED}{count}"))
    if str(count).rstrip("0") == "1":
        detail = {"code": LOCKED, "attempt": attempt, "count": count, "lock": "name" if by_name else "address"}
        audit.record(work, "sign_in.refused", object_of(proof, attempt), detail=detail)


def refused(work: Work, proof: Proof, refusal: SignInRefused, why: str = "") -> SignInRefused:
    """Keep a failed attempt, audit it, and give the refusal back."""
    attempt = keep(work, proof, FAILED)
    detail = {"code": refusal.code, "attempt": attempt, **({"why": why} if why else {})}
    audit.record(work, "sign_in.refused", object_of(proof, attempt), detail=detail)
    return refusal


def proven(work: Work, proof: Proof, lasts: timedelta = PROOF_LASTS) -> Row[tuple[object, ...]] | None:
    """The person, when the proof still holds: a password may have been changed since, or somebody deactivated."""
    if not proof.right or work.now - proof.at > lasts:
        return None
    return work.first(
        select(person.c.id, person.c.username).where(
            person.c.id == proof.person_id, person.c.active.is_(True), person.c.password_hash == proof.against
        )
    )


def unproven(work: Work, proof: Proof | None) -> SignInRefused | None:
    """Why a proof is not one of the actor's, kept as failures at the door are; None when it is."""
    if proof is None:
        return PASSWORD_NEEDED
    one_at_a_time(work, proof.name_mark)
    if locked := refused_when_locked(work, proof):
        return locked
    row = proven(work, proof)
    if row is not None and row.id == work.actor.id:
        return None
    return refused(work, replace(proof, person_id=work.actor.id), PASSWORD_WRONG)


def keep(work: Work, proof: Proof, outcome: str) -> str:
    """Store an attempt: its id."""
    attempt_id = new_id("attempt")
    work.execute(
        insert(sign_in_attempt).values(
            id=attempt_id,
            name_mark=proof.name_mark,
            person_id=proof.person_id,
            address=proof.address,
            outcome=outcome,
            at=work.now,
        )
    )
    return attempt_id


def object_of(proof: Proof, attempt_id: str) -> str:
    """What an audit record about an attempt is about."""
    return f"person:{proof.person_id}" if proof.person_id else f"sign_in_attempt:{attempt_id}"


def _failures(reading: Reading, whose: ColumnElement[bool], since: datetime, limit: int) -> list[datetime]:
    found = (
        select(sign_in_attempt.c.at)
        .where(whose, sign_in_attempt.c.outcome == FAILED, sign_in_attempt.c.at > since)
        .order_by(sign_in_attempt.c.at.desc())
        .limit(limit)
    )
    return list(reading.execute(found).scalars())
