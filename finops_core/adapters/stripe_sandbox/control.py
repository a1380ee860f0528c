"""The sandbox's own endpoints, ``/_sandbox/…``: prepare accounts, move its clock, order faults, look inside.

JSON in, JSON out. They exist on loopback only and refuse what a web page in a browser could send: a foreign page
may not be let near the demo's balances either.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from finops_core.adapters.stripe_sandbox import (
    accounts,
    calls,
    conduct,
    deliveries,
    endpoints,
    events,
    faults,
    idempotency,
    ledger,
    payout_steps,
    timetable,
    webhook_faults,
)
from finops_core.adapters.stripe_sandbox.accounts import NewAccount
from finops_core.adapters.stripe_sandbox.endpoints import NewEndpoint
from finops_core.adapters.stripe_sandbox.faults import Fault
from finops_core.adapters.stripe_sandbox.refusals import Refusal, masked
from finops_core.adapters.stripe_sandbox.seeding import Funding, control_call, fund
from finops_core.adapters.stripe_sandbox.store import Store
from finops_core.adapters.stripe_sandbox.webhook_faults import WebhookFault
from finops_core.adapters.stripe_sandbox.wire import JsonObject

PREFIX = "/_sandbox/"
DELIVER = "deliver"
CLOCK_MAX_S = 10 * 365 * 24 * 3600


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class _Clock(_Body):
    advance_s: Annotated[float, Field(ge=0, le=CLOCK_MAX_S)] = 0
    offset_s: Annotated[float, Field(ge=-CLOCK_MAX_S, le=CLOCK_MAX_S)] | None = None


class _Reset(_Body):
    only: tuple[str, ...] = ()


class _Prune(_Body):
    older_than_s: Annotated[int, Field(ge=0)] = 0


class _Transition(_Body):
    account: str
    payout: str
    to: str
    failure_code: str = ""
    failure_message: str = ""


class _Deliver(_Body):
    event: str = ""


class _OfAccount(_Body):
    moves_by_itself: bool


class _Enable(_Body):
    account: str
    payouts_enabled: bool


_NEW_ACCOUNT = TypeAdapter(NewAccount)
_FUNDING = TypeAdapter(Funding)
_FAULT = TypeAdapter(Fault)
_WEBHOOK_FAULT = TypeAdapter(WebhookFault)
_ENDPOINT = TypeAdapter(NewEndpoint)


def answer(store: Store, method: str, name: str, body: bytes, query: Mapping[str, str]) -> JsonObject:
    """What a control endpoint tells; ``Refusal`` 400 for a wrong body, 404 for an unknown name."""
    reads: dict[str, Callable[[], JsonObject]] = {
        "state": lambda: _state(store),
        "calls": lambda: {"calls": calls.logged(store, _limit(query))},
        "deliveries": lambda: {"deliveries": deliveries.listed(store, _limit(query))},
        "settings": lambda: asdict(conduct.current(store)),
    }
    if method == "GET" and name in reads:
        while timetable.pass_time(store):
            pass
        return reads[name]()
    if method == "POST" and name in _WRITES:
        try:
            return _WRITES[name](store, json.loads(body or b"{}"))
        except (ValidationError, ValueError) as error:
            raise Refusal(400, f"Not what {name} takes: {error}") from error
    raise Refusal(404, f"The sandbox has no control endpoint {method} {name}.")


def _reset(store: Store, given: object) -> JsonObject:
    wanted = _Reset.model_validate(given)
    with store.transaction():
        if wanted.only:
            store.forget(wanted.only)
        else:
            store.forget()
    return {"reset": list(wanted.only) or "everything"}


def _account(store: Store, given: object) -> JsonObject:
    new = _NEW_ACCOUNT.validate_python(given)
    with store.transaction():
        accounts.open_account(store, new)
    return _told(store, new.id)


def _fund(store: Store, given: object) -> JsonObject:
    funding = _FUNDING.validate_python(given)
    with store.transaction():
        transaction = fund(store, funding)
    return {"balance_transaction": transaction or None, **_told(store, funding.account)}


def _enable(store: Store, given: object) -> JsonObject:
    wanted = _Enable.model_validate(given)
    with store.transaction():
        call = control_call(store, wanted.account)
        before = accounts.facts(call).payouts_enabled
        accounts.set_payouts_enabled(store, wanted.account, enabled=wanted.payouts_enabled)
        if before != wanted.payouts_enabled:
            events.record(call, "account.updated", accounts.retrieve_current(call), {"payouts_enabled": before})
    return _told(store, wanted.account)


def _clock(store: Store, given: object) -> JsonObject:
    wanted = _Clock.model_validate(given)
    start = store.offset_s() if wanted.offset_s is None else wanted.offset_s
    with store.transaction():
        store.set_offset_s(start + wanted.advance_s)
        timetable.catch_up(store)
    return {"now": store.now().isoformat(), "offset_s": store.offset_s()}


def _faults(store: Store, given: object) -> JsonObject:
    ordered = [_FAULT.validate_python(one) for one in (given if isinstance(given, list) else [given])]
    for fault in ordered:
        faults.order(store, fault)
    return {"faults": faults.waiting(store)}


def _webhook_faults(store: Store, given: object) -> JsonObject:
    ordered = [_WEBHOOK_FAULT.validate_python(one) for one in (given if isinstance(given, list) else [given])]
    with store.transaction():
        for fault in ordered:
            webhook_faults.order(store, fault)
    return {"webhook_faults": webhook_faults.waiting(store)}


def _endpoint(store: Store, given: object) -> JsonObject:
    new = _ENDPOINT.validate_python(given)
    with store.transaction():
        return {"endpoint": endpoints.register(store, new)}


def _settings(store: Store, given: object) -> JsonObject:
    changes = dict(given) if isinstance(given, dict) else {}
    account = str(changes.pop("account", ""))
    with store.transaction():
        if not account:
            return asdict(conduct.change(store, changes))
        control_call(store, account)
        wanted = _OfAccount.model_validate(changes)
        conduct.set_for_account(store, account, moves_by_itself=wanted.moves_by_itself)
    return asdict(conduct.for_account(store, account))


def _deliver(store: Store, given: object) -> JsonObject:
    wanted = _Deliver.model_validate(given)
    with store.transaction():
        timetable.catch_up(store)
        if wanted.event:
            deliveries.again(store, wanted.event)
    return {}


def delivered(store: Store, tried: list[int]) -> JsonObject:
    """What came of the deliveries that were tried, oldest first."""
    wanted = set(tried)
    known = deliveries.listed(store, calls.LOG_MAX_ROWS)
    return {"deliveries": [row for row in known if row["seq"] in wanted]}


def _prune(store: Store, given: object) -> JsonObject:
    return {"forgotten": idempotency.prune(store, _Prune.model_validate(given).older_than_s)}


def _transition(store: Store, given: object) -> JsonObject:
    wanted = _Transition.model_validate(given)
    with store.transaction():
        call = control_call(store, wanted.account, (wanted.payout,))
        return payout_steps.transition(call, wanted.to, wanted.failure_code, wanted.failure_message)


_WRITES: dict[str, Callable[[Store, object], JsonObject]] = {
    "reset": _reset,
    "fund": _fund,
    "clock": _clock,
    "faults": _faults,
    "account": _account,
    "payouts_enabled": _enable,
    "prune_keys": _prune,
    "transition": _transition,
    "endpoint": _endpoint,
    "webhook_faults": _webhook_faults,
    "settings": _settings,
    DELIVER: _deliver,
}


def _limit(query: Mapping[str, str]) -> int:
    text = query.get("limit", "1000")
    if not text.isascii() or not text.isdigit() or not 0 < int(text) <= calls.LOG_MAX_ROWS:
        raise Refusal(400, f"limit is a number from 1 to {calls.LOG_MAX_ROWS}.")
    return int(text)


def _state(store: Store) -> JsonObject:
    rows = store.connection.execute("SELECT id FROM account ORDER BY id").fetchall()
    keys = store.connection.execute("SELECT COUNT(*) AS n FROM idempotency").fetchone()
    return {
        "now": store.now().isoformat(),
        "accounts": [_told(store, row["id"]) for row in rows],
        "faults": faults.waiting(store),
        "webhook_faults": webhook_faults.waiting(store),
        "kept_keys": keys["n"],
    }


def _told(store: Store, account: str) -> JsonObject:
    keys = store.connection.execute("SELECT key FROM api_key WHERE account = ? ORDER BY key", (account,))
    known = accounts.facts(control_call(store, account))
    return {
        "account": account,
        "country": known.country,
        "platform": known.platform,
        "payouts_enabled": known.payouts_enabled,
        "keys": [masked(row["key"]) for row in keys],
        "balance": ledger.balance(control_call(store, account)),
        "payouts": store.documents(
            "SELECT body FROM payout WHERE account = ? ORDER BY seq DESC LIMIT 10000", (account,)
        ),
    }
