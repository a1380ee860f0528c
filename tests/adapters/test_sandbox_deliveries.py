"""Events on their way to receivers on loopback: signed, tried again, never in the way of the API, bad on order."""

import json
import socket
import threading

import pytest
import requests
import stripe

from finops_core.adapters.stripe_payouts import StripePayouts
from finops_core.adapters.stripe_sandbox.accounts import Bank
from finops_core.adapters.stripe_sandbox.faults import Fault, FaultKind
from finops_core.adapters.stripe_sandbox.store import Store
from finops_core.adapters.stripe_sandbox.webhook_faults import WebhookFault, WebhookFaultKind
from finops_core.adapters.stripe_webhooks import read_event
from finops_core.kernel.errors import Invalid
from finops_core.kernel.provider import Mode
from tests.adapters.test_stripe_payouts import order, submit
from tests.receivers import receiving
from tests.sandbox import ACCOUNT, KEY, SECRET, start_sandbox, start_sandbox_process, usual_account, wait_until

BEARER = {"Authorization": f"Bearer {KEY}"}


@pytest.fixture
def receiver(sandbox):
    """A receiver that is registered for every event; it is judged after, and nothing is sent but on demand."""
    sandbox.control.settings(delivers_by_itself=False)
    with receiving() as running:
        sandbox.control.endpoint(running.url)
        yield running
    running.judge()


def events(sandbox, **filters):
    asked = requests.get(
        f"{sandbox.url}/v1/events", params={"limit": 100, **filters}, headers=BEARER, timeout=10
    ).json()
    return list(reversed(asked["data"]))


def read(sandbox, received, secret=SECRET):
    return read_event(received.body, received.signature, [secret], sandbox.control.now())


def test_an_event_arrives_signed_and_says_what_happened(sandbox, provider, receiver):
    made = submit(provider).payout

    [sent] = sandbox.control.deliver()

    [got] = receiver.got
    event = read(sandbox, got)
    assert (event.kind, event.payout_id, event.account) == ("payout.created", made.id, "")
    assert (event.metadata, event.mode) == (made.metadata, Mode.TEST)
    assert (sent["state"], sent["attempts"], sent["last_status"], sent["type"]) == ("delivered", 1, 200, event.kind)
    assert got.path == "/webhooks/stripe/conn_1"
    assert got.headers["content-type"] == "application/json; charset=utf-8"
    [known] = events(sandbox)
    assert {**got.event, "pending_webhooks": 0} == known


def test_the_signature_is_stripes_own_and_timed_by_the_sandboxs_clock(sandbox, provider, receiver):
    sandbox.control.advance(90 * 24 * 3_600)
    submit(provider)

    sandbox.control.deliver()

    [got] = receiver.got
    assert stripe.WebhookSignature.verify_header(got.body, got.signature, SECRET, tolerance=None)
    assert abs(got.signed_at_s - sandbox.control.now().timestamp()) < 60


def test_without_being_asked_events_go_at_once_and_in_order(sandbox, provider, receiver):
    sandbox.control.settings(delivers_by_itself=True)
    made = submit(provider).payout
    sandbox.control.transition(made.id, "in_transit", "paid")

    wait_until(lambda: len(receiver.got) == 4)

    assert receiver.kinds == ["payout.created", "payout.updated", "payout.updated", "payout.paid"]
    assert receiver.most_at_once == 1
    wait_until(sandbox.control.settled)


def test_an_event_may_arrive_before_the_answer_that_made_the_payout(sandbox, receiver):
    sandbox.control.settings(delivers_by_itself=True)
    sandbox.control.fault(Fault(FaultKind.DELAY, delay_s=1.5))
    answers = []
    asking = threading.Thread(target=lambda: answers.append(submit(StripePayouts(sandbox.credentials(), 5.0))))
    asking.start()

    wait_until(lambda: len(receiver.got) == 1)
    before_the_answer = list(answers)
    asking.join()

    assert before_the_answer == []
    assert receiver.events[0]["data"]["object"]["id"] == answers[0].payout.id


def test_only_the_wanted_kinds_go_to_an_endpoint(sandbox, provider, receiver):
    with receiving() as choosy:
        sandbox.control.endpoint(choosy.url, enabled_events=("payout.paid", "payout.failed"))
        made = submit(provider).payout
        sandbox.control.transition(made.id, "in_transit", "paid")

        sandbox.control.deliver()

        assert choosy.kinds == ["payout.paid"]
        assert len(receiver.got) == 4


def test_while_a_secret_is_rolled_both_sign(sandbox, provider, receiver):
    sandbox.control.endpoint(receiver.url, "whsec_newer0002", old_secret=SECRET)
    submit(provider)

    sandbox.control.deliver()

    [got] = receiver.got
    assert read(sandbox, got).id == read(sandbox, got, "whsec_newer0002").id


def test_what_is_not_answered_with_success_is_tried_again_after_growing_pauses(sandbox, provider, receiver):
    receiver.statuses = [500, 302, 404]
    receiver.headers = {"Location": receiver.url + "/elsewhere"}
    submit(provider)

    tried = [sandbox.control.deliver() for _ in range(2)]
    assert [len(once) for once in tried] == [1, 0]
    assert events(sandbox)[0]["pending_webhooks"] == 1
    for pause_s in (2, 10, 60):
        sandbox.control.advance(pause_s - 1.5)
        assert sandbox.control.deliver() == []
        sandbox.control.advance(2)
        tried.append(sandbox.control.deliver())

    assert [once[0]["last_status"] for once in tried if once] == [500, 302, 404, 200]
    assert [received.path for received in receiver.got] == ["/webhooks/stripe/conn_1"] * 4
    assert len({received.event["id"] for received in receiver.got}) == 1
    assert len({received.signature for received in receiver.got}) == 4
    assert read(sandbox, receiver.got[-1]).kind == "payout.created"
    assert events(sandbox)[0]["pending_webhooks"] == 0


def test_after_the_last_try_it_gives_up_and_can_be_sent_again_by_hand(sandbox, provider, receiver):
    sandbox.control.settings(retry_after_s=[1, 1])
    receiver.statuses = [503] * 3
    submit(provider)
    for _ in range(4):
        sandbox.control.deliver()
        sandbox.control.advance(2)

    [given_up] = sandbox.control.deliveries()
    assert (given_up["state"], given_up["attempts"], given_up["last_status"]) == ("gave_up", 3, 503)
    [event] = events(sandbox, delivery_success="false")
    assert event["pending_webhooks"] == 1
    [sent] = sandbox.control.deliver(event["id"])

    assert sent["state"] == "delivered"
    assert len(receiver.got) == 4
    assert events(sandbox, delivery_success="false") == []
    assert len(events(sandbox, delivery_success="true")) == 1


def test_an_event_that_has_arrived_can_be_sent_once_more(sandbox, provider, receiver):
    submit(provider)
    sandbox.control.deliver()
    [event] = events(sandbox)

    sandbox.control.deliver(event["id"])

    assert [got["id"] for got in receiver.events] == [event["id"]] * 2
    assert len(sandbox.control.deliveries()) == 2


def test_an_unknown_event_cannot_be_sent(sandbox):
    answer = requests.post(f"{sandbox.url}/_sandbox/deliver", json={"event": "evt_sbx_none"}, timeout=10)

    assert answer.status_code == 404


def test_a_receiver_that_is_not_there_costs_nothing_but_another_try(sandbox, provider):
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        port = reserved.getsockname()[1]
        sandbox.control.endpoint(f"http://127.0.0.1:{port}/hook")
        sandbox.control.settings(delivers_by_itself=False)
        submit(provider)
        sandbox.control.deliver()

    [failed] = sandbox.control.deliveries()
    assert (failed["state"], failed["last_status"], failed["attempts"]) == ("waiting", 0, 1)
    assert failed["last_error"].startswith("ConnectionRefusedError")


@pytest.mark.parametrize("said", [b"", b"hello\r\n", b"HTTP/1.1 999 No\r\n", b"HTTP/9 200 OK\r\n", b"x" * 100_000])
def test_an_answer_that_is_no_http_is_a_failure(sandbox, provider, said):
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(65_536)
                connection.sendall(said)

        threading.Thread(target=answer, daemon=True).start()
        sandbox.control.settings(delivers_by_itself=False)
        sandbox.control.endpoint(f"http://127.0.0.1:{server.getsockname()[1]}/hook")
        submit(provider)
        [sent] = sandbox.control.deliver()

    assert (sent["state"], sent["last_status"]) == ("waiting", 0)


def test_a_silent_receiver_is_given_up_in_time_and_never_holds_the_api_or_another_receiver(sandbox, provider, receiver):
    sandbox.control.settings(delivers_by_itself=True, delivery_timeout_s=30)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        sandbox.control.endpoint(f"http://127.0.0.1:{silent.getsockname()[1]}/hook")

        made = [submit(provider, f"fod-{number}", amount_minor=1) for number in range(20)]
        wait_until(lambda: len(receiver.got) == 20)

        assert all(provider.get("", answer.payout.id).status == "pending" for answer in made)
        states = [delivery["state"] for delivery in sandbox.control.deliveries()]
        assert (states.count("delivered"), states.count("waiting")) == (20, 20)


def test_a_receiver_that_takes_too_long_is_cut_off(sandbox, provider, receiver):
    sandbox.control.settings(delivery_timeout_s=0.2)
    receiver.delay_s = 1.0
    submit(provider)

    [sent] = sandbox.control.deliver()

    assert (sent["state"], sent["last_status"], sent["last_error"]) == ("waiting", 0, "no answer within 0.2 s")
    assert len(receiver.got) == 1


def test_a_round_that_breaks_is_told_and_not_the_last(sandbox, provider, receiver, caplog):
    submit(provider)
    sandbox.control.settings(delivers_by_itself=True)
    wait_until(lambda: len(receiver.got) == 1)
    store = Store(sandbox.database)
    good = store.remembered("conduct")

    store.remember("conduct", "nonsense")
    wait_until(lambda: "a round of the Stripe sandbox failed" in caplog.text)
    store.remember("conduct", good)
    store.close()
    submit(provider, "fod-2")

    wait_until(lambda: len(receiver.got) == 2)
    assert receiver.kinds == ["payout.created"] * 2


@pytest.mark.slow
def test_the_machines_proxy_does_not_see_webhooks(tmp_path, monkeypatch):
    # Given a sandbox that was started where a proxy is set for everything
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "")
    monkeypatch.setenv("no_proxy", "")
    running = start_sandbox_process(tmp_path)
    monkeypatch.undo()

    with receiving() as receiver:
        running.control.open()
        running.control.fund(1_000)
        running.control.endpoint(receiver.url)
        submit(StripePayouts(running.credentials(), 5.0), amount_minor=1)
        wait_until(lambda: len(receiver.got) == 1)
        running.stop()

    assert receiver.kinds == ["payout.created"]


def test_deliveries_outlive_a_restart(tmp_path):
    with receiving() as receiver:
        first = start_sandbox(tmp_path)
        first.control.open()
        first.control.fund(1_000)
        first.control.settings(delivers_by_itself=False)
        first.control.endpoint(receiver.url)
        submit(StripePayouts(first.credentials(), 2.0), amount_minor=1)
        first.stop()
        assert receiver.got == []

        second = start_sandbox(tmp_path)
        second.control.settings(delivers_by_itself=True)
        wait_until(second.control.settled)
        second.stop()

    assert receiver.kinds == ["payout.created"]


def test_a_disabled_endpoint_gets_nothing_until_it_is_on_again_and_a_removed_one_never(sandbox, provider, receiver):
    client = stripe.StripeClient(KEY, base_addresses={"api": sandbox.url})
    [endpoint] = client.v1.webhook_endpoints.list().data
    submit(provider, "fod-1")
    client.v1.webhook_endpoints.update(endpoint.id, {"disabled": True})
    submit(provider, "fod-2")

    assert sandbox.control.deliver() == []
    client.v1.webhook_endpoints.update(endpoint.id, {"disabled": False})
    assert len(sandbox.control.deliver()) == 1
    submit(provider, "fod-3")
    client.v1.webhook_endpoints.delete(endpoint.id)
    assert sandbox.control.deliver() == []

    assert len(receiver.got) == 1
    assert [delivery["state"] for delivery in sandbox.control.deliveries()] == ["delivered", "abandoned"]
    assert [event["pending_webhooks"] for event in events(sandbox)] == [0, 0, 0]


def test_a_platforms_connect_endpoint_gets_its_accounts_events_with_the_account_named(sandbox, provider, receiver):
    shop = usual_account(id="acct_sbx_shop", key="", platform=ACCOUNT, banks=(Bank("usd", id="ba_sbx_shop"),))
    sandbox.control.open(shop)
    sandbox.control.fund(5_000, account=shop.id)
    with receiving() as platform, receiving() as own:
        sandbox.control.endpoint(platform.url, connect=True)
        sandbox.control.endpoint(own.url, account=shop.id)
        made = provider.submit(shop.id, provider.request_body(order(amount_minor=700, destination="")), "fod-1").payout
        submit(provider, "fod-2")

        sandbox.control.deliver()

        assert [event["data"]["object"]["id"] for event in platform.events] == [made.id]
        assert [event["data"]["object"]["id"] for event in own.events] == [made.id]
        assert (platform.events[0]["account"], own.events[0].get("account")) == (shop.id, None)
        assert read(sandbox, platform.got[0]).account == shop.id
        assert len(receiver.got) == 1
        platform.judge()
        own.judge()


def test_a_connected_accounts_payouts_are_followed_by_its_platform(sandbox, provider, receiver):
    shop = usual_account(id="acct_sbx_shop", key="", platform=ACCOUNT, banks=(Bank("usd", id="ba_sbx_shop"),))
    sandbox.control.open(shop)
    with receiving() as platform:
        sandbox.control.endpoint(platform.url, connect=True)
        sandbox.control.post("payouts_enabled", {"account": shop.id, "payouts_enabled": False})
        sandbox.control.post("payouts_enabled", {"account": shop.id, "payouts_enabled": False})

        sandbox.control.deliver()

        [event] = platform.events
        assert (event["type"], event["account"]) == ("account.updated", shop.id)
        assert event["data"]["previous_attributes"] == {"payouts_enabled": True}
        assert read(sandbox, platform.got[0]).payout_id == ""
        platform.judge()


def test_a_delayed_event_waits_by_the_sandboxs_clock(sandbox, provider, receiver):
    sandbox.control.webhook_fault(WebhookFault(WebhookFaultKind.DELAYED, delay_s=3_600))
    made = submit(provider).payout
    sandbox.control.transition(made.id, "in_transit")

    sandbox.control.deliver()
    assert receiver.kinds == ["payout.updated"]
    sandbox.control.advance(3_601)
    sandbox.control.deliver()

    assert receiver.kinds == ["payout.updated", "payout.created"]


def test_a_dropped_event_never_goes_unless_it_is_sent_by_hand(sandbox, provider, receiver):
    sandbox.control.webhook_fault(WebhookFault(WebhookFaultKind.DROPPED))
    submit(provider)

    assert sandbox.control.deliver() == []
    [event] = events(sandbox)
    assert event["pending_webhooks"] == 1
    sandbox.control.deliver(event["id"])

    assert receiver.kinds == ["payout.created"]


def test_a_doubled_event_comes_twice_with_one_id_and_a_twin_with_two(sandbox, provider, receiver):
    sandbox.control.webhook_fault(WebhookFault(WebhookFaultKind.DOUBLED), WebhookFault(WebhookFaultKind.TWIN))
    submit(provider, "fod-1")
    submit(provider, "fod-2")

    sandbox.control.deliver()

    ids = [event["id"] for event in receiver.events]
    payouts = [event["data"]["object"]["id"] for event in receiver.events]
    assert (ids[0] == ids[1], ids[2] == ids[3]) == (True, False)
    assert (payouts[0] == payouts[1], payouts[2] == payouts[3]) == (True, True)
    assert [event["id"] for event in events(sandbox)] == [ids[0], ids[2], ids[3]]


def test_a_reordered_event_waits_for_the_next_one_of_its_account(sandbox, provider, receiver):
    sandbox.control.webhook_fault(WebhookFault(WebhookFaultKind.REORDERED, event="payout.created", times=2))
    first = submit(provider, "fod-1").payout
    submit(provider, "fod-2")
    assert sandbox.control.deliver() == []

    receiver.statuses = [500]
    sandbox.control.transition(first.id, "in_transit")
    sandbox.control.deliver()
    assert [delivery["state"] for delivery in sandbox.control.deliveries()] == ["held", "held", "waiting"]
    sandbox.control.advance(3)
    sandbox.control.deliver()

    assert receiver.kinds == ["payout.updated", "payout.updated", "payout.created", "payout.created"]


def test_another_accounts_event_does_not_let_a_reordered_one_go(sandbox, provider, receiver):
    for name in ("two", "three"):
        sandbox.control.open(usual_account(id=f"acct_sbx_{name}", key="", platform=ACCOUNT, banks=(Bank("usd"),)))
        sandbox.control.fund(5_000, account=f"acct_sbx_{name}")
    with receiving() as platform:
        sandbox.control.endpoint(platform.url, connect=True)
        sandbox.control.webhook_fault(WebhookFault(WebhookFaultKind.REORDERED, account="acct_sbx_two"))
        body = provider.request_body(order(amount_minor=1, destination=""))
        first, other, second = (
            provider.submit(account, body, f"fod-{number}").payout.id
            for number, account in enumerate(("acct_sbx_two", "acct_sbx_three", "acct_sbx_two"))
        )

        sandbox.control.deliver()

        assert [event["data"]["object"]["id"] for event in platform.events] == [other, second, first]


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        (WebhookFaultKind.STALE, "WEBHOOK_AGE_BAD"),
        (WebhookFaultKind.FUTURE, "WEBHOOK_AGE_BAD"),
        (WebhookFaultKind.BAD_SIGNATURE, "WEBHOOK_SIGNATURE_BAD"),
    ],
)
def test_a_badly_signed_event_is_refused_by_our_reader_and_its_next_try_is_good(
    sandbox, provider, receiver, kind, code
):
    sandbox.control.webhook_fault(WebhookFault(kind, tries=2))
    receiver.statuses = [400, 400]
    submit(provider)
    for _ in range(3):
        sandbox.control.deliver()
        sandbox.control.advance(11)

    for received in receiver.got[:2]:
        with pytest.raises(Invalid) as caught:
            read(sandbox, received)
        assert caught.value.code == code
    assert read(sandbox, receiver.got[2]).kind == "payout.created"
    assert len(receiver.got) == 3


def test_an_event_of_the_wrong_mode_is_properly_signed_and_says_that_it_is_live(sandbox, provider, receiver):
    sandbox.control.webhook_fault(WebhookFault(WebhookFaultKind.WRONG_LIVEMODE))
    submit(provider)

    sandbox.control.deliver()

    assert read(sandbox, receiver.got[0]).mode is Mode.LIVE
    assert events(sandbox)[0]["livemode"] is False


def test_webhook_faults_wait_for_their_kind_and_their_turn(sandbox, provider, receiver):
    sandbox.control.webhook_fault(
        WebhookFault(WebhookFaultKind.DROPPED, event="payout.paid", nth=2),
        WebhookFault(WebhookFaultKind.DOUBLED, event="payout.*", account="acct_sbx_other"),
    )
    assert len(sandbox.control.state()["webhook_faults"]) == 2
    made = [submit(provider, f"fod-{number}").payout.id for number in range(3)]
    for payout in made:
        sandbox.control.transition(payout, "in_transit", "paid")

    sandbox.control.deliver()

    paid = [event["data"]["object"]["id"] for event in receiver.events if event["type"] == "payout.paid"]
    assert paid == [made[0], made[2]]
    assert len(receiver.kinds) == 11
    [left] = sandbox.control.state()["webhook_faults"]
    assert (left["kind"], left["seen"]) == ("doubled", 0)


def test_a_webhook_fault_that_is_none_is_refused_and_none_of_its_list_is_kept(sandbox):
    for wrong in ({"kind": "lost"}, {"kind": "stale", "tries": 0}, {"kind": "stale", "x": 1}):
        answer = requests.post(f"{sandbox.url}/_sandbox/webhook_faults", json=[{"kind": "stale"}, wrong], timeout=10)
        assert answer.status_code == 400, wrong
    assert sandbox.control.state()["webhook_faults"] == []


def test_several_at_once_may_be_on_their_way_to_one_endpoint_when_that_is_set(sandbox, provider, receiver):
    sandbox.control.settings(deliveries_at_once=8)
    receiver.delay_s = 0.2
    for number in range(8):
        submit(provider, f"fod-{number}", amount_minor=1)

    tried = sandbox.control.deliver()

    assert {delivery["state"] for delivery in tried} == {"delivered"}
    assert len({event["id"] for event in receiver.events}) == len(receiver.events) == 8
    assert receiver.most_at_once > 1


def test_events_are_filtered_by_several_kinds(sandbox, provider):
    made = submit(provider).payout
    sandbox.control.transition(made.id, "in_transit", "paid")

    found = events(sandbox, **{"types[]": ["payout.created", "payout.paid"]})

    assert [event["type"] for event in found] == ["payout.created", "payout.paid"]


def test_secrets_are_in_no_list(sandbox, provider, receiver):
    submit(provider)
    sandbox.control.deliver()

    shown = json.dumps([sandbox.control.state(), sandbox.control.deliveries(), sandbox.control.calls()])

    assert SECRET not in shown
