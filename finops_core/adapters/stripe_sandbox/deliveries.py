"""What is to be sent to which webhook endpoint, when, and what came of it: rows, so that a restart forgets nothing.

An event is queued in the transaction that records it. Times are the sandbox's clock's. ``courier`` does the sending.
"""

import json
import sqlite3
from dataclasses import dataclass
from enum import StrEnum

from finops_core.adapters.stripe_sandbox import conduct, endpoints, refusals, webhook_faults
from finops_core.adapters.stripe_sandbox.store import Store
from finops_core.adapters.stripe_sandbox.webhook_faults import WebhookFault, WebhookFaultKind
from finops_core.adapters.stripe_sandbox.wire import JsonObject


class State(StrEnum):
    """Where a delivery stands. Held: until the account's next event has gone. Abandoned: its endpoint is gone."""

    WAITING = "waiting"
    HELD = "held"
    DELIVERED = "delivered"
    GAVE_UP = "gave_up"
    DROPPED = "dropped"
    ABANDONED = "abandoned"


@dataclass(frozen=True, slots=True)
class Due:
    """One delivery whose time has come, with all that sending it takes."""

    seq: int
    attempts: int
    fault: WebhookFault
    event: JsonObject
    account: str
    connect: bool
    endpoint: str
    url: str
    secrets: tuple[str, ...]
    api_version: str | None


def queue(store: Store, event_id: str, account: str, kind: str, fault: WebhookFault) -> None:
    """Queue an event for every endpoint that wants it, inside the transaction that records it."""
    now = store.now().timestamp()
    next_at = now + (fault.delay_s if fault.kind is WebhookFaultKind.DELAYED else 0)
    state = _FIRST_STATES.get(fault.kind, State.WAITING)
    copies = 2 if fault.kind is WebhookFaultKind.DOUBLED else 1
    for endpoint in _wanting(store, account, kind):
        for _ in range(copies):
            seq = _insert(store, event_id, endpoint, account, state, next_at, fault)
            if state is State.WAITING:
                _let_follow(store, endpoint, account, seq)


_FIRST_STATES = {WebhookFaultKind.DROPPED: State.DROPPED, WebhookFaultKind.REORDERED: State.HELD}


def _wanting(store: Store, account: str, kind: str) -> list[str]:
    rows = store.connection.execute(
        "SELECT w.id, w.body FROM webhook_endpoint w JOIN account a ON a.id = ? WHERE w.status = ? "
        "AND ((w.connect = 0 AND w.account = a.id) OR (w.connect = 1 AND w.account = a.platform)) ORDER BY w.seq",
        (account, endpoints.ENABLED),
    ).fetchall()
    return [row["id"] for row in rows if {"*", kind} & set(json.loads(row["body"])["enabled_events"])]


def _insert(
    store: Store, event_id: str, endpoint: str, account: str, state: State, next_at: float, fault: WebhookFault
) -> int:
    cursor = store.connection.execute(
        "INSERT INTO delivery (event, endpoint, account, state, attempts, next_at, waits_for, last_status, last_error,"
        " fault) VALUES (?, ?, ?, ?, 0, ?, NULL, 0, '', ?)",
        (event_id, endpoint, account, state.value, next_at, webhook_faults.spec_of(fault)),
    )
    return cursor.lastrowid or 0


def _let_follow(store: Store, endpoint: str, account: str, seq: int) -> None:
    """Whatever is held for this endpoint and account goes once this delivery has gone."""
    store.connection.execute(
        "UPDATE delivery SET waits_for = ? WHERE state = ? AND endpoint = ? AND account = ? AND waits_for IS NULL",
        (seq, State.HELD.value, endpoint, account),
    )


def due(store: Store, endpoint: str, limit: int) -> list[Due]:
    """The oldest deliveries to an endpoint whose time has come; none while it is disabled."""
    rows = store.connection.execute(
        "SELECT d.*, e.body AS event_body, w.connect, w.url, w.secrets, w.body AS endpoint_body FROM delivery d "
        "JOIN event e ON e.id = d.event JOIN webhook_endpoint w ON w.id = d.endpoint WHERE d.state = ? "
        "AND d.endpoint = ? AND d.next_at <= ? AND w.status = ? ORDER BY d.seq LIMIT ?",
        (State.WAITING.value, endpoint, store.now().timestamp(), endpoints.ENABLED, limit),
    ).fetchall()
    return [_due_of(store, row) for row in rows]


def _due_of(store: Store, row: sqlite3.Row) -> Due:
    return Due(
        seq=row["seq"],
        attempts=row["attempts"],
        fault=webhook_faults.from_spec(row["fault"]),
        event={**json.loads(row["event_body"]), "pending_webhooks": pending(store, row["event"])},
        account=row["account"],
        connect=bool(row["connect"]),
        endpoint=row["endpoint"],
        url=row["url"],
        secrets=tuple(json.loads(row["secrets"])),
        api_version=json.loads(row["endpoint_body"])["api_version"],
    )


def endpoints_with_mail(store: Store) -> list[str]:
    """The endpoints that something is due for."""
    rows = store.connection.execute(
        "SELECT DISTINCT endpoint FROM delivery WHERE state = ? AND next_at <= ? ORDER BY endpoint",
        (State.WAITING.value, store.now().timestamp()),
    ).fetchall()
    return [row["endpoint"] for row in rows]


def note(store: Store, sent: Due, status: int, why: str) -> None:
    """Keep what came of a try, in a transaction of its own: done on 2xx, otherwise again later, or given up."""
    with store.transaction():
        row = store.connection.execute("SELECT * FROM delivery WHERE seq = ?", (sent.seq,)).fetchone()
        if row is None:
            return
        state, next_at = State.DELIVERED, row["next_at"]
        if not 200 <= status < 300:  # noqa: PLR2004 - the meaning of a status
            pauses = conduct.current(store).retry_after_s
            again = row["attempts"] < len(pauses)
            state = State.WAITING if again else State.GAVE_UP
            next_at = store.now().timestamp() + pauses[row["attempts"]] if again else next_at
        store.connection.execute(
            "UPDATE delivery SET state = ?, attempts = attempts + 1, next_at = ?, last_status = ?, last_error = ? "
            "WHERE seq = ? AND state = ?",
            (state.value, next_at, status, why, sent.seq, State.WAITING.value),
        )
        if state is not State.WAITING:
            _release(store, sent.seq)


def _release(store: Store, seq: int) -> None:
    store.connection.execute(
        "UPDATE delivery SET state = ?, next_at = ? WHERE state = ? AND waits_for = ?",
        (State.WAITING.value, store.now().timestamp(), State.HELD.value, seq),
    )


def again(store: Store, event_id: str) -> None:
    """Make an event due now, whatever became of it, and without its fault; in a transaction of the caller.

    Where it has arrived everywhere it is sent once more, as by the button in Stripe's dashboard. ``Refusal`` 404.
    """
    row = store.connection.execute("SELECT id, account, type FROM event WHERE id = ?", (event_id,)).fetchone()
    if row is None:
        raise refusals.no_such("event", event_id, "event")
    renewed = store.connection.execute(
        "UPDATE delivery SET state = ?, attempts = 0, next_at = ?, fault = ? WHERE event = ? AND state <> ?",
        (
            State.WAITING.value,
            store.now().timestamp(),
            webhook_faults.spec_of(webhook_faults.NO_FAULT),
            event_id,
            State.DELIVERED.value,
        ),
    )
    if not renewed.rowcount:
        queue(store, row["id"], row["account"], row["type"], webhook_faults.NO_FAULT)


def pending(store: Store, event_id: str) -> int:
    """How many endpoints an event has not reached."""
    row = store.connection.execute(
        "SELECT COUNT(DISTINCT d.endpoint) AS n FROM delivery d JOIN webhook_endpoint w ON w.id = d.endpoint "
        "WHERE d.event = ? AND NOT EXISTS (SELECT 1 FROM delivery o WHERE o.event = d.event "
        "AND o.endpoint = d.endpoint AND o.state = ?)",
        (event_id, State.DELIVERED.value),
    ).fetchone()
    return int(row["n"])


def listed(store: Store, limit: int) -> list[JsonObject]:
    """The newest deliveries, oldest of them first."""
    rows = store.connection.execute(
        "SELECT * FROM (SELECT d.*, e.type FROM delivery d JOIN event e ON e.id = d.event ORDER BY d.seq DESC LIMIT ?) "
        "ORDER BY seq",
        (limit,),
    ).fetchall()
    return [{**dict(row), "fault": json.loads(row["fault"])["kind"]} for row in rows]
