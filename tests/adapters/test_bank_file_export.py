"""How a bank file leaves: once, whole, with the same bytes for ever, and nothing in it can leave again."""

import hashlib
from datetime import date, timedelta

import pytest

from finops_core.kernel.errors import Conflict, Invalid, NotFound, Unavailable
from tests.adapters.bank import FRIDAY, NOW, OUTBOX, Office, order
from tests.adapters.test_bank_file_document import sample


@pytest.fixture
def office(tmp_path):
    return Office(tmp_path / "files")


def test_exporting_again_gives_the_same_bytes_before_and_after_it_left(office):
    office.pay(*sample())
    waiting, content = office.provider.waiting(), office.export()

    assert office.export() == content
    exported = office.provider.mark_exported([each.id for each in waiting], "TEST-1", content)

    assert office.provider.export(reversed(waiting), "TEST-1", NOW, FRIDAY) == content
    assert office.provider.exported("TEST-1") == content
    assert office.provider.exports() == (exported,)
    assert exported.sha256 == hashlib.sha256(content).hexdigest()
    assert (exported.execution_on, exported.exported_at) == (FRIDAY, NOW)
    assert office.provider.mark_exported([each.id for each in waiting], "TEST-1", content) == exported


def test_an_order_that_left_cannot_leave_in_another_file(office):
    office.pay(order(1), order(2))
    waiting = office.provider.waiting()
    office.send()

    for chosen in (waiting, waiting[:1]):
        with pytest.raises(Conflict) as caught:
            office.provider.export(chosen, "TEST-2", NOW, FRIDAY)
        assert caught.value.code == "BANK_FILE_EXPORTED"


def test_a_file_that_was_only_looked_at_binds_nothing(office):
    office.pay(order(1), order(2))
    office.export("TEST-1")

    office.send("TEST-2")

    assert [exported.message_id for exported in office.provider.exports()] == ["TEST-2"]


def test_a_message_id_is_used_once(office):
    office.pay(order(1))
    office.send()
    office.submit(order(2), 2)
    waiting = office.provider.waiting()

    with pytest.raises(Conflict) as other_orders:
        office.provider.export(waiting, "TEST-1", NOW, FRIDAY)
    assert other_orders.value.code == "BANK_FILE_EXPORTED"


def test_the_same_message_with_another_day_is_refused(office):
    office.pay(order(1))
    waiting = office.provider.waiting()
    office.send()

    with pytest.raises(Conflict) as caught:
        office.provider.export(waiting, "TEST-1", NOW, FRIDAY + timedelta(days=1))
    assert caught.value.code == "BANK_FILE_EXPORTED"


def test_only_the_file_that_was_exported_can_be_marked(office):
    office.pay(order(1), order(2))
    waiting, content = office.provider.waiting(), office.export()
    ids = [each.id for each in waiting]

    for chosen, message_id, given_content in (
        (ids[:1], "TEST-1", content),
        (ids, "TEST-2", content),
        (ids, "TEST-1", content.replace(b">123.45</InstdAmt>", b">923.45</InstdAmt>", 1)),
        (ids, "TEST-1", content.replace(b"FR1420041010050500013M02606", b"NL91ABNA0417164300", 1)),
        (ids, "TEST-1", b""),
        (ids, "TEST-1", b"<Document/>"),
        (ids, "TEST-1", content[:-20]),
        (ids, "TEST-1", b'<!DOCTYPE x [<!ENTITY y "z">]><Document><a>&y;</a></Document>'),
    ):
        with pytest.raises(Invalid) as caught:
            office.provider.mark_exported(chosen, message_id, given_content)
        assert caught.value.code == "BANK_FILE_MISMATCH"
    assert office.provider.exports() == ()


def test_orders_given_to_an_earlier_account_do_not_leave_from_a_new_one(office, tmp_path):
    # Given an order, and then another account of ours behind the same connection
    office.pay(order())
    fragments = office.provider.waiting()
    moved = Office(tmp_path, store=office.store, iban="NL91ABNA0417164300", bic="ABNANL2A")

    # Then it is still found, waits nowhere, and leaves nowhere
    assert len(moved.provider.find("", {}, NOW)) == 1
    assert moved.provider.waiting() == ()
    with pytest.raises(Conflict) as caught:
        moved.provider.export(fragments, "TEST-1", NOW, FRIDAY)
    assert caught.value.code == "BANK_FILE_DEBTOR"


def test_a_file_that_never_left_is_not_given_out(office):
    with pytest.raises(NotFound) as caught:
        office.provider.exported("TEST-1")

    assert caught.value.code == "BANK_FILE_UNKNOWN"


def test_a_stored_file_that_was_changed_is_not_given_out(office, tmp_path):
    # Given two files that left, one put in the place of the other by somebody who has the key
    office.pay(order(1))
    office.send("TEST-1")
    name = next(path for path in (tmp_path / "files" / OUTBOX).glob("*.document"))
    place = f"bank_file|{OUTBOX}|{name.name}"
    name.write_bytes(office.vault.seal(b"<Document/>", place))

    with pytest.raises(Unavailable) as caught:
        office.provider.exported("TEST-1")
    assert caught.value.code == "BANK_FILE_CHANGED"


def test_arrival_is_the_weekday_after_the_day_of_execution(office):
    (payout_id,) = office.pay(order())
    office.send()

    assert office.provider.get("", payout_id).arrival_on == date(2026, 11, 30)


def test_the_clock_of_the_desk_is_not_in_the_file(tmp_path):
    contents = set()
    for hours in (0, 2):
        office = Office(tmp_path / str(hours))
        office.clock.advance(timedelta(hours=hours))
        office.pay(order(1))
        contents.add(office.export())

    assert len(contents) == 1
