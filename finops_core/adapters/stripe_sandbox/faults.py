"""Faults on order: the next matching request is answered as a bad day would answer it.

Faults are a queue. A request is shown to them from the oldest on; each counts it, and the first whose turn it is
fires and is used up. So three faults with ``nth=1`` spoil the next three requests, in order.
"""

import fnmatch
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Annotated

from pydantic import ConfigDict, Field

from finops_core.adapters.stripe_sandbox.refusals import Refusal
from finops_core.adapters.stripe_sandbox.store import Store
from finops_core.adapters.stripe_sandbox.wire import Params

DELAY_MAX_S = 60.0


class FaultKind(StrEnum):
    """What goes wrong. "Before" and "after" say whether the request has been executed by then."""

    NONE = "none"
    RESET_BEFORE = "reset_before"
    RESET_AFTER = "reset_after"
    ERROR_BEFORE = "500_before"
    ERROR_AFTER = "500_after"
    RATE_LIMIT = "429"
    LOCK_TIMEOUT = "429_lock_timeout"
    CONFLICT = "409"
    UNAUTHORIZED = "401"
    FORBIDDEN = "403"
    HALF_BODY = "half_body"
    CUT_BODY = "cut_body"
    BAD_JSON = "bad_json"
    DELAY_BEFORE = "delay_before"
    DELAY = "delay"
    BALANCE_INSUFFICIENT = "balance_insufficient"
    PAYOUTS_NOT_ALLOWED = "payouts_not_allowed"
    CHANGED_FIELDS = "changed_fields"


@dataclass(frozen=True, slots=True)
class Fault:
    """One ordered fault.

    Attributes:
        kind: what goes wrong.
        method: of the requests it waits for; "" for any.
        path: a pattern with ``*`` and ``?``.
        where: parameters the request must have, by value; nested ones as in the form (``metadata[row]``).
        nth: which matching request it spoils first, 1 for the next.
        times: how many requests it spoils in a row.
        delay_s: for the two delays.
        keep: for 500: whether the 500 itself is kept under the idempotency key, as Stripe does. When false it came
            from something in front of the API, and the key keeps what the endpoint really did.
        fields: for changed fields: what the answer says instead.
        retry_after_s: for 429: the header Retry-After; 0 leaves it out, as Stripe does.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    kind: FaultKind
    method: str = "POST"
    path: str = "/v1/payouts"
    where: Mapping[str, str] = field(default_factory=dict)
    nth: Annotated[int, Field(ge=1)] = 1
    times: Annotated[int, Field(ge=1)] = 1
    delay_s: Annotated[float, Field(ge=0, le=DELAY_MAX_S)] = 0.0
    keep: bool = True
    fields: Mapping[str, object] = field(default_factory=dict)
    retry_after_s: int = 0

    def matches(self, method: str, path: str, params: Params) -> bool:
        """Whether a request is one of those it waits for."""
        flat = flatten(params)
        return (
            self.method in ("", method)
            and fnmatch.fnmatchcase(path, self.path)
            and all(flat.get(name) == value for name, value in self.where.items())
        )

    def refusal(self) -> Refusal | None:
        """The error that stands in for the endpoint's own answer; None when the endpoint answers."""
        message, status, code, kind = _REFUSALS.get(self.kind, ("", 0, None, ""))
        if not status:
            return None
        headers = {"Retry-After": str(self.retry_after_s)} if self.retry_after_s else {}
        if self.kind is FaultKind.RATE_LIMIT:
            headers["Stripe-Rate-Limited-Reason"] = "global-rate"
        elif self.kind is FaultKind.LOCK_TIMEOUT:
            headers["Stripe-Rate-Limited-Reason"] = "resource-specific"
        return Refusal(status, message, code=code, kind=kind, headers=headers)


NO_FAULT = Fault(FaultKind.NONE)
_ASKED = "invalid_request_error"
_REFUSALS: dict[FaultKind, tuple[str, int, str | None, str]] = {
    FaultKind.ERROR_BEFORE: ("Sorry, something went wrong on our side.", 500, None, "api_error"),
    FaultKind.ERROR_AFTER: ("Sorry, something went wrong on our side.", 500, None, "api_error"),
    FaultKind.RATE_LIMIT: ("Too many requests. Slow down.", 429, "rate_limit", _ASKED),
    FaultKind.LOCK_TIMEOUT: ("This object is being used by another request.", 429, "lock_timeout", _ASKED),
    FaultKind.CONFLICT: (
        "There is currently another in-progress request using this idempotency key.",
        409,
        "idempotency_key_in_use",
        "idempotency_error",
    ),
    FaultKind.UNAUTHORIZED: ("Invalid API Key provided: ****", 401, None, _ASKED),
    FaultKind.FORBIDDEN: ("The provided key does not have the required permissions.", 403, None, _ASKED),
    FaultKind.BALANCE_INSUFFICIENT: (
        "You have insufficient funds in your Stripe account for this payout.",
        400,
        "balance_insufficient",
        _ASKED,
    ),
    FaultKind.PAYOUTS_NOT_ALLOWED: (
        "Payouts are currently not allowed for this account.",
        400,
        "payouts_not_allowed",
        _ASKED,
    ),
}
# These come before any execution and are not kept under an idempotency key.
TURNED_AWAY = frozenset(
    (
        FaultKind.RATE_LIMIT,
        FaultKind.LOCK_TIMEOUT,
        FaultKind.CONFLICT,
        FaultKind.UNAUTHORIZED,
        FaultKind.FORBIDDEN,
    )
)


def order(store: Store, fault: Fault) -> None:
    """Add a fault to the queue."""
    with store.transaction() as connection:
        connection.execute("INSERT INTO fault (seen, fired, spec) VALUES (0, 0, ?)", (json.dumps(asdict(fault)),))


def take(store: Store, method: str, path: str, params: Params) -> Fault:
    """The fault whose turn it is for this request; ``NO_FAULT`` when there is none."""
    if store.connection.execute("SELECT 1 FROM fault LIMIT 1").fetchone() is None:
        return NO_FAULT
    with store.transaction() as connection:
        for row in connection.execute("SELECT * FROM fault ORDER BY seq").fetchall():
            fault = _from_spec(row["spec"])
            if not fault.matches(method, path, params):
                continue
            connection.execute("UPDATE fault SET seen = seen + 1 WHERE seq = ?", (row["seq"],))
            if row["seen"] + 1 < fault.nth:
                continue
            connection.execute("UPDATE fault SET fired = fired + 1 WHERE seq = ?", (row["seq"],))
            if row["fired"] + 1 >= fault.times:
                connection.execute("DELETE FROM fault WHERE seq = ?", (row["seq"],))
            return fault
    return NO_FAULT


def waiting(store: Store) -> list[dict[str, object]]:
    """The faults that have not been used up, oldest first."""
    rows = store.connection.execute("SELECT * FROM fault ORDER BY seq").fetchall()
    return [{"seen": row["seen"], "fired": row["fired"], **json.loads(row["spec"])} for row in rows]


def flatten(params: Params, prefix: str = "") -> dict[str, str]:
    """Nested parameters as a form names them: ``metadata[row]``."""
    flat: dict[str, str] = {}
    for name, value in params.items():
        full = f"{prefix}[{name}]" if prefix else name
        if isinstance(value, dict):
            flat.update(flatten(value, full))
        else:
            flat[full] = value
    return flat


def _from_spec(spec: str) -> Fault:
    given = json.loads(spec)
    return Fault(**{**given, "kind": FaultKind(given["kind"])})
