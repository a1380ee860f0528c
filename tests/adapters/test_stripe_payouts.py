"""The adapter with the real SDK against the sandbox over HTTP, on good days and on each kind of bad day."""

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from finops_core.adapters.stripe_payouts import StripePayouts
from finops_core.adapters.stripe_sandbox.accounts import Bank
from finops_core.adapters.stripe_sandbox.faults import Fault, FaultKind
from finops_core.kernel.errors import Invalid, NotAllowed, NotFound, Unavailable
from finops_core.kernel.provider import (
    Created,
    Mode,
    OurFault,
    PayoutOrder,
    PayoutStatus,
    Rejected,
    RetryLater,
    Scope,
    Unknown,
)
from finops_core.platform.ports import ProviderCredentials
from tests.sandbox import ACCOUNT, KEY, RunningSandbox, usual_account, wait_until

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


def order(**changes) -> PayoutOrder:
    values = {
        "account": "",
        "currency": "USD",
        "amount_minor": 12_345,
        "destination": "ba_sbx_usd",
        "source_type": "card",
        "method": "standard",
        "descriptor": "TIEOUT 1",
        "metadata": {"fod_item": "ex_1-1", "fod_attempt": "1"},
        **changes,
    }
    return PayoutOrder(**values)


def submit(provider: StripePayouts, key: str = "fod-1", **changes):
    return provider.submit("", provider.request_body(order(**changes)), key)


def test_a_payout_is_created_with_the_amount_and_bank_account_that_were_asked_for(sandbox, provider):
    answer = submit(provider)

    assert isinstance(answer, Created)
    assert not answer.replayed
    assert answer.request_id.startswith("req_sbx")
    assert (answer.payout.amount_minor, answer.payout.currency) == (12_345, "USD")
    assert answer.payout.destination == "ba_sbx_usd"
    assert answer.payout.mode is Mode.TEST
    assert answer.payout.metadata == {"fod_item": "ex_1-1", "fod_attempt": "1"}
    assert sandbox.control.available() == 100_000 - 12_345


def test_the_same_order_gives_the_same_bytes_and_those_bytes_are_what_is_sent(sandbox, provider):
    tricky = {"b": "ä & ö=1", "a": "[x]"}
    body = provider.request_body(order(metadata=tricky))
    same = provider.request_body(order(metadata=dict(reversed(tricky.items()))))

    answer = provider.submit("", body, "fod-bytes")

    assert body == same
    assert isinstance(answer, Created)
    assert b"\n" + body + b"\n" in answer.raw
    assert answer.payout.metadata == tricky


def test_the_key_of_the_api_is_never_in_what_is_kept(sandbox, provider):
    answers = [submit(provider, "fod-1"), submit(provider, "fod-2", amount_minor=99_999_999)]

    assert all(KEY.encode() not in answer.raw and b"fod-" in answer.raw for answer in answers)
    assert KEY not in repr(provider)


def test_the_same_key_again_tells_the_same_payout_and_pays_once(sandbox, provider):
    first, again = submit(provider), submit(provider)

    assert isinstance(first, Created)
    assert isinstance(again, Created)
    assert (first.replayed, again.replayed) == (False, True)
    assert first.payout == again.payout
    assert len(sandbox.control.payouts()) == 1


def test_the_same_key_with_another_body_is_our_fault(sandbox, provider):
    submit(provider)

    answer = submit(provider, amount_minor=12_346)

    assert isinstance(answer, OurFault)
    assert len(sandbox.control.payouts()) == 1


def test_a_stored_body_that_cannot_be_read_is_our_fault_and_nothing_is_sent(sandbox, provider):
    answers = [provider.submit("", body, "fod-x") for body in (b"", b"\xff", b"amount=1", b"amount=x&currency=usd")]

    assert all(isinstance(answer, OurFault) for answer in answers)
    assert sandbox.control.calls("POST") == []


def test_too_small_a_balance_rejects_the_row_and_stops_its_currency(sandbox, provider):
    answer = submit(provider, amount_minor=100_001)

    assert isinstance(answer, Rejected)
    assert (answer.code, answer.scope) == ("balance_insufficient", Scope.CURRENCY)
    assert answer.request_id.startswith("req_sbx")


def test_money_of_one_source_does_not_cover_a_payout_from_another(sandbox, provider):
    answer = submit(provider, source_type="bank_account", amount_minor=1)

    assert isinstance(answer, Rejected)
    assert answer.code == "balance_insufficient"


def test_a_wrong_bank_account_rejects_that_row_alone(sandbox, provider):
    answer = submit(provider, destination="ba_sbx_nope")

    assert isinstance(answer, Rejected)
    assert (answer.code, answer.scope) == ("resource_missing", Scope.ROW)


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (FaultKind.UNAUTHORIZED, "invalid_request_error"),
        (FaultKind.FORBIDDEN, "invalid_request_error"),
        (FaultKind.PAYOUTS_NOT_ALLOWED, "payouts_not_allowed"),
    ],
)
def test_a_refused_key_or_a_closed_account_stops_the_batch(sandbox, provider, fault, code):
    sandbox.control.fault(Fault(fault))

    answer = submit(provider)

    assert isinstance(answer, Rejected)
    assert (answer.code, answer.scope) == (code, Scope.BATCH)
    assert sandbox.control.payouts() == []


@pytest.mark.parametrize(
    ("fault", "after_s"),
    [
        (Fault(FaultKind.RATE_LIMIT), 2.0),
        (Fault(FaultKind.RATE_LIMIT, retry_after_s=7), 7.0),
        (Fault(FaultKind.RATE_LIMIT, retry_after_s=86_400), 60.0),
        (Fault(FaultKind.LOCK_TIMEOUT), 0.5),
        (Fault(FaultKind.CONFLICT), 1.0),
    ],
)
def test_a_busy_provider_asks_for_the_same_request_later_and_takes_it_then(sandbox, provider, fault, after_s):
    sandbox.control.fault(fault)

    busy, then = submit(provider), submit(provider)

    assert isinstance(busy, RetryLater)
    assert busy.after_s == after_s
    assert busy.executing is (fault.kind is FaultKind.CONFLICT)
    assert isinstance(then, Created)
    assert not then.replayed


# Whether the payout exists after each of these bad days; the adapter may not know.
UNCLEAR = [
    (Fault(FaultKind.RESET_BEFORE), 0),
    (Fault(FaultKind.RESET_AFTER), 1),
    (Fault(FaultKind.ERROR_BEFORE), 0),
    (Fault(FaultKind.ERROR_AFTER), 1),
    (Fault(FaultKind.HALF_BODY), 1),
    (Fault(FaultKind.CUT_BODY), 1),
    (Fault(FaultKind.BAD_JSON), 1),
    (Fault(FaultKind.DELAY, delay_s=0.6), 1),
    (Fault(FaultKind.DELAY_BEFORE, delay_s=0.6), 1),
    (Fault(FaultKind.CHANGED_FIELDS, fields={"amount": 1}), 1),
    (Fault(FaultKind.CHANGED_FIELDS, fields={"currency": "eur"}), 1),
    (Fault(FaultKind.CHANGED_FIELDS, fields={"livemode": True}), 1),
    (Fault(FaultKind.CHANGED_FIELDS, fields={"destination": "ba_sbx_eur"}), 1),
    (Fault(FaultKind.CHANGED_FIELDS, fields={"created": "yesterday"}), 1),
]


@pytest.mark.parametrize(("fault", "made"), UNCLEAR, ids=lambda value: getattr(value, "kind", value))
def test_an_answer_that_is_missing_or_wrong_leaves_it_unknown_and_a_look_up_tells(sandbox, fault, made):
    provider = StripePayouts(sandbox.credentials(), 0.3)
    patient = StripePayouts(sandbox.credentials(), 5.0)
    sandbox.control.fault(fault)

    answer = submit(provider)

    sandbox.forgive()
    assert isinstance(answer, Unknown)
    assert b"amount=12345" in answer.raw
    if "delay" in fault.kind:
        _wait_for_calls(sandbox, 1)
    found = patient.find("", {"fod_item": "ex_1-1"}, LONG_AGO)
    assert len(found) == made
    assert len(sandbox.control.payouts()) == made


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        (FaultKind.RESET_AFTER, "No answer came: the connection broke off."),
        (FaultKind.DELAY, "No answer came: it took too long."),
        (FaultKind.BAD_JSON, "Stripe's answer was broken and cannot be read."),
        (FaultKind.CUT_BODY, "No answer came: the connection broke off."),
        (FaultKind.ERROR_AFTER, "Stripe answered with an error of its own (500)."),
    ],
)
def test_a_missing_or_broken_answer_is_told_in_words_for_people(sandbox, kind, told):
    sandbox.control.fault(Fault(kind, delay_s=1.0 if kind is FaultKind.DELAY else 0.0))

    answer = submit(StripePayouts(sandbox.credentials(), 0.3))

    sandbox.forgive()
    assert isinstance(answer, Unknown)
    assert answer.why == told
    if kind is FaultKind.DELAY:
        _wait_for_calls(sandbox, 1)


def _wait_for_calls(sandbox: RunningSandbox, count: int) -> None:
    wait_until(lambda: len(sandbox.control.calls("POST", "/v1/payouts")) == count)


def test_a_saved_error_500_without_a_payout_stays_unknown_however_often_it_is_asked(sandbox, provider):
    sandbox.control.fault(Fault(FaultKind.ERROR_BEFORE))

    answers = [submit(provider) for _ in range(3)]

    assert all(isinstance(answer, Unknown) for answer in answers)
    assert sandbox.control.payouts() == []


def test_a_server_that_is_not_there_leaves_it_unknown(tmp_path):
    provider = StripePayouts(ProviderCredentials("stripe", KEY, "http://127.0.0.1:9"), 1.0)

    answer = submit(provider)

    assert isinstance(answer, Unknown)
    assert answer.why == "No answer came: the connection was refused."
    with pytest.raises(Unavailable) as caught:
        provider.facts("")
    assert caught.value.code == "PROVIDER_UNAVAILABLE"


def test_while_the_first_request_runs_the_same_key_is_asked_to_wait(sandbox, provider):
    sandbox.control.fault(Fault(FaultKind.DELAY, delay_s=1.0))
    impatient = StripePayouts(sandbox.credentials(), 0.2)

    first, second = submit(impatient), submit(provider)

    assert isinstance(first, Unknown)
    assert isinstance(second, RetryLater)
    _wait_for_calls(sandbox, 2)


def test_find_compares_metadata_and_reads_every_page(sandbox, provider):
    for number in range(103):
        submit(provider, f"fod-{number}", amount_minor=1, metadata={"fod_item": f"row {number}"})

    found = provider.find("", {"fod_item": "row 0"}, LONG_AGO)

    assert [payout.metadata["fod_item"] for payout in found] == ["row 0"]
    assert provider.find("", {"fod_item": "row 0", "fod_attempt": "1"}, LONG_AGO) == []
    assert len(sandbox.control.calls("GET", "/v1/payouts")) == 4


def test_find_leaves_out_what_is_older(sandbox, provider):
    submit(provider)
    sandbox.control.advance(3600)
    now = datetime.fromisoformat(sandbox.control.state()["now"])

    assert provider.find("", {}, now) == []
    assert len(provider.find("", {}, now - timedelta(hours=2))) == 1


def test_a_payout_is_read_as_it_stands_now(sandbox, provider):
    made = submit(provider).payout
    sandbox.control.transition(made.id, "in_transit", "paid")
    paid = provider.get("", made.id)
    sandbox.control.transition(made.id, "failed", code="account_closed", message="The account is closed.")

    failed = provider.get("", made.id)

    assert (made.status, made.movement_id[:8], made.return_id, made.trace) == (PayoutStatus.PENDING, "txn_sbx_", "", "")
    assert paid == replace(made, status=PayoutStatus.PAID, trace=paid.trace)
    assert paid.trace.startswith("SBX")
    assert failed == replace(
        paid,
        status=PayoutStatus.FAILED,
        failure_code="account_closed",
        failure_message="The account is closed.",
        return_id=failed.return_id,
    )
    assert failed.return_id.startswith("txn_sbx_")
    assert failed.return_id != failed.movement_id


def test_a_status_that_nobody_knows_makes_the_answer_unreadable(sandbox, provider):
    made = submit(provider).payout
    sandbox.control.fault(
        Fault(FaultKind.CHANGED_FIELDS, method="GET", path="/v1/payouts/*", fields={"status": "on_the_moon"}),
        Fault(FaultKind.CHANGED_FIELDS, fields={"status": "on_the_moon"}),
    )

    answer = submit(provider, "fod-2")

    assert isinstance(answer, Unknown)
    with pytest.raises(Unavailable) as caught:
        provider.get("", made.id)
    assert caught.value.code == "PROVIDER_ANSWER_BAD"


@pytest.mark.parametrize("payout_id", ["po_sbx_nope", "", "..", "../balance", "po_1?x=1", "po_\n"])
def test_a_payout_that_does_not_exist_is_not_found(provider, payout_id):
    with pytest.raises(NotFound) as caught:
        provider.get("", payout_id)

    assert caught.value.code == "PROVIDER_NOT_FOUND"


@pytest.mark.parametrize("account", ["shop 1", "acct_1\r\nX-Evil: 1", "acct_", "ä"])
def test_a_text_that_is_no_account_is_refused_before_anything_is_sent(sandbox, provider, account):
    answer = provider.submit(account, provider.request_body(order()), "fod-1")

    assert isinstance(answer, Rejected)
    assert (answer.code, answer.scope) == ("account_invalid", Scope.ROW)
    with pytest.raises(Invalid) as caught:
        provider.facts(account)
    assert caught.value.code == "STRIPE_ACCOUNT_BAD"
    assert sandbox.control.calls() == []


def test_the_facts_of_an_account_hold_balances_bank_accounts_mode_and_schedule(sandbox, provider):
    sandbox.control.fund(-70_000, "eur", kind="refund")
    sandbox.control.fund(2_000, "usd", source_type="bank_account")
    sandbox.control.fund(900, "usd", pending_s=86_400)

    facts = provider.facts("")

    assert (facts.account, facts.mode, facts.payouts_enabled) == (ACCOUNT, Mode.TEST, True)
    assert (facts.schedule, facts.country) == ("manual", "US")
    eur, usd = facts.balances
    assert (eur.currency, eur.available_minor, eur.pending_minor) == ("EUR", -20_000, 0)
    assert (usd.available_minor, usd.pending_minor) == (102_000, 900)
    assert usd.by_source == {"card": 100_000, "bank_account": 2_000}
    assert [(bank.name, bank.last4, bank.currency, bank.is_default) for bank in facts.bank_accounts] == [
        ("SANDBOX BANK", "6789", "USD", True),
        ("EUROBANK", "8888", "EUR", True),
    ]


def test_a_connected_account_is_reached_by_its_id_and_keeps_its_own_money(sandbox, provider):
    sandbox.control.open(usual_account(id="acct_sbx_shop", key="", platform=ACCOUNT, country="DE", banks=()))
    sandbox.control.fund(500, "usd", account="acct_sbx_shop")

    facts = provider.facts("acct_sbx_shop")
    refused = provider.submit("acct_sbx_shop", provider.request_body(order(destination="")), "fod-1")

    assert (facts.account, facts.country, facts.bank_accounts) == ("acct_sbx_shop", "DE", ())
    assert facts.balances[0].available_minor == 500
    assert isinstance(refused, Rejected)
    assert sandbox.control.available() == 100_000


def test_an_account_that_is_not_connected_stops_the_batch(provider):
    answer = provider.submit("acct_sbx_other", provider.request_body(order()), "fod-1")

    assert isinstance(answer, Rejected)
    assert (answer.code, answer.scope) == ("account_invalid", Scope.BATCH)
    with pytest.raises(NotAllowed) as caught:
        provider.facts("acct_sbx_other")
    assert caught.value.code == "PROVIDER_KEY_REFUSED"


def test_the_connections_own_account_may_be_named_too(sandbox):
    provider = StripePayouts(sandbox.credentials(account=ACCOUNT), 2.0)

    assert provider.facts(ACCOUNT).account == ACCOUNT
    assert isinstance(provider.submit(ACCOUNT, provider.request_body(order()), "fod-1"), Created)


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (FaultKind.ERROR_BEFORE, "PROVIDER_UNAVAILABLE"),
        (FaultKind.RATE_LIMIT, "PROVIDER_UNAVAILABLE"),
        (FaultKind.RESET_BEFORE, "PROVIDER_UNAVAILABLE"),
        (FaultKind.HALF_BODY, "PROVIDER_UNAVAILABLE"),
        (FaultKind.BAD_JSON, "PROVIDER_UNAVAILABLE"),
        (FaultKind.CUT_BODY, "PROVIDER_UNAVAILABLE"),
        (FaultKind.FORBIDDEN, "PROVIDER_KEY_REFUSED"),
        (FaultKind.BALANCE_INSUFFICIENT, "PROVIDER_REFUSED"),
    ],
)
def test_a_failed_read_says_so_in_plain_words_and_never_shows_the_key(sandbox, provider, fault, code):
    sandbox.control.fault(Fault(fault, method="GET", path="/v1/balance"))

    with pytest.raises((Unavailable, NotAllowed, Invalid)) as caught:
        provider.facts("")

    assert caught.value.code == code
    assert KEY not in str(caught.value) + repr(caught.value.context)


def test_a_list_that_is_no_list_of_payouts_is_no_answer(sandbox, provider):
    submit(provider)
    broken = [{"object": "payout", "id": "po_sbx_x", "metadata": {"fod_item": "ex_1-1"}, "amount": "many"}]
    sandbox.control.fault(
        Fault(FaultKind.CHANGED_FIELDS, method="GET", path="/v1/payouts", fields={"data": broken, "object": "list"})
    )

    with pytest.raises(Unavailable) as caught:
        provider.find("", {"fod_item": "ex_1-1"}, LONG_AGO)

    assert caught.value.code == "PROVIDER_ANSWER_BAD"
    sandbox.forgive()


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"currency": "HUF", "amount_minor": 150}, "STRIPE_AMOUNT_STEP"),
        ({"currency": "KWD", "amount_minor": 1_005}, "STRIPE_AMOUNT_STEP"),
        ({"amount_minor": 0}, "STRIPE_AMOUNT_STEP"),
        ({"amount_minor": -5}, "STRIPE_AMOUNT_STEP"),
        ({"currency": "IQD"}, "STRIPE_CURRENCY_UNSUPPORTED"),
        ({"descriptor": "x" * 23}, "STRIPE_DESCRIPTOR_LONG"),
    ],
)
def test_an_order_that_stripe_cannot_take_is_refused_before_it_is_stored(provider, changes, code):
    with pytest.raises(Invalid) as caught:
        provider.request_body(order(**changes))

    assert caught.value.code == code


@pytest.mark.parametrize(
    ("secret", "url", "code"),
    [
        ("pk_test_123", "https://api.stripe.com", "STRIPE_KEY_BAD"),
        ("sk_test_123\n", "https://api.stripe.com", "STRIPE_KEY_BAD"),
        (KEY, "http://api.stripe.com", "STRIPE_URL_BAD"),
        (KEY, "api.stripe.com", "STRIPE_URL_BAD"),
    ],
)
def test_credentials_that_cannot_be_right_are_refused_without_showing_them(secret, url, code):
    with pytest.raises(Invalid) as caught:
        StripePayouts(ProviderCredentials("stripe", secret, url), 1.0)

    assert caught.value.code == code
    assert secret not in str(caught.value)


def test_the_sdk_sends_each_request_once_and_tells_nothing_of_this_machine(sandbox, provider):
    sandbox.control.fault(Fault(FaultKind.ERROR_BEFORE, times=5))

    answer = submit(provider)

    assert len(sandbox.control.calls("POST")) == 1
    head = answer.raw.split(b"\n\n")[0].lower()
    assert b"x-stripe-client" not in head
    assert b"user-agent: stripe/v1 pythonbindings/" in head
    assert b"aiagent" not in head


def test_several_threads_may_speak_through_one_provider_and_each_keeps_its_own_record(sandbox, provider):
    def pay(number: int):
        return submit(provider, f"fod-{number:03}", amount_minor=number), provider.facts("")

    with ThreadPoolExecutor(8) as threads:
        outcomes = list(threads.map(pay, range(1, 33)))

    for number, (answer, facts) in enumerate(outcomes, start=1):
        assert isinstance(answer, Created)
        assert answer.payout.amount_minor == number
        assert f"Idempotency-Key: fod-{number:03}".encode() in answer.raw
        assert json.loads(answer.raw.split(b"\n\n", 3)[3])["id"] == answer.payout.id
        assert facts.told_at is not None
    assert sandbox.control.available() == 100_000 - sum(range(1, 33))


def test_capabilities_name_every_currency_with_its_step(provider):
    known = provider.capabilities()

    assert known.key_lifetime_s == 23 * 3600
    assert known.descriptor_max == 22
    assert (known.rules["USD"].step_minor, known.rules["USD"].minimum_minor) == (1, 100)
    assert known.rules["HUF"].step_minor == 100
    assert "IQD" not in known.rules
    assert (known.can_cancel, known.tells_status, known.rate_per_s) == (True, True, 5.0)


def test_currencies_with_units_of_their_own_are_paid_exactly(sandbox, provider):
    amounts = {"JPY": 500, "MGA": 1_200, "UGX": 37, "ISK": 99, "HUF": 100, "TWD": 300, "KWD": 1_230}
    sandbox.control.open(usual_account(banks=tuple(Bank(code.lower()) for code in amounts)))
    for code in amounts:
        sandbox.control.fund(1_000_000, code.lower())

    answers = {
        code: submit(provider, f"fod-{code}", currency=code, amount_minor=minor, destination="")
        for code, minor in amounts.items()
    }

    assert {code: answer.payout.amount_minor for code, answer in answers.items()} == amounts
    units = {payout["currency"]: payout["amount"] for payout in sandbox.control.payouts()}
    assert units == {"jpy": 500, "mga": 12, "ugx": 3_700, "isk": 9_900, "huf": 100, "twd": 300, "kwd": 1_230}


def test_the_raw_record_of_a_payout_is_complete(sandbox, provider):
    raw = submit(provider).raw

    head, sent, told, body = raw.split(b"\n\n", 3)
    assert head.startswith(b"POST ")
    assert sent.startswith(b"amount=12345")
    assert told.startswith(b"HTTP 200")
    assert json.loads(body)["object"] == "payout"
