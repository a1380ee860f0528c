"""What happened, as Stripe's event list tells it; each event is queued for the webhook endpoints that want it."""

import json

from finops_core.adapters.stripe_sandbox import deliveries, objects, pages, refusals, webhook_faults
from finops_core.adapters.stripe_sandbox.calls import Call
from finops_core.adapters.stripe_sandbox.store import Store
from finops_core.adapters.stripe_sandbox.webhook_faults import WebhookFaultKind
from finops_core.adapters.stripe_sandbox.wire import JsonObject
from finops_core.kernel.ids import new_id

_LISTED = pages.Listed(table="event", noun="event", url="/v1/events", equal=("type",), between=("created",))
_UNDELIVERED = "EXISTS (SELECT 1 FROM delivery WHERE delivery.event = event.id AND delivery.state <> 'delivered')"


def record(call: Call, kind: str, subject: JsonObject, previous: JsonObject | None = None) -> None:
    """Keep an event with the object as it stands now; ``previous`` holds the fields that changed."""
    fault = webhook_faults.take(call.store, call.account, kind)
    for _ in range(2 if fault.kind is WebhookFaultKind.TWIN else 1):
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
        deliveries.queue(call.store, facts.id, call.account, kind, fault)


def list_events(call: Call) -> JsonObject:
    """GET /v1/events."""
    where, values = list[str](), list[object]()
    kinds = list(call.mapping("types").values())
    if kinds:
        where.append(f"type IN ({', '.join('?' * len(kinds))})")
        values += kinds
    if call.text("delivery_success"):
        where.append(_UNDELIVERED if call.text("delivery_success") == "false" else f"NOT {_UNDELIVERED}")
    found = pages.page(call, _LISTED, (where, values))
    data = found["data"]
    return {**found, "data": [_as_of(call.store, event) for event in data] if isinstance(data, list) else []}


def retrieve(call: Call) -> JsonObject:
    """GET /v1/events/{id}."""
    found = call.store.documents("SELECT body FROM event WHERE account = ? AND id = ?", (call.account, call.ids[0]))
    if not found:
        raise refusals.no_such("event", call.ids[0], "id")
    return _as_of(call.store, found[0])


def _as_of(store: Store, event: JsonObject) -> JsonObject:
    # Deliveries go on after an event was written, so how many are left is told when it is read.
    return {**event, "pending_webhooks": deliveries.pending(store, str(event["id"]))}
