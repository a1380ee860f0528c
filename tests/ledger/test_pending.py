"""Money moved in two steps: set aside, then posted in whole or in part, given back, or given back by itself in time."""

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date, timedelta

import pytest

from finops_core.kernel.actor import worker_actor
from finops_core.kernel.errors import FinOpsError
from finops_core.kernel.money import Money
from finops_core.ledger import holdings, journal, numbering, pending, service, stopping
from finops_core.ledger.checks import CHECKS
from finops_core.ledger.pending import PendingMove, PendingState
from finops_core.ledger.rules import EntryType, StopWidth
from finops_core.ledger.service import Terms
from tests.ledger.conftest import Books, usd

HOUR = timedelta(hours=1)
# Time for another thread to come as far as it can while a unit is open.
BEGUN_S = 0.7


def move(books: Books, minor: int = 40, type_: EntryType = EntryType.TRANSFER, **given: object) -> PendingMove:
    """A move of Ann's money, to Bob where it needs somebody."""
    to = books.wallets["bob"] if type_ is EntryType.TRANSFER else ""
    return PendingMove(
        **{  # type: ignore[arg-type]
            "type": type_,
            "wallet_id": books.wallets["ann"],
            "amount": usd(minor),
            "lasts": HOUR,
            "to_wallet_id": to,
            "reason": "an order",
            **given,
        }
    )


def begin(books: Books, asked: PendingMove) -> str:
    with books.work() as work:
        return pending.begin_pending(work, asked)


def post(books: Books, pending_id: str, amount: Money | None = None):
    with books.work() as work:
        return pending.post_pending(work, pending_id, amount)


def void(books: Books, pending_id: str, reason: str = "cancelled") -> None:
    with books.work() as work:
        pending.void_pending(work, pending_id, reason)


def seen(books: Books, pending_id: str) -> pending.PendingView:
    with books.read() as reading:
        return pending.pending_move(reading, pending_id)


def holds(books: Books, name: str) -> tuple[int, int]:
    """(free, held) of a wallet."""
    with books.read() as reading:
        view = holdings.wallet(reading, books.wallets[name])
    return view.balance.minor, view.held.minor


def refused(books: Books, act, *given: object) -> str:
    with pytest.raises(FinOpsError) as caught:
        act(books, *given)
    return caught.value.code


def expire(books: Books) -> None:
    pending.expire_pending(books.desk.units, None)  # type: ignore[arg-type]


def sound(books: Books) -> None:
    with books.desk.work(worker_actor(books.org_id)) as work:
        numbering.number(work)
    with books.read() as reading:
        assert {check.id: told for check in CHECKS if (told := check.find(reading))} == {}


def test_money_set_aside_cannot_be_used_and_is_there_when_it_is_posted(books: Books):
    books.fund("ann", 100)

    pending_id = begin(books, move(books))

    assert holds(books, "ann") == (60, 40)
    with pytest.raises(FinOpsError, match=r"0\.60 USD to give"), books.work() as work:
        service.withdraw(work, books.wallets["ann"], usd(61))
    posted = post(books, pending_id)
    assert (holds(books, "ann"), holds(books, "bob")) == ((60, 0), (40, 0))
    view = seen(books, pending_id)
    assert (view.state, view.posted, view.entry) == (PendingState.POSTED, usd(40), posted.id)
    with books.read() as reading:
        entry, held = journal.entry(reading, posted.id), journal.entry(reading, view.held_entry)
    assert (entry.type, entry.source, entry.reason) == ("TRANSFER", ("pending", pending_id), "an order")
    assert (held.type, held.source) == ("ESCROW_HOLD", ("pending", pending_id))
    sound(books)


def test_one_key_begins_once_however_many_ask_at_the_same_time(books: Books):
    books.fund("ann", 100)
    asked = move(books, key="order-1")

    with ThreadPoolExecutor(1) as pool:
        with books.work() as work:
            first = pending.begin_pending(work, asked)
            second = pool.submit(begin, books, asked)
            time.sleep(BEGUN_S)
        assert second.result() == first

    assert holds(books, "ann") == (60, 40)
    sound(books)


def test_what_was_begun_once_is_told_before_anything_else_is_asked(books: Books):
    books.fund("ann", 100)
    asked = move(books, key="order-1")
    first = begin(books, asked)

    assert begin(books, asked) == first
    # Neither could be begun by itself.
    assert refused(books, begin, replace(asked, amount=usd(0))) == "DUPLICATE_TRANSACTION"
    assert refused(books, begin, replace(asked, lasts=timedelta(days=1000))) == "DUPLICATE_TRANSACTION"
    assert holds(books, "ann") == (60, 40)


def test_posted_for_one_day_it_is_not_posted_for_another(books: Books):
    books.fund("ann", 100)
    pending_id = begin(books, move(books))
    first = post(books, pending_id)

    def again(day: date | None) -> str:
        with books.work() as work:
            return pending.post_pending(work, pending_id, None, Terms(effective_on=day)).id

    assert again(None) == again(first.effective_on) == first.id
    assert refused(books, lambda _: again(first.effective_on - timedelta(days=1))) == "PENDING_ENDED"


def test_reasons_and_keys_have_an_end(books: Books):
    books.fund("ann", 100)
    pending_id = begin(books, move(books))
    terms = Terms(reason="x" * 501)

    assert refused(books, void, pending_id, "x" * 501) == "REASON_LONG"
    with pytest.raises(FinOpsError) as caught, books.work() as work:
        pending.post_pending(work, pending_id, None, terms)
    assert caught.value.code == "REASON_LONG"
    assert refused(books, begin, move(books, key="k" * 201)) == "KEY_BAD"
    assert seen(books, pending_id).state is PendingState.PENDING


def test_a_part_can_be_posted_and_the_rest_is_given_back(books: Books):
    books.fund("ann", 100)
    pending_id = begin(books, move(books, type_=EntryType.WITHDRAWAL))

    assert refused(books, post, pending_id, usd(41)) == "INVALID_AMOUNT"
    assert refused(books, post, pending_id, Money(1, "EUR")) == "CURRENCY_MISMATCH"
    post(books, pending_id, usd(15))

    assert holds(books, "ann") == (85, 0)
    assert seen(books, pending_id).posted == usd(15)
    sound(books)


@pytest.mark.parametrize("type_", sorted(pending.MAY_WAIT))
def test_each_kind_that_may_wait_does_what_it_does_at_once(books: Books, type_: EntryType):
    books.fund("ann", 100)

    post(books, begin(books, move(books, type_=type_)))

    assert holds(books, "ann") == (60, 0)
    sound(books)


def test_asked_again_it_gives_the_first_result_and_moves_nothing_twice(books: Books):
    books.fund("ann", 100)
    first = begin(books, move(books, key="order 7"))

    assert begin(books, move(books, key="order 7")) == first
    assert refused(books, begin, move(books, 41, key="order 7")) == "DUPLICATE_TRANSACTION"
    assert refused(books, begin, move(books, key="order 7", lasts=2 * HOUR)) == "DUPLICATE_TRANSACTION"
    posted = post(books, first)
    again = post(books, first)

    assert (again.id, again.repeated, posted.repeated) == (posted.id, True, False)
    assert refused(books, post, first, usd(39)) == "PENDING_ENDED"
    assert refused(books, void, first) == "PENDING_ENDED"
    assert (holds(books, "ann"), holds(books, "bob")) == ((60, 0), (40, 0))


def test_given_back_it_is_the_holders_again(books: Books):
    books.fund("ann", 100)
    pending_id = begin(books, move(books))

    assert refused(books, void, pending_id, "  ") == "REASON_MISSING"
    void(books, pending_id)
    void(books, pending_id)

    assert holds(books, "ann") == (100, 0)
    assert (seen(books, pending_id).state, seen(books, pending_id).ended_reason) == (PendingState.VOIDED, "cancelled")
    assert refused(books, post, pending_id) == "PENDING_ENDED"
    sound(books)


def test_what_nobody_posts_in_time_is_given_back_by_itself(books: Books):
    books.fund("ann", 100)
    late, later = begin(books, move(books)), begin(books, move(books, 10, lasts=2 * HOUR))

    expire(books)
    assert holds(books, "ann") == (50, 50)
    books.desk.clock.advance(HOUR)
    assert refused(books, post, late) == "PENDING_EXPIRED"
    expire(books)
    expire(books)

    assert holds(books, "ann") == (90, 10)
    assert (seen(books, late).state, seen(books, late).ended_by) == (PendingState.EXPIRED, "service:worker")
    assert seen(books, later).state is PendingState.PENDING
    sound(books)


def test_of_a_frozen_wallet_it_stays_set_aside_and_keeps_nobody_elses_waiting(books: Books):
    books.fund("ann", 100)
    books.fund("bob", 100)
    frozen = begin(books, move(books))
    with books.work() as work:
        asked = PendingMove(EntryType.WITHDRAWAL, books.wallets["bob"], usd(30), HOUR + timedelta(minutes=1))
        bobs = pending.begin_pending(work, asked)
        service.freeze(work, books.wallets["ann"], "asked by the bank")

    assert refused(books, post, frozen) == "ACCOUNT_FROZEN"
    assert refused(books, void, frozen) == "ACCOUNT_FROZEN"
    books.desk.clock.advance(2 * HOUR)
    expire(books)

    assert (holds(books, "ann"), holds(books, "bob")) == ((60, 40), (100, 0))
    assert seen(books, bobs).state is PendingState.EXPIRED
    with books.work() as work:
        service.unfreeze(work, books.wallets["ann"], "settled")
    expire(books)
    assert holds(books, "ann") == (100, 0)
    sound(books)


@pytest.mark.parametrize("how", ["frozen", "stopped"])
def test_however_many_wait_in_a_wallet_that_gives_nothing_others_have_their_turn(
    books: Books, monkeypatch: pytest.MonkeyPatch, how: str
):
    monkeypatch.setattr(pending, "AT_ONCE", 2)
    books.fund("ann", 100)
    books.fund("bob", 100)
    for _ in range(3):
        begin(books, move(books, 10))
    asked = PendingMove(EntryType.FEE, books.wallets["bob"], usd(30), HOUR + timedelta(minutes=1))
    bobs = begin(books, asked)
    with books.work() as work:
        if how == "frozen":
            service.freeze(work, books.wallets["ann"], "asked by the bank")
        else:
            stopping.stop(work, StopWidth.WALLET, "asked by the bank", books.wallets["ann"])
    books.desk.clock.advance(2 * HOUR)

    expire(books)

    assert seen(books, bobs).state is PendingState.EXPIRED
    assert holds(books, "ann") == (70, 30)


def test_a_stop_of_its_kind_holds_the_second_step_and_leaves_the_first(books: Books):
    books.fund("ann", 100)
    pending_id = begin(books, move(books))
    with books.work() as work:
        stop = stopping.stop(work, StopWidth.TYPE, "why", "TRANSFER")

    assert refused(books, post, pending_id) == "MONEY_STOPPED"
    assert holds(books, "ann") == (60, 40)
    with books.work() as work:
        stopping.resume(work, stop, "settled")
    post(books, pending_id)
    assert holds(books, "bob") == (40, 0)


def test_releasing_what_is_in_escrow_never_takes_what_is_pending(books: Books):
    books.fund("ann", 100)
    begin(books, move(books))

    with pytest.raises(FinOpsError) as caught, books.work() as work:
        service.release(work, books.wallets["ann"], usd(1))

    assert caught.value.code == "INSUFFICIENT_BALANCE"
    assert holds(books, "ann") == (60, 40)


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"type": EntryType.DEPOSIT, "to_wallet_id": ""}, "OPERATION_BAD"),
        ({"to_wallet_id": ""}, "OPERATION_BAD"),
        ({"type": EntryType.FEE}, "OPERATION_BAD"),
        ({"lasts": timedelta(seconds=59)}, "PENDING_TIME_BAD"),
        ({"lasts": timedelta(days=90, seconds=1)}, "PENDING_TIME_BAD"),
        ({"amount": usd(0)}, "INVALID_AMOUNT"),
        ({"amount": usd(101)}, "INSUFFICIENT_BALANCE"),
        ({"amount": Money(1, "EUR")}, "CURRENCY_MISMATCH"),
        ({"wallet_id": "acc_none"}, "WALLET_NOT_FOUND"),
        ({"to_wallet_id": "acc_none"}, "WALLET_NOT_FOUND"),
    ],
)
def test_what_could_never_be_posted_is_refused_at_once(books: Books, wrong: dict[str, object], code: str):
    books.fund("ann", 100)

    assert refused(books, begin, move(books, **wrong)) == code

    assert holds(books, "ann") == (100, 0)
    with books.read() as reading:
        assert pending.pending_moves(reading) == ()


def test_a_wallet_of_another_currency_or_its_own_is_refused_before_money_is_set_aside(books: Books):
    books.fund("ann", 100)
    euro = books.wallet("eva", "EUR")

    assert refused(books, begin, move(books, to_wallet_id=euro)) == "CURRENCY_MISMATCH"
    assert refused(books, begin, move(books, to_wallet_id=books.wallets["ann"])) == "INVALID_AMOUNT"


def test_what_it_set_aside_and_gave_back_cannot_be_reversed_but_what_it_posted_can(books: Books):
    books.fund("ann", 100)
    pending_id = begin(books, move(books))
    posted = post(books, pending_id)

    with pytest.raises(FinOpsError) as caught, books.work() as work:
        service.reverse(work, seen(books, pending_id).held_entry, Terms(reason="why"))
    assert caught.value.code == "FOLLOWS_ITS_DOCUMENT"
    with books.work() as work:
        service.reverse(work, posted.id, Terms(reason="why"))
    assert (holds(books, "ann"), holds(books, "bob")) == ((100, 0), (0, 0))
    sound(books)


def test_posted_and_given_back_at_once_it_becomes_one_of_the_two(books: Books):
    books.fund("ann", 100)
    waiting = [begin(books, move(books, 10)) for _ in range(4)]

    def either(act) -> str:
        try:
            act()
        except FinOpsError as error:
            return error.code
        return ""

    for each in waiting:
        acts = [lambda each=each: post(books, each), lambda each=each: void(books, each)] * 2
        with ThreadPoolExecutor(4) as pool:
            told = list(pool.map(either, acts))
        assert "" in told
        assert set(told) <= {"", "PENDING_ENDED"}

    states = {seen(books, each).state for each in waiting}
    assert states <= {PendingState.POSTED, PendingState.VOIDED}
    many = sum(seen(books, each).state is PendingState.POSTED for each in waiting)
    assert (holds(books, "ann"), holds(books, "bob")) == ((100 - 10 * many, 0), (10 * many, 0))
    sound(books)


def test_moves_are_listed_newest_first_by_wallet_and_those_that_wait(books: Books):
    books.fund("ann", 100)
    first, second, third = (begin(books, move(books, 10)) for _ in range(3))
    void(books, second)

    with books.read() as reading:
        every = [each.id for each in pending.pending_moves(reading)]
        waiting = [each.id for each in pending.pending_moves(reading, books.wallets["ann"], waiting=True)]
        page = [each.id for each in pending.pending_moves(reading, limit=1, before=third)]
        assert pending.pending_moves(reading, books.wallets["bob"]) == ()

    assert (every, waiting, page) == ([third, second, first], [third, first], [second])
