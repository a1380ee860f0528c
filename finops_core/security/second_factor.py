"""The second factor: an authenticator app's codes, and recovery codes for the day its phone is gone.

A code is used up in the database: the time step of the last one taken never falls, and a recovery code is marked, both
by a conditional update, so that of two uses at once, in whatever processes, one counts.
"""

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import ColumnElement, delete, func, insert, select, update

from finops_core import audit
from finops_core.kernel.errors import Conflict, Invalid, NotAllowed
from finops_core.kernel.ids import new_id
from finops_core.kernel.job import Event
from finops_core.platform.inserts import insert_unless_there
from finops_core.platform.work import Reading, Work
from finops_core.security import attempts, totp
from finops_core.security.attempts import Proof, SignInRefused
from finops_core.security.grants import oneself
from finops_core.security.models import person, recovery_code, second_factor
from finops_core.security.passwords import digest
from finops_core.security.service import end_sessions, require_administered_person

ENROLMENT_LASTS = timedelta(minutes=15)
RECOVERY_CODES = 10
RECOVERY_CHARS, RECOVERY_GROUP = 16, 4  # 80 random bits
# Crockford's base 32: without I, L, O and U, which are read as others.
_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_MISREAD = str.maketrans("OIL", "011")


class Spent(StrEnum):
    """What became of a typed code."""

    TOTP = "totp"
    RECOVERY = "recovery"
    USED = "used"
    WRONG = "wrong"


@dataclass(frozen=True, slots=True)
class SecondFactorView:
    """How somebody's second factor stands."""

    confirmed_at: datetime | None
    recovery_left: int

    @property
    def on(self) -> bool:
        """Whether signing in asks for it."""
        return self.confirmed_at is not None


@dataclass(frozen=True, slots=True)
class Enrolment:
    """What an authenticator app is given: the address for a QR code, and the key to type instead."""

    address: str
    key: str

    def __repr__(self) -> str:
        return "Enrolment()"


@dataclass(frozen=True, slots=True)
class SecondFactorReset(Event):
    """An administrator has taken somebody's second factor away."""

    org_id: str
    person_id: str
    by: str
    at: datetime


def own_second_factor(reading: Reading) -> SecondFactorView:
    """The actor's own, through their session."""
    person_id = oneself(reading)
    confirmed_at = reading.scalar(select(second_factor.c.confirmed_at).where(*_on(person_id)))
    left = select(func.count()).select_from(recovery_code).where(*_unused(person_id))
    return SecondFactorView(confirmed_at, int(reading.scalar(left) or 0))


def is_on(reading: Reading, person_id: str) -> bool:
    """Whether somebody has a confirmed second factor."""
    return reading.scalar(select(second_factor.c.person_id).where(*_on(person_id))) is not None


def begin_second_factor(work: Work, proof: Proof | None = None) -> SignInRefused | None:
    """A fresh secret for the actor, to be confirmed by a code within 15 minutes; None when there is one.

    It needs a ``proof`` of ``prove_oneself``, or whoever finds a page open could lock its person out:
    ``PASSWORD_NEEDED``, ``PASSWORD_WRONG``, or locked. Raises ``SECOND_FACTOR_ON`` when it is on.
    """
    person_id = oneself(work)
    if is_on(work, person_id):
        raise Conflict("SECOND_FACTOR_ON", "You have a second factor.", hint="Turn it off before you set up another.")
    if refusal := attempts.unproven(work, proof):
        return refusal
    fresh = {"secret": work.ports.vault.seal(totp.new_secret(), _place(person_id)), "created_at": work.now}
    row = {"person_id": person_id, "confirmed_at": None, "last_step": 0, **fresh}
    if not insert_unless_there(work, second_factor, row):
        pending = (second_factor.c.person_id == person_id, second_factor.c.confirmed_at.is_(None))
        work.execute(update(second_factor).where(*pending).values(**fresh))
    audit.record(work, "second_factor.begun", f"person:{person_id}")
    return None


def enrolment(reading: Reading) -> Enrolment | None:
    """What the actor's app is to be given while the secret waits to be confirmed; None when none does."""
    person_id = oneself(reading)
    row = reading.first(
        select(second_factor.c.secret, person.c.username)
        .join(person, person.c.id == second_factor.c.person_id)
        .where(*_waiting(reading, person_id))
    )
    if row is None:
        return None
    secret = reading.ports.vault.open(row.secret, _place(person_id))
    return Enrolment(totp.address(secret, row.username), totp.typed_key(secret))


def confirm_second_factor(work: Work, code: str) -> tuple[str, ...]:
    """Turn it on by a code of the app: the recovery codes, shown this once. The person's other sessions end.

    Refuses with ``SECOND_FACTOR_LATE`` when none waits, or ``CODE_WRONG``; it then still waits.
    """
    person_id = oneself(work)
    sealed = work.scalar(select(second_factor.c.secret).where(*_waiting(work, person_id)))
    if sealed is None:
        raise Conflict("SECOND_FACTOR_LATE", "There is nothing to confirm any more.", hint="Begin the set-up again.")
    steps = totp.matching_steps(work.ports.vault.open(sealed, _place(person_id)), _plain(code), work.now)
    if not steps:
        raise Invalid(
            "CODE_WRONG",
            "This is not the code of your app now.",
            hint="Type the six digits it shows, and see that its clock is right.",
        )
    done = work.execute(
        update(second_factor)
        .where(*_waiting(work, person_id), second_factor.c.secret == sealed)
        .values(confirmed_at=work.now, last_step=steps[-1])
    )
    if done.rowcount != 1:
        raise Conflict("SECOND_FACTOR_LATE", "There is nothing to confirm any more.", hint="Begin the set-up again.")
    end_sessions(work, person_id, "second factor set up", but=work.actor.session_id)
    audit.record(work, "second_factor.turned_on", f"person:{person_id}")
    return fresh_recovery_codes(work, person_id)


def fresh_recovery_codes(work: Work, person_id: str) -> tuple[str, ...]:
    """Ten new codes in the place of the old ones, for callers of this area that have checked the right to."""
    work.execute(delete(recovery_code).where(recovery_code.c.person_id == person_id))
    codes = tuple(_new_code() for _ in range(RECOVERY_CODES))
    for code in codes:
        work.execute(
            insert(recovery_code).values(
                id=new_id("rc"), person_id=person_id, code_hash=digest(code), created_at=work.now, used_at=None
            )
        )
    audit.record(work, "second_factor.codes_made", f"person:{person_id}", detail={"codes": len(codes)})
    return tuple("-".join(_groups(code)) for code in codes)


def spend(work: Work, person_id: str, typed: str) -> Spent:
    """Use a code up: an app's of this step or one beside it, or a recovery code."""
    code = _plain(typed)
    if len(code) == totp.DIGITS:
        return _spend_step(work, person_id, code)
    return _spend_recovery(work, person_id, code)


def remove(work: Work, person_id: str) -> bool:
    """Take factor and recovery codes away, for callers of this area that have checked the right to."""
    work.execute(delete(recovery_code).where(recovery_code.c.person_id == person_id))
    return work.execute(delete(second_factor).where(*_on(person_id))).rowcount == 1


def reset_second_factor(work: Work, person_id: str) -> None:
    """Take a colleague's second factor away and end their sessions; they are told.

    Needs PEOPLE_ADMINISTER wherever the person has a role. Refuses with ``PERSON_UNKNOWN``, ``PERSON_SHARED``,
    ``RESET_OWN`` or ``SECOND_FACTOR_OFF``.
    """
    require_administered_person(work, person_id)
    if person_id in {work.actor.id, work.actor.on_behalf_of}:
        raise NotAllowed(
            "RESET_OWN",
            "You cannot reset your own second factor.",
            hint="Turn it off on your own page, or ask another administrator.",
        )
    if not remove(work, person_id):
        raise Conflict("SECOND_FACTOR_OFF", "This person has no second factor.", hint="Reload the page.")
    end_sessions(work, person_id, "second factor reset")
    audit.record(work, "second_factor.reset", f"person:{person_id}")
    work.tell(SecondFactorReset(work.org_id, person_id, work.actor.id, work.now))


def _spend_step(work: Work, person_id: str, code: str) -> Spent:
    sealed = work.scalar(select(second_factor.c.secret).where(*_on(person_id)))
    steps = totp.matching_steps(work.ports.vault.open(sealed, _place(person_id)), code, work.now) if sealed else []
    for step in steps:
        taken = update(second_factor).where(*_on(person_id), second_factor.c.last_step < step).values(last_step=step)
        if work.execute(taken).rowcount == 1:
            return Spent.TOTP
    return Spent.USED if steps else Spent.WRONG


def _spend_recovery(work: Work, person_id: str, code: str) -> Spent:
    mark = digest(code.translate(_MISREAD))
    used = update(recovery_code).where(*_unused(person_id), recovery_code.c.code_hash == mark).values(used_at=work.now)
    if is_on(work, person_id) and work.execute(used).rowcount == 1:
        audit.record(work, "second_factor.recovery_used", f"person:{person_id}")
        return Spent.RECOVERY
    known = recovery_code.c.person_id == person_id, recovery_code.c.code_hash == mark
    return Spent.USED if work.scalar(select(recovery_code.c.id).where(*known)) else Spent.WRONG


def _new_code() -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(RECOVERY_CHARS))


def _groups(code: str) -> list[str]:
    return [code[at : at + RECOVERY_GROUP] for at in range(0, len(code), RECOVERY_GROUP)]


def _plain(typed: str) -> str:
    """Without blanks and dashes; letters as recovery codes have them. What is no ASCII is no code."""
    code = "".join(typed[:64].split()).replace("-", "").upper()
    return code if code.isascii() else ""


def _place(person_id: str) -> str:
    return f"second_factor|secret|{person_id}"


def _on(person_id: str) -> tuple[ColumnElement[bool], ...]:
    return second_factor.c.person_id == person_id, second_factor.c.confirmed_at.is_not(None)


def _waiting(reading: Reading, person_id: str) -> tuple[ColumnElement[bool], ...]:
    return (
        second_factor.c.person_id == person_id,
        second_factor.c.confirmed_at.is_(None),
        second_factor.c.created_at > reading.now - ENROLMENT_LASTS,
    )


def _unused(person_id: str) -> tuple[ColumnElement[bool], ...]:
    return recovery_code.c.person_id == person_id, recovery_code.c.used_at.is_(None)
