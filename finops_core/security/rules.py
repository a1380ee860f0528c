"""Pure decisions of sign-in: what a name and a password must be, when attempts are locked out, what is refused how."""

import math
import unicodedata
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address

from finops_core.kernel.errors import Invalid
from finops_core.kernel.permissions import Permission

PASSWORD_CHARS_MIN = 12
PASSWORD_BYTES_MAX = 72  # bcrypt reads no further, and refuses more since version 5
PASSWORD_DISTINCT_MIN = 5
NAME_IN_PASSWORD_CHARS_MIN = 4
USERNAME_CHARS_MIN = 2
USERNAME_CHARS_MAX = 64
NAME_CHARS_MAX = 80
EMAIL_CHARS_MAX = 254  # RFC 5321, 4.5.3.1.3, less the two brackets
ADDRESS_CHARS_MAX = 64
_USERNAME_CHARS = frozenset("abcdefghijklmnopqrstuvwxyz0123456789._-@")
TOKEN_LASTS_MOST = timedelta(days=366)


class Scope(StrEnum):
    """What a token lets a program do of what its person may; a right that stands in no scope is never a token's."""

    READ = "read"
    RUN = "run"
    APPROVE = "approve"
    SETTLE = "settle"
    FILES = "files"
    AUDIT = "audit"
    LEDGER = "ledger"
    SCHEDULES = "schedules"
    PARTIES = "parties"


# Without one of these a scope opens nothing that another one does not. A stop is a run's, and open to who approved it.
_OF_USE: Mapping[Scope, frozenset[Permission]] = {
    Scope.RUN: frozenset({Permission.OPERATIONS_RUN, Permission.EXECUTIONS_CANCEL_ANY, Permission.APPROVALS_DECIDE}),
    Scope.APPROVE: frozenset({Permission.APPROVALS_DECIDE}),
    Scope.SETTLE: frozenset({Permission.PAYOUTS_RESOLVE}),
    Scope.FILES: frozenset({Permission.FILES_UPLOAD, Permission.FILES_VIEW_OWN, Permission.FILES_VIEW_ALL}),
    Scope.AUDIT: frozenset({Permission.AUDIT_VIEW, Permission.AUDIT_EXPORT}),
    Scope.LEDGER: frozenset(
        {Permission.LEDGER_POST, Permission.LEDGER_ADJUST, Permission.LEDGER_STOP, Permission.LEDGER_LOCK}
    ),
    Scope.SCHEDULES: frozenset({Permission.SCHEDULES_ADMINISTER}),
    Scope.PARTIES: frozenset({Permission.PARTY_EDIT, Permission.PARTY_VERIFY}),
}

# Whoever runs must see what they run, and whoever decides or settles what it is about: each scope is of use alone.
SCOPES: Mapping[Scope, frozenset[Permission]] = {
    Scope.READ: frozenset(
        {
            Permission.HOME_VIEW,
            Permission.EXECUTIONS_VIEW_OWN,
            Permission.EXECUTIONS_VIEW_ALL,
            Permission.APPROVALS_VIEW,
            Permission.LEDGER_VIEW,
            Permission.PARTY_VIEW,
        }
    ),
    Scope.RUN: frozenset(
        {
            Permission.OPERATIONS_RUN,
            Permission.PAYOUTS_PREPARE,
            Permission.FILES_UPLOAD,
            Permission.FILES_VIEW_OWN,
            Permission.EXECUTIONS_VIEW_OWN,
            Permission.EXECUTIONS_CANCEL_ANY,
        }
    ),
    Scope.APPROVE: frozenset({Permission.APPROVALS_VIEW, Permission.APPROVALS_DECIDE}),
    Scope.SETTLE: frozenset({Permission.PAYOUTS_RESOLVE, Permission.APPROVALS_VIEW, Permission.EXECUTIONS_VIEW_ALL}),
    Scope.FILES: frozenset({Permission.FILES_UPLOAD, Permission.FILES_VIEW_OWN, Permission.FILES_VIEW_ALL}),
    # What an auditor carries away: records of executions, with everything that stands in them.
    Scope.AUDIT: frozenset(
        {
            Permission.AUDIT_VIEW,
            Permission.AUDIT_EXPORT,
            Permission.APPROVALS_VIEW,
            Permission.EXECUTIONS_VIEW_OWN,
            Permission.EXECUTIONS_VIEW_ALL,
            Permission.FILES_VIEW_OWN,
            Permission.FILES_VIEW_ALL,
        }
    ),
    Scope.LEDGER: frozenset(
        {
            Permission.LEDGER_VIEW,
            Permission.LEDGER_POST,
            Permission.LEDGER_ADJUST,
            Permission.LEDGER_STOP,
            Permission.LEDGER_LOCK,
        }
    ),
    # Whoever switches a schedule sees when it is due; nothing else of an administrator's is open to programs.
    Scope.SCHEDULES: frozenset({Permission.SCHEDULES_ADMINISTER, Permission.HEALTH_VIEW}),
    # Whole accounts are for people: no scope holds the right to reveal them.
    Scope.PARTIES: frozenset({Permission.PARTY_VIEW, Permission.PARTY_EDIT, Permission.PARTY_VERIFY}),
}


def plain_username(typed: str) -> str:
    """The form a user name is stored and looked up in: NFKC, no blanks around, lower case, at most 64 characters."""
    clean = typed[: 4 * USERNAME_CHARS_MAX].encode("utf-8", "replace").decode()
    return unicodedata.normalize("NFKC", clean).strip().lower()[:USERNAME_CHARS_MAX]


def username_is_sound(username: str) -> bool:
    """Whether a plain user name may exist at all."""
    return len(username) >= USERNAME_CHARS_MIN and set(username) <= _USERNAME_CHARS


def checked_username(typed: str) -> str:
    """The plain form of a new user name; ``USERNAME_BAD`` unless 2 to 64 of a-z, 0-9, dot, dash, underscore, @."""
    username = plain_username(typed)
    if len(typed.strip()) > USERNAME_CHARS_MAX or not username_is_sound(username):
        raise Invalid(
            "USERNAME_BAD",
            "This user name cannot be used.",
            hint="Use 2 to 64 letters (a-z), digits, dots, dashes, underscores or @.",
        )
    return username


def checked_display_name(typed: str) -> str:
    """A name to show; ``NAME_BAD`` when empty, over 80 characters or with control characters."""
    name = unicodedata.normalize("NFC", typed).strip()
    if not name or len(name) > NAME_CHARS_MAX or not name.isprintable():
        raise Invalid("NAME_BAD", "This name cannot be used.", hint="Use 1 to 80 characters on one line.")
    return name


def checked_email(typed: str) -> str:
    """A mail address, or "" for none; ``EMAIL_BAD`` for what cannot be one. Whether mail arrives is not known here."""
    email = typed.strip()
    local, at, domain = email.rpartition("@")
    fits = len(email) <= EMAIL_CHARS_MAX and email.isprintable() and " " not in email
    if email and not (fits and local and at and domain):
        raise Invalid("EMAIL_BAD", "This is not a mail address.", hint="Write it like name@example.com.")
    return email


def password_bytes(typed: str) -> bytes | None:
    """What bcrypt hashes: UTF-8 of the NFKC form (NIST SP 800-63B); None when over 72 bytes or no text at all."""
    if len(typed) > PASSWORD_BYTES_MAX:
        return None
    try:
        encoded = unicodedata.normalize("NFKC", typed).encode()
    except UnicodeEncodeError:
        return None
    return encoded if len(encoded) <= PASSWORD_BYTES_MAX and b"\0" not in encoded else None


def checked_password(typed: str, username: str) -> bytes:
    """The bytes of a new password; ``PASSWORD_WEAK`` or ``PASSWORD_TOO_LONG``, never with the password in them."""
    encoded = password_bytes(typed)
    if encoded is None:
        raise Invalid(
            "PASSWORD_TOO_LONG",
            f"This password is longer than {PASSWORD_BYTES_MAX} bytes or holds characters that cannot be used.",
            hint="Letters beyond a-z count for two to four bytes each.",
        )
    plain = encoded.decode()
    weak = len(plain) < PASSWORD_CHARS_MIN or len(set(plain)) < PASSWORD_DISTINCT_MIN
    if weak or (len(username) >= NAME_IN_PASSWORD_CHARS_MIN and username in plain.lower()):
        raise Invalid(
            "PASSWORD_WEAK",
            "This password is too easy to guess.",
            hint=f"Use at least {PASSWORD_CHARS_MIN} characters, varied ones, without your user name in them.",
        )
    return encoded


def plain_address(address: str) -> str:
    """A network address as it is stored: printable ASCII, at most 64 characters, "" when there is none."""
    return "".join(char for char in address[:256] if " " < char <= "~")[:ADDRESS_CHARS_MAX]


def may_be_many(address: str, proxies: Iterable[IPv4Network | IPv6Network]) -> bool:
    """Whether an address stands for a proxy, and so for everybody behind it: what comes from it is nobody's doing."""
    try:
        one = ip_address(address.partition("%")[0])
    except ValueError:
        return True
    mapped = one.ipv4_mapped if isinstance(one, IPv6Address) else None
    return any((mapped or one) in network for network in proxies)


def locked_until(failures: Sequence[datetime], allowed: int, window: timedelta) -> datetime | None:
    """Until when attempts are refused, given the failures inside the window, newest first; None when they are not.

    A sliding window: the lock ends when the oldest of the failures that made it leaves the window. Attempts made while
    locked are no failures. Somebody who keeps trying can lock a name again and again; its person still gets in from
    an address they have signed in from before, where only the failures from that address count (``attempts``).
    """
    return failures[allowed - 1] + window if len(failures) >= allowed else None


def wait_in_words(until: datetime, now: datetime) -> str:
    """How long to wait, rounded up to whole minutes: "1 minute", "15 minutes"."""
    minutes = max(1, math.ceil((until - now).total_seconds() / 60))
    return "1 minute" if minutes == 1 else f"{minutes} minutes"


def permissions_within(scopes: Iterable[str]) -> frozenset[Permission]:
    """The most that a token with these scopes may do; a scope this version does not know opens nothing."""
    known = [Scope(scope) for scope in scopes if scope in set(Scope)]
    return frozenset().union(*(SCOPES[scope] for scope in known))


def checked_scopes(wanted: Iterable[str]) -> tuple[Scope, ...]:
    """The scopes of a new token, in the order of ``Scope``; ``TOKEN_SCOPES_BAD`` for none, or one that is not known."""
    asked = set(wanted)
    if not asked or asked - set(Scope):
        raise Invalid(
            "TOKEN_SCOPES_BAD",
            "A token needs at least one scope, and only known ones.",
            hint=f"Choose among {', '.join(Scope)}.",
        )
    return tuple(scope for scope in Scope if scope in asked)


def checked_token_end(expires_at: datetime, now: datetime) -> datetime:
    """When a new token ends; ``TOKEN_EXPIRY_BAD`` unless it lies ahead, by a year at most."""
    if expires_at.tzinfo is None or not now < expires_at <= now + TOKEN_LASTS_MOST:
        raise Invalid(
            "TOKEN_EXPIRY_BAD",
            "A token ends at some time within the next year.",
            hint=f"Choose an end within {TOKEN_LASTS_MOST.days} days; make a new token before then.",
        )
    return expires_at


def scopes_of_use(permissions: Collection[Permission]) -> tuple[Scope, ...]:
    """The scopes that open something to somebody with these permissions."""
    return tuple(scope for scope in Scope if scope not in _OF_USE or not _OF_USE[scope].isdisjoint(permissions))
