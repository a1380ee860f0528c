"""Signing in: the slow proof first, outside any write, then the decision in one short unit.

bcrypt takes a quarter of a second on purpose. On SQLite a write unit makes every other writer wait, so screens let
``prove`` run in a read and ``admit`` decides and writes::

    with desk.read(security.visitor()) as reading:
        proof = security.prove(reading, username, password, address)
    with desk.work(security.visitor()) as work:
        outcome = security.admit(work, proof)

``sign_in`` does both in one unit, for programs that share the database with nobody.

A refusal is a value, not an exception: the unit must commit, for the attempt is to be kept.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Row, func, insert, select

from finops_core import audit
from finops_core.kernel.ids import new_id
from finops_core.platform.work import Reading, Work
from finops_core.security import passwords, rules
from finops_core.security.models import person, session, sign_in_attempt, sign_in_ticket
from finops_core.security.sessions import organisations_of

WRONG = "SIGN_IN_WRONG"
LOCKED = "SIGN_IN_LOCKED"
NO_ROLE = "SIGN_IN_NO_ROLE"
_SUCCEEDED = "succeeded"
_FAILED = "failed"
PROOF_LASTS = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Proof:
    """What ``prove`` found out, for ``admit`` alone; says nothing in its repr.

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
class SignedIn:
    """A session was opened; ``ticket`` goes to the browser, once, and is shown nowhere."""

    session_id: str
    person_id: str
    org_id: str
    ticket: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class SignInRefused:
    """Not signed in. ``retry_at`` is set when attempts are locked out."""

    code: str
    message: str
    hint: str
    retry_at: datetime | None = None


def prove(reading: Reading, username: str, password: str, address: str = "") -> Proof:
    """Compare a password; costs the same for names that do not exist and for passwords that cannot be."""
    name, where = rules.plain_username(username), rules.plain_address(address)
    mark = reading.ports.vault.fingerprint(name)
    if _locked_until(reading, mark, where) is not None:
        return Proof(mark, where, None, right=False, against="", rounds=0, at=reading.now)
    row = None
    if rules.username_is_sound(name):
        row = reading.first(select(person.c.id, person.c.password_hash).where(person.c.username == name))
    stored = row.password_hash if row is not None else ""
    compared = passwords.compare(password, stored, reading.ports.settings.bcrypt_rounds)
    person_id = row.id if row is not None else None
    return Proof(mark, where, person_id, compared.right, stored, compared.rounds, reading.now)


def sign_in(work: Work, username: str, password: str, address: str = "") -> SignedIn | SignInRefused:
    """``prove`` and ``admit`` in one unit; other writers of an embedded database wait for the bcrypt meanwhile."""
    return admit(work, prove(work, username, password, address))


def admit(work: Work, proof: Proof) -> SignedIn | SignInRefused:
    """Open a session for a right proof, or say why not; every attempt is stored and audited.

    ``SIGN_IN_WRONG`` is the one answer to a wrong name, a wrong password and a deactivated person. After too many
    failures for the name (known or not) or from the address the right password is refused as well, ``SIGN_IN_LOCKED``.
    """
    _one_at_a_time(work, proof.name_mark)
    until = _locked_until(work, proof.name_mark, proof.address)
    if until is not None or proof.rounds == 0:
        return _locked(work, proof, until or work.now)
    row = _proven(work, proof)
    if row is None:
        attempt = _keep_attempt(work, proof, _FAILED)
        audit.record(work, "sign_in.refused", _object_of(proof, attempt), detail={"code": WRONG, "attempt": attempt})
        return SignInRefused(WRONG, "The user name or the password is wrong.", "Check both and try again.")
    choices = organisations_of(work, row.id)
    if not choices:
        attempt = _keep_attempt(work, proof, "no role")
        audit.record(work, "sign_in.refused", f"person:{row.id}", detail={"code": NO_ROLE, "attempt": attempt})
        return SignInRefused(NO_ROLE, "You have no role in any organisation.", "Ask an administrator for one.")
    return _open(work, proof, row.id, choices[0].id)


def _one_at_a_time(work: Work, name_mark: str) -> None:
    # Attempts sent at once would each count only the failures before all of them. SQLite's writers queue anyway.
    if work.dialect == "postgresql":
        work.execute(select(func.pg_advisory_xact_lock(int(name_mark[:15], 16))))


def _locked_until(reading: Reading, name_mark: str, address: str) -> datetime | None:
    settings = reading.ports.settings
    window = timedelta(seconds=settings.lockout_window_s)
    since = reading.now - window
    succeeded = reading.scalar(
        select(func.max(sign_in_attempt.c.at)).where(
            sign_in_attempt.c.name_mark == name_mark,
            sign_in_attempt.c.outcome == _SUCCEEDED,
            sign_in_attempt.c.at > since,
        )
    )
    by_name = _failures(
        reading, sign_in_attempt.c.name_mark == name_mark, succeeded or since, settings.lockout_attempts
    )
    ends = [rules.locked_until(by_name, settings.lockout_attempts, window)]
    if address:
        # A success does not clear an address: somebody with one account could else go on guessing others'.
        allowed = settings.lockout_address_attempts
        by_address = _failures(reading, sign_in_attempt.c.address == address, since, allowed)
        ends.append(rules.locked_until(by_address, allowed, window))
    return max((end for end in ends if end is not None), default=None)


def _failures(reading: Reading, whose: ColumnElement[bool], since: datetime, limit: int) -> list[datetime]:
    found = (
        select(sign_in_attempt.c.at)
        .where(whose, sign_in_attempt.c.outcome == _FAILED, sign_in_attempt.c.at > since)
        .order_by(sign_in_attempt.c.at.desc())
        .limit(limit)
    )
    return list(reading.execute(found).scalars())


def _locked(work: Work, proof: Proof, until: datetime) -> SignInRefused:
    attempt = _keep_attempt(work, proof, "locked")
    audit.record(work, "sign_in.refused", _object_of(proof, attempt), detail={"code": LOCKED, "attempt": attempt})
    wait = rules.wait_in_words(until, work.now)
    return SignInRefused(LOCKED, "Too many attempts have failed.", f"Try again in {wait}.", until)


def _proven(work: Work, proof: Proof) -> Row[tuple[object, ...]] | None:
    """The person, when the proof still holds: a password may have been changed since, or somebody deactivated."""
    if not proof.right or work.now - proof.at > PROOF_LASTS:
        return None
    return work.first(
        select(person.c.id).where(
            person.c.id == proof.person_id, person.c.active.is_(True), person.c.password_hash == proof.against
        )
    )


def _open(work: Work, proof: Proof, person_id: str, org_id: str) -> SignedIn:
    attempt = _keep_attempt(work, proof, _SUCCEEDED)
    session_id, ticket = new_id("session"), passwords.new_secret()
    settings = work.ports.settings
    work.execute(
        insert(session).values(
            id=session_id,
            person_id=person_id,
            org_id=org_id,
            secret_hash=None,
            address=proof.address,
            opened_at=work.now,
            last_seen_at=work.now,
            expires_at=work.now + timedelta(seconds=settings.session_absolute_s),
            ended_at=None,
            ended_why="",
        )
    )
    work.execute(
        insert(sign_in_ticket).values(
            ticket_hash=passwords.digest(ticket),
            session_id=session_id,
            expires_at=work.now + timedelta(seconds=settings.ticket_s),
            used_at=None,
        )
    )
    audit.record(
        work,
        "session.opened",
        f"session:{session_id}",
        detail={"person": person_id, "attempt": attempt},
        org_id=org_id,
    )
    return SignedIn(session_id, person_id, org_id, ticket)


def _keep_attempt(work: Work, proof: Proof, outcome: str) -> str:
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


def _object_of(proof: Proof, attempt_id: str) -> str:
    return f"person:{proof.person_id}" if proof.person_id else f"sign_in_attempt:{attempt_id}"
