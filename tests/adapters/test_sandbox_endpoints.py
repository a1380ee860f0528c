"""Webhook endpoints in the sandbox, by the real SDK: their secret is told once, and they are on this machine only."""

import json
from dataclasses import asdict

import pytest
import requests
import stripe

from finops_core.adapters.stripe_sandbox.endpoints import NewEndpoint
from finops_core.adapters.stripe_sandbox.refusals import Refusal
from finops_core.adapters.stripe_sandbox.seeding import Funding, seed
from finops_core.adapters.stripe_sandbox.store import Store
from tests.sandbox import ACCOUNT, KEY, SECRET, usual_account

URL = "http://127.0.0.1:9/webhooks"


@pytest.fixture
def client(sandbox):
    return stripe.StripeClient(KEY, base_addresses={"api": sandbox.url}, max_network_retries=0)


def create(client, options=None, **changes):
    return client.v1.webhook_endpoints.create({"url": URL, "enabled_events": ["payout.paid"], **changes}, options or {})


def test_the_secret_is_told_when_the_endpoint_is_made_and_never_again(sandbox, client):
    made = create(client, description="ours", metadata={"a": "1"}, api_version="2026-10-28.endive")

    assert made.secret.startswith("whsec_sbx")
    assert (made.url, made.enabled_events, made.status) == (URL, ["payout.paid"], "enabled")
    assert (made.description, made.metadata.to_dict()) == ("ours", {"a": "1"})
    [listed] = client.v1.webhook_endpoints.list().data
    read = client.v1.webhook_endpoints.retrieve(made.id)
    assert listed.to_dict() == read.to_dict() == {k: v for k, v in made.to_dict().items() if k != "secret"}
    assert made.secret not in json.dumps(sandbox.control.state()) + json.dumps(sandbox.control.calls())


def test_the_same_key_tells_the_same_endpoint_with_its_secret(client):
    first, again = (create(client, {"idempotency_key": "we-1"}) for _ in range(2))

    assert (first.id, first.secret) == (again.id, again.secret)
    assert len(client.v1.webhook_endpoints.list().data) == 1


def test_an_endpoint_is_changed_switched_off_and_removed(client):
    made = create(client, metadata={"a": "1", "b": "2"})

    changed = client.v1.webhook_endpoints.update(
        made.id,
        {
            "url": "http://localhost:8501/x?y=1",
            "enabled_events": ["*"],
            "disabled": True,
            "description": "new",
            "metadata": {"a": "", "c": "3"},
        },
    )
    assert (changed.url, changed.enabled_events, changed.status) == ("http://localhost:8501/x?y=1", ["*"], "disabled")
    assert (changed.description, changed.metadata.to_dict()) == ("new", {"b": "2", "c": "3"})
    on_again = client.v1.webhook_endpoints.update(made.id, {"disabled": False, "description": ""})
    assert (on_again.status, on_again.description) == ("enabled", None)
    gone = client.v1.webhook_endpoints.delete(made.id)

    assert (gone.id, gone.deleted) == (made.id, True)
    with pytest.raises(stripe.InvalidRequestError) as caught:
        client.v1.webhook_endpoints.retrieve(made.id)
    assert (caught.value.http_status, caught.value.code) == (404, "resource_missing")


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com/hook",
        "http://example.com/hook",
        "https://127.0.0.1/hook",
        "http://10.0.0.1/hook",
        "http://127.0.0.1.example.com/hook",
        "http://127.0.0.1@example.com/hook",
        "http://user:word@127.0.0.1/hook",
        "http://127.0.0.1:99999/hook",
        "http://127.0.0.1:0/hook",
        "http://127.1/hook",
        "http://2130706433/hook",
        "http://[::1]:8501/hook",
        "http://127.0.0.1:8501/a b",
        "http://127.0.0.1:8501/a\r\nX-Evil: 1",
        "http://127.0.0.1:8501/ä",
        "http://127.0.0.1:8501/#part",
        "http://127.0.0.1:8501/" + "x" * 2_048,
        "http://[",
        "ftp://127.0.0.1/hook",
        "127.0.0.1:8501/hook",
    ],
)
def test_an_address_that_is_not_on_this_machine_is_refused(sandbox, client, url):
    known = create(client)

    for ask in (
        lambda: create(client, url=url),
        lambda: client.v1.webhook_endpoints.update(known.id, {"url": url}),
    ):
        with pytest.raises(stripe.InvalidRequestError) as caught:
            ask()
        assert (caught.value.code, caught.value.param) == ("url_invalid", "url")
    new = asdict(NewEndpoint(ACCOUNT, url, SECRET))
    assert requests.post(f"{sandbox.url}/_sandbox/endpoint", json=new, timeout=10).status_code == 400
    assert [endpoint.url for endpoint in client.v1.webhook_endpoints.list().data] == [URL]


@pytest.mark.parametrize(
    ("changes", "param"),
    [
        ({"enabled_events": []}, "enabled_events"),
        ({"enabled_events": ["payout paid"]}, "enabled_events[0]"),
        ({"enabled_events": ["*", ""]}, "enabled_events[1]"),
        ({"connect": "perhaps"}, "connect"),
        ({"api_version": "newest"}, "api_version"),
        ({"secret": SECRET}, "secret"),
    ],
)
def test_what_is_no_endpoint_is_refused(client, changes, param):
    with pytest.raises(stripe.InvalidRequestError) as caught:
        create(client, **changes)

    assert caught.value.param == param
    assert client.v1.webhook_endpoints.list().data == []


def test_endpoints_are_listed_in_pages_and_each_account_has_its_own(sandbox, client):
    sandbox.control.open(usual_account(id="acct_sbx_shop", key="", platform=ACCOUNT, banks=()))
    made = [create(client).id for _ in range(3)][::-1]
    of_shop = create(client, {"stripe_account": "acct_sbx_shop"})

    assert [endpoint.id for endpoint in client.v1.webhook_endpoints.list({"limit": 2}).auto_paging_iter()] == made
    assert [
        endpoint.id for endpoint in client.v1.webhook_endpoints.list({}, {"stripe_account": "acct_sbx_shop"}).data
    ] == [of_shop.id]


def test_a_key_for_reading_only_may_not_make_or_remove_endpoints(sandbox, client):
    made = create(client)
    sandbox.control.open(usual_account(key="rk_test_readOnly0001", may_write=False))
    reading = stripe.StripeClient("rk_test_readOnly0001", base_addresses={"api": sandbox.url})

    for ask in (lambda: create(reading), lambda: reading.v1.webhook_endpoints.delete(made.id)):
        with pytest.raises(stripe.PermissionError):
            ask()
    assert len(reading.v1.webhook_endpoints.list().data) == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"secret": "short"},
        {"secret": ""},
        {"secret": "whsec_a b"},
        {"old_secret": "other"},
        {"id": "we_real"},
        {"account": "acct_sbx_nobody"},
        {"enabled_events": ()},
    ],
)
def test_an_endpoint_with_a_secret_of_ones_own_is_checked_as_well(sandbox, changes):
    new = {**asdict(NewEndpoint(ACCOUNT, URL, SECRET)), **changes}

    answer = requests.post(f"{sandbox.url}/_sandbox/endpoint", json=new, timeout=10)

    assert answer.status_code in (400, 404)
    assert SECRET not in answer.text


def rows(path):
    store = Store(path)
    found = store.connection.execute("SELECT id, account, url, secrets, connect FROM webhook_endpoint").fetchall()
    store.close()
    return [tuple(row) for row in found]


def test_seeding_a_receiver_twice_makes_one_and_its_address_and_secret_can_change(tmp_path):
    path = tmp_path / "sandbox.sqlite"
    new = NewEndpoint(ACCOUNT, URL, SECRET, id="we_sbx_demo")

    for endpoint in (new, new, NewEndpoint(ACCOUNT, URL + "/2", "whsec_new00001", old_secret=SECRET, id="we_sbx_demo")):
        seed(path, [usual_account()], [Funding(ACCOUNT, "usd", 1_000)], endpoints=[endpoint])

    assert rows(path) == [("we_sbx_demo", ACCOUNT, URL + "/2", json.dumps(["whsec_new00001", SECRET]), 0)]


def test_seeding_a_receiver_elsewhere_leaves_nothing(tmp_path):
    path = tmp_path / "sandbox.sqlite"

    with pytest.raises(Refusal):
        seed(path, [usual_account()], endpoints=[NewEndpoint(ACCOUNT, "http://example.com/x", SECRET)])

    assert rows(path) == []
