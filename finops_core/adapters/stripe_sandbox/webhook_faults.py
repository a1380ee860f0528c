"""Bad days for webhooks, on order: the next matching event goes out as the network or Stripe may send it.

A queue like that of ``faults``: each event is shown to them from the oldest on, each counts it, and the first whose
turn it is fires and is used up.
"""

import fnmatch
import json
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Annotated

from pydantic import ConfigDict, Field

from finops_core.adapters.stripe_sandbox.store import Store

DELAY_MAX_S = 30 * 24 * 3600


class WebhookFaultKind(StrEnum):
    """What goes wrong with the delivery of one event."""

    NONE = "none"
    DELAYED = "delayed"
    DROPPED = "dropped"
    DOUBLED = "doubled"
    TWIN = "twin"
    REORDERED = "reordered"
    STALE = "stale"
    FUTURE = "future"
    BAD_SIGNATURE = "bad_signature"
    WRONG_LIVEMODE = "wrong_livemode"


@dataclass(frozen=True, slots=True)
class WebhookFault:
    """One ordered fault.

    Attributes:
        kind: delayed (by ``delay_s``), dropped (never sent, unless sent again by hand), doubled (the same event
            twice), twin (two events with different ids for one change), reordered (held until the account's next
            event has gone to the same endpoint), stale and future (signed ten minutes off), bad_signature (signed
            with a secret that nobody has), wrong_livemode (it says that it is real).
        event: a pattern of event types with ``*`` and ``?``.
        account: of the events it waits for; "" for any.
        nth: which matching event it spoils first, 1 for the next.
        times: how many events it spoils in a row.
        delay_s: for delayed, by the sandbox's clock.
        tries: how many tries of each delivery are spoilt, where the try itself is; the next one is good.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    kind: WebhookFaultKind
    event: str = "*"
    account: str = ""
    nth: Annotated[int, Field(ge=1)] = 1
    times: Annotated[int, Field(ge=1)] = 1
    delay_s: Annotated[float, Field(ge=0, le=DELAY_MAX_S)] = 0.0
    tries: Annotated[int, Field(ge=1)] = 1


NO_FAULT = WebhookFault(WebhookFaultKind.NONE)


def order(store: Store, fault: WebhookFault) -> None:
    """Add a fault to the queue, in a transaction of the caller."""
    store.connection.execute(
        "INSERT INTO webhook_fault (seen, fired, spec) VALUES (0, 0, ?)", (json.dumps(asdict(fault)),)
    )


def take(store: Store, account: str, kind: str) -> WebhookFault:
    """The fault whose turn it is for this event, in a transaction of the caller; ``NO_FAULT`` when there is none."""
    for row in store.connection.execute("SELECT * FROM webhook_fault ORDER BY seq").fetchall():
        fault = from_spec(row["spec"])
        if fault.account not in ("", account) or not fnmatch.fnmatchcase(kind, fault.event):
            continue
        store.connection.execute("UPDATE webhook_fault SET seen = seen + 1 WHERE seq = ?", (row["seq"],))
        if row["seen"] + 1 < fault.nth:
            continue
        store.connection.execute("UPDATE webhook_fault SET fired = fired + 1 WHERE seq = ?", (row["seq"],))
        if row["fired"] + 1 >= fault.times:
            store.connection.execute("DELETE FROM webhook_fault WHERE seq = ?", (row["seq"],))
        return fault
    return NO_FAULT


def waiting(store: Store) -> list[dict[str, object]]:
    """The faults that have not been used up, oldest first."""
    rows = store.connection.execute("SELECT * FROM webhook_fault ORDER BY seq").fetchall()
    return [{"seen": row["seen"], "fired": row["fired"], **json.loads(row["spec"])} for row in rows]


def spec_of(fault: WebhookFault) -> str:
    """A fault as it is kept beside a delivery."""
    return json.dumps(asdict(fault))


def from_spec(spec: str) -> WebhookFault:
    """A kept fault."""
    given = json.loads(spec)
    return WebhookFault(**{**given, "kind": WebhookFaultKind(given["kind"])})
