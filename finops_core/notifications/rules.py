"""What people are told of, by which way, and when a mail is tried again. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from finops_core.kernel.masking import mask
from finops_core.kernel.permissions import Permission


class Kind(StrEnum):
    """An event that somebody is told of."""

    APPROVAL_ASKED = "approval.asked"
    APPROVAL_EXPIRING = "approval.expiring"
    APPROVAL_APPROVED = "approval.approved"
    APPROVAL_REJECTED = "approval.rejected"
    APPROVAL_EXPIRED = "approval.expired"
    EXECUTION_COMPLETED = "execution.completed"
    EXECUTION_FAILED = "execution.failed"
    PAYOUT_RETURNED = "payout.returned"
    PAYOUT_CANCELED = "payout.canceled"
    PAYOUT_REVERSED = "payout.reversed"
    PAYOUT_REVIEW = "payout.review"
    PAYOUT_UNEXPECTED = "payout.unexpected"
    PAYOUT_TWICE = "payout.twice"
    CANCEL_REFUSED = "payout.cancel_refused"
    KEY_REFUSED = "connection.refused"
    SECOND_FACTOR_RESET = "second_factor.reset"
    ACCOUNT_CHANGED = "account.changed"
    LEDGER_DRIFT = "ledger.drift"
    BANK_DETAILS = "bank_details.changing"
    CHECK_VIOLATED = "check.violated"
    WORKER_DEAD = "worker.dead"
    MAIL_FAILING = "mail.failing"
    FORWARDING_FAILING = "forwarding.failing"


class Way(StrEnum):
    """How news of one kind reaches a person; all but OFF stand among their notices too."""

    MAIL = "mail"
    DIGEST = "digest"
    APP = "app"
    OFF = "off"


class MailState(StrEnum):
    """Where a mail stands. DROPPED: nobody needs it any more, or nobody is there to get it."""

    QUEUED = "queued"
    SENT = "sent"
    FAILED = "failed"
    DROPPED = "dropped"


@dataclass(frozen=True, slots=True)
class KindFacts:
    """What is known of a kind.

    Attributes:
        title: what the preferences call it.
        way: how people are told unless they chose otherwise.
        ways: what they may choose; what somebody must know cannot be put out.
        told: only people with this permission are ever told of it; None when that hangs on more than a permission.
    """

    title: str
    way: Way
    ways: tuple[Way, ...] = (Way.MAIL, Way.DIGEST, Way.APP)
    told: Permission | None = None


_ANY, _USUAL = tuple(Way), (Way.MAIL, Way.DIGEST, Way.APP)
_DECIDES, _WATCHES, _CONNECTS = Permission.APPROVALS_DECIDE, Permission.HEALTH_VIEW, Permission.CONNECTIONS_ADMINISTER
_K = Kind
# Bad news, and what waits for somebody, at once; good news where one looks anyway.
KINDS: Mapping[Kind, KindFacts] = {
    _K.APPROVAL_ASKED: KindFacts("A request waits for my decision", Way.MAIL, _USUAL, _DECIDES),
    _K.APPROVAL_EXPIRING: KindFacts("A request is about to expire", Way.MAIL),
    _K.APPROVAL_APPROVED: KindFacts("My request was approved", Way.APP, _ANY),
    _K.APPROVAL_REJECTED: KindFacts("My request was rejected", Way.MAIL),
    _K.APPROVAL_EXPIRED: KindFacts("My request has expired", Way.MAIL),
    _K.EXECUTION_COMPLETED: KindFacts("My execution is done", Way.APP, _ANY),
    _K.EXECUTION_FAILED: KindFacts("My execution has failed, or was stopped", Way.MAIL),
    _K.PAYOUT_RETURNED: KindFacts("A payout came back from the bank", Way.MAIL),
    _K.PAYOUT_CANCELED: KindFacts("A payout was taken back at the provider", Way.MAIL),
    _K.PAYOUT_REVERSED: KindFacts("A payout was reversed at the provider", Way.MAIL),
    _K.PAYOUT_REVIEW: KindFacts("A payout needs a decision", Way.MAIL),
    _K.PAYOUT_UNEXPECTED: KindFacts("A row may be paid twice", Way.MAIL),
    _K.PAYOUT_TWICE: KindFacts("A row was paid twice", Way.MAIL),
    _K.CANCEL_REFUSED: KindFacts("A payout could not be taken back", Way.MAIL),
    _K.KEY_REFUSED: KindFacts("A provider refuses our key", Way.MAIL, _USUAL, _CONNECTS),
    _K.SECOND_FACTOR_RESET: KindFacts("My second factor was reset", Way.MAIL, (Way.MAIL,)),
    _K.ACCOUNT_CHANGED: KindFacts("My password, address, roles or tokens were changed", Way.MAIL, (Way.MAIL,)),
    _K.LEDGER_DRIFT: KindFacts("A balance was not its postings", Way.MAIL, _USUAL, Permission.LEDGER_ADJUST),
    _K.BANK_DETAILS: KindFacts("Bank details are about to count, or were withdrawn", Way.MAIL),
    _K.CHECK_VIOLATED: KindFacts("A standing check has failed", Way.MAIL, _USUAL, _WATCHES),
    _K.WORKER_DEAD: KindFacts("The worker is not there", Way.MAIL, _USUAL, _WATCHES),
    # Of mail that does not arrive no mail tells.
    _K.MAIL_FAILING: KindFacts("Mail does not get through", Way.APP, (Way.APP,), _WATCHES),
    _K.FORWARDING_FAILING: KindFacts("Notices are not forwarded", Way.MAIL, _USUAL, _CONNECTS),
}

DIGEST = "digest"
DIGEST_HOUR = 7
HOURS = 24
# At once, then after these pauses (the schedule of Svix); what failed after the last one has failed.
PAUSES_S = (5, 5 * 60, 30 * 60, 2 * 3600, 5 * 3600, 10 * 3600, 10 * 3600)
TELL_AFTER = 3
TITLE_CHARS, BODY_CHARS, ANSWER_CHARS = 200, 2000, 300
# A bank account in full has at least this many digits; a provider's sentence may hold one.
_ACCOUNT = re.compile(
    r"\b[A-Z]{2}[0-9]{2}(?: ?[A-Z0-9]{2,4}){3,8}\b|(?<![\w.-])[0-9](?: ?[0-9]){8,}(?!\w|\.[0-9]| [A-Z]{3}\b)", re.ASCII
)
_AMOUNT = re.compile(r"(?<![\w.-])([0-9]{4,})(?=(?:\.[0-9]+)? [A-Z]{3}\b)", re.ASCII)
_SECRET = re.compile(r"\b(?:sk|rk|pk|whsec)_[A-Za-z0-9_]{8,}")


def facts_of(kind: str) -> KindFacts:
    """What is known of a kind; one that another version wrote is told in the app."""
    return KINDS[Kind(kind)] if kind in set(Kind) else KindFacts(kind.replace(".", " ").capitalize(), Way.APP)


def way_of(kind: str, chosen: str | None) -> Way:
    """How a person is told of a kind, given what they chose, if they did and still may."""
    facts = facts_of(kind)
    return Way(chosen) if chosen in facts.ways else facts.way


def pause_s(attempts: int) -> int | None:
    """How long a mail waits after so many failed attempts; None when that was the last one."""
    return PAUSES_S[attempts - 1] if attempts <= len(PAUSES_S) else None


def digest_day(now: datetime, zone: str, hour: int) -> date | None:
    """The day whose digest is due by now in this zone; None before its hour.

    An hour that the clock leaves out is over with the next one, and one that comes twice is still the same day.
    """
    local = now.astimezone(ZoneInfo(zone))
    return local.date() if local.hour >= hour else None


def one_line(text: str, most: int = TITLE_CHARS) -> str:
    """A text as one line without control characters, cut: what a header of a mail may hold."""
    plain = "".join(character if character.isprintable() else " " for character in text)
    line = " ".join(plain.split())
    return line if len(line) <= most else f"{line[: most - 1]}…"


def for_mail(text: str, most: int = BODY_CHARS) -> str:
    """A text as it may leave the desk: one line, bank accounts masked, keys left out."""
    line = _SECRET.sub("…", one_line(text, most))
    return _ACCOUNT.sub(lambda found: mask(found.group()), line)


def grouped(text: str) -> str:
    """A text with its amounts as people read them: ``1,950.15 EUR`` of ``1950.15 EUR``."""
    return _AMOUNT.sub(lambda found: f"{int(found.group()):,}", text)


def expires_soon(lifetime_s: int) -> timedelta:
    """How long before its end a request is called to mind: two hours, or a quarter of a short life."""
    return timedelta(seconds=min(2 * 3600, lifetime_s // 4))
