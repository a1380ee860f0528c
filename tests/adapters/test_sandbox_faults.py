"""Faults on order: which request they hit, and that they are used up."""

import pytest
import requests

from finops_core.adapters.stripe_sandbox.faults import Fault, FaultKind
from tests.sandbox import KEY

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
