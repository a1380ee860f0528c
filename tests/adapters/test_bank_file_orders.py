"""What may be ordered by bank file, and the bytes of an order."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finops_core.adapters.bank_file import orders
from finops_core.kernel.errors import Invalid
from finops_core.kernel.provider import Address
from tests.adapters.bank import DEBTOR, PAYEE, Office, order

OURS = DEBTOR["iban"]


def codes(made):
    return [problem.code for problem in orders.problems_of(made, OURS)]


def payee(**changes):
    return replace(PAYEE, **changes)


def test_an_order_without_faults_has_none():
    assert codes(order()) == []


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"creditor": None}, "BANK_CREDITOR_MISSING"),
        ({"creditor": payee(iban="FR1420041010050500013M02607")}, "BANK_IBAN_BAD"),
        ({"creditor": payee(iban=OURS)}, "BANK_PAYEE_OURS"),
        ({"creditor": payee(bic="PSST")}, "BANK_BIC_BAD"),
        ({"creditor": payee(name=" ")}, "BANK_NAME_BAD"),
        ({"creditor": payee(name="x" * 71)}, "BANK_NAME_BAD"),
        ({"creditor": payee(name="Société")}, "BANK_CHARACTERS_BAD"),
        ({"creditor": payee(address=Address("", "FR"))}, "BANK_ADDRESS_BAD"),
        ({"creditor": payee(address=Address("Paris", ""))}, "BANK_ADDRESS_BAD"),
        ({"creditor": payee(address=Address("Paris", "fr"))}, "BANK_ADDRESS_BAD"),
        ({"creditor": payee(address=Address("Orléans", "FR"))}, "BANK_CHARACTERS_BAD"),
        ({"descriptor": "x" * 141}, "BANK_REMITTANCE_LONG"),
        ({"descriptor": "50 €"}, "BANK_CHARACTERS_BAD"),
        ({"amount_minor": 0}, "BANK_AMOUNT_BAD"),
        ({"amount_minor": -1}, "BANK_AMOUNT_BAD"),
        ({"amount_minor": 100_000_000_000}, "BANK_AMOUNT_BAD"),
        ({"amount_minor": True}, "BANK_AMOUNT_BAD"),
        ({"amount_minor": 2**53, "currency": "USD"}, "BANK_AMOUNT_BAD"),
        ({"currency": "eur"}, "BANK_CURRENCY_UNSUPPORTED"),
        ({"currency": "XAU"}, "BANK_CURRENCY_UNSUPPORTED"),
        ({"currency": "CLF"}, "BANK_CURRENCY_UNSUPPORTED"),
    ],
)
def test_an_order_that_no_bank_would_take_is_refused(tmp_path, changes, code):
    made = order(**changes)

    assert codes(made) == [code]
    with pytest.raises(Invalid) as caught:
        Office(tmp_path).provider.request_body(made)
    assert caught.value.code == code


def test_all_faults_of_an_order_are_told_at_once():
    made = order(amount_minor=0, descriptor="ß", creditor=payee(iban="X", bic="Y", name="", address=Address("", "")))

    assert codes(made) == [
        "BANK_AMOUNT_BAD",
        "BANK_IBAN_BAD",
        "BANK_BIC_BAD",
        "BANK_NAME_BAD",
        "BANK_ADDRESS_BAD",
        "BANK_ADDRESS_BAD",
        "BANK_CHARACTERS_BAD",
    ]


def test_a_refusal_shows_no_account_number():
    (problem,) = orders.problems_of(order(creditor=payee(iban="DE88370400440532013000")), OURS)

    assert "3000" in problem.message
    assert "37040044" not in f"{problem} {problem.context}"


def test_the_bic_is_needed_outside_sepa_only():
    assert codes(order(creditor=payee(bic=""))) == []
    assert codes(order(currency="USD", creditor=payee(bic=""))) == ["BANK_BIC_BAD"]
    turkish = payee(iban="TR330006100519786457841326", bic="")
    assert codes(order(creditor=turkish)) == ["BANK_BIC_BAD"]


def test_the_least_and_the_most_of_each_kind_can_be_ordered():
    assert codes(order(amount_minor=1)) == []
    assert codes(order(amount_minor=99_999_999_999)) == []
    assert codes(order(currency="JPY", amount_minor=2**53 - 1)) == []


def test_the_same_order_gives_the_same_bytes_and_they_give_the_order_back(tmp_path):
    made = order(metadata={"b": "2", "a": "1"}, descriptor="")
    same = order(metadata={"a": "1", "b": "2"}, descriptor="")
    provider = Office(tmp_path).provider

    assert provider.request_body(made) == provider.request_body(same)
    assert orders.order_of(provider.request_body(made)) == made


@given(st.integers(1, 99_999_999_999), st.dictionaries(st.text("abc_", min_size=1), st.text("xyz:1")))
def test_any_order_survives_the_way_to_bytes_and_back(amount_minor, metadata):
    made = order(amount_minor=amount_minor, metadata=metadata)

    assert orders.order_of(orders.body_of(made)) == made


def with_field(name, value):
    return json.dumps({**json.loads(orders.body_of(order())), name: value}).encode()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"[]",
        b"null",
        b"\xff",
        b"[" * 100_000,
        orders.body_of(order()) + b" ",
        orders.body_of(order()).replace(b'"v":"1"', b'"v":"2"'),
        with_field("amount_minor", "12.5"),
        with_field("amount_minor", "012345"),
        with_field("more", "x"),
        with_field("metadata", None),
        with_field("creditor", {"name": "x"}),
        with_field("address", None),
    ],
    ids=lambda body: repr(body)[:40],
)
def test_bytes_that_are_not_an_order_are_not_read(body):
    with pytest.raises(ValueError, match=r"order|Expecting|decode|invalid"):
        orders.order_of(body)


@given(st.binary(max_size=200))
def test_reading_bytes_never_breaks_in_another_way(body):
    with pytest.raises(ValueError, match=r"\w"):
        orders.order_of(body)


@pytest.mark.parametrize("identifier", ["fod-1", "A/b", "x" * 35, "a+b,c.d'e(f)g:h?i-j"])
def test_an_identifier_that_banks_take(identifier):
    assert orders.id_problem(identifier) == ""


@pytest.mark.parametrize("identifier", ["", "x" * 36, "/a", "a/", "a//b", "a b", "ä", "a_b", "a\n"])
def test_an_identifier_that_banks_do_not_take(identifier):
    assert orders.id_problem(identifier) != ""
