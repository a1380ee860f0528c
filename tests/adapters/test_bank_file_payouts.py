"""Paying by bank file behind the provider's port: stored once, found again, taken back until it left."""

import inspect
from dataclasses import replace
from datetime import timedelta

import pytest

from finops_core.adapters.bank_file.payouts import BankFilePayouts
from finops_core.adapters.file_store import FolderFileStore
from finops_core.kernel.errors import Conflict, Invalid, NotFound, Unavailable
from finops_core.kernel.provider import (
    Canceled,
    Created,
    Mode,
    NotCanceled,
    OurFault,
    PayoutStatus,
    Rejected,
    RetryLater,
    Unknown,
)
from finops_core.platform.ports import PayoutProvider, ProviderCredentials
from tests.adapters.bank import DEBTOR, FRIDAY, KUWAIT, LONG_AGO, NOW, OUTBOX, PAYEE, Office, key, order

ITEM = {"fod_item": "ex_1:1"}


class StubbornStore(FolderFileStore):
    """A store that fails once for names with an ending, before or after it has stored."""

    def __init__(self, folder, ending, *, after):
        super().__init__(folder)
        self.ending, self.after = ending, after

    def put_new(self, name, chunks):
        if self.ending and name.endswith(self.ending):
            self.ending = ""
            if self.after:
                super().put_new(name, chunks)
            raise Unavailable("FILE_STORE_FAILED", "The disk is full.")
        return super().put_new(name, chunks)


@pytest.fixture
def office(tmp_path):
    return Office(tmp_path / "files")


def found(office, metadata=ITEM):
    return office.provider.find("", metadata, LONG_AGO)


def test_it_has_the_shape_of_the_port():
    verbs = {name for name in vars(PayoutProvider) if not name.startswith("_")}
    shapes = {name: list(inspect.signature(getattr(BankFilePayouts, name)).parameters) for name in verbs}

    assert shapes == {name: list(inspect.signature(getattr(PayoutProvider, name)).parameters) for name in verbs}


def test_what_it_can_do(office):
    told = office.provider.capabilities()

    assert (told.name, told.can_cancel, told.tells_status, told.descriptor_max) == ("bank_file", True, False, 140)
    assert told.key_lifetime_s == 10 * 365 * 86_400
    assert {"EUR", "JPY", "KWD", "USD"} <= told.rules.keys()
    assert {(rule.step_minor, rule.minimum_minor, rule.reason) for rule in told.rules.values()} == {(1, 1, "")}
    assert told.rate_per_s >= 1_000


def test_its_facts_hold_no_balance_and_no_number(office):
    facts = office.provider.facts("")

    assert (facts.mode, facts.payouts_enabled, facts.schedule, facts.country) == (Mode.TEST, True, "manual", "DE")
    assert (facts.balances, facts.bank_accounts, facts.told_at) == ((), (), None)
    assert facts == office.provider.facts(facts.account)
    assert DEBTOR["iban"][4:] not in f"{facts} {office.provider!r}"
    assert (office.provider.statement("", LONG_AGO), office.provider.rights()) == ([], {})


def test_another_bank_account_is_not_ours(office):
    with pytest.raises(NotFound) as caught:
        office.provider.facts("bank_other")
    answer = office.provider.submit("bank_other", office.provider.request_body(order()), key(1))

    assert caught.value.code == "BANK_ACCOUNT_UNKNOWN"
    assert isinstance(answer, Rejected)
    assert found(office) == []


def test_an_account_that_cannot_be_read_makes_no_provider(office):
    with pytest.raises(Invalid) as caught:
        BankFilePayouts(
            ProviderCredentials("bank_file", "sk_test_1", ""), office.store, office.vault, office.clock, outbox="x"
        )

    assert caught.value.code == "BANK_ACCOUNT_BAD"


def test_an_order_is_stored_and_found(office):
    answer = office.submit(order())

    assert isinstance(answer, Created)
    assert not answer.replayed
    payout = answer.payout
    assert (payout.amount_minor, payout.currency, payout.status) == (12_345, "EUR", PayoutStatus.PENDING)
    assert (payout.created_at, payout.arrival_on, payout.mode) == (NOW, FRIDAY, Mode.TEST)
    assert payout.metadata == order().metadata
    assert payout.destination == "•••• 2606"
    assert found(office) == [payout] == [office.provider.get("", payout.id)]


def test_the_same_key_and_order_again_is_the_same_payout(office):
    first = office.submit(order())
    office.clock.advance(timedelta(days=3_000))
    again = office.submit(order())

    assert isinstance(again, Created)
    assert again.replayed
    assert again.payout == first.payout
    assert len(found(office)) == 1


def test_the_same_key_with_another_order_is_our_fault(office):
    office.submit(order(amount_minor=100))

    assert isinstance(office.submit(order(amount_minor=101)), OurFault)
    assert [payout.amount_minor for payout in found(office)] == [100]


def test_two_keys_that_a_bank_could_not_tell_apart_are_our_fault(office):
    body = office.provider.request_body(order())
    office.provider.submit("", body, "x" * 35 + "1")

    answer = office.provider.submit("", body, "x" * 35 + "2")

    assert isinstance(answer, OurFault)
    assert len(found(office)) == 1


@pytest.mark.parametrize("bad", ["", "/x", "a//b", "ä", "x" * 256])
def test_a_key_that_cannot_travel_is_our_fault_and_nothing_is_stored(office, bad):
    answer = office.provider.submit("", office.provider.request_body(order()), bad)

    assert isinstance(answer, OurFault)
    assert list(office.store.names()) == []


def test_a_body_that_was_changed_is_our_fault_and_nothing_is_stored(office):
    body = office.provider.request_body(order())

    for changed in (body + b" ", body[:-1], b"", body.replace(b"12345", b"12345.0")):
        assert isinstance(office.provider.submit("", changed, key(1)), OurFault)
    assert list(office.store.names()) == []


def test_a_body_for_another_account_is_our_fault(office):
    body = office.provider.request_body(order(account="bank_other"))

    assert isinstance(office.provider.submit("", body, key(1)), OurFault)
    assert list(office.store.names()) == []


def test_an_order_that_became_invalid_is_rejected(office, tmp_path):
    # Given a body made for an account within SEPA, where no BIC is needed
    body = office.provider.request_body(order(creditor=replace(PAYEE, bic="")))

    # When our account lies outside by the time it is sent
    abroad = Office(tmp_path / "abroad", iban="TR330006100519786457841326", bic="TCZBTR2A")
    answer = abroad.provider.submit("", body, key(1))

    # Then it was definitely not stored
    assert isinstance(answer, Rejected)
    assert answer.code == "BANK_BIC_BAD"
    assert list(abroad.store.names()) == []


def test_nothing_readable_lies_on_the_disk(office, tmp_path):
    office.pay(order())
    office.send()

    content = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert content
    for secret in (b"FR14", b"M02606", b"Atelier", b"Paris", b"Invoice", b"DE89"):
        assert secret not in content


def test_an_order_of_one_outbox_is_not_in_another(office, tmp_path):
    office.pay(order())
    other = Office(tmp_path, store=office.store, outbox="cn_other")

    assert found(other) == []
    assert [payout.id for payout in found(office)] == [other.pay(order())[0]]


def test_an_order_that_was_moved_or_changed_does_not_open(office, tmp_path):
    # Given two orders whose files change places
    office.pay(order(1), order(2))
    one, two = sorted((tmp_path / "files" / OUTBOX).glob("*.order"))
    one_bytes, two_bytes = one.read_bytes(), two.read_bytes()
    one.write_bytes(two_bytes)
    two.write_bytes(one_bytes)

    # Then a look-up cannot be sure, and says so
    with pytest.raises(Unavailable) as caught:
        found(office)
    assert caught.value.code == "SEAL_BROKEN"


def test_a_look_up_compares_all_pairs_and_the_time(office):
    office.pay(order(1), order(2))
    office.clock.advance(timedelta(hours=1))
    office.submit(order(3, metadata={"fod_item": "ex_1:1", "fod_attempt": "2"}), 3)

    find = office.provider.find
    assert len(find("", {}, LONG_AGO)) == 3
    assert [payout.metadata["fod_attempt"] for payout in find("", ITEM, LONG_AGO)] == ["2", "1"]
    assert len(find("", {**ITEM, "fod_attempt": "1"}, LONG_AGO)) == 1
    assert find("", {"fod_item": "ex_1"}, LONG_AGO) == []
    assert len(find("", {}, NOW + timedelta(seconds=1))) == 1
    assert len(find("", {}, NOW)) == 3
    assert find("bank_other", {}, LONG_AGO) == []


@pytest.mark.parametrize("unknown", ["", "bf_", "po_1", "../x", "bf_" + "0" * 32, "bf_" + "0" * 32 + "\n"])
def test_an_order_that_is_not_there_is_told(office, unknown):
    with pytest.raises(NotFound) as caught:
        office.provider.get("", unknown)
    answer = office.provider.cancel("", unknown, "c1")

    assert caught.value.code == "BANK_ORDER_UNKNOWN"
    assert isinstance(answer, NotCanceled)
    assert answer.code == "BANK_ORDER_UNKNOWN"


def test_an_order_can_be_taken_back_until_it_left(office):
    first, second = office.pay(order(1), order(2))

    answer = office.provider.cancel("", first, "c1")
    content = office.send()

    assert isinstance(answer, Canceled)
    assert answer.payout.status is PayoutStatus.CANCELED
    assert content.count(b"<CdtTrfTxInf>") == 1
    assert office.provider.get("", first).status is PayoutStatus.CANCELED
    assert office.provider.get("", second).status is PayoutStatus.IN_TRANSIT
    refusal = office.provider.cancel("", second, "c2")
    assert isinstance(refusal, NotCanceled)
    assert refusal.code == "BANK_FILE_EXPORTED"


def test_taking_back_twice_is_taking_back_once(office):
    (payout_id,) = office.pay(order())

    answers = [office.provider.cancel("", payout_id, used) for used in ("c1", "c1", "c2")]

    assert all(isinstance(answer, Canceled) for answer in answers)
    replay = office.submit(order())
    assert isinstance(replay, Created)
    assert (replay.replayed, replay.payout.status) == (True, PayoutStatus.CANCELED)


def test_an_order_that_was_taken_back_cannot_leave_any_more(office):
    # Given a file that was looked at before the order was taken back
    (payout_id,) = office.pay(order())
    waiting, content = office.provider.waiting(), office.export()
    office.provider.cancel("", payout_id, "c1")

    # Then it can neither be marked nor written again
    with pytest.raises(Conflict) as marked:
        office.provider.mark_exported([payout_id], "TEST-1", content)
    with pytest.raises(Conflict) as written:
        office.provider.export(waiting, "TEST-1", NOW, FRIDAY)
    assert {marked.value.code, written.value.code} == {"BANK_ORDER_CANCELED"}
    assert office.provider.waiting() == ()


def test_what_waits_is_neither_gone_nor_taken_back_oldest_first(office):
    office.pay(order(1))
    office.send()
    for number in (2, 3, 4):
        office.clock.advance(timedelta(seconds=1))
        office.submit(order(number), number)
    (canceled,) = office.provider.find("", {"fod_item": "ex_1:3"}, LONG_AGO)
    office.provider.cancel("", canceled.id, "c")

    assert [each.order.descriptor for each in office.provider.waiting()] == ["Invoice 2", "Invoice 4"]
    assert DEBTOR["iban"] not in repr(office.provider.waiting())
    assert KUWAIT.iban not in repr(KUWAIT)


def test_a_full_disk_before_anything_was_stored_asks_for_another_try(tmp_path):
    office = Office(tmp_path, StubbornStore(tmp_path / "files", ".order", after=False))

    answer = office.submit(order())

    assert isinstance(answer, RetryLater)
    assert not answer.executing
    assert found(office) == []
    assert isinstance(office.submit(order()), Created)


def test_an_order_that_may_have_been_stored_is_in_doubt_and_found(tmp_path):
    office = Office(tmp_path, StubbornStore(tmp_path / "files", ".order", after=True))

    answer = office.submit(order())

    assert isinstance(answer, Unknown)
    assert [payout.amount_minor for payout in found(office)] == [12_345]
    again = office.submit(order())
    assert isinstance(again, Created)
    assert again.replayed


@pytest.mark.parametrize(("after", "kind"), [(False, RetryLater), (True, Unknown)])
def test_taking_back_on_a_full_disk_is_told_as_it_is(tmp_path, after, kind):
    office = Office(tmp_path, StubbornStore(tmp_path / "files", ".canceled", after=after))
    (payout_id,) = office.pay(order())

    answer = office.provider.cancel("", payout_id, "c1")

    assert isinstance(answer, kind)
    assert (office.provider.get("", payout_id).status is PayoutStatus.CANCELED) is after
    assert isinstance(office.provider.cancel("", payout_id, "c1"), Canceled)


def test_a_file_that_could_not_be_recorded_has_not_left(tmp_path):
    office = Office(tmp_path, StubbornStore(tmp_path / "files", ".export", after=False))
    (payout_id,) = office.pay(order())
    content = office.export()

    with pytest.raises(Unavailable):
        office.provider.mark_exported([payout_id], "TEST-1", content)

    assert office.provider.exports() == ()
    assert office.provider.get("", payout_id).status is PayoutStatus.PENDING
    office.provider.mark_exported([payout_id], "TEST-1", content)
    assert office.provider.exported("TEST-1") == content


def test_a_store_that_breaks_in_an_unknown_way_raises_nothing(tmp_path):
    class Broken(FolderFileStore):
        def put_new(self, *given):
            raise ZeroDivisionError(given)

        def alone(self, *given):
            raise ZeroDivisionError(given)

    office = Office(tmp_path, Broken(tmp_path / "files"))

    assert isinstance(office.submit(order()), Unknown)
    assert isinstance(office.provider.cancel("", "bf_" + "0" * 32, "c"), Unknown)
