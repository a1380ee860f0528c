"""From a request to its answer: key, address, idempotency, parameters, then the endpoint, in one transaction."""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace

from finops_core.adapters.stripe_sandbox import (
    accounts,
    endpoints,
    events,
    faults,
    idempotency,
    ledger,
    parameters,
    payout_steps,
    payouts,
    timetable,
)
from finops_core.adapters.stripe_sandbox.calls import Call, Incoming
from finops_core.adapters.stripe_sandbox.faults import Fault, FaultKind
from finops_core.adapters.stripe_sandbox.idempotency import InFlight, Place
from finops_core.adapters.stripe_sandbox.refusals import Refusal
from finops_core.adapters.stripe_sandbox.store import Store
from finops_core.adapters.stripe_sandbox.wire import Answer, JsonObject


@dataclass(frozen=True, slots=True)
class Route:
    """An endpoint: its address with ``{id}`` for ids, its parameters and what answers it."""

    method: str
    address: str
    spec: parameters.Spec
    endpoint: Callable[[Call], JsonObject]

    def ids(self, path: str) -> tuple[str, ...] | None:
        """The ids in a path that has this address; None when it has another one."""
        found = re.fullmatch(self.address.replace("{id}", "([^/]+)"), path)
        return found.groups() if found else None


ROUTES = (
    Route("GET", "/v1/balance", parameters.EXPAND_ONLY, ledger.balance),
    Route("POST", "/v1/payouts", parameters.PAYOUT_CREATE, payouts.create),
    Route("GET", "/v1/payouts", parameters.PAYOUT_LIST, payouts.list_payouts),
    Route("GET", "/v1/payouts/{id}", parameters.EXPAND_ONLY, payouts.retrieve),
    Route("POST", "/v1/payouts/{id}", parameters.PAYOUT_UPDATE, payouts.update),
    Route("POST", "/v1/payouts/{id}/cancel", parameters.EXPAND_ONLY, payout_steps.cancel),
    Route("POST", "/v1/payouts/{id}/reverse", parameters.PAYOUT_UPDATE, payout_steps.reverse),
    Route("GET", "/v1/balance_transactions", parameters.TRANSACTION_LIST, ledger.list_transactions),
    Route("GET", "/v1/balance_transactions/{id}", parameters.EXPAND_ONLY, ledger.retrieve),
    Route("GET", "/v1/account", parameters.EXPAND_ONLY, accounts.retrieve_current),
    Route("GET", "/v1/accounts/{id}", parameters.EXPAND_ONLY, accounts.retrieve),
    Route("GET", "/v1/accounts/{id}/external_accounts", parameters.BANK_LIST, accounts.list_banks),
    Route("GET", "/v1/balance_settings", parameters.EXPAND_ONLY, accounts.retrieve_settings),
    Route("POST", "/v1/balance_settings", parameters.SETTINGS_UPDATE, accounts.update_settings),
    Route("GET", "/v1/events", parameters.EVENT_LIST, events.list_events),
    Route("GET", "/v1/events/{id}", parameters.EXPAND_ONLY, events.retrieve),
    Route("POST", "/v1/webhook_endpoints", parameters.ENDPOINT_CREATE, endpoints.create),
    Route("GET", "/v1/webhook_endpoints", parameters.ENDPOINT_LIST, endpoints.list_endpoints),
    Route("GET", "/v1/webhook_endpoints/{id}", parameters.EXPAND_ONLY, endpoints.retrieve),
    Route("POST", "/v1/webhook_endpoints/{id}", parameters.ENDPOINT_UPDATE, endpoints.update),
    Route("DELETE", "/v1/webhook_endpoints/{id}", parameters.NOTHING, endpoints.delete),
)


@dataclass(frozen=True, slots=True)
class Admitted:
    """A request that may run: whose it is, which endpoint, and the key it holds (None without one)."""

    account: str
    owner: str
    route: Route
    ids: tuple[str, ...]
    place: Place | None


class Gate:
    """Lets requests in, runs them and tells their answers again."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._in_flight = InFlight()

    def admit(self, incoming: Incoming, fault: Fault) -> Admitted:
        """Check key and address and claim the idempotency key; ``leave`` must follow. ``Refusal`` otherwise."""
        account, owner = accounts.authenticate(self._store, incoming)
        turned_away = fault.refusal() if fault.kind in faults.TURNED_AWAY else None
        if turned_away is not None:
            raise turned_away
        route, ids = _route(incoming)
        place = None
        if incoming.idempotency_key and incoming.method == "POST":
            idempotency.check_key(incoming.idempotency_key)
            place = Place(account, incoming.idempotency_key)
            self._in_flight.enter(place)
        return Admitted(account, owner, route, ids, place)

    def leave(self, admitted: Admitted) -> None:
        """Give the idempotency key back."""
        if admitted.place is not None:
            self._in_flight.leave(admitted.place)

    def execute(self, admitted: Admitted, incoming: Incoming, fault: Fault) -> Answer:
        """The kept answer, or a new one together with everything that the request changed.

        A request that is refused before it begins has its answer spoilt like any other.
        """
        try:
            if admitted.place is not None:
                known = idempotency.replay(self._store, admitted.place, incoming)
                if known is not None:
                    return spoilt(known, fault)
            parameters.check(incoming.params, admitted.route.spec)
        except Refusal as refusal:
            return spoilt(answer_of(refusal), fault)
        with self._store.transaction():
            timetable.catch_up(self._store, admitted.account)
            done = self._run(admitted, incoming, fault)
            told = spoilt(done, fault)
            if admitted.place is not None:
                self._keep(admitted.place, incoming, fault, done, told)
        return told

    def _run(self, admitted: Admitted, incoming: Incoming, fault: Fault) -> Answer:
        call = Call(
            store=self._store,
            account=admitted.account,
            key_account=admitted.owner,
            params=incoming.params,
            ids=admitted.ids,
            now_s=self._store.now_s(),
            request_id=incoming.request_id,
            idempotency_key=incoming.idempotency_key,
        )
        instead = fault.refusal() if fault.kind is not FaultKind.ERROR_AFTER else None
        # A savepoint, so that an endpoint that refuses half-way leaves nothing but its refusal.
        self._store.connection.execute("SAVEPOINT endpoint")
        try:
            if instead is not None:
                raise instead
            answer = Answer(200, admitted.route.endpoint(call))
        except Refusal as refusal:
            self._store.connection.execute("ROLLBACK TO endpoint")
            answer = answer_of(refusal)
        self._store.connection.execute("RELEASE endpoint")
        return answer

    def _keep(self, place: Place, incoming: Incoming, fault: Fault, done: Answer, told: Answer) -> None:
        if fault.kind is FaultKind.ERROR_BEFORE and not fault.keep:
            return
        lost = fault.kind is FaultKind.ERROR_AFTER and fault.keep
        idempotency.keep(self._store, place, incoming, told if lost else done)


def answer_of(refusal: Refusal) -> Answer:
    """A refusal as an answer."""
    headers = dict(refusal.headers)
    if refusal.status == 409:  # noqa: PLR2004 - the one status that asks to be tried again
        headers["Stripe-Should-Retry"] = "true"
    return Answer(refusal.status, refusal.body, headers)


def _route(incoming: Incoming) -> tuple[Route, tuple[str, ...]]:
    for route in ROUTES:
        ids = route.ids(incoming.path)
        if ids is not None and route.method == incoming.method:
            return route, ids
    raise Refusal(404, f"Unrecognized request URL ({incoming.method}: {incoming.path}).")


def spoilt(answer: Answer, fault: Fault) -> Answer:
    """An answer as a fault makes it look."""
    if fault.kind in (FaultKind.ERROR_AFTER, FaultKind.ERROR_BEFORE):
        refusal = fault.refusal()
        return answer_of(refusal) if refusal else answer
    if fault.kind is FaultKind.CHANGED_FIELDS and answer.status == 200:  # noqa: PLR2004 - only a success has fields
        return replace(answer, body={**answer.body, **fault.fields})
    return answer
