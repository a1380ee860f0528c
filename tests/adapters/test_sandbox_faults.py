"""Faults on order: which request they hit, and that they are used up."""

import pytest
import requests

from finops_core.adapters.stripe_sandbox.faults import Fault, FaultKind
from finops_core.adapters.stripe_sandbox.gate import ROUTES
from tests.sandbox import ACCOUNT, KEY

BEARER = {"Authorization": f"Bearer {KEY}"}


def pay(sandbox, **form):
    data = {"amount": "100", "currency": "usd", **form}
    return requests.post(f"{sandbox.url}/v1/payouts", data=data, headers=BEARER, timeout=10).status_code


def test_faults_hit_one_request_each_in_the_order_they_were_given(sandbox):
    sandbox.control.fault(Fault(FaultKind.RATE_LIMIT), Fault(FaultKind.CONFLICT), Fault(FaultKind.NONE))
    sandbox.control.fault(Fault(FaultKind.UNAUTHORIZED))

    assert [pay(sandbox) for _ in range(5)] == [429, 409, 200, 401, 200]
    assert sandbox.control.state()["faults"] == []


def test_a_fault_waits_for_its_turn_and_stays_for_its_times(sandbox):
    sandbox.control.fault(Fault(FaultKind.RATE_LIMIT, nth=2, times=2))

    assert [pay(sandbox) for _ in range(4)] == [200, 429, 429, 200]


def test_a_fault_hits_only_what_it_waits_for(sandbox):
    sandbox.control.fault(
        Fault(FaultKind.CONFLICT, where={"currency": "eur"}),
        Fault(FaultKind.RATE_LIMIT, where={"metadata[row]": "2"}),
        Fault(FaultKind.FORBIDDEN, method="GET", path="/v1/bal*"),
    )

    assert pay(sandbox) == 200
    assert pay(sandbox, **{"metadata[row]": "2"}) == 429
    assert pay(sandbox, currency="eur") == 409
    assert requests.get(f"{sandbox.url}/v1/account", headers=BEARER, timeout=10).status_code == 200
    assert requests.get(f"{sandbox.url}/v1/balance", headers=BEARER, timeout=10).status_code == 403


@pytest.mark.parametrize("kind", [FaultKind.RESET_BEFORE, FaultKind.RESET_AFTER, FaultKind.CUT_BODY])
def test_a_dropped_connection_is_really_dropped_and_the_next_one_works(sandbox, kind):
    sandbox.control.fault(Fault(kind))

    with pytest.raises((requests.ConnectionError, requests.exceptions.ChunkedEncodingError)):
        pay(sandbox)

    assert pay(sandbox) == 200
    assert [call["status"] for call in sandbox.control.calls("POST")] == [0, 200]


def test_a_fault_that_is_none_of_ours_is_refused(sandbox):
    for wrong in (
        {"kind": "earthquake"},
        {"kind": "429", "nth": 0},
        {"kind": "429", "x": 1},
        {"kind": "delay", "delay_s": 1e9},
    ):
        answer = requests.post(f"{sandbox.url}/_sandbox/faults", json=wrong, timeout=10)
        assert answer.status_code == 400, wrong


def test_the_log_of_calls_tells_what_was_asked_but_never_the_key(sandbox):
    requests.post(
        f"{sandbox.url}/v1/payouts",
        data={"amount": "100", "currency": "usd", "metadata[row]": "1"},
        headers={**BEARER, "Idempotency-Key": "fod-1"},
        timeout=10,
    )

    [call] = sandbox.control.calls("POST", "/v1/payouts")

    assert (call["idempotency_key"], call["status"], call["replayed"]) == ("fod-1", 200, False)
    assert call["params"]["metadata"] == {"row": "1"}
    assert KEY not in str(sandbox.control.calls()) + str(sandbox.control.state())


FORMS = {
    "POST /v1/payouts": {"amount": "100", "currency": "usd"},
    "POST /v1/webhook_endpoints": {"url": "http://127.0.0.1:9/x", "enabled_events[]": "*"},
}
STATUSES = {
    FaultKind.ERROR_BEFORE: 500,
    FaultKind.ERROR_AFTER: 500,
    FaultKind.RATE_LIMIT: 429,
    FaultKind.LOCK_TIMEOUT: 429,
    FaultKind.CONFLICT: 409,
    FaultKind.UNAUTHORIZED: 401,
    FaultKind.FORBIDDEN: 403,
    FaultKind.BALANCE_INSUFFICIENT: 400,
    FaultKind.PAYOUTS_NOT_ALLOWED: 400,
}


def address_of(sandbox, route) -> str:
    """A path at which this endpoint answers 200."""
    if "{id}" not in route.address:
        return route.address
    listing = route.address.split("/{id}")[0]
    if listing == "/v1/accounts":
        return route.address.replace("{id}", ACCOUNT)
    if listing == "/v1/webhook_endpoints":
        sandbox.control.endpoint("http://127.0.0.1:9/x")
    else:
        pay(sandbox)
    first = requests.get(sandbox.url + listing, headers=BEARER, timeout=10).json()["data"][0]
    return route.address.replace("{id}", first["id"])


def ask(sandbox, route, path, timeout=10.0):
    form = FORMS.get(f"{route.method} {route.address}", {})
    return requests.request(route.method, sandbox.url + path, data=form, headers=BEARER, timeout=timeout)


def spoil(sandbox, route, kind: FaultKind, **more) -> str:
    """Order a fault for this endpoint; the path at which it waits."""
    path = address_of(sandbox, route)
    sandbox.control.fault(Fault(kind, method=route.method, path=path, **more))
    return path


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.address}")
def test_every_kind_of_bad_day_can_befall_every_endpoint(sandbox, route):
    for kind, status in STATUSES.items():
        assert ask(sandbox, route, spoil(sandbox, route, kind)).status_code == status, kind
    for kind in (FaultKind.RESET_BEFORE, FaultKind.RESET_AFTER, FaultKind.CUT_BODY):
        with pytest.raises((requests.ConnectionError, requests.exceptions.ChunkedEncodingError)):
            ask(sandbox, route, spoil(sandbox, route, kind))
    for kind in (FaultKind.DELAY, FaultKind.DELAY_BEFORE):
        with pytest.raises(requests.ReadTimeout):
            ask(sandbox, route, spoil(sandbox, route, kind, delay_s=0.6), timeout=0.3)
    for kind in (FaultKind.HALF_BODY, FaultKind.BAD_JSON):
        with pytest.raises(requests.exceptions.JSONDecodeError):
            ask(sandbox, route, spoil(sandbox, route, kind)).json()
    assert sandbox.control.state()["faults"] == []


@pytest.mark.parametrize("kind", [FaultKind.ERROR_BEFORE, FaultKind.ERROR_AFTER])
def test_a_bad_day_spoils_a_request_that_is_refused_before_it_begins_as_well(sandbox, kind):
    sandbox.control.fault(Fault(kind), Fault(kind))

    answers = [
        requests.post(f"{sandbox.url}/v1/payouts", data={}, headers=BEARER, timeout=10),
        requests.post(f"{sandbox.url}/v1/payouts", data={}, headers={"Authorization": "Bearer sk_test_x"}, timeout=10),
    ]

    assert [answer.status_code for answer in answers] == [500, 500]


def test_changed_fields_change_reads_too(sandbox):
    sandbox.control.fault(Fault(FaultKind.CHANGED_FIELDS, method="GET", path="/v1/balance", fields={"livemode": True}))

    answer = requests.get(f"{sandbox.url}/v1/balance", headers=BEARER, timeout=10)

    assert answer.json()["livemode"] is True
