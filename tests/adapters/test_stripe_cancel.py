"""Taking a payout back by the adapter: what came of it is told exactly, or told to be unknown."""

import pytest

from finops_core.adapters.stripe_payouts import StripePayouts
from finops_core.adapters.stripe_sandbox.faults import Fault, FaultKind
from finops_core.kernel.provider import Canceled, NotCanceled, PayoutStatus, RetryLater, Unknown
from tests.adapters.test_stripe_payouts import submit
from tests.sandbox import KEY, wait_until


def cancelling(kind: FaultKind, **more) -> Fault:
    return Fault(kind, path="/v1/payouts/*/cancel", **more)


def test_a_pending_payout_is_taken_back_with_its_money(sandbox, provider):
    made = submit(provider).payout

    answer = provider.cancel("", made.id, "fod-cancel-1")

    assert isinstance(answer, Canceled)
    assert (answer.payout.id, answer.payout.status) == (made.id, PayoutStatus.CANCELED)
    assert answer.payout.return_id.startswith("txn_sbx_")
    assert answer.request_id.startswith("req_sbx")
    assert b"fod-cancel-1" in answer.raw
    assert KEY.encode() not in answer.raw
    assert sandbox.control.available() == 100_000


def test_the_same_key_again_tells_the_same_and_gives_the_money_back_once(sandbox, provider):
    made = submit(provider).payout

    first, again = (provider.cancel("", made.id, "fod-cancel-1") for _ in range(2))

    assert isinstance(first, Canceled)
    assert isinstance(again, Canceled)
    assert first.payout == again.payout
    assert sandbox.control.available() == 100_000


@pytest.mark.parametrize("states", [("in_transit",), ("in_transit", "paid"), ("failed",), ("canceled",)])
def test_what_is_on_its_way_or_over_is_not_taken_back(sandbox, provider, states):
    made = submit(provider).payout
    sandbox.control.transition(made.id, *states)

    answer = provider.cancel("", made.id, "fod-cancel-1")

    assert isinstance(answer, NotCanceled)
    assert answer.message == "Payouts can only be canceled while they are pending."
    assert provider.get("", made.id).status == states[-1]


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (FaultKind.UNAUTHORIZED, "invalid_request_error"),
        (FaultKind.FORBIDDEN, "invalid_request_error"),
        (FaultKind.PAYOUTS_NOT_ALLOWED, "payouts_not_allowed"),
    ],
)
def test_a_refusal_is_told_with_its_code_and_the_payout_goes_on(sandbox, provider, fault, code):
    made = submit(provider).payout
    sandbox.control.fault(cancelling(fault))

    answer = provider.cancel("", made.id, "fod-cancel-1")

    assert isinstance(answer, NotCanceled)
    assert answer.code == code
    assert provider.get("", made.id).status == PayoutStatus.PENDING


@pytest.mark.parametrize("payout_id", ["po_sbx_nope", "", "..", "po_1/../po_2", "po_\n"])
def test_a_payout_that_does_not_exist_is_not_canceled(provider, payout_id):
    answer = provider.cancel("", payout_id, "fod-cancel-1")

    assert isinstance(answer, NotCanceled)
    assert answer.code == "resource_missing"


def test_a_text_that_is_no_account_is_refused_before_anything_is_sent(sandbox, provider):
    answer = provider.cancel("shop 1", "po_sbx_1", "fod-cancel-1")

    assert isinstance(answer, NotCanceled)
    assert answer.code == "account_invalid"
    assert sandbox.control.calls() == []


@pytest.mark.parametrize(
    ("fault", "executing"),
    [(FaultKind.RATE_LIMIT, False), (FaultKind.LOCK_TIMEOUT, False), (FaultKind.CONFLICT, True)],
)
def test_a_busy_provider_is_asked_again_later(sandbox, provider, fault, executing):
    made = submit(provider).payout
    sandbox.control.fault(cancelling(fault))

    busy, then = (provider.cancel("", made.id, "fod-cancel-1") for _ in range(2))

    assert isinstance(busy, RetryLater)
    assert busy.executing is executing
    assert isinstance(then, Canceled)


# The payout's status after each of these bad days; the adapter may not know.
UNCLEAR = [
    (cancelling(FaultKind.RESET_BEFORE), PayoutStatus.PENDING),
    (cancelling(FaultKind.RESET_AFTER), PayoutStatus.CANCELED),
    (cancelling(FaultKind.ERROR_BEFORE), PayoutStatus.PENDING),
    (cancelling(FaultKind.ERROR_AFTER), PayoutStatus.CANCELED),
    (cancelling(FaultKind.HALF_BODY), PayoutStatus.CANCELED),
    (cancelling(FaultKind.CUT_BODY), PayoutStatus.CANCELED),
    (cancelling(FaultKind.BAD_JSON), PayoutStatus.CANCELED),
    (cancelling(FaultKind.DELAY, delay_s=0.6), PayoutStatus.CANCELED),
    (cancelling(FaultKind.CHANGED_FIELDS, fields={"status": "in_transit"}), PayoutStatus.CANCELED),
    (cancelling(FaultKind.CHANGED_FIELDS, fields={"id": "po_sbx_other"}), PayoutStatus.CANCELED),
    (cancelling(FaultKind.CHANGED_FIELDS, fields={"livemode": True}), PayoutStatus.CANCELED),
    (cancelling(FaultKind.CHANGED_FIELDS, fields={"amount": "much"}), PayoutStatus.CANCELED),
]


@pytest.mark.parametrize(("fault", "stands"), UNCLEAR, ids=lambda value: getattr(value, "kind", value))
def test_an_answer_that_is_missing_or_wrong_leaves_it_unknown_and_a_reading_tells(sandbox, fault, stands):
    hasty, patient = StripePayouts(sandbox.credentials(), 0.3), StripePayouts(sandbox.credentials(), 5.0)
    made = submit(patient).payout
    sandbox.control.fault(fault)

    answer = hasty.cancel("", made.id, "fod-cancel-1")

    sandbox.forgive()
    assert isinstance(answer, Unknown)
    # A request that the client has given up still runs, and holds its key.
    wait_until(lambda: len(sandbox.control.calls("POST", f"/v1/payouts/{made.id}/cancel")) == 1)
    assert patient.get("", made.id).status == stands


def test_a_key_that_belongs_to_another_request_leaves_it_unknown(sandbox, provider):
    made = submit(provider, "fod-1").payout

    answer = provider.cancel("", made.id, "fod-1")

    assert isinstance(answer, Unknown)
    assert provider.get("", made.id).status == PayoutStatus.PENDING
