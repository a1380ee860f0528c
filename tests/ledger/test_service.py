"""Wallets: nine operations, each balanced, repeated safely, refused in the user's words."""

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from typing import Any

import pytest

from finops_core import audit
from finops_core.audit import AuditFilter
from finops_core.kernel.errors import FinOpsError
from finops_core.kernel.money import Money
from finops_core.ledger import booking, chart, holdings, journal, queries, service, statements, stopping
from finops_core.ledger.rules import Entry, EntryType, Line, StopWidth
from finops_core.ledger.service import Terms
from finops_core.ledger.statements import Dated
from tests.ledger.conftest import Books, usd

# Time for another thread to come as far as it can while a unit is open.
BEGUN_S = 0.7


def refused(books: Books, verb, *given) -> str:
    with pytest.raises(FinOpsError) as caught, books.work() as work:
        verb(work, *given)
    return caught.value.code


def test_each_operation_moves_money_between_the_accounts_it_should(books: Books):
    ann, bob = books.wallets["ann"], books.wallets["bob"]
    with books.work() as work:
        service.deposit(work, ann, usd(10_000))
        service.hold(work, ann, usd(3_000))
        service.release(work, ann, usd(1_000), bob)
        service.release(work, ann, usd(500))
        service.transfer(work, ann, bob, usd(700))
        service.charge_fee(work, bob, usd(20))
        service.refund(work, bob, usd(30), ann)
        service.refund(work, bob, usd(50))
        service.withdraw(work, ann, usd(100))
        service.pay_out(work, bob, usd(1_000))
        service.adjust(work, bob, usd(5), Terms(reason="a cent too few, five times"))

    # 10,000 - 3,000 + 500 - 700 + 30 - 100; 1,000 + 700 - 20 - 30 - 50 - 1,000 + 5
    assert (books.balance("ann"), books.balance("bob")) == (6_730, 605)
    assert books.trial() == {
        f"{chart.TRANSIT} USD": 1_000,
        f"{chart.EXTERNAL} USD": -10_000 + 50 + 100,
        f"{chart.WALLETS} USD": 6_730 + 605,
        f"{chart.ESCROW} USD": 1_500,
        f"{chart.SUSPENSE} USD": -5,
        f"{chart.FEES} USD": 20,
    }
    assert sum(books.trial().values()) == 0


def test_a_wallet_never_gives_more_than_it_has_and_says_how_much_that_is(books: Books):
    books.fund("ann", 500)
    ann, bob = books.wallets["ann"], books.wallets["bob"]

    with pytest.raises(FinOpsError) as caught, books.work() as work:
        service.transfer(work, ann, bob, usd(501))

    assert caught.value.code == "INSUFFICIENT_BALANCE"
    assert "5.00 USD" in caught.value.message
    assert "5.01 USD" in caught.value.message
    assert (books.balance("ann"), books.balance("bob")) == (500, 0)


def test_money_set_aside_cannot_be_used_twice(books: Books):
    books.fund("ann", 500)
    ann = books.wallets["ann"]
    with books.work() as work:
        service.hold(work, ann, usd(400))

    assert refused(books, service.withdraw, ann, usd(101)) == "INSUFFICIENT_BALANCE"
    assert refused(books, service.release, ann, usd(401)) == "INSUFFICIENT_BALANCE"


def test_a_key_used_again_gives_the_first_result_and_no_second_posting(books: Books):
    ann = books.wallets["ann"]
    terms = Terms(key="order-1")
    with books.work() as work:
        first = service.deposit(work, ann, usd(100), terms)

    # In a unit of its own, and twice in one
    with books.work() as work:
        again = service.deposit(work, ann, usd(100), terms)
        once_more = service.deposit(work, ann, usd(100), terms)

    assert (first.repeated, again.repeated, once_more.repeated) == (False, True, True)
    assert first.id == again.id == once_more.id
    assert books.balance("ann") == 100


@pytest.mark.parametrize("other", [usd(101), usd(1)])
def test_a_key_used_for_something_else_is_refused(books: Books, other: Money):
    ann = books.wallets["ann"]
    with books.work() as work:
        service.deposit(work, ann, usd(100), Terms(key="order-1"))

    assert refused(books, service.deposit, ann, other, Terms(key="order-1")) == "DUPLICATE_TRANSACTION"
    assert books.balance("ann") == 100


def test_each_refusal_has_its_code_and_leaves_nothing(books: Books):
    books.fund("ann", 100)
    ann, bob = books.wallets["ann"], books.wallets["bob"]
    euro = books.wallet("eve", "EUR")

    assert refused(books, service.deposit, "acc_none", usd(1)) == "WALLET_NOT_FOUND"
    assert refused(books, service.deposit, books.account(chart.FEES), usd(1)) == "WALLET_NOT_FOUND"
    assert refused(books, service.transfer, ann, euro, usd(1)) == "CURRENCY_MISMATCH"
    assert refused(books, service.transfer, ann, bob, Money(1, "EUR")) == "CURRENCY_MISMATCH"
    assert refused(books, service.deposit, ann, usd(0)) == "INVALID_AMOUNT"
    assert refused(books, service.deposit, ann, usd(-1)) == "INVALID_AMOUNT"
    assert refused(books, service.transfer, ann, ann, usd(1)) == "INVALID_AMOUNT"
    assert refused(books, service.deposit, ann, usd(2**53 - 50)) == "INVALID_AMOUNT"
    assert refused(books, service.adjust, ann, usd(1), Terms(reason=" ")) == "REASON_MISSING"
    assert refused(books, service.freeze, ann, "") == "REASON_MISSING"
    assert books.trial() == {f"{chart.EXTERNAL} USD": -100, f"{chart.WALLETS} USD": 100}


def test_what_one_may_not_do_is_refused(books: Books):
    ann = books.wallets["ann"]
    books.desk.permissions[books.clerk.id] = frozenset()

    assert refused(books, service.deposit, ann, usd(1)) == "NOT_ALLOWED"
    assert refused(books, service.adjust, ann, usd(1), Terms(reason="because")) == "NOT_ALLOWED"
    assert refused(books, service.reverse, "je_1", Terms(reason="because")) == "NOT_ALLOWED"
    assert refused(books, service.freeze, ann, "because") == "NOT_ALLOWED"
    assert refused(books, stopping.stop, StopWidth.ALL, "because") == "NOT_ALLOWED"
    assert refused(books, stopping.resume, "stop_1", "because") == "NOT_ALLOWED"
    assert refused(books, service.open_wallet, "party_x", "USD") == "NOT_ALLOWED"


def test_what_is_being_held_for_the_first_time_while_the_wallet_is_frozen_is_frozen_too(books: Books):
    books.fund("ann", 100)
    ann, bob = books.wallets["ann"], books.wallets["bob"]

    def freeze() -> None:
        with books.work() as work:
            service.freeze(work, ann, "asked by the bank")

    # The account for what is held is made in this very unit: whoever freezes meanwhile cannot see it yet.
    with ThreadPoolExecutor(1) as pool:
        with books.work() as work:
            service.hold(work, ann, usd(40))
            freezing = pool.submit(freeze)
            time.sleep(BEGUN_S)
        freezing.result()

    assert refused(books, service.release, ann, usd(40), bob) == "ACCOUNT_FROZEN"
    assert books.balance("bob") == 0


def test_a_frozen_wallet_neither_gives_nor_takes_until_it_is_opened(books: Books):
    books.fund("ann", 100)
    ann, bob = books.wallets["ann"], books.wallets["bob"]
    with books.work() as work:
        service.freeze(work, ann, "asked by the bank")

    with pytest.raises(FinOpsError, match="asked by the bank") as caught, books.work() as work:
        service.transfer(work, ann, bob, usd(1))
    assert caught.value.code == "ACCOUNT_FROZEN"
    assert refused(books, service.deposit, ann, usd(1)) == "ACCOUNT_FROZEN"
    assert refused(books, service.freeze, ann, "again") == "WALLET_STANDS"

    books.fund("bob", 5)
    with books.work() as work:
        service.hold(work, bob, usd(5))
        service.freeze(work, bob, "fraud")
    assert refused(books, service.release, bob, usd(5), ann) == "ACCOUNT_FROZEN"
    with books.work() as work:
        service.unfreeze(work, bob, "settled")
        service.release(work, bob, usd(5))
        service.withdraw(work, bob, usd(5))

    with books.work() as work:
        service.unfreeze(work, ann, "settled")
        service.transfer(work, ann, bob, usd(1))
    assert books.balance("bob") == 1


def test_a_reversal_takes_back_every_posting_once(books: Books):
    books.fund("ann", 100)
    ann, bob = books.wallets["ann"], books.wallets["bob"]
    why = Terms(reason="sent to the wrong one")
    with books.work() as work:
        sent = service.transfer(work, ann, bob, usd(40))
        undone = service.reverse(work, sent.id, why)

    assert (books.balance("ann"), books.balance("bob")) == (100, 0)
    with books.read() as reading:
        assert journal.entry(reading, undone.id).reverses == sent.id
        assert journal.entry(reading, sent.id).reversed_by == undone.id
    assert refused(books, service.reverse, sent.id, why) == "ALREADY_REVERSED"
    assert refused(books, service.reverse, "je_none", why) == "JOURNAL_UNKNOWN"


def test_a_reversal_is_refused_where_the_money_is_gone(books: Books):
    funded = books.fund("ann", 100)
    with books.work() as work:
        service.withdraw(work, books.wallets["ann"], usd(60))

    assert refused(books, service.reverse, funded, Terms(reason="never came")) == "INSUFFICIENT_BALANCE"


def test_a_balance_is_known_as_of_any_business_day(books: Books):
    ann = books.wallets["ann"]
    with books.work() as work:
        service.deposit(work, ann, usd(100), Terms(effective_on=date(2026, 11, 1)))
        service.deposit(work, ann, usd(7), Terms(effective_on=date(2026, 10, 1)))

    with books.read() as reading:
        found = [queries.balance_on(reading, ann, date(2026, *day)).minor for day in ((9, 30), (10, 1), (11, 1))]
        ledger = {line.code: line.total.minor for line in queries.trial_balance(reading, date(2026, 10, 31))}
    assert found == [0, 7, 107]
    assert ledger == {chart.EXTERNAL: -7, chart.WALLETS: 7}


def test_nothing_is_posted_into_a_locked_period(books: Books):
    ann = books.wallets["ann"]
    books.attack(
        "INSERT INTO ledger_period (org_id, id, from_on, to_on, locked_at, locked_by, reason, unlocked_by, "
        f"unlocked_reason) VALUES ('{books.org_id}', 'period_x', '2026-10-01', '2026-10-31', '2026-11-05 00:00:00', "
        "'person_x', 'x', '', '')"
    )

    late = Terms(effective_on=date(2026, 10, 31))
    assert refused(books, service.deposit, ann, usd(1), late) == "PERIOD_LOCKED"
    with books.work() as work:
        service.deposit(work, ann, usd(1), Terms(effective_on=date(2026, 11, 1)))
    assert books.balance("ann") == 1


def test_the_statement_of_a_wallet_runs_by_either_date(books: Books):
    ann = books.wallets["ann"]
    with books.work() as work:
        service.deposit(work, ann, usd(100), Terms(effective_on=date(2026, 11, 5)))
        service.deposit(work, ann, usd(20), Terms(effective_on=date(2026, 10, 1)))
        service.withdraw(work, ann, usd(50), Terms(effective_on=date(2026, 11, 3)))

    def told(dated: Dated, **asked: Any) -> list[tuple[int, int]]:
        with books.read() as reading:
            found = statements.statement(reading, ann, dated=dated, **asked)
        return [(line.amount.minor, line.balance.minor) for line in found.lines]

    assert told(Dated.BOOKED) == [(-50, 70), (20, 120), (100, 100)]
    assert told(Dated.EFFECTIVE) == [(100, 70), (-50, -30), (20, 20)]
    assert told(Dated.EFFECTIVE, until=date(2026, 11, 4)) == [(-50, -30), (20, 20)]
    with books.read() as reading:
        today = reading.now.date()
    assert told(Dated.BOOKED, until=today - timedelta(days=2)) == []
    assert [len(told(dated, until=day)) for dated in Dated for day in (date.min, date.max)] == [0, 3, 0, 3]
    assert len(told(Dated.BOOKED, until=today + timedelta(days=1))) == 3


@pytest.mark.parametrize("dated", list(Dated))
def test_pages_of_a_statement_lose_no_line_of_an_entry_that_posts_twice_to_an_account(books: Books, dated: Dated):
    ann, bob = books.wallets["ann"], books.wallets["bob"]
    books.fund("bob", 100)
    with books.work() as work:
        lines = (Line(bob, usd(-30)), Line(ann, usd(10)), Line(ann, usd(20)))
        booking.post(work, Entry(EntryType.TRANSFER, lines))
        service.withdraw(work, ann, usd(5))

    found, older = [], ""
    for _ in range(3):
        with books.read() as reading:
            page = statements.statement(reading, ann, 1, older, dated=dated)
        found += [(line.amount.minor, line.balance.minor) for line in page.lines]
        older = page.older
    assert found == [(-5, 25), (20, 30), (10, 10)]
    assert older == ""
    with books.read() as reading:
        for nowhere in ("nowhere", "2026-01-01~je_x~" + "9" * 20, "je_x~" + "9" * 20):
            assert len(statements.statement(reading, ann, before=nowhere, dated=dated).lines) == 3


def test_wallets_tell_what_is_free_and_what_is_held_for_their_holder(books: Books):
    books.fund("ann", 100)
    euros = books.wallet("cat", "EUR")
    with books.work() as work:
        service.hold(work, books.wallets["ann"], usd(30))
        service.freeze(work, books.wallets["bob"], "asked by the bank")

    with books.read() as reading:
        ann, bob, third = holdings.wallets(reading)
        assert holdings.wallet(reading, ann.id) == ann
        assert holdings.wallets(reading, "party_bob") == (bob,)
        assert holdings.wallets(reading, limit=1, after=ann.id) == (bob,)
        with pytest.raises(FinOpsError, match="no such wallet"):
            holdings.wallet(reading, books.account(chart.EXTERNAL))
    assert (ann.party_id, ann.balance, ann.held) == ("party_ann", usd(70), usd(30))
    assert (bob.balance, bob.held, bob.state, bob.state_reason) == (usd(0), usd(0), "frozen", "asked by the bank")
    assert (third.id, third.balance) == (euros, Money(0, "EUR"))


def test_any_operation_is_asked_for_by_its_type(books: Books):
    ann, bob = books.wallets["ann"], books.wallets["bob"]
    asked = [
        (EntryType.DEPOSIT, 100, ""),
        (EntryType.ESCROW_HOLD, 40, ""),
        (EntryType.ESCROW_RELEASE, 10, bob),
        (EntryType.ESCROW_RELEASE, 5, ""),
        (EntryType.TRANSFER, 20, bob),
        (EntryType.REFUND, 1, bob),
        (EntryType.REFUND, 2, ""),
        (EntryType.FEE, 3, ""),
        (EntryType.PAYOUT, 4, ""),
        (EntryType.WITHDRAWAL, 6, ""),
        (EntryType.ADJUSTMENT, -7, ""),
    ]
    with books.work() as work:
        for type_, minor, to in asked:
            posted = service.operate(work, type_, ann, usd(minor), Terms(reason="asked"), to)
            assert journal.entry(work, posted.id).type == type_

    assert (books.balance("ann"), books.balance("bob")) == (100 - 40 + 5 - 20 - 1 - 2 - 3 - 4 - 6 - 7, 10 + 20 + 1)
    assert refused(books, service.operate, EntryType.TRANSFER, ann, usd(1)) == "OPERATION_BAD"
    assert refused(books, service.operate, EntryType.DEPOSIT, ann, usd(1), Terms(), bob) == "OPERATION_BAD"
    assert refused(books, service.operate, EntryType.JOURNAL, ann, usd(1)) == "OPERATION_BAD"


def test_a_wallet_is_opened_once_for_somebody_and_the_log_says_so(books: Books):
    again = books.wallet("ann")

    with books.read() as reading:
        opened = [each.object for each in audit.records(reading, AuditFilter(verb="wallet.opened"), limit=10).rows]
    assert opened.count(f"wallet:{again}") == 1
    assert refused(books, service.open_wallet, "", "USD") == "HOLDER_BAD"
    assert refused(books, service.open_wallet, "somebody", "QQQ") == "CURRENCY_UNKNOWN"


def test_two_batches_that_make_the_same_accounts_wait_in_no_circle(books: Books):
    # Given two units that want the same new accounts, named in opposite orders
    wanted = [chart.Wanted(chart.PROVIDER, "USD", f"party_{number}") for number in range(1_500)]
    found: list[dict[chart.Wanted, str]] = []

    def make(order: list[chart.Wanted]) -> None:
        with books.work() as work:
            found.append(dict(chart.accounts(work, order)))

    # When both make them at the same time
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(make, (wanted, wanted[::-1])))

    # Then both have the same ones
    assert found[0] == found[1]
    assert len(set(found[0].values())) == 1_500
