"""What is forwarded of a notice, and what proves that it is ours (Standard Webhooks 1.0).

The body is written once and is the same at each try; the time and the signature are of the try. It carries what a mail
would: no bank account in full, no secret.
"""

import json
import secrets
import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import urlencode

from standardwebhooks import Webhook

from finops_core.notifications.addresses import Channel
from finops_core.notifications.rules import for_mail
from finops_core.reference import OrganisationView

PREFIX, SECRET_CHARS, LAST = "whsec_", 32, 4
# Base64 all the same, but without signs at which whatever blots secrets out of a log would stop.
_LETTERS = string.ascii_letters + string.digits
_FOR_SLACK = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})


@dataclass(frozen=True, slots=True)
class News:
    """What a notice says, before it is known to whom. ``page`` and ``query`` lead to its matter."""

    kind: str
    title: str
    body: str
    page: str
    query: Mapping[str, str]


def body_of(channel: str, news: News, own: OrganisationView, base: str, at: datetime) -> str:
    """The JSON of a notice for a channel. ``base``: the desk's address, or "" when nobody has said."""
    link = f"{base}/{news.page}?{urlencode({**news.query, 'org': own.slug})}" if base else None
    title, text = for_mail(news.title), for_mail(news.body)
    if channel == Channel.SLACK:
        lines = [f"*{_plain(f'[{own.name}] {title}')}*", _plain(text), f"<{_plain(link)}|Open it>" if link else ""]
        return _json({"text": "\n".join(filter(None, lines))})
    data = {
        "organisation": {"id": own.id, "slug": own.slug},
        "ids": dict(news.query),
        "page": news.page,
        "title": title,
        "text": text,
        "link": link,
    }
    told = at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return _json({"type": news.kind, "timestamp": told, "data": data})


def headers_of(dispatch_id: str, body: str, signing: Sequence[str], at: datetime) -> dict[str, str]:
    """The headers of one try; one signature for each secret that counts."""
    headers = {"Content-Type": "application/json"}
    if signing:
        signatures = " ".join(Webhook(secret).sign(dispatch_id, at, body) for secret in signing)
        stamped = {"webhook-id": dispatch_id, "webhook-timestamp": str(int(at.timestamp()))}
        headers |= {**stamped, "webhook-signature": signatures}
    return headers


def new_secret() -> str:
    """A fresh signing secret as the standard writes it: base64 of 24 bytes, of which 190 bits are random."""
    return PREFIX + "".join(secrets.choice(_LETTERS) for _ in range(SECRET_CHARS))


def shown(secret: str) -> str:
    """What may be seen of a secret from then on."""
    return f"{PREFIX}…{secret[-LAST:]}"


def _json(told: Mapping[str, object]) -> str:
    return json.dumps(told, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def _plain(text: str) -> str:
    """Text that Slack takes for no link and for nobody's name."""
    return text.translate(_FOR_SLACK)
