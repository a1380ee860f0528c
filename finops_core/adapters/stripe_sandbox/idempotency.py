"""Stripe's idempotency keys: the first answer is kept for a day and told again, never earned twice.

Source: https://docs.stripe.com/api/idempotent_requests and https://docs.stripe.com/error-low-level. Kept is what came
out once execution began, also 400 and 500. Not kept: 401, 403, 409, 429 and failed parameter checks.
"""

import json
from dataclasses import dataclass

from finops_core.adapters.stripe_sandbox.calls import Incoming
from finops_core.adapters.stripe_sandbox.refusals import Refusal
from finops_core.adapters.stripe_sandbox.store import Store
from finops_core.adapters.stripe_sandbox.wire import Answer
from finops_core.kernel.canonical import canonical_bytes

LIFETIME_S = 24 * 3600
KEY_LENGTH_MAX = 255


@dataclass(frozen=True, slots=True)
class Place:
    """Where a key lives: keys of two accounts never meet."""

    account: str
    key: str


class InFlight:
    """Keys whose first request is still running.

    Held in memory and not in the file: a request dies with the process, and a key left behind would be refused for
    ever.
    """

    def __init__(self) -> None:
        self._places: set[Place] = set()

    def enter(self, place: Place) -> None:
        """Claim a key; ``Refusal`` 409 while another request holds it."""
        if place in self._places:
            message = "There is currently another in-progress request using this idempotency key."
            raise Refusal(409, message, code="idempotency_key_in_use", kind="idempotency_error")
        self._places.add(place)

    def leave(self, place: Place) -> None:
        """Give a key back."""
        self._places.discard(place)


def check_key(key: str) -> None:
    """``Refusal`` 400 for a key that is too long."""
    if len(key) > KEY_LENGTH_MAX:
        message = f"Idempotency keys can be at most {KEY_LENGTH_MAX} characters."
        raise Refusal(400, message, kind="idempotency_error")


def replay(store: Store, place: Place, incoming: Incoming) -> Answer | None:
    """The kept answer of a key, None when there is none; ``Refusal`` 400 when the request is another one."""
    row = store.connection.execute(
        "SELECT * FROM idempotency WHERE account = ? AND key = ? AND created > ?",
        (place.account, place.key, store.now_s() - LIFETIME_S),
    ).fetchone()
    if row is None:
        return None
    if (row["method"], row["path"], row["params"]) != (incoming.method, incoming.path, _content(incoming)):
        message = (
            "Keys for idempotent requests can only be used with the same parameters they were first used with. "
            f"Try using a key other than '{place.key}' if you meant to execute a different request."
        )
        raise Refusal(400, message, kind="idempotency_error")
    return Answer(row["status"], json.loads(row["body"]), {"Idempotent-Replayed": "true"})


def keep(store: Store, place: Place, incoming: Incoming, answer: Answer) -> None:
    """Keep a first answer; inside the transaction that executed the request."""
    store.connection.execute(
        "INSERT INTO idempotency (account, key, method, path, params, status, body, created) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (account, key) DO UPDATE SET method = excluded.method, "
        "path = excluded.path, params = excluded.params, status = excluded.status, body = excluded.body, "
        "created = excluded.created",
        (
            place.account,
            place.key,
            incoming.method,
            incoming.path,
            _content(incoming),
            answer.status,
            json.dumps(answer.body),
            store.now_s(),
        ),
    )


def prune(store: Store, older_than_s: int = 0) -> int:
    """Forget keys of at least this age, as Stripe may once they are a day old; how many were forgotten."""
    with store.transaction() as connection:
        cursor = connection.execute("DELETE FROM idempotency WHERE created <= ?", (store.now_s() - older_than_s,))
    return cursor.rowcount


def _content(incoming: Incoming) -> str:
    return canonical_bytes(incoming.params).decode()
