"""What people change about themselves: profile, password, second factor, sessions. Only through their own session.

A password typed here is compared and the new one hashed in a read (``prepare_password``), for both are slow.
"""

import re
from dataclasses import dataclass, field
from zoneinfo import available_timezones

from sqlalchemy import select, update

from finops_core import audit
from finops_core.kernel.errors import Invalid
from finops_core.platform.work import Reading, Work
from finops_core.security import attempts, rules, second_factor
from finops_core.security.attempts import Proof, SignInRefused
from finops_core.security.grants import oneself
from finops_core.security.models import person
from finops_core.security.news import AccountChanged, Change
from finops_core.security.second_factor import Spent
from finops_core.security.service import end_sessions, password_hash, void_links
from finops_core.security.sign_in import CODE_WRONG
from finops_core.security.tokens import revoke_all_of

_LOCALE = re.compile(r"[a-z]{2,3}(_[A-Z][a-z]{3})?(_[A-Z]{2})?", re.ASCII)


@dataclass(frozen=True, slots=True)
class ProfileView:
    """Somebody as they see themselves; ``zone`` and ``locale`` are "" for their organisation's."""

    username: str
    display_name: str
    email: str
    zone: str
    locale: str


@dataclass(frozen=True, slots=True)
class PasswordChange:
    """A present password that was compared and a new one that was hashed; says nothing in its repr."""

    proof: Proof = field(repr=False)
    hashed: str = field(repr=False)


def profile(reading: Reading) -> ProfileView:
    """The actor's own."""
    row = reading.first(select(person).where(person.c.id == oneself(reading)))
    assert row is not None, "oneself has found the row"  # noqa: S101 - for the type checker
    return ProfileView(row.username, row.display_name, row.email, row.zone or "", row.locale or "")


def change_profile(
    work: Work, display_name: str, email: str, zone: str = "", locale: str = "", *, proof: Proof | None = None
) -> SignInRefused | None:
    """Set the actor's name, mail address, zone and locale ("" for the organisation's); None when done.

    Another mail address needs a ``proof`` of ``prove_oneself`` (``PASSWORD_NEEDED``, ``PASSWORD_WRONG``, or locked
    otherwise, and nothing is changed), and is told to the person, at the former address too. Raises ``NAME_BAD``,
    ``EMAIL_BAD``, ``ZONE_UNKNOWN`` or ``LOCALE_BAD``.
    """
    person_id = oneself(work)
    if zone and zone not in available_timezones():
        raise Invalid("ZONE_UNKNOWN", f"There is no time zone {zone[:60]}.", hint="Write it like Europe/Berlin.")
    if locale and not _LOCALE.fullmatch(locale):
        raise Invalid("LOCALE_BAD", "This is not a locale.", hint="Write it like en_GB or de_DE.")
    before = profile(work)
    after = ProfileView(
        before.username, rules.checked_display_name(display_name), rules.checked_email(email), zone, locale
    )
    changed = [name for name in ("display_name", "email", "zone", "locale") if _differs(before, after, name)]
    if not changed:
        return None
    if "email" in changed and (refusal := attempts.unproven(work, proof)):
        return refusal
    values = {"display_name": after.display_name, "email": after.email, "zone": zone or None, "locale": locale or None}
    work.execute(update(person).where(person.c.id == person_id).values(**values))
    audit.record(work, "person.changed", f"person:{person_id}", detail={"changed": changed})
    if "email" in changed:
        work.tell(AccountChanged(work.org_id, person_id, Change.ADDRESS, work.now, former=before.email))
    return None


def prove_oneself(reading: Reading, password: str, address: str = "") -> Proof:
    """Compare the actor's present password, in a read."""
    oneself(reading)
    return attempts.prove(reading, profile(reading).username, password, address)


def prepare_password(reading: Reading, present: str, new: str, address: str = "") -> PasswordChange:
    """Compare the present password and hash the new one, in a read; ``PASSWORD_WEAK`` or ``PASSWORD_TOO_LONG``."""
    hashed = password_hash(reading, new, profile(reading).username)
    return PasswordChange(prove_oneself(reading, present, address), hashed)


def change_password(work: Work, change: PasswordChange) -> SignInRefused | None:
    """Set the new password; other sessions, API tokens, and links that could set one end.

    ``PASSWORD_WRONG``, or locked: failures count as those at the door do.
    """
    person_id = oneself(work)
    if refusal := attempts.unproven(work, change.proof):
        return refusal
    work.execute(update(person).where(person.c.id == person_id).values(password_hash=change.hashed))
    void_links(work, person_id)
    end_sessions(work, person_id, "new password", but=work.actor.session_id)
    revoke_all_of(work, person_id, "new password")
    audit.record(work, "password.changed", f"person:{person_id}")
    return None


def turn_off_second_factor(work: Work, proof: Proof, code: str) -> SignInRefused | None:
    """Take the actor's second factor and recovery codes away, by password and code; None when done."""
    person_id = oneself(work)
    refusal = attempts.unproven(work, proof) or _not_spent(work, proof, code)
    if refusal is None and second_factor.remove(work, person_id):
        audit.record(work, "second_factor.turned_off", f"person:{person_id}")
        work.tell(AccountChanged(work.org_id, person_id, Change.SECOND_FACTOR_OFF, work.now))
    return refusal


def renew_recovery_codes(work: Work, code: str) -> tuple[str, ...] | SignInRefused:
    """Ten fresh recovery codes, shown this once, for a code of the app or a recovery code; the old ones count no more.

    Wrong codes count as failures at the door do.
    """
    person_id = oneself(work)
    mark = work.ports.vault.fingerprint(profile(work).username)
    nothing = Proof(mark, "", person_id, right=False, against="", rounds=1, at=work.now)
    attempts.one_at_a_time(work, mark)
    refusal = attempts.refused_when_locked(work, nothing) or _not_spent(work, nothing, code)
    return refusal or second_factor.fresh_recovery_codes(work, person_id)


def sign_out_others(work: Work) -> int:
    """End every session of the actor but the present one: how many ended."""
    person_id = oneself(work)
    ended = end_sessions(work, person_id, "signed out elsewhere", but=work.actor.session_id)
    audit.record(work, "session.ended_others", f"person:{person_id}", detail={"sessions": ended})
    return ended


def _not_spent(work: Work, proof: Proof, code: str) -> SignInRefused | None:
    spent = second_factor.spend(work, work.actor.id, code)
    return attempts.refused(work, proof, CODE_WRONG, spent) if spent in {Spent.USED, Spent.WRONG} else None


def _differs(before: ProfileView, after: ProfileView, name: str) -> bool:
    return bool(getattr(before, name) != getattr(after, name))
