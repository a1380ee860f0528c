"""Money of one currency becomes money of another at the day's stored rate; every posting knows what it is worth."""

from datetime import date, timedelta
from fractions import Fraction

import pytest

from finops_core import reference
from finops_core.kernel.errors import FinOpsError
from finops_core.kernel.money import Money
from finops_core.ledger import chart, journal, service, stopping
from finops_core.ledger.rules import EntryType, StopWidth
from finops_core.ledger.service import Terms
from tests.desks import person_actor
from tests.ledger.conftest import Books, usd


@pytest.fixture
def day(books: Books) -> date:
    """Today where the organisation is."""
    with books.read() as reading:
        return reference.today(reading)


def note(books: Books, currency: str, quote: str, rate: str, day: date) -> str:
    """Noted by somebody else: nobody exchanges at a rate of their own."""
    with books.desk.work(person_actor("person_carla", books.org_id)) as work:
        return reference.note_rate(work, currency, quote, rate, day)


def refused(books: Books, verb, *given) -> str:
    with pytest.raises(FinOpsError) as caught, books.work() as work:
        verb(work, *given)
    return caught.value.code


def postings(books: Books, entry_id: str) -> list[tuple[str, str, str, str]]:
    """(line of the chart, amount, worth, rates) of an entry's postings."""
    with books.read() as reading:
        found = journal.entry(reading, entry_id)
    return [(each.account.code, str(each.amount), str(each.worth), each.rate_ids) for each in found.postings]


def test_an_exchange_moves_two_currencies_each_to_zero_and_says_what_they_are_worth(books: Books, day: date):
    ann, euro = books.wallets["ann"], books.wallet("bob_euro", "EUR")
    books.fund("ann", 10_000)
    rate = note(books, "EUR", "USD", "1.0543", day)

    with books.work() as work:
        posted = service.exchange(work, ann, euro, usd(5_000))

    # 50.00 / 1.0543 = 47.4248…, and 47.42 times 1.0543 is 49.9949…: the cent stays where currencies are exchanged.
    assert postings(books, posted.id) == [
        (chart.WALLETS, "-50.00 USD", "-50.00 USD", ""),
        (chart.EXCHANGE, "50.00 USD", "50.00 USD", ""),
        (chart.EXCHANGE, "-47.42 EUR", "-49.99 USD", rate),
        (chart.WALLETS, "47.42 EUR", "49.99 USD", rate),
    ]
    assert books.trial()[f"{chart.WALLETS} EUR"] == -books.trial()[f"{chart.EXCHANGE} EUR"] == 4_742
    assert books.balance("ann") == 5_000


def test_asked_again_under_its_key_it_gives_the_first_result_though_the_rate_has_moved(books: Books, day: date):
    ann, euro = books.wallets["ann"], books.wallet("bob_euro", "EUR")
    books.fund("ann", 10_000)
    note(books, "USD", "EUR", "0.95", day)
    with books.work() as work:
        first = service.exchange(work, ann, euro, usd(1_000), Terms(key="once"))
    note(books, "USD", "EUR", "0.50", day)

    with books.work() as work:
        again = service.exchange(work, ann, euro, usd(1_000), Terms(key="once"))

    assert (again.id, again.repeated) == (first.id, True)
    assert (books.balance("ann"), books.balance("bob_euro")) == (9_000, 950)
    assert refused(books, service.exchange, ann, euro, usd(999), Terms(key="once")) == "DUPLICATE_TRANSACTION"


def test_reversed_an_exchange_leaves_nothing_behind_in_any_currency_nor_in_what_it_was_worth(books: Books, day: date):
    ann, euro = books.wallets["ann"], books.wallet("bob_euro", "EUR")
    books.fund("ann", 10_000)
    note(books, "USD", "EUR", "0.95", day)
    with books.work() as work:
        posted = service.exchange(work, ann, euro, usd(1_000))
    note(books, "USD", "EUR", "0.50", day)

    with books.work() as work:
        undone = service.reverse(work, posted.id, Terms(reason="the wrong wallet"))

    was, is_ = postings(books, posted.id), postings(books, undone.id)
    assert [each[2].removeprefix("-") for each in was] == [each[2].removeprefix("-") for each in is_]
    assert all(one[2] != two[2] for one, two in zip(was, is_, strict=True))
    assert {name: minor for name, minor in books.trial().items() if minor and "EUR" in name} == {}


@pytest.mark.parametrize("days", [-1, 1])
def test_nobody_chooses_the_day_whose_rate_it_is(books: Books, day: date, days: int):
    ann, euro = books.wallets["ann"], books.wallet("e", "EUR")
    books.fund("ann", 10_000)
    note(books, "USD", "EUR", "1.50", min(day, day + timedelta(days=days)))
    note(books, "USD", "EUR", "0.95", day)

    told = refused(books, service.exchange, ann, euro, usd(1_000), Terms(effective_on=day + timedelta(days=days)))

    assert told == "OPERATION_BAD"
    with books.work() as work:
        service.exchange(work, ann, euro, usd(1_000), Terms(effective_on=day))
    assert books.balance("e") == 950


def test_it_is_refused_where_there_is_no_rate_no_other_currency_or_nothing_left(books: Books, day: date):
    ann, euro, yen = books.wallets["ann"], books.wallet("e", "EUR"), books.wallet("y", "JPY")
    books.fund("ann", 10_000)
    note(books, "USD", "EUR", "0.95", day - timedelta(days=8))
    note(books, "USD", "JPY", "0.4", day)

    assert refused(books, service.exchange, ann, euro, usd(100)) == "RATE_UNKNOWN"
    assert refused(books, service.exchange, ann, books.wallets["bob"], usd(100)) == "OPERATION_BAD"
    assert refused(books, service.exchange, ann, yen, usd(1)) == "INVALID_AMOUNT"
    assert refused(books, service.exchange, ann, "acc_none", usd(100)) == "WALLET_NOT_FOUND"
    assert refused(books, service.exchange, euro, yen, usd(1_000)) == "CURRENCY_MISMATCH"
    assert refused(books, service.exchange, ann, yen, usd(10_001)) == "INSUFFICIENT_BALANCE"
    assert refused(books, service.operate, EntryType.EXCHANGE, ann, usd(100)) == "OPERATION_BAD"
    with books.work() as work:
        stopping.stop(work, StopWidth.NON_ESSENTIAL, "looking into it")
    assert refused(books, service.exchange, ann, yen, usd(1_000)) == "MONEY_STOPPED"
    assert books.balance("ann") == 10_000


def test_every_posting_of_another_currency_is_worth_what_the_day_it_counts_for_says(books: Books, day: date):
    yen = books.wallet("y", "JPY")
    before = day - timedelta(days=3)
    old = note(books, "EUR", "JPY", "160", before), note(books, "EUR", "USD", "1.1", before)
    new = note(books, "EUR", "JPY", "170", day), note(books, "EUR", "USD", "1.05", day)

    with books.work() as work:
        then = service.deposit(work, yen, Money(1_600, "JPY"), Terms(effective_on=day - timedelta(days=1)))
        now = service.deposit(work, yen, Money(1_700, "JPY"))
        unknown = service.deposit(work, yen, Money(1_700, "JPY"), Terms(effective_on=day - timedelta(days=30)))

    # 1,600 yen were ten euros then; 1,700 are now.
    assert postings(books, then.id)[1] == (chart.WALLETS, "1600 JPY", "11.00 USD", "+".join(old))
    assert postings(books, now.id)[1] == (chart.WALLETS, "1700 JPY", "10.50 USD", "+".join(new))
    assert postings(books, unknown.id)[1] == (chart.WALLETS, "1700 JPY", "None", "")


@pytest.mark.parametrize(
    ("noted", "value"),
    [
        ([("USD", "GBP", "0.8", 0)], Fraction(4, 5)),
        ([("GBP", "USD", "1.25", 0)], Fraction(4, 5)),
        ([("EUR", "USD", "1.2", 0), ("EUR", "GBP", "0.9", 0)], Fraction(3, 4)),
        ([("USD", "GBP", "0.8", 0), ("USD", "GBP", "0.81", 0)], Fraction(81, 100)),  # noted later
        ([("USD", "GBP", "0.8", 1), ("GBP", "USD", "2", 0)], Fraction(1, 2)),  # of a later day
        ([("EUR", "USD", "1.2", 0), ("EUR", "GBP", "0.9", 0), ("USD", "GBP", "0.8", 0)], Fraction(4, 5)),
        ([("USD", "GBP", "0.8", 7)], Fraction(4, 5)),
        # One pair has one rate, whichever way round it was noted last.
        ([("USD", "GBP", "0.8", 0), ("GBP", "USD", "2", 0)], Fraction(1, 2)),
        ([("GBP", "USD", "2", 0), ("USD", "GBP", "0.8", 0)], Fraction(4, 5)),
        # Both legs by way of the euro are of one day.
        ([("EUR", "USD", "1.2", 1), ("EUR", "GBP", "0.9", 1), ("EUR", "USD", "9", 0)], Fraction(3, 4)),
    ],
)
def test_a_rate_is_found_straight_turned_round_or_by_way_of_the_euro(books: Books, day: date, noted, value: Fraction):
    for currency, quote, rate, ago in noted:
        note(books, currency, quote, rate, day - timedelta(days=ago))

    with books.read() as reading:
        assert reference.rate(reading, "USD", "GBP", day).value == value


def test_nobody_exchanges_at_a_rate_they_have_typed_themselves(books: Books, day: date):
    ann, euro = books.wallets["ann"], books.wallet("e", "EUR")
    books.fund("ann", 10_000)
    with books.work() as work:
        reference.note_rate(work, "USD", "EUR", "9", day)

    assert refused(books, service.exchange, ann, euro, usd(1_000)) == "RATE_YOURS"
    note(books, "USD", "EUR", "0.95", day)
    with books.work() as work:
        service.exchange(work, ann, euro, usd(1_000))
    assert books.balance("e") == 950


def test_there_and_back_gains_nothing_whatever_was_noted(books: Books, day: date):
    ann, euro = books.wallets["ann"], books.wallet("e", "EUR")
    books.fund("ann", 100_000)
    with books.desk.work(person_actor("person_carla", books.org_id)) as work:
        reference.take_in_rates(work, f"Date,USD\n{day.isoformat()},1.10\n".encode())
    note(books, "USD", "EUR", "1.00", day)

    for _ in range(3):
        with books.work() as work:
            service.exchange(work, ann, euro, usd(100_000))
        with books.work() as work:
            service.exchange(work, euro, ann, Money(books.balance("e"), "EUR"))

    assert (books.balance("ann"), books.balance("e")) == (100_000, 0)


def test_asked_again_when_the_rate_is_long_too_old_it_is_told_what_was_booked(books: Books, day: date):
    ann, euro = books.wallets["ann"], books.wallet("e", "EUR")
    books.fund("ann", 10_000)
    note(books, "USD", "EUR", "0.95", day)
    with books.work() as work:
        first = service.exchange(work, ann, euro, usd(1_000), Terms(key="once"))
    books.desk.clock.advance(timedelta(days=30))

    with books.work() as work:
        again = service.exchange(work, ann, euro, usd(1_000), Terms(key="once"))

    assert (again.id, again.repeated) == (first.id, True)


def test_a_rate_that_makes_more_than_can_be_counted_stops_no_booking(books: Books, day: date):
    pounds = books.wallet("p", "GBP")
    note(books, "GBP", "USD", "999999999999", day)

    with books.work() as work:
        posted = service.deposit(work, pounds, Money(10_000_000, "GBP"), Terms(effective_on=day))
        old = service.deposit(work, pounds, Money(1, "GBP"), Terms(effective_on=date(1, 1, 1)))

    assert [each[2] for each in (*postings(books, posted.id), *postings(books, old.id))] == ["None"] * 4


def test_a_reversal_asked_for_again_under_its_key_is_the_first_one(books: Books):
    books.fund("ann", 100)
    with books.work() as work:
        posted = service.charge_fee(work, books.wallets["ann"], usd(100))
        first = service.reverse(work, posted.id, Terms(key="undo", reason="twice"))

    with books.work() as work:
        again = service.reverse(work, posted.id, Terms(key="undo", reason="twice"))

    assert (again.id, again.repeated, books.balance("ann")) == (first.id, True, 100)
    assert refused(books, service.reverse, posted.id, Terms(key="other", reason="twice")) == "ALREADY_REVERSED"
