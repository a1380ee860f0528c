"""Cancelling and reversing in the sandbox by the real SDK: who may, what the balance does, what is told."""

from collections import Counter
from dataclasses import replace

import pytest
import stripe

from finops_core.adapters.stripe_payouts import StripePayouts
from finops_core.adapters.stripe_sandbox import payout_steps, seeding
from finops_core.adapters.stripe_sandbox.accounts import Bank
from finops_core.adapters.stripe_sandbox.refusals import Refusal
from finops_core.kernel.provider import PayoutStatus
from tests.adapters.test_sandbox_balances import Desk
from tests.sandbox import ACCOUNT, KEY, usual_account

SHOP = "acct_sbx_shop"


@pytest.fixture
def client(sandbox):
    return stripe.StripeClient(KEY, base_addresses={"api": sandbox.url}, max_network_retries=0)


@pytest.fixture
def shop(sandbox):
    """A connected account with bank accounts in the US and in Germany."""
    banks = (Bank("usd", id="ba_sbx_shop"), Bank("eur", "EUROBANK", "DE", "DE1", id="ba_sbx_shopde"))
    sandbox.control.open(usual_account(id=SHOP, key="", platform=ACCOUNT, banks=banks))
    sandbox.control.fund(5_000, "usd", account=SHOP)
    sandbox.control.fund(5_000, "eur", account=SHOP)
    return {"stripe_account": SHOP}


def pay(client, options=None, amount=1_000, currency="usd", **more):
    return client.v1.payouts.create({"amount": amount, "currency": currency, **more}, options or {})


def refusal(ask) -> str:
    with pytest.raises(stripe.InvalidRequestError) as caught:
        ask()
    assert caught.value.http_status == 400
    return str(caught.value.user_message)


def test_a_pending_payout_is_cancelled_and_its_money_is_there_again(sandbox, client):
    made = pay(client)

    cancelled = client.v1.payouts.cancel(made.id)

    assert cancelled.status == "canceled"
    returned = client.v1.balance_transactions.retrieve(cancelled.failure_balance_transaction)
    assert (returned.type, returned.net, returned.reporting_category) == ("payout_cancel", 1_000, "payout_reversal")
    assert returned.source == made.id
    assert sandbox.control.available() == 100_000
    kinds = [event.type for event in client.v1.events.list().data]
    assert Counter(kinds) == {"payout.created": 1, "payout.updated": 1, "payout.canceled": 1}


@pytest.mark.parametrize("states", [("in_transit",), ("in_transit", "paid"), ("failed",), ("canceled",)])
def test_only_pending_payouts_are_cancelled(sandbox, client, states):
    made = pay(client)
    sandbox.control.transition(made.id, *states)

    assert refusal(lambda: client.v1.payouts.cancel(made.id)) == "Payouts can only be canceled while they are pending."
    assert client.v1.payouts.retrieve(made.id).status == states[-1]


def test_a_payout_that_the_schedule_made_is_not_cancelled(tmp_path):
    desk = Desk(tmp_path)
    desk.do(("fund", "usd", 500, 0), 0)
    made = desk.ask("POST", "/v1/payouts", amount="500", currency="usd")
    desk.store.connection.execute("UPDATE payout SET body = json_set(body, '$.automatic', json('true'))")

    answer = desk.ask("POST", f"/v1/payouts/{made['id']}/cancel")

    assert "error" in answer
    assert desk.ask("GET", f"/v1/payouts/{made['id']}")["status"] == "pending"


def test_cancelling_twice_with_one_key_tells_the_same_and_pays_back_once(sandbox, client):
    made = pay(client)

    first, again = (client.v1.payouts.cancel(made.id, {}, {"idempotency_key": "cancel-1"}) for _ in range(2))

    assert first.to_dict() == again.to_dict()
    assert again.last_response.headers["Idempotent-Replayed"] == "true"
    assert sandbox.control.available() == 100_000


@pytest.mark.parametrize("what", ["cancel", "reverse"])
def test_a_payout_that_is_not_there_is_neither_cancelled_nor_reversed(client, what):
    with pytest.raises(stripe.InvalidRequestError) as caught:
        getattr(client.v1.payouts, what)("po_nope")

    assert (caught.value.http_status, caught.value.user_message) == (404, "No such payout: 'po_nope'")
    assert caught.value.param == "payout"


def test_a_reversal_is_a_payout_the_other_way_whose_money_comes_when_it_arrives(sandbox, client, shop):
    made = pay(client, shop)
    sandbox.control.transition(made.id, "in_transit", "paid", account=SHOP)

    reversal = client.v1.payouts.reverse(made.id, {"metadata": {"why": "test"}}, shop)

    assert (reversal.amount, reversal.original_payout, reversal.status) == (-1_000, made.id, "pending")
    assert (reversal.destination, reversal.metadata.to_dict()) == ("ba_sbx_shop", {"why": "test"})
    assert client.v1.payouts.retrieve(made.id, {}, shop).reversed_by == reversal.id
    told = StripePayouts(sandbox.credentials(), 5).get(SHOP, made.id)
    assert (told.status, told.reversed_by) == (PayoutStatus.PAID, reversal.id)
    moved = client.v1.balance_transactions.retrieve(reversal.balance_transaction, {}, shop)
    assert (moved.type, moved.net, moved.status, moved.available_on) == (
        "payout",
        1_000,
        "pending",
        reversal.arrival_date,
    )
    newest = [(event.type, event.data.object["id"]) for event in client.v1.events.list({"limit": 2}, shop).data]
    assert newest == [("payout.created", reversal.id), ("payout.updated", made.id)]
    assert sandbox.control.available(account=SHOP) == 4_000
    sandbox.control.advance(7 * 24 * 3_600)
    assert sandbox.control.available(account=SHOP) == 5_000


def test_reversing_twice_with_one_key_makes_one_reversal(sandbox, client, shop):
    made = pay(client, shop)
    sandbox.control.transition(made.id, "in_transit", account=SHOP)

    first, again = (client.v1.payouts.reverse(made.id, {}, {**shop, "idempotency_key": "r-1"}) for _ in range(2))

    assert first.id == again.id
    assert len(sandbox.control.payouts(SHOP)) == 2
    assert "has been reversed" in refusal(lambda: client.v1.payouts.reverse(made.id, {}, shop))
    assert "has been reversed" in refusal(lambda: _reverse_moving(sandbox, client, shop, first.id))


def _reverse_moving(sandbox, client, shop, payout):
    sandbox.control.transition(payout, "in_transit", account=SHOP)
    client.v1.payouts.reverse(payout, {}, shop)


@pytest.mark.parametrize(
    ("states", "currency", "later_s", "says"),
    [
        ((), "usd", 0, "cancel it instead"),
        (("failed",), "usd", 0, "failed cannot be reversed"),
        (("canceled",), "usd", 0, "canceled cannot be reversed"),
        (("in_transit", "paid"), "eur", 0, "bank accounts in the US"),
        (("in_transit", "paid"), "usd", 100 * 24 * 3_600, "90 days"),
    ],
)
def test_a_reversal_is_refused_for_what_cannot_be_reversed(sandbox, client, shop, states, currency, later_s, says):
    made = pay(client, shop, currency=currency)
    sandbox.control.transition(made.id, *states, account=SHOP)
    sandbox.control.advance(later_s)

    assert says in refusal(lambda: client.v1.payouts.reverse(made.id, {}, shop))
    assert len(sandbox.control.payouts(SHOP)) == 1


def test_the_platforms_own_payouts_are_not_reversed(sandbox, client):
    made = pay(client)
    sandbox.control.transition(made.id, "in_transit", "paid")

    assert "connected accounts" in refusal(lambda: client.v1.payouts.reverse(made.id))


def test_a_pending_reversal_is_taken_back_when_the_payout_itself_failed(sandbox, client, shop):
    made = pay(client, shop)
    sandbox.control.transition(made.id, "in_transit", "paid", account=SHOP)
    reversal = client.v1.payouts.reverse(made.id, {}, shop)

    sandbox.control.transition(made.id, "failed", account=SHOP)

    assert client.v1.payouts.retrieve(reversal.id, {}, shop).status == "canceled"
    sandbox.control.advance(7 * 24 * 3_600)
    assert sandbox.control.available(account=SHOP) == 5_000


def test_a_reversal_that_fails_takes_its_money_away_again_and_never_before_it_came(sandbox, client, shop):
    made = pay(client, shop, amount=5_000)
    sandbox.control.transition(made.id, "in_transit", "paid", account=SHOP)
    reversal = client.v1.payouts.reverse(made.id, {}, shop)

    sandbox.control.transition(reversal.id, "failed", account=SHOP)

    assert sandbox.control.available(account=SHOP) == 0
    sandbox.control.advance(7 * 24 * 3_600)
    assert sandbox.control.available(account=SHOP) == 0


def test_a_failure_by_hand_has_the_words_that_were_given(sandbox, client):
    made = pay(client)

    sandbox.control.transition(made.id, "in_transit", "failed", code="no_account", message="There is no such account.")

    failed = client.v1.payouts.retrieve(made.id)
    assert (failed.failure_code, failed.failure_message) == ("no_account", "There is no such account.")


def test_a_step_that_a_state_does_not_allow_changes_nothing(tmp_path):
    desk = Desk(tmp_path)
    desk.do(("fund", "usd", 500, 0), 0)
    made = desk.ask("POST", "/v1/payouts", amount="500", currency="usd")
    call = replace(seeding.control_call(desk.store, ACCOUNT), ids=(made["id"],))

    for to in ("paid", "pending", "lost"):
        with pytest.raises(Refusal):
            payout_steps.transition(call, to)

    assert desk.ask("GET", f"/v1/payouts/{made['id']}") == made
