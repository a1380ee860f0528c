"""What parties, their bank details and their identity checks may be, and the words of each refusal. Pure."""

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum

from finops_core.kernel.errors import Conflict, Invalid, NotFound

NAME_CHARS_MAX = 140
REASON_CHARS_MAX = 500
EVIDENCE_CHARS_MAX = 300
IDENTITY_LASTS_MOST = timedelta(days=10 * 366)


class PartyKind(StrEnum):
    """Who it is; ``own`` is the organisation itself, with the accounts it pays from."""

    PERSON = "person"
    COMPANY = "company"
    OWN = "own"


class PartyState(StrEnum):
    """Whether one deals with them. Closed ones stay, and cannot be opened again."""

    OPEN = "open"
    CLOSED = "closed"


class Stored(StrEnum):
    """What is kept of a version of bank details; that it counts, only the time says."""

    WAITING = "waiting"
    APPROVED = "approved"
    REJECTED = "rejected"
    EXPIRED = "expired"
    WITHDRAWN = "withdrawn"


class DetailsState(StrEnum):
    """Where a version of bank details stands at an instant."""

    WAITING = "waiting"
    COOLING_OFF = "cooling_off"
    CURRENT = "current"
    REPLACED = "replaced"
    REJECTED = "rejected"
    EXPIRED = "expired"
    WITHDRAWN = "withdrawn"


COMING = frozenset({DetailsState.WAITING, DetailsState.COOLING_OFF})
"""A version that does not count yet, and can still be stopped."""


class IdentityStatus(StrEnum):
    """What a check of somebody's identity came to."""

    VERIFIED = "verified"
    FAILED = "failed"


class IdentityLevel(StrEnum):
    """How closely was looked (simplified, standard or enhanced due diligence)."""

    SIMPLIFIED = "simplified"
    STANDARD = "standard"
    ENHANCED = "enhanced"


@dataclass(frozen=True, slots=True)
class IdentityCheck:
    """A check of a party's identity as it is noted.

    Attributes:
        evidence: what was looked at and where it is kept, such as "register extract, folder 12".
        expires_on: the last day it counts; None for a failed one.
        file_id: a stored file that shows it, "" for none.
        reason: why it failed; may be said of any other.
    """

    status: IdentityStatus
    level: IdentityLevel = IdentityLevel.STANDARD
    evidence: str = ""
    expires_on: date | None = None
    file_id: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Version:
    """What the state of a version follows from."""

    number: int
    stored: Stored
    counts_from: datetime | None


def counting(versions: Iterable[Version], now: datetime) -> int:
    """The number of the version that counts at an instant, 0 for none: the highest of those whose time has come."""
    come = (each.number for each in versions if _has_come(each, now))
    return max(come, default=0)


def state_of(version: Version, current: int, now: datetime) -> DetailsState:
    """Where a version stands, ``current`` being the number of the one that counts."""
    if version.stored is not Stored.APPROVED:
        return DetailsState(version.stored.value)
    if not _has_come(version, now):
        return DetailsState.COOLING_OFF
    return DetailsState.CURRENT if version.number == current else DetailsState.REPLACED


def _has_come(version: Version, now: datetime) -> bool:
    return version.stored is Stored.APPROVED and version.counts_from is not None and version.counts_from <= now


def checked_name(typed: str) -> str:
    """A party's name; ``PARTY_NAME_BAD`` when empty, over 140 characters or with control characters."""
    name = unicodedata.normalize("NFC", typed).strip()
    if not name or len(name) > NAME_CHARS_MAX or not name.isprintable():
        raise Invalid(
            "PARTY_NAME_BAD", "This name cannot be used.", hint=f"Use 1 to {NAME_CHARS_MAX} characters on one line."
        )
    return name


def checked_reason(typed: str, what: str) -> str:
    """Why something was done; ``REASON_MISSING``, ``REASON_LONG``."""
    reason = typed.strip()
    if not reason:
        raise Invalid("REASON_MISSING", f"{what} needs a reason.", hint="Say why, for whoever reads it later.")
    if len(reason) > REASON_CHARS_MAX:
        raise Invalid("REASON_LONG", f"A reason has at most {REASON_CHARS_MAX} characters.")
    return reason


def check_identity_note(check: IdentityCheck, today: date) -> None:
    """``IDENTITY_BAD``, with everything that is wrong, unless a check can be noted like this."""
    wrong = list(_wrong_with(check, today))
    if wrong:
        told = "This check cannot be noted. " + " ".join(wrong)
        raise Invalid("IDENTITY_BAD", told, hint="Correct what is named here.")


def _wrong_with(check: IdentityCheck, today: date) -> Iterable[str]:
    if not check.evidence.strip():
        yield "Say what was looked at."
    if len(check.evidence) > EVIDENCE_CHARS_MAX:
        yield f"What was looked at takes at most {EVIDENCE_CHARS_MAX} characters."
    if len(check.reason) > REASON_CHARS_MAX:
        yield f"The reason takes at most {REASON_CHARS_MAX} characters."
    if check.status is IdentityStatus.FAILED:
        if not check.reason.strip():
            yield "Say why it failed."
        if check.expires_on is not None:
            yield "A failed check has no last day."
    elif check.expires_on is None:
        yield "Say on which day it must be checked anew."
    elif not today <= check.expires_on <= today + IDENTITY_LASTS_MOST:
        yield "Its last day lies between today and ten years from now."


def party_unknown() -> NotFound:
    """``PARTY_UNKNOWN``: none, or none that one may know of."""
    return NotFound("PARTY_UNKNOWN", "There is no such party here.", hint="Look it up in the list of parties.")


def details_unknown() -> NotFound:
    """``DETAILS_UNKNOWN``: none, or none that one may know of."""
    return NotFound("DETAILS_UNKNOWN", "There are no such bank details here.", hint="Open the party from the list.")


def party_closed() -> Conflict:
    """``PARTY_CLOSED``."""
    return Conflict("PARTY_CLOSED", "This party was closed.", hint="Add it anew to deal with it again.")


def unverified() -> Conflict:
    """``IDENTITY_UNVERIFIED``."""
    return Conflict(
        "IDENTITY_UNVERIFIED",
        "The identity of whoever holds this wallet is not verified.",
        hint="Have it checked and noted on the page of parties first; nothing was booked.",
    )


def expired(day: date) -> Conflict:
    """``IDENTITY_EXPIRED``: the last day a check counted."""
    return Conflict(
        "IDENTITY_EXPIRED",
        f"The identity of whoever holds this wallet was verified until {day.isoformat()} only.",
        hint="Have it checked anew and noted on the page of parties; nothing was booked.",
    )
