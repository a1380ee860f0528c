"""What happened, as Stripe's event list tells it. Delivery to webhooks is not part of this module."""

import json

from finops_core.adapters.stripe_sandbox import objects, pages, refusals
from finops_core.adapters.stripe_sandbox.calls import Call
from finops_core.adapters.stripe_sandbox.wire import JsonObject
from finops_core.kernel.ids import new_id

_LISTED = pages.Listed(table="event", noun="event", url="/v1/events", equal=("type",), between=("created",))


def record(call: Call, kind: str, subject: JsonObject, previous: JsonObject | None = None) -> None:
    """Keep an event with the object as it stands now; ``previous`` holds the fields that changed."""
    facts = objects.EventFacts(
        id=new_id("evt_sbx"),
        created=call.now_s,
        kind=kind,
        subject=subject,
        previous=previous,
        request_id=call.request_id or None,
        idempotency_key=call.idempotency_key or None,
    )
    call.store.connection.execute(
        "INSERT INTO event (id, account, created, type, body) VALUES (?, ?, ?, ?, ?)",
        (facts.id, call.account, facts.created, kind, json.dumps(objects.event(facts))),
    )


def list_events(call: Call) -> JsonObject:
    """GET /v1/events."""
    return pages.page(call, _LISTED)


def retrieve(call: Call) -> JsonObject:
    """GET /v1/events/{id}."""
    found = call.store.documents("SELECT body FROM event WHERE account = ? AND id = ?", (call.account, call.ids[0]))
    if not found:
        raise refusals.no_such("event", call.ids[0], "id")
    return found[0]
