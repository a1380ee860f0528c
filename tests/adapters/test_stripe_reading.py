"""What the adapter reads beside payouts: the statement, the facts with the provider's clock, and the key's rights."""

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finops_core.adapters import stripe_answers, stripe_calls
from finops_core.adapters.stripe_payouts import StripePayouts
from finops_core.adapters.stripe_sandbox.accounts import Bank
from finops_core.adapters.stripe_sandbox.faults import Fault, FaultKind
from finops_core.kernel.errors import Invalid, NotAllowed, Unavailable
from finops_core.kernel.provider import Created, Right
from finops_core.platform.ports import ProviderCredentials
from tests.adapters.test_stripe_payouts import LONG_AGO, order, submit
from tests.sandbox import ACCOUNT, KEY, usual_account


def test_a_statement_holds_each_movement_of_payouts_with_its_sign_and_nothing_else(sandbox, provider):
    kept, failed, canceled = (submit(provider, f"fod-{name}").payout for name in "abc")
    sandbox.control.transition(failed.id, "in_transit", "paid", "failed")
    provider.cancel("", canceled.id, "fod-cancel")

    moved = provider.statement("", LONG_AGO)

    assert Counter((movement.payout_id, movement.amount_minor) for movement in moved) == {
        (kept.id, -12_345): 1,
        (failed.id, -12_345): 1,
        (failed.id, 12_345): 1,
        (canceled.id, -12_345): 1,
        (canceled.id, 12_345): 1,
    }
    assert {movement.currency for movement in moved} == {"USD"}
    assert all(movement.net_minor == movement.amount_minor - movement.fee_minor for movement in moved)
    assert 100_000 + sum(movement.net_minor for movement in moved) == sandbox.control.available()
    by_id = {movement.id: movement for movement in moved}
    now = provider.get("", failed.id)
    assert (by_id[now.movement_id].amount_minor, by_id[now.return_id].amount_minor) == (-12_345, 12_345)


def test_a_statement_is_read_to_its_last_page_oldest_first(sandbox, provider):
    for number in range(103):
        submit(provider, f"fod-{number}", amount_minor=1)

    moved = provider.statement("", LONG_AGO)

    assert len({movement.id for movement in moved}) == 103
    assert [movement.created_at for movement in moved] == sorted(movement.created_at for movement in moved)


def test_a_statement_leaves_out_what_is_older(sandbox, provider):
    submit(provider)
    sandbox.control.advance(3_600)
    now = sandbox.control.now()

    assert provider.statement("", now) == []
    assert len(provider.statement("", now - timedelta(hours=2))) == 1


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["statement", "find"])
def test_a_list_without_end_is_no_answer(sandbox, provider, kind, monkeypatch):
    assert stripe_calls.PAGES_MAX * stripe_calls.PAGE_SIZE == 100_000
    monkeypatch.setattr(stripe_calls, "PAGES_MAX", 30)  # each page is a real call
    line = {"id": "txn_sbx_1", "currency": "usd", "amount": -1, "fee": 0, "net": -1, "created": 1, "source": "po_sbx_1"}
    path = "/v1/balance_transactions" if kind == "statement" else "/v1/payouts"
    endless = {"object": "list", "has_more": True, "data": [{**line, "id": submit(provider).payout.movement_id}]}
    if kind == "find":
        endless["data"] = sandbox.control.payouts()
    sandbox.control.fault(Fault(FaultKind.CHANGED_FIELDS, method="GET", path=path, fields=endless, times=100))

    with pytest.raises(Unavailable) as caught:
        provider.statement("", LONG_AGO) if kind == "statement" else provider.find("", {}, LONG_AGO)

    sandbox.forgive()
    assert caught.value.code == "PROVIDER_TOO_MANY"
    assert len(sandbox.control.calls("GET", path)) == 30


def test_a_statement_counts_in_iso_minor_units(sandbox, provider):
    amounts = {"JPY": 500, "MGA": 1_200, "UGX": 37, "HUF": 100, "KWD": 1_230}
    sandbox.control.open(usual_account(banks=tuple(Bank(code.lower()) for code in amounts)))
    for code, minor in amounts.items():
        sandbox.control.fund(1_000_000, code.lower())
        assert isinstance(submit(provider, f"fod-{code}", currency=code, amount_minor=minor, destination=""), Created)

    moved = provider.statement("", LONG_AGO)

    assert {movement.currency: -movement.amount_minor for movement in moved} == amounts


def test_a_statement_that_cannot_be_read_or_is_refused_is_told_as_such(sandbox, provider):
    submit(provider)
    broken = {"object": "list", "data": [{"id": "txn_sbx_1", "currency": "usd", "amount": "much"}]}
    at = {"method": "GET", "path": "/v1/balance_transactions"}
    sandbox.control.fault(Fault(FaultKind.CHANGED_FIELDS, fields=broken, **at), Fault(FaultKind.FORBIDDEN, **at))

    with pytest.raises(Unavailable) as unreadable:
        provider.statement("", LONG_AGO)
    with pytest.raises(NotAllowed) as refused:
        provider.statement("", LONG_AGO)

    sandbox.forgive()
    assert (unreadable.value.code, refused.value.code) == ("PROVIDER_ANSWER_BAD", "PROVIDER_KEY_REFUSED")


def test_a_movement_in_a_currency_that_cannot_be_paid_out_is_left_out():
    line = {"id": "txn_1", "currency": "iqd", "amount": -1, "fee": 0, "net": -1, "created": 1, "source": "po_1"}

    assert stripe_answers.movements_of([line]) == []
    assert len(stripe_answers.movements_of([{**line, "currency": "usd"}])) == 1


def test_the_facts_tell_the_providers_clock(sandbox, provider):
    sandbox.control.advance(40 * 24 * 3_600)
    before = sandbox.control.now().replace(microsecond=0)

    told_at = provider.facts("").told_at

    assert before <= told_at <= sandbox.control.now()


@pytest.mark.parametrize(
    "text",
    ["Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"],
)
def test_the_three_forms_of_a_date_that_http_allows_are_read(text):
    assert stripe_answers.http_date(text) == datetime(1994, 11, 6, 8, 49, 37, tzinfo=UTC)


@pytest.mark.parametrize(
    "text", ["", "yesterday", "Sun, 99 Nov 1994 08:49:37 GMT", "1, 2", "0", "Mon, 1 Foo 2026 10:00:00 GMT"]
)
def test_a_date_that_is_absent_or_unreadable_is_none(text):
    assert stripe_answers.http_date(text) is None


@given(st.one_of(st.text(), st.from_regex(r"[A-Za-z]{3}, \d{1,2} [A-Za-z]{3} \d{1,6} \d{1,3}:\d{1,2}:\d{1,2} \S*")))
def test_no_text_in_a_date_header_breaks_the_reading(text):
    found = stripe_answers.http_date(text)

    assert found is None or found.tzinfo is UTC


def test_a_bank_account_with_the_same_id_and_another_number_has_another_fingerprint(sandbox, provider):
    [usd, eur] = provider.facts("").bank_accounts
    sandbox.control.post("reset", {})
    sandbox.control.open(banks=(Bank("usd", id="ba_sbx_usd", number="000999999999"),))

    [changed] = provider.facts("").bank_accounts

    assert changed.id == usd.id
    assert changed.fingerprint not in ("", usd.fingerprint, eur.fingerprint)


def test_a_key_that_may_do_everything_has_every_right_and_asking_changes_nothing(sandbox, provider):
    before = sandbox.control.state()

    rights = provider.rights()

    assert rights == dict.fromkeys(Right, True)
    after = sandbox.control.state()
    assert (after["accounts"], after["kept_keys"]) == (before["accounts"], before["kept_keys"])
    [asked] = sandbox.control.calls("POST")
    assert (asked["status"], asked["params"], asked["idempotency_key"]) == (400, {}, "")


def test_a_key_for_reading_only_may_not_create_payouts(sandbox):
    sandbox.control.open(usual_account(key="rk_test_readOnly0001", may_write=False))
    provider = StripePayouts(sandbox.credentials("rk_test_readOnly0001"), 2.0)

    assert provider.rights() == {**dict.fromkeys(Right, True), Right.CREATE_PAYOUTS: False}


def test_a_key_that_is_known_to_nobody_may_do_nothing(sandbox):
    provider = StripePayouts(sandbox.credentials("sk_test_unknown0000"), 2.0)

    assert provider.rights() == dict.fromkeys(Right, False)


PATHS = {
    Right.READ_BALANCE: "/v1/balance",
    Right.READ_ACCOUNT: "/v1/account",
    Right.READ_PAYOUTS: "/v1/payouts",
    Right.READ_MOVEMENTS: "/v1/balance_transactions",
    Right.READ_EVENTS: "/v1/events",
    Right.CREATE_PAYOUTS: "/v1/payouts",
}


@pytest.mark.parametrize("right", list(Right))
def test_a_right_that_is_refused_is_missing_alone(sandbox, provider, right):
    method = "POST" if right is Right.CREATE_PAYOUTS else "GET"
    sandbox.control.fault(Fault(FaultKind.FORBIDDEN, method=method, path=PATHS[right]))

    assert provider.rights() == {**dict.fromkeys(Right, True), right: False}


@pytest.mark.parametrize("right", list(Right))
@pytest.mark.parametrize(
    "kind", [FaultKind.RESET_BEFORE, FaultKind.ERROR_BEFORE, FaultKind.RATE_LIMIT, FaultKind.HALF_BODY]
)
def test_a_right_that_no_answer_told_of_is_left_out(sandbox, provider, right, kind):
    method = "POST" if right is Right.CREATE_PAYOUTS else "GET"
    sandbox.control.fault(Fault(kind, method=method, path=PATHS[right]))

    rights = provider.rights()

    assert rights == {other: True for other in Right if other is not right}


def test_bank_accounts_that_must_be_listed_apart_belong_to_the_right_to_read_the_account(sandbox, provider):
    hidden = Fault(FaultKind.CHANGED_FIELDS, method="GET", path="/v1/account", fields={"external_accounts": None})
    listed = Fault(FaultKind.FORBIDDEN, method="GET", path="/v1/accounts/*/external_accounts")
    sandbox.control.fault(hidden)
    assert provider.rights()[Right.READ_ACCOUNT] is True
    sandbox.control.fault(hidden, listed)

    assert provider.rights()[Right.READ_ACCOUNT] is False
    sandbox.forgive()


def test_without_a_provider_no_right_is_known():
    provider = StripePayouts(ProviderCredentials("stripe", KEY, "http://127.0.0.1:9"), 0.5)

    assert provider.rights() == {}


def test_the_connection_pays_from_the_account_it_acts_for_and_not_from_the_platform(sandbox):
    sandbox.control.open(
        usual_account(id="acct_sbx_sub", key="", platform=ACCOUNT, banks=(Bank("usd", id="ba_sbx_sub"),))
    )
    sandbox.control.fund(20_000, "usd", account="acct_sbx_sub")
    provider = StripePayouts(sandbox.credentials(account="acct_sbx_sub"), 2.0)

    answer = provider.submit("", provider.request_body(order(destination="ba_sbx_sub")), "fod-1")

    assert isinstance(answer, Created)
    assert sandbox.control.available(account="acct_sbx_sub") == 20_000 - 12_345
    assert sandbox.control.available() == 100_000
    assert provider.facts("").account == "acct_sbx_sub"
    assert [payout.id for payout in provider.find("", {}, LONG_AGO)] == [answer.payout.id]
    assert provider.get("", answer.payout.id).id == answer.payout.id
    assert [movement.payout_id for movement in provider.statement("", LONG_AGO)] == [answer.payout.id]
    assert provider.rights() == dict.fromkeys(Right, True)
    provider.cancel("", answer.payout.id, "fod-cancel")
    assert sandbox.control.available(account="acct_sbx_sub") == 20_000


@pytest.mark.parametrize("named", [ACCOUNT, "acct_sbx_sub"])
def test_a_named_account_is_the_one_that_pays_whatever_the_connection_acts_for(sandbox, named):
    sandbox.control.open(
        usual_account(id="acct_sbx_sub", key="", platform=ACCOUNT, banks=(Bank("usd", id="ba_sbx_sub"),))
    )
    sandbox.control.fund(20_000, "usd", account="acct_sbx_sub")
    provider = StripePayouts(sandbox.credentials(account="acct_sbx_sub"), 2.0)

    answer = provider.submit(named, provider.request_body(order(destination="")), "fod-1")

    assert isinstance(answer, Created)
    assert f"Stripe-Account: {named}".encode() in answer.raw
    paid_by = {account: sandbox.control.payouts(account) != [] for account in (ACCOUNT, "acct_sbx_sub")}
    assert paid_by == {ACCOUNT: named == ACCOUNT, "acct_sbx_sub": named != ACCOUNT}


def test_the_keys_own_account_needs_no_header(sandbox, provider):
    assert b"stripe-account" not in submit(provider).raw.lower()


def test_a_connection_for_an_account_that_is_none_refuses_before_anything_is_sent(sandbox):
    provider = StripePayouts(sandbox.credentials(account="shop 1"), 2.0)

    for ask in (lambda: provider.facts(""), provider.rights, lambda: provider.statement("", LONG_AGO)):
        with pytest.raises(Invalid) as caught:
            ask()
        assert caught.value.code == "STRIPE_ACCOUNT_BAD"
    assert sandbox.control.calls() == []
