"""What goes over the wire to a webhook endpoint: the event as bytes and its signature. Pure.

Signed as https://docs.stripe.com/webhooks/signature says: HMAC-SHA256 over time and body, one value for each secret
while a secret is being rolled.
"""

import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass

from finops_core.adapters.stripe_sandbox.deliveries import Due
from finops_core.adapters.stripe_sandbox.webhook_faults import NO_FAULT, WebhookFaultKind
from finops_core.adapters.stripe_sandbox.wire import JsonObject

WRONG_BY_S = 600
_NOBODYS_SECRET = "whsec_sbx_of_nobody"  # noqa: S105 - it is there to be refused


@dataclass(frozen=True, slots=True)
class Parcel:
    """One request to a receiver."""

    body: bytes
    headers: Mapping[str, str]


def pack(due: Due, now_s: int) -> Parcel:
    """The request for a delivery, signed at the sandbox's present second; spoilt while its fault has tries left."""
    fault = (due.fault if due.attempts < due.fault.tries else NO_FAULT).kind
    body = json.dumps(_told(due, fault), indent=2, ensure_ascii=False).encode()
    signed_at_s = now_s + {WebhookFaultKind.STALE: -WRONG_BY_S, WebhookFaultKind.FUTURE: WRONG_BY_S}.get(fault, 0)
    secrets = (_NOBODYS_SECRET,) if fault is WebhookFaultKind.BAD_SIGNATURE else due.secrets
    return Parcel(
        body,
        {
            "Content-Type": "application/json; charset=utf-8",
            "User-Agent": "Stripe/1.0 (+https://stripe.com/docs/webhooks)",
            "Stripe-Signature": signature(body, secrets, signed_at_s),
        },
    )


def signature(body: bytes, secrets: tuple[str, ...], signed_at_s: int) -> str:
    """The header Stripe-Signature of a body."""
    signed = f"{signed_at_s}.".encode() + body
    values = (hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest() for secret in secrets)
    return ",".join((f"t={signed_at_s}", *(f"v1={value}" for value in values)))


def _told(due: Due, fault: WebhookFaultKind) -> JsonObject:
    told = {**due.event, **({"account": due.account} if due.connect else {})}
    if due.api_version is not None:
        told["api_version"] = due.api_version
    if fault is WebhookFaultKind.WRONG_LIVEMODE:
        told["livemode"] = True
    return told
