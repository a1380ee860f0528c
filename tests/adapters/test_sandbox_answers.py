"""The sandbox answers as Stripe does: recorded errors, parameters, shapes, lists; driven by the real SDK."""

import json
import re
from dataclasses import asdict

import pytest
import requests
import stripe

from finops_core.adapters.stripe_sandbox import parameters
from finops_core.adapters.stripe_sandbox.gate import ROUTES
from tests.sandbox import ACCOUNT, DATA, KEY, faults_of, usual_account

RECORDED = json.loads((DATA / "recorded_answers.json").read_text(encoding="utf-8"))["answers"]
BEARER = {"Authorization": f"Bearer {KEY}"}


@pytest.fixture
def client(sandbox):
    return stripe.StripeClient(KEY, base_addresses={"api": sandbox.url}, max_network_retries=0)


def ask(sandbox, method, path, /, **form):
    kind = {"params": form} if method == "GET" else {"data": form}
    return requests.request(method, sandbox.url + path, headers=BEARER, timeout=10, **kind)


def recorded(request_text):
    return next(answer for answer in RECORDED if answer["request"].startswith(request_text))


def pay(client, amount=1_000, currency="usd", **more):
    return client.v1.payouts.create({"amount": amount, "currency": currency, **more})


@pytest.mark.parametrize(
    ("text", "method", "path", "form"),
    [
        ("POST /v1/payouts amount=0", "POST", "/v1/payouts", {"amount": "0", "currency": "cad"}),
        ("POST /v1/payouts amount=0", "POST", "/v1/payouts", {"amount": "-100", "currency": "cad"}),
        ("POST /v1/payouts currency=cad", "POST", "/v1/payouts", {"currency": "cad"}),
        ("GET /v1/payouts/po_nope", "GET", "/v1/payouts/po_nope", {}),
        ("GET /v1/balance_transactions?payout", "GET", "/v1/balance_transactions", {"payout": "po_nope"}),
        ("GET /v1/balance_transactions?type", "GET", "/v1/balance_transactions", {"type": "bogus_type"}),
    ],
)
def test_errors_are_those_recorded_from_stripe(sandbox, text, method, path, form):
    expected = recorded(text)

    answer = ask(sandbox, method, path, **form)

    assert (answer.status_code, answer.json()) == (expected["status"], expected["body"])


@pytest.mark.parametrize(
    ("text", "query", "noun"),
    [
        ("GET /v1/customers?wat", {"wat": "x"}, None),
        ("GET /v1/customers?limit", {"limit": "abc"}, None),
        ("GET /v1/customers?starting_after", {"starting_after": "cus_aaa"}, "payout"),
        ("GET /v1/customers with both", {"starting_after": "a", "ending_before": "b"}, None),
    ],
)
def test_errors_of_lists_are_those_recorded_from_another_list(sandbox, text, query, noun):
    expected = json.dumps(recorded(text)["body"])
    if noun:
        expected = expected.replace("customer", noun)

    answer = ask(sandbox, "GET", "/v1/payouts", **query)

    assert (answer.status_code, answer.json()) == (400, json.loads(expected))


def test_an_invalid_currency_has_no_code_like_the_real_one(sandbox):
    answer = ask(sandbox, "POST", "/v1/payouts", amount="1000", currency="xxd").json()["error"]

    assert set(answer) == {"message", "param", "type"}
    assert answer["message"].startswith("Invalid currency: xxd. Stripe currently supports these currencies: usd, aed")


def test_the_parameters_of_each_endpoint_are_those_of_the_sdk():
    published = json.loads((DATA / "request_params.json").read_text(encoding="utf-8"))
    known = {f"{route.method} {route.address}": route.spec for route in ROUTES}

    compared = set(published) & set(known)

    assert len(compared) == 10
    for name in compared:
        assert set(known[name].shapes) == set(published[name]), name
        required = {param for param, shape in published[name].items() if shape.startswith("required")}
        assert set(known[name].required) == required, name


@pytest.mark.parametrize(
    ("form", "code", "param"),
    [
        ({"colour": "red"}, "parameter_unknown", "colour"),
        ({"amount": "1.5"}, "parameter_invalid_integer", "amount"),
        ({"amount": "\uff19"}, "parameter_invalid_integer", "amount"),
        ({"amount": "9" * 30}, "parameter_invalid_integer", "amount"),
        ({"amount[x]": "1"}, None, "amount"),
        ({"metadata": "x"}, None, "metadata"),
        ({"metadata[a][b]": "x"}, None, "metadata[a]"),
        ({"metadata[a]": "x" * 501}, None, "metadata[a]"),
        ({"description": ""}, "parameter_invalid_empty", "description"),
        ({"statement_descriptor": "x" * 23}, None, "statement_descriptor"),
        ({"method": "instant"}, "instant_payouts_unsupported", "method"),
        ({"method": "pigeon"}, None, "method"),
        ({"source_type": "gold"}, None, "source_type"),
        ({"destination": "ba_nope"}, "resource_missing", "destination"),
        ({"destination": "ba_sbx_eur"}, None, "destination"),
        ({"currency": "gbp"}, None, "currency"),
        ({"amount": "150", "currency": "huf"}, None, "amount"),
        ({"expand[]": "destination"}, None, "expand"),
        ({"amount": "100001"}, "balance_insufficient", "amount"),
    ],
)
def test_a_payout_that_cannot_be_is_refused_with_stripes_code(sandbox, form, code, param):
    answer = ask(sandbox, "POST", "/v1/payouts", **{"amount": "1000", "currency": "usd", **form})

    error = answer.json()["error"]
    assert (answer.status_code, error.get("code"), error.get("param")) == (400, code, param)
    assert sandbox.control.payouts() == []
    assert sandbox.control.available() == 100_000


@pytest.mark.parametrize(
    ("headers", "status"),
    [({}, 401), ({"Authorization": "Bearer sk_test_unknown0000"}, 401), ({"Authorization": f"Basic {KEY}"}, 401)],
)
def test_a_key_that_nobody_knows_opens_nothing(sandbox, headers, status):
    answer = requests.get(f"{sandbox.url}/v1/balance", headers=headers, timeout=10)

    assert answer.status_code == status
    assert "unknown" not in answer.text


def test_a_key_for_reading_only_may_not_pay(sandbox):
    sandbox.control.open(usual_account(key="rk_test_readOnly0001", may_write=False))
    headers = {"Authorization": "Bearer rk_test_readOnly0001"}

    read = requests.get(f"{sandbox.url}/v1/balance", headers=headers, timeout=10)
    paid = requests.post(f"{sandbox.url}/v1/payouts", data={"amount": 1}, headers=headers, timeout=10)

    assert (read.status_code, paid.status_code) == (200, 403)


def test_an_address_that_does_not_exist_is_404(sandbox):
    answer = ask(sandbox, "GET", "/v1/unicorns")

    assert answer.status_code == 404
    assert answer.json()["error"]["message"] == "Unrecognized request URL (GET: /v1/unicorns)."


def test_every_object_and_id_says_that_it_is_not_real(sandbox, client):
    made = pay(client)

    documents = [ask(sandbox, "GET", path).text for path in ("/v1/balance", "/v1/payouts", "/v1/events", "/v1/account")]

    assert made.livemode is False
    assert '"livemode": true' not in "".join(documents)
    ids = re.findall(r'"(?:po|txn|evt|ba|acct|ch)_[^"]*"', "".join(documents))
    assert ids
    assert all("_sbx" in identity for identity in ids)


def test_answers_carry_stripes_headers(sandbox):
    headers = {**BEARER, "Idempotency-Key": "fod-1"}
    form = {"amount": "1000", "currency": "usd"}

    first, again = (
        requests.post(f"{sandbox.url}/v1/payouts", data=form, headers=headers, timeout=10) for _ in range(2)
    )

    assert first.headers["Request-Id"].startswith("req_sbx")
    assert first.headers["Idempotency-Key"] == "fod-1"
    assert first.headers["Stripe-Version"] == stripe.api_version
    assert "Idempotent-Replayed" not in first.headers
    assert again.headers["Idempotent-Replayed"] == "true"
    assert first.content == again.content


def test_the_sdk_reads_every_endpoint(client):
    made = pay(client, metadata={"a": "1", "b": "2"}, statement_descriptor="HELLO", description="why")

    assert client.v1.balance.retrieve().available[1].amount == 99_000
    assert client.v1.payouts.retrieve(made.id).statement_descriptor == "HELLO"
    assert [payout.id for payout in client.v1.payouts.list().data] == [made.id]
    transaction = client.v1.balance_transactions.retrieve(made.balance_transaction)
    assert (transaction.net, transaction.type, transaction.source) == (-1_000, "payout", made.id)
    assert len(client.v1.balance_transactions.list({"source": made.id}).data) == 1
    account = client.v1.accounts.retrieve_current()
    assert [bank.last4 for bank in account.external_accounts.data] == ["6789", "8888"]
    assert client.v1.accounts.retrieve(ACCOUNT).id == ACCOUNT
    assert len(client.v1.accounts.external_accounts.list(ACCOUNT, {"limit": 1}).data) == 1
    [event] = client.v1.events.list({"type": "payout.created"}).data
    assert client.v1.events.retrieve(event.id).data.object["id"] == made.id


def test_metadata_are_merged_and_an_empty_value_removes_its_key(client):
    made = pay(client, metadata={"a": "1", "b": "2"})

    changed = client.v1.payouts.update(made.id, {"metadata": {"a": "", "c": "3"}})

    assert changed.metadata.to_dict() == {"b": "2", "c": "3"}
    assert len(client.v1.events.list({"type": "payout.updated"}).data) == 1


def test_lists_are_paged_forwards_and_backwards(client):
    made = [pay(client, amount).id for amount in range(1, 8)][::-1]

    forwards = [payout.id for payout in client.v1.payouts.list({"limit": 3}).auto_paging_iter()]
    middle = client.v1.payouts.list({"limit": 2, "ending_before": made[4]})

    assert forwards == made
    assert [payout.id for payout in middle.data] == made[2:4]
    assert middle.has_more is True


def test_lists_are_filtered_by_time_status_and_destination(sandbox, client):
    old = pay(client)
    sandbox.control.advance(3_600)
    new = pay(client, currency="eur")

    assert [p.id for p in client.v1.payouts.list({"created": {"gt": old.created}}).data] == [new.id]
    assert [p.id for p in client.v1.payouts.list({"created": old.created}).data] == [old.id]
    assert [p.id for p in client.v1.payouts.list({"destination": "ba_sbx_eur"}).data] == [new.id]
    assert client.v1.payouts.list({"status": "paid"}).data == []
    assert len(client.v1.payouts.list({"arrival_date": {"gte": new.arrival_date}}).data) >= 1


def test_one_account_sees_nothing_of_another(sandbox, client):
    made = pay(client)
    sandbox.control.open(usual_account(id="acct_sbx_two", key="sk_test_sandboxTwo0002", banks=()))
    other = stripe.StripeClient("sk_test_sandboxTwo0002", base_addresses={"api": sandbox.url})

    assert other.v1.payouts.list().data == []
    assert other.v1.events.list().data == []
    for refused in (
        lambda: other.v1.payouts.retrieve(made.id),
        lambda: other.v1.balance_transactions.retrieve(made.balance_transaction),
        lambda: other.v1.accounts.retrieve(ACCOUNT),
        lambda: other.v1.payouts.list({"starting_after": made.id}),
    ):
        with pytest.raises(stripe.InvalidRequestError) as caught:
            refused()
        assert caught.value.code == "resource_missing"


def test_settings_can_be_changed_and_unknown_ones_are_refused(sandbox, client):
    answer = ask(sandbox, "POST", "/v1/balance_settings", **{"payments[payouts][schedule][interval]": "daily"})
    unknown = ask(sandbox, "POST", "/v1/balance_settings", **{"payments[payouts][colour]": "red"})

    assert answer.json()["payments"]["payouts"]["schedule"]["interval"] == "daily"
    assert ask(sandbox, "GET", "/v1/balance_settings").json() == answer.json()
    assert unknown.json()["error"]["param"] == "payments[payouts][colour]"


def test_a_body_beyond_the_bound_and_a_broken_one_are_refused(sandbox):
    large = requests.post(f"{sandbox.url}/v1/payouts", data=b"a" * 70_000, headers=BEARER, timeout=10)
    broken = [
        requests.post(f"{sandbox.url}/v1/payouts", data=body, headers=BEARER, timeout=10)
        for body in (b"\xff=1", b"a", b"a=1&a=2", b"a=1&a[b]=2", b"[x]=1", b"a[b[c=1", b"a" + b"[b]" * 9 + b"=1")
    ]

    assert large.status_code == 413
    assert {answer.status_code for answer in broken} == {400}


def test_the_witness_of_all_answers_bites():
    payout = json.loads((DATA / "fixtures.json").read_text(encoding="utf-8"))["resources"]["payout"]

    assert faults_of(payout) == []
    assert faults_of({**payout, "colour": "red"})
    assert faults_of({**payout, "amount": "1"})
    assert faults_of({"object": "list", "data": [{**payout, "status": None}], "has_more": False, "url": "/"})
    assert faults_of({"error": {"type": "nonsense"}})


def test_a_web_page_cannot_reach_the_sandbox(sandbox):
    fund = {"account": ACCOUNT, "currency": "usd", "amount": 5}
    from_page = requests.post(
        f"{sandbox.url}/_sandbox/fund", json=fund, headers={"Origin": "https://example.com"}, timeout=10
    )
    as_form = requests.post(f"{sandbox.url}/_sandbox/fund", data=json.dumps(fund), timeout=10)
    rebound = requests.get(f"{sandbox.url}/v1/balance", headers={**BEARER, "Host": "evil.example"}, timeout=10)
    sandbox.forgive()

    assert (from_page.status_code, as_form.status_code, rebound.status_code) == (403, 415, 400)
    assert sandbox.control.available() == 100_000


@pytest.mark.parametrize(
    "changes",
    [
        {"id": "acct_real"},
        {"key": "sk_live_abc12345"},
        {"id": "acct_sbx_two"},
        {"schedule": "hourly"},
        {"default_currency": "xxx"},
        {"country": "XX"},
        {"id": "acct_sbx_two", "key": "sk_test_new00000", "banks": ({"currency": "usd", "id": "ba_real"},)},
    ],
)
def test_an_account_that_could_be_taken_for_a_real_one_is_not_opened(sandbox, changes):
    new = {**asdict(usual_account()), **changes}

    answer = requests.post(f"{sandbox.url}/_sandbox/account", json=new, timeout=10)

    assert answer.status_code == 400
    assert len(sandbox.control.state()["accounts"]) == 1


def test_limits_of_lists_are_checked():
    with pytest.raises(parameters.Refusal):
        parameters.check({"limit": "101"}, parameters.PAYOUT_LIST)
    with pytest.raises(parameters.Refusal):
        parameters.check({"limit": "0"}, parameters.PAYOUT_LIST)
    parameters.check({"limit": "100"}, parameters.PAYOUT_LIST)
