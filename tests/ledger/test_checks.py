"""The standing checks of the ledger see damage that somebody did past every guard, and nothing where all is well."""

from datetime import timedelta

import pytest

from finops_core.kernel.actor import worker_actor
from finops_core.ledger import numbering, pending, service
from finops_core.ledger.checks import CHECKS
from finops_core.ledger.pending import PendingMove
from finops_core.ledger.rules import EntryType
from tests.ledger.conftest import Books, usd
from tests.tampering import tamper

DAMAGE = {
    "UPDATE ledger_posting SET amount_minor = amount_minor + 1 WHERE amount_minor = 100": {
        "ledger.zero",
        "ledger.balances",
        "ledger.control",
        "ledger.continuity",
    },
    "DELETE FROM ledger_posting WHERE balance_after_minor = 100": {
        "ledger.zero",
        "ledger.balances",
        "ledger.control",
        "ledger.continuity",
    },
    "UPDATE ledger_balance SET posted_minor = 999 WHERE version = 2": {"ledger.balances", "ledger.control"},
    "UPDATE ledger_balance SET posted_minor = -1 WHERE version = 2": {
        "ledger.balances",
        "ledger.control",
        "ledger.limits",
    },
    "UPDATE ledger_balance SET version = 3 WHERE version = 2": {"ledger.balances"},
    "UPDATE ledger_posting SET balance_after_minor = 101 WHERE balance_after_minor = 100": {"ledger.continuity"},
    "DELETE FROM ledger_journal": {"ledger.sealed"},
    "DELETE FROM ledger_posting": {"ledger.sealed", "ledger.balances", "ledger.control"},
    "UPDATE ledger_account SET party_id = '' WHERE id = (SELECT id FROM ledger_balance WHERE version = 2)": {
        "ledger.control"
    },
}

NUMBERS = {
    "DELETE FROM ledger_number WHERE n = 1",
    "DELETE FROM ledger_number WHERE n = 2",
    "UPDATE ledger_number SET n = 9 WHERE n = 3",
    "UPDATE ledger_number SET n = 0 WHERE n = 1",
    "UPDATE ledger_number SET year = 2025 WHERE n = 3",
    "UPDATE ledger_number SET n = 1 WHERE n = 3",
    "DELETE FROM ledger_number WHERE n = 3",
}


def found(books: Books) -> set[str]:
    with books.read() as reading:
        return {check.id for check in CHECKS if check.find(reading)}


def test_a_ledger_that_was_only_used_passes_every_check(books: Books):
    books.fund("ann", 100)
    with books.work() as work:
        service.hold(work, books.wallets["ann"], usd(40))
        service.transfer(work, books.wallets["ann"], books.wallets["bob"], usd(60))

    assert found(books) == set()


@pytest.mark.parametrize("damage", DAMAGE)
def test_damage_done_past_the_guards_is_found(books: Books, damage: str):
    # Given a wallet with two postings
    books.fund("ann", 100)
    books.fund("ann", 50)

    # When the owner of the database switches the guards off, and writes
    assert tamper(books.desk.settings, damage, foreign_keys=False)

    # Then the checks that should, and no others, say so
    assert found(books) == DAMAGE[damage]


@pytest.mark.parametrize(
    "damage", ["UPDATE ledger_pending SET state = 'voided', ended_at = begun_at", "DELETE FROM ledger_pending"]
)
def test_pending_money_without_its_move_is_found(books: Books, damage: str):
    books.fund("ann", 100)
    with books.work() as work:
        move = PendingMove(EntryType.WITHDRAWAL, books.wallets["ann"], usd(40), timedelta(hours=1))
        pending.begin_pending(work, move)
    assert found(books) == set()

    assert tamper(books.desk.settings, damage, foreign_keys=False)

    assert found(books) == {"ledger.pending"}


def numbered(books: Books) -> None:
    """A wallet with three entries, numbered, some minutes ago."""
    for minor in (100, 50, 25):
        books.fund("ann", minor)
    with books.desk.work(worker_actor(books.org_id)) as work:
        assert numbering.number(work) == 3
    books.desk.clock.advance(timedelta(minutes=6))


@pytest.mark.parametrize("damage", sorted(NUMBERS))
def test_numbers_that_are_gone_changed_or_given_twice_are_found(books: Books, damage: str):
    numbered(books)
    assert found(books) == set()

    tamper(books.desk.settings, "DROP INDEX uq_ledger_number_place")
    assert tamper(books.desk.settings, damage)

    assert found(books) == {"ledger.numbers"}


def test_an_entry_that_waits_for_its_number_is_told_after_a_few_minutes(books: Books):
    entry = books.fund("ann", 100)
    early = found(books)
    books.desk.clock.advance(timedelta(minutes=6))

    with books.read() as reading:
        (told,) = (check.find(reading) for check in CHECKS if check.id == "ledger.numbers")
    assert early == set()
    assert told == [f"1 entries wait for a number, the first of them {entry}"]
