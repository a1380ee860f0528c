"""Signing in: the slow proof first, outside any write, then the decision in one short unit.

On SQLite a write unit makes every other writer wait, so screens let ``prove`` run in a read and ``admit`` decides and
writes. Whoever has a second factor is then asked for a code; until it is right there is no session::

    with desk.read(security.visitor()) as reading:
        proof = security.prove(reading, username, password, address)
    with desk.work(security.visitor()) as work:
        outcome = security.admit(work, proof)
    if isinstance(outcome, security.CodeWanted):
        with desk.work(security.visitor()) as work:
            outcome = security.admit_code(work, outcome, code)

``sign_in`` does the first two in one unit, for programs that share the database with nobody.

A refusal is a value, not an exception: the unit must commit, for the attempt is to be kept.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import insert

from finops_core import audit
from finops_core.kernel.ids import new_id
from finops_core.platform.work import Work
from finops_core.security import attempts, passwords, second_factor
from finops_core.security.attempts import Proof, SignInRefused, prove
from finops_core.security.models import session, sign_in_ticket
from finops_core.security.second_factor import Spent
from finops_core.security.sessions import organisations_of

WRONG = SignInRefused("SIGN_IN_WRONG", "The user name or the password is wrong.", "Check both and try again.")
NO_ROLE = SignInRefused("SIGN_IN_NO_ROLE", "You have no role in any organisation.", "Ask an administrator for one.")
CODE_WRONG = SignInRefused(
    "SIGN_IN_CODE_WRONG",
    "This code is wrong, or was used already.",
    "Wait for your app's next code, or use one of your recovery codes.",
)
TOO_LATE = SignInRefused(
    "SIGN_IN_TOO_LATE", "It took too long, or your account has changed meanwhile.", "Type your password again."
)
CODE_LASTS = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A session was opened; ``ticket`` goes to the browser, once, and is shown nowhere."""

    session_id: str
    person_id: str
    org_id: str
    ticket: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class CodeWanted:
    """The password was right; ``admit_code`` wants a code until ``until_at``. Kept in the server's memory alone."""

    proof: Proof = field(repr=False)
    until_at: datetime


Outcome = SignedIn | CodeWanted | SignInRefused


def sign_in(work: Work, username: str, password: str, address: str = "") -> Outcome:
    """``prove`` and ``admit`` in one unit; other writers of an embedded database wait for the bcrypt meanwhile."""
    return admit(work, prove(work, username, password, address))


def admit(work: Work, proof: Proof) -> Outcome:
    """Open a session for a right proof, ask for a code, or say why not; every attempt is stored and audited.

    ``SIGN_IN_WRONG`` is the one answer to a wrong name, a wrong password and a deactivated person. After too many
    failures for the name (known or not) or from the address the right password is refused as well, ``SIGN_IN_LOCKED``.
    """
    attempts.one_at_a_time(work, proof.name_mark)
    if locked := attempts.refused_when_locked(work, proof):
        return locked
    row = attempts.proven(work, proof)
    if row is None:
        return attempts.refused(work, proof, WRONG)
    if second_factor.is_on(work, row.id):
        # Neither a success nor a failure: what was guessed before still counts against the codes.
        attempts.keep(work, proof, "code wanted")
        return CodeWanted(proof, proof.at + CODE_LASTS)
    return _open(work, proof, row.id, "")


def admit_code(work: Work, wanted: CodeWanted, code: str) -> SignedIn | SignInRefused:
    """Open the session for a right code, or say why not: ``SIGN_IN_CODE_WRONG``, ``…_LOCKED``, ``…_TOO_LATE``.

    Wrong and used codes count as failures of the name. Codes and passwords lock out together.
    """
    proof = wanted.proof
    attempts.one_at_a_time(work, proof.name_mark)
    if locked := attempts.refused_when_locked(work, proof):
        return locked
    row = attempts.proven(work, proof, CODE_LASTS)
    if row is None or not second_factor.is_on(work, row.id):
        attempt = attempts.keep(work, proof, "too late")
        detail = {"code": TOO_LATE.code, "attempt": attempt}
        audit.record(work, "sign_in.refused", attempts.object_of(proof, attempt), detail=detail)
        return TOO_LATE
    spent = second_factor.spend(work, row.id, code)
    if spent in {Spent.USED, Spent.WRONG}:
        return attempts.refused(work, proof, CODE_WRONG, spent)
    return _open(work, proof, row.id, spent)


def _open(work: Work, proof: Proof, person_id: str, factor: str) -> SignedIn | SignInRefused:
    choices = organisations_of(work, person_id)
    if not choices:
        attempt = attempts.keep(work, proof, "no role")
        detail = {"code": NO_ROLE.code, "attempt": attempt}
        audit.record(work, "sign_in.refused", f"person:{person_id}", detail=detail)
        return NO_ROLE
    attempt = attempts.keep(work, proof, attempts.SUCCEEDED)
    session_id, org_id = new_id("session"), choices[0].id
    ticket = _session(work, proof, person_id, session_id, org_id)
    detail = {"person": person_id, "attempt": attempt, **({"second_factor": factor} if factor else {})}
    audit.record(work, "session.opened", f"session:{session_id}", detail=detail, org_id=org_id)
    return SignedIn(session_id, person_id, org_id, ticket)


def _session(work: Work, proof: Proof, person_id: str, session_id: str, org_id: str) -> str:
    """The row and the ticket that its cookie can be fetched with."""
    ticket, settings = passwords.new_secret(), work.ports.settings
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
    return ticket
