"""Idempotency keys as Stripe keeps them: what is told again, what is not, and for how long."""

import threading

import pytest
import requests

from finops_core.adapters.stripe_sandbox.faults import Fault, FaultKind
from tests.sandbox import KEY, usual_account, wait_until

FORM = {"amount": "1000", "currency": "usd", "metadata[row]": "1"}


def post(sandbox, key="fod-1", api_key=KEY, path="/v1/payouts", **changes):
    headers = {"Authorization": f"Bearer {api_key}", "Idempotency-Key": key}
    form = {name: value for name, value in {**FORM, **changes}.items() if value is not None}
    return requests.post(sandbox.url + path, data=form, headers=headers, timeout=10)


def test_parameters_in_another_order_are_the_same_request(sandbox):
    headers = {"Authorization": f"Bearer {KEY}", "Idempotency-Key": "fod-1"}
    bodies = ("amount=1000&currency=usd", "currency=usd&amount=1000")

    first, again = (
        requests.post(f"{sandbox.url}/v1/payouts", data=body, headers=headers, timeout=10) for body in bodies
    )

    assert first.json()["id"] == again.json()["id"]


@pytest.mark.parametrize(
    "changes", [{"amount": "1001"}, {"metadata[row]": "2"}, {"description": "x"}, {"currency": "eur"}]
)
def test_another_request_under_the_same_key_is_refused_and_not_run(sandbox, changes):
    post(sandbox)

    answer = post(sandbox, **changes)

    assert answer.status_code == 400
    assert answer.json()["error"]["type"] == "idempotency_error"
    assert len(sandbox.control.payouts()) == 1


def test_the_same_key_at_another_address_is_refused(sandbox):
    made = post(sandbox).json()["id"]

    answer = post(sandbox, path=f"/v1/payouts/{made}", amount=None, currency=None)

    assert answer.json()["error"]["type"] == "idempotency_error"


def test_a_refusal_by_balance_is_kept_even_after_money_came_in(sandbox):
    first = post(sandbox, amount="200000")
    sandbox.control.fund(500_000)

    again = post(sandbox, amount="200000")

    assert first.json()["error"]["code"] == "balance_insufficient"
    assert again.json() == first.json()
    assert again.headers["Idempotent-Replayed"] == "true"
    assert post(sandbox, "fod-2", amount="200000").status_code == 200


def test_a_failed_parameter_check_is_not_kept(sandbox):
    first = post(sandbox, amount="0")

    again = post(sandbox)

    assert first.status_code == 400
    assert again.status_code == 200


@pytest.mark.parametrize(
    "kind",
    [
        FaultKind.RATE_LIMIT,
        FaultKind.LOCK_TIMEOUT,
        FaultKind.CONFLICT,
        FaultKind.UNAUTHORIZED,
        FaultKind.FORBIDDEN,
        FaultKind.RESET_BEFORE,
    ],
)
def test_a_request_that_was_turned_away_leaves_its_key_free(sandbox, kind):
    sandbox.control.fault(Fault(kind))
    try:
        turned_away = post(sandbox).status_code
    except requests.ConnectionError:
        turned_away = 0

    then = post(sandbox)

    assert turned_away != 200
    assert (then.status_code, "Idempotent-Replayed" in then.headers) == (200, False)


@pytest.mark.parametrize(("kind", "made"), [(FaultKind.ERROR_BEFORE, 0), (FaultKind.ERROR_AFTER, 1)])
def test_an_error_500_is_kept_and_told_again(sandbox, kind, made):
    sandbox.control.fault(Fault(kind))

    first, again = post(sandbox), post(sandbox)

    assert (first.status_code, again.status_code) == (500, 500)
    assert again.headers["Idempotent-Replayed"] == "true"
    assert len(sandbox.control.payouts()) == made


@pytest.mark.parametrize("kind", [FaultKind.ERROR_BEFORE, FaultKind.ERROR_AFTER])
def test_an_error_500_from_in_front_of_the_api_is_not_kept(sandbox, kind):
    sandbox.control.fault(Fault(kind, keep=False))

    first, again = post(sandbox), post(sandbox)

    assert (first.status_code, again.status_code) == (500, 200)
    assert len(sandbox.control.payouts()) == 1


def test_two_accounts_can_use_the_same_key(sandbox):
    sandbox.control.open(
        usual_account(id="acct_sbx_two", key="sk_test_sandboxTwo0002", banks=usual_account().banks[:1])
    )
    sandbox.control.post("fund", {"account": "acct_sbx_two", "currency": "usd", "amount": 5_000})

    mine, other = post(sandbox), post(sandbox, api_key="sk_test_sandboxTwo0002")

    assert mine.status_code == 200
    assert other.status_code == 400, "the other account has no bank account: its ids are the first one's"
    assert "Idempotent-Replayed" not in other.headers


def test_keys_live_a_day_by_the_sandboxs_clock_and_then_pay_again(sandbox):
    first = post(sandbox).json()["id"]
    sandbox.control.advance(23 * 3600)
    within = post(sandbox).json()["id"]
    sandbox.control.advance(3600 + 1)

    after = post(sandbox).json()["id"]

    assert within == first
    assert after != first


def test_keys_can_be_forgotten_early(sandbox):
    first = post(sandbox).json()["id"]

    assert sandbox.control.post("prune_keys", {}) == {"forgotten": 1}
    assert post(sandbox).json()["id"] != first


def test_a_key_that_is_too_long_is_refused(sandbox):
    assert post(sandbox, "k" * 256).status_code == 400
    assert post(sandbox, "k" * 255).status_code == 200


def test_while_a_request_runs_its_key_is_in_use_and_free_afterwards(sandbox):
    sandbox.control.fault(Fault(FaultKind.DELAY, delay_s=0.5))
    answers = []
    first = threading.Thread(target=lambda: answers.append(post(sandbox)))
    first.start()
    wait_until(lambda: bool(sandbox.control.payouts()))

    meanwhile = post(sandbox)
    first.join()
    then = post(sandbox)

    assert (meanwhile.status_code, meanwhile.headers["Stripe-Should-Retry"]) == (409, "true")
    assert meanwhile.json()["error"]["code"] == "idempotency_key_in_use"
    assert answers[0].json()["id"] == then.json()["id"]
    assert len(sandbox.control.payouts()) == 1


def test_many_requests_at_once_under_one_key_pay_once(sandbox):
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(post(sandbox))) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert {answer.status_code for answer in answers} <= {200, 409}
    assert len(sandbox.control.payouts()) == 1
