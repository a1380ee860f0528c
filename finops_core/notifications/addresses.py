"""Where notices may be forwarded to, how much of an address is shown, and when an endpoint is given up. Pure.

What a name stands for is known only when it is called: the adapter judges that each time.
"""

import re
from collections.abc import Iterable
from datetime import datetime, timedelta
from enum import StrEnum
from urllib.parse import SplitResult, urlsplit

from finops_core.kernel.addresses import is_numeric, is_public
from finops_core.kernel.errors import Invalid
from finops_core.notifications.rules import KINDS, Kind, for_mail, one_line, pause_s


class Channel(StrEnum):
    """What an endpoint understands: a signed JSON body (Standard Webhooks), or a message for Slack."""

    WEBHOOK = "webhook"
    SLACK = "slack"


class EndpointState(StrEnum):
    """PAUSED: notices wait. OFF: it was given up, and none are kept for it. REMOVED: only its log is left."""

    ACTIVE = "active"
    PAUSED = "paused"
    OFF = "off"
    REMOVED = "removed"


class DispatchState(StrEnum):
    """Where a notice stands on its way. DROPPED: its endpoint was removed."""

    QUEUED = "queued"
    SENT = "sent"
    FAILED = "failed"
    DROPPED = "dropped"


# What is said to one person about themselves is for nobody else.
OWN_AFFAIRS = frozenset({Kind.SECOND_FACTOR_RESET, Kind.ACCOUNT_CHANGED})
FORWARDED = tuple(kind for kind in Kind if kind not in OWN_AFFAIRS)
SLACK_HOSTS = frozenset({"hooks.slack.com", "hooks.slack-gov.com"})
GONE, PORTS = 410, frozenset({None, 443, 8443})
OFF_AFTER = timedelta(days=5)
RESTS_MOST_S = 300
NAME_CHARS, URL_CHARS, WORDS_CHARS, SECRETIVE_CHARS, LAST = 80, 1000, 200, 12, 4
_HOST = re.compile(r"(?=.{4,253}$)(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9])?\.)+[a-z0-9-]{2,63}\.?", re.ASCII)
_INNER = ("localhost", "local", "internal", "localdomain", "home.arpa", "invalid", "onion")


def checked_name(typed: str) -> str:
    """What people call it; ``ENDPOINT_NAME_BAD`` when empty, too long or with control characters."""
    name = typed.strip()
    if not name or len(name) > NAME_CHARS or not name.isprintable():
        raise Invalid("ENDPOINT_NAME_BAD", "This name cannot be used.", hint="Use 1 to 80 characters on one line.")
    return name


def checked_kinds(chosen: Iterable[str]) -> list[str]:
    """Kinds of notices that may be forwarded, at least one; else ``ENDPOINT_KINDS_BAD``."""
    kinds = sorted(set(chosen))
    if not kinds or not set(kinds) <= set(FORWARDED):
        raise Invalid("ENDPOINT_KINDS_BAD", "Choose what is forwarded.", hint="At least one kind of those in the list.")
    return kinds


def checked_channel(channel: str) -> Channel:
    """``ENDPOINT_CHANNEL_BAD`` for one there is not."""
    if channel not in set(Channel):
        raise Invalid("ENDPOINT_CHANNEL_BAD", "There is no such channel.", hint="Choose a webhook, or Slack.")
    return Channel(channel)


def checked_url(channel: Channel, typed: str, inside: frozenset[str]) -> str:
    """An address that may be entered; ``ENDPOINT_URL_BAD`` with what is wrong, never repeating the address.

    ``inside``: hosts of the settings, for which http and any port will do.
    """
    url = typed.strip()
    if not url or len(url) > URL_CHARS or not url.isascii() or not url.isprintable() or set(url) & set(' "<>\\^`{|}'):
        raise _bad("Copy it whole, without spaces; at most 1,000 characters.")
    try:
        parts = urlsplit(url)
        port, host = parts.port, (parts.hostname or "").lower()
    except ValueError:
        raise _bad("It looks like https://hooks.example.com/tieout.") from None
    if parts.username is not None or parts.fragment or "#" in url:
        raise _bad("It has no name or password before the host, and nothing after a #.")
    if host not in inside:
        _check_public(parts, host, port)
        if channel is Channel.SLACK and host not in SLACK_HOSTS:
            raise _bad("Slack's own begin with https://hooks.slack.com/; for anything else choose a webhook.")
    elif parts.scheme not in {"http", "https"}:
        raise _bad("It begins with https:// or http://.")
    return url


def shown_url(url: str) -> str:
    """What may be seen of an address: its host, and of longer parts behind it, which may be secrets, their ends."""
    parts = urlsplit(url)
    path = "/".join(_shown(each) for each in parts.path.split("/"))
    return f"{parts.scheme}://{parts.netloc}{path}" + ("?…" if parts.query else "")


def cleaned(words: str, url: str) -> str:
    """What an endpoint said, without keys, bank accounts, or anything of its own address."""
    parts = urlsplit(url)
    pieces = {url, parts.path, parts.query, *parts.path.split("/"), *re.split("[=&]", parts.query)}
    for piece in sorted((each for each in pieces if len(each) >= SECRETIVE_CHARS), key=len, reverse=True):
        words = words.replace(piece, "…")
    return for_mail(one_line(words, WORDS_CHARS), WORDS_CHARS)


def has_passed(status: int) -> bool:
    """Whether a code says that a notice was taken; a redirect does not."""
    return 200 <= status < 300  # noqa: PLR2004 - RFC 9110, 15.3: successful


def rest_s(failures: int) -> int:
    """How long an endpoint that failed so often in a row is left alone."""
    return min(pause_s(failures) or RESTS_MOST_S, RESTS_MOST_S)


def why_given_up(status: int, failing_since: datetime, now: datetime) -> str:
    """Why an endpoint is called no more after a failure; "" when it is."""
    if status == GONE:
        return "It answered 410: it is gone for good."
    if now - failing_since >= OFF_AFTER:
        return f"It has failed for {OFF_AFTER.days} days."
    return ""


def titles() -> dict[str, str]:
    """Every kind that may be forwarded, as a list shows it: nobody's in particular."""
    return {kind.value: _nobodys(KINDS[kind].title) for kind in FORWARDED}


def _nobodys(title: str) -> str:
    for theirs, told in (("My execution", "An execution"), ("My request", "A request"), ("my decision", "a decision")):
        title = title.replace(theirs, told)
    return title


def _check_public(parts: SplitResult, host: str, port: int | None) -> None:
    if parts.scheme != "https":
        raise _bad("It begins with https://.")
    if port not in PORTS:
        raise _bad("Its port is 443 or 8443.")
    numeric = is_numeric(host)
    inner = any(host.rstrip(".") == each or host.rstrip(".").endswith(f".{each}") for each in _INNER)
    if inner or (numeric and not is_public(host)) or (not numeric and _HOST.fullmatch(host) is None):
        raise _bad("It must be one of the open internet. Whoever runs the desk can allow others.")


def _shown(segment: str) -> str:
    return segment if len(segment) < SECRETIVE_CHARS else f"…{segment[-LAST:]}"


def _bad(hint: str) -> Invalid:
    return Invalid("ENDPOINT_URL_BAD", "Notices cannot be forwarded to this address.", hint=hint)
