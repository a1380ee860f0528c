"""One request as the sandbox understands it, and the log of all of them."""

import json
from dataclasses import dataclass, field

from finops_core.adapters.stripe_sandbox.store import Store
from finops_core.adapters.stripe_sandbox.wire import JsonObject, Params

LOG_MAX_ROWS = 10_000


@dataclass(frozen=True, slots=True)
class Incoming:
    """A request before anybody has judged it. ``secret`` is the API key; it is never logged."""

    method: str
    path: str
    params: Params
    secret: str = field(repr=False)
    connected: str
    idempotency_key: str
    request_id: str


@dataclass(frozen=True, slots=True)
class Call:
    """A request of a known account, inside its transaction; what the endpoints get.

    ``ids`` are the ids that stand in the path, in order.
    """

    store: Store
    account: str
    key_account: str
    params: Params
    ids: tuple[str, ...]
    now_s: int
    request_id: str
    idempotency_key: str

    def text(self, name: str) -> str:
        """A text parameter, "" when it was not given."""
        value = self.params.get(name, "")
        return value if isinstance(value, str) else ""

    def mapping(self, name: str) -> Params:
        """A map parameter, empty when it was not given."""
        value = self.params.get(name, {})
        return value if isinstance(value, dict) else {}


def log(store: Store, incoming: Incoming, account: str, outcome: JsonObject) -> None:
    """Keep what was asked and answered, the newest ten thousand; status 0 stands for a dropped connection."""
    entry: JsonObject = {
        "at": store.now_s(),
        "account": account,
        "method": incoming.method,
        "path": incoming.path,
        "idempotency_key": incoming.idempotency_key,
        "params": incoming.params,
        "request_id": incoming.request_id,
        **outcome,
    }
    with store.transaction() as connection:
        cursor = connection.execute("INSERT INTO call (at, body) VALUES (?, ?)", (store.now_s(), json.dumps(entry)))
        connection.execute("DELETE FROM call WHERE seq <= ?", ((cursor.lastrowid or 0) - LOG_MAX_ROWS,))


def logged(store: Store, limit: int) -> list[JsonObject]:
    """The newest calls, oldest of them first."""
    return store.documents("SELECT body FROM (SELECT * FROM call ORDER BY seq DESC LIMIT ?) ORDER BY seq", (limit,))
