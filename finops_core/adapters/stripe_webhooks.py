"""Reading Stripe's webhooks: whether Stripe sent it, how old it is, what it says. Pure; no call leaves the machine.

Source: https://docs.stripe.com/webhooks/signature. Signatures are compared by the SDK's own check, one secret at a
time, since a secret that is being rolled has a successor. What that check leaves open (16.1.0) is closed here:

- It knows only one secret, and reads a header that has two times or broken values; here the header must be whole,
  and only what was read of it is given on.
- Its age check asks the machine's clock, lets timestamps of the future pass, and is switched off by a tolerance of 0.
  So it is switched off always, and the age is compared with ``now`` in both directions.
- A signature that is not ASCII makes it raise TypeError.

News is a snapshot event (``"object": "event"``); Stripe's thin events are for other subjects and are refused.
"""

import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import NoReturn

from finops_core.kernel.errors import Invalid
from finops_core.kernel.provider import Mode, ProviderEvent

AGE_MAX_S = 300
HEADER_MAX = 4_096
_PART = re.compile(r"([A-Za-z0-9_]+)=([^=,\s]*)", re.ASCII)
_TIME = re.compile(r"[0-9]{1,12}", re.ASCII)
_SIGNATURE = re.compile(r"[0-9a-f]{64}", re.ASCII)
_EVENT_ID = re.compile(r"evt_[A-Za-z0-9_]{1,200}", re.ASCII)
_ACCOUNT_ID = re.compile(r"acct_[A-Za-z0-9_]{1,200}", re.ASCII)
_PAYOUT_ID = re.compile(r"po_[A-Za-z0-9_]{1,200}", re.ASCII)
_KIND = re.compile(r"[A-Za-z0-9_.]{1,200}", re.ASCII)
_UNREADABLE = (KeyError, TypeError, ValueError, OverflowError, OSError, RecursionError)


def read_event(body: bytes, signature: str, secrets: Sequence[str], now: datetime) -> ProviderEvent:
    """The news in a request body that one of the secrets has signed; a ``WebhookReader``.

    ``signature`` is the header Stripe-Signature, ``now`` the receiver's instant. Raises ``WEBHOOK_SIGNATURE_BAD``,
    ``WEBHOOK_AGE_BAD`` (more than five minutes from ``now``, either way) and ``WEBHOOK_BODY_BAD``, nothing else.
    """
    sent_at_s, signatures = _header(signature)
    try:
        payload = body.decode("utf-8")
    except UnicodeDecodeError:
        raise _not_signed("the body is not UTF-8, which Stripe signs") from None
    exact = ",".join((f"t={sent_at_s}", *(f"v1={value}" for value in signatures)))
    if not any(_signed_with(secret, payload, exact) for secret in secrets):
        raise _not_signed("no secret matches")
    if abs(now.timestamp() - sent_at_s) > AGE_MAX_S:
        raise Invalid(
            "WEBHOOK_AGE_BAD",
            "This webhook was not signed within the last five minutes.",
            hint="Stripe signs each try anew; if it stays, the clock of this machine is wrong.",
            signed_at_s=sent_at_s,
        )
    try:
        return _event_of(json.loads(payload, parse_constant=_no_number))
    except _UNREADABLE as error:
        raise Invalid(
            "WEBHOOK_BODY_BAD",
            "This webhook is no snapshot event of Stripe.",
            hint="Choose snapshot events for the endpoint in Stripe, not thin ones.",
            reason=repr(error)[:200],
        ) from None


def _header(signature: str) -> tuple[int, list[str]]:
    """The time and the signatures in a header; each signature once, the time exactly once."""
    if not signature.isascii() or len(signature) > HEADER_MAX:
        raise _not_signed("the header is not one of Stripe's")
    parts = [_PART.fullmatch(part) for part in signature.split(",")]
    pairs = [(found.group(1), found.group(2)) for found in parts if found is not None]
    times = [value for name, value in pairs if name == "t"]
    signatures = [value for name, value in pairs if name == "v1"]
    whole = (
        len(pairs) == len(parts)
        and len(times) == 1
        and _TIME.fullmatch(times[0])
        and all(_SIGNATURE.fullmatch(value) for value in signatures)
        and 0 < len(signatures) == len(set(signatures))
    )
    if not whole:
        raise _not_signed("the header is not one of Stripe's")
    return int(times[0]), signatures


def _signed_with(secret: str, payload: str, header: str) -> bool:
    # Imported on first use: the SDK costs 90 ms, and whoever only wires this module up has no need of it.
    import stripe  # noqa: PLC0415

    try:
        stripe.WebhookSignature.verify_header(payload, header, secret, tolerance=None)
    except (stripe.SignatureVerificationError, UnicodeEncodeError):
        return False
    return True


def _not_signed(reason: str) -> Invalid:
    return Invalid(
        "WEBHOOK_SIGNATURE_BAD",
        "This webhook is not signed with a secret of this connection.",
        hint="Compare the endpoint's signing secret in Stripe with the connection's.",
        reason=reason,
    )


def _event_of(document: object) -> ProviderEvent:
    if not isinstance(document, Mapping) or document.get("object") != "event":
        raise TypeError("not a snapshot event")
    subject = document["data"]["object"]
    if not isinstance(subject, Mapping):
        raise TypeError("data.object")
    is_payout = subject.get("object") == "payout"
    return ProviderEvent(
        id=_text(document["id"], _EVENT_ID),
        kind=_text(document["type"], _KIND),
        account="" if document.get("account") is None else _text(document["account"], _ACCOUNT_ID),
        payout_id=_text(subject["id"], _PAYOUT_ID) if is_payout else "",
        metadata=_metadata(subject.get("metadata")) if is_payout else {},
        mode=_mode(document["livemode"]),
        created_at=_instant(document["created"]),
    )


def _text(value: object, pattern: re.Pattern[str]) -> str:
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise TypeError(f"not {pattern.pattern}")
    return value


def _metadata(metadata: object) -> dict[str, str]:
    found = {} if metadata is None else metadata
    if not isinstance(found, Mapping):
        raise TypeError("metadata")
    for text in found.values():
        if not isinstance(text, str):
            raise TypeError("metadata")
    # JSON can hold half a surrogate pair, which nobody could write down again.
    "".join((*found.keys(), *found.values())).encode("utf-8")
    return dict(found)


def _mode(livemode: object) -> Mode:
    if not isinstance(livemode, bool):
        raise TypeError("livemode")
    return Mode.LIVE if livemode else Mode.TEST


def _instant(seconds: object) -> datetime:
    if not isinstance(seconds, int) or isinstance(seconds, bool):
        raise TypeError("created")
    return datetime.fromtimestamp(seconds, UTC)


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is no JSON")
