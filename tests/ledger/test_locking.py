"""Locking periods: which days, what that holds and what it lets through, and what of it is kept."""

import threading
from datetime import date, timedelta

import pytest
from sqlalchemy import select

from finops_core.audit.models import audit_record
from finops_core.kernel.errors import FinOpsError
from finops_core.kernel.permissions import Permission
from finops_core.ledger import booking, chart, locking, service
from finops_core.ledger.rules import Entry, EntryType, Line
from finops_core.ledger.service import Terms
from tests.desks import START, person_actor
from tests.ledger.conftest import Books, usd
from tests.ledger.test_guards import Forger, forger, refused

TODAY = START.date()
FIRST, LAST = date(2026, 10, 1), date(2026, 10, 31)


def lock(books: Books, from_on: date = FIRST, to_on: date = LAST, reason: str = "October is reported") -> str:
    with books.work() as work:
        return locking.lock_period(work, from_on, to_on, reason)


def unlock(books: Books, period_id: str, reason: str = "an invoice came late") -> None:
    with books.work() as work:
        locking.unlock_period(work, period_id, reason)


def code(books: Books, act) -> str:
    try:
        with books.work() as work:
            act(work)
    except FinOpsError as error:
        return error.code
    return ""


def booked_on(books: Books, day: date) -> str:
    """The code of a deposit's refusal, "" when it was booked."""
    return code(books, lambda work: service.deposit(work, books.wallets["ann"], usd(1), Terms(effective_on=day)))


def asked(books: Books, from_on: date, to_on: date, reason: str = "why") -> str:
    return code(books, lambda work: locking.lock_period(work, from_on, to_on, reason))


def test_a_locked_period_takes_no_posting_on_any_of_its_days_until_it_is_opened(books: Books):
    days = (FIRST - timedelta(1), FIRST, date(2026, 10, 15), LAST, LAST + timedelta(1))

    period_id = lock(books)
    while_locked = [booked_on(books, day) for day in days]
    unlock(books, period_id)

    assert while_locked == ["", "PERIOD_LOCKED", "PERIOD_LOCKED", "PERIOD_LOCKED", ""]
    assert [booked_on(books, day) for day in days] == [""] * 5
    assert books.balance("ann") == 7


def test_what_happened_outside_is_booked_into_it_neither(books: Books):
    lock(books)
    lines = Line(books.account(chart.TRANSIT), usd(-5)), Line(books.account(chart.EXTERNAL), usd(5))

    late = Entry(EntryType.JOURNAL, lines, effective_on=LAST)
    assert code(books, lambda work: booking.post(work, late)) == "PERIOD_LOCKED"
    assert code(books, lambda work: booking.post(work, Entry(EntryType.JOURNAL, lines))) == ""


def test_an_entry_of_a_locked_period_is_undone_today(books: Books):
    ann = books.wallets["ann"]
    with books.work() as work:
        entry = service.deposit(work, ann, usd(5), Terms(effective_on=LAST))
    lock(books)

    assert code(books, lambda work: service.reverse(work, entry.id, Terms(reason="twice"))) == ""
    assert books.balance("ann") == 0


@pytest.mark.parametrize(
    ("from_on", "to_on", "reason", "wanted"),
    [
        (FIRST, LAST, "  ", "REASON_MISSING"),
        (FIRST, LAST, "x" * 501, "REASON_LONG"),
        (LAST, FIRST, "why", "PERIOD_BACKWARDS"),
        (FIRST, TODAY, "why", "PERIOD_NOT_OVER"),
        (TODAY + timedelta(30), TODAY + timedelta(60), "why", "PERIOD_NOT_OVER"),
        (TODAY, FIRST, "", "PERIOD_BAD"),
        (FIRST, TODAY - timedelta(1), "why", ""),
        (LAST, LAST, "why", ""),
    ],
)
def test_only_days_that_are_over_are_locked_first_to_last_and_for_a_reason(
    books: Books, from_on, to_on, reason, wanted
):
    assert asked(books, from_on, to_on, reason) == wanted


def test_every_fault_is_told_at_once(books: Books):
    lock(books)

    with pytest.raises(FinOpsError) as caught, books.work() as work:
        locking.lock_period(work, TODAY, LAST, " ")

    assert caught.value.code == "PERIOD_BAD"
    assert caught.value.context["faults"] == [
        "REASON_MISSING",
        "PERIOD_BACKWARDS",
        "PERIOD_NOT_OVER",
        "PERIOD_LOCKED_BEFORE",
    ]
    for said in ("needs a reason", "after its last day", "is not over", "2026-10-01 to 2026-10-31 are locked already"):
        assert said in caught.value.message


def test_today_is_the_day_it_is_where_the_organisation_is(books: Books):
    org_id = books.desk.org("kiritimati", zone="Pacific/Kiritimati")
    ahead = person_actor("person_clerk", org_id)
    books.desk.clock.advance(timedelta(hours=3))

    with books.desk.work(ahead) as work:
        locking.lock_period(work, TODAY, TODAY, "it is tomorrow there")
    assert asked(books, TODAY, TODAY) == "PERIOD_NOT_OVER"


@pytest.mark.parametrize(
    ("from_on", "to_on", "wanted"),
    [
        (FIRST, LAST, "PERIOD_LOCKED_BEFORE"),
        (LAST, LAST, "PERIOD_LOCKED_BEFORE"),
        (date(2026, 9, 1), FIRST, "PERIOD_LOCKED_BEFORE"),
        (date(2026, 10, 10), date(2026, 10, 12), "PERIOD_LOCKED_BEFORE"),
        (date(2026, 9, 1), date(2026, 11, 5), "PERIOD_LOCKED_BEFORE"),
        (date(2026, 9, 1), date(2026, 9, 30), ""),
        (date(2026, 11, 1), date(2026, 11, 5), ""),
    ],
)
def test_no_day_is_locked_twice(books: Books, from_on: date, to_on: date, wanted: str):
    lock(books)

    assert asked(books, from_on, to_on) == wanted


def test_a_period_is_opened_once_and_can_be_locked_again(books: Books):
    period_id = lock(books)

    assert code(books, lambda work: locking.unlock_period(work, period_id, " ")) == "REASON_MISSING"
    assert code(books, lambda work: locking.unlock_period(work, "period_none", "why")) == "PERIOD_UNKNOWN"
    assert code(books, lambda work: locking.unlock_period(work, period_id, "late")) == ""
    assert code(books, lambda work: locking.unlock_period(work, period_id, "late")) == "PERIOD_OPEN"
    assert asked(books, FIRST, LAST) == ""


def test_who_locked_and_who_opened_is_kept(books: Books):
    first = lock(books)
    books.desk.clock.advance(timedelta(minutes=5))
    unlock(books, first)
    second = lock(books, reason="reported anew")

    with books.read() as reading:
        standing, ever = locking.periods(reading), locking.periods(reading, locked=False)
        one = locking.period(reading, first)
        said = reading.rows(select(audit_record.c.verb, audit_record.c.object).order_by(audit_record.c.id))

    assert [each.id for each in standing] == [second]
    assert {each.id: (each.reason, each.unlocked_reason, each.unlocked_by) for each in ever} == {
        first: ("October is reported", "an invoice came late", books.clerk.id),
        second: ("reported anew", "", ""),
    }
    assert (one.from_on, one.to_on, one.locked_by, one.locked_at, one.unlocked_at) == (
        FIRST,
        LAST,
        books.clerk.id,
        START,
        START + timedelta(minutes=5),
    )
    assert [tuple(row) for row in said if row.verb.startswith("period.")] == [
        ("period.locked", f"period:{first}"),
        ("period.unlocked", f"period:{first}"),
        ("period.locked", f"period:{second}"),
    ]


def test_it_takes_a_right_of_its_own(books: Books):
    period_id = lock(books)
    held = frozenset(Permission) - {Permission.LEDGER_LOCK}

    with books.work() as work:
        work.permissions = held
        for act in (
            lambda: locking.lock_period(work, date(2026, 9, 1), date(2026, 9, 30), "why"),
            lambda: locking.unlock_period(work, period_id, "why"),
        ):
            with pytest.raises(FinOpsError, match="not allowed"):
                act()
        assert [each.id for each in locking.periods(work)] == [period_id]


def test_the_database_itself_keeps_a_locked_period(books: Books, forger: Forger):
    books.desk.clock.advance(timedelta(days=1))
    lock(books, TODAY, TODAY)
    lines = forger.give_ann(5), forger.line(2, forger.outside, -5), forger.follow(105), forger.head()

    assert "PERIOD_LOCKED" in refused(books, *lines)


def test_nothing_but_opening_happens_to_a_lock(books: Books, forger: Forger):
    period_id = lock(books)
    now = "'2026-11-20 09:00:00'"
    opens = f"unlocked_at = {now}, unlocked_by = 'me', unlocked_reason = 'x'"
    for change in (
        "from_on = '2026-10-02'",
        "reason = 'x'",
        "locked_at = NULL",
        "locked_by = 'me'",
        f"{opens}, to_on = '2026-10-30'",
        f"{opens}, reason = 'y'",
        f"{opens}, locked_at = '2026-11-20 08:59:00'",
        f"unlocked_at = {now}, unlocked_by = 'me'",
    ):
        assert "PERIOD_KEEPS" in refused(books, f"UPDATE ledger_period SET {change} WHERE id = '{period_id}'"), change
    assert "PERIOD_STAYS" in refused(books, f"DELETE FROM ledger_period WHERE id = '{period_id}'")
    unlock(books, period_id)
    again = f"UPDATE ledger_period SET unlocked_at = NULL WHERE id = '{period_id}'"
    assert "PERIOD_KEEPS" in refused(books, again)


def test_a_lock_waits_for_entries_on_their_way_and_none_follows_it(books: Books):
    """On both databases: what was being written when it was asked for ends before it stands."""
    stood = threading.Event()

    def locks() -> None:
        lock(books)
        stood.set()

    with books.work() as work:
        service.deposit(work, books.wallets["ann"], usd(10), Terms(effective_on=LAST))
        other = threading.Thread(target=locks)
        other.start()
        early = stood.wait(0.5)
    other.join(10)

    assert not early
    assert stood.is_set()
    assert books.balance("ann") == 10
    assert booked_on(books, LAST) == "PERIOD_LOCKED"


def test_an_entry_waits_for_a_lock_on_its_way_and_is_refused_by_it(books: Books):
    told: list[str] = []
    with books.work() as work:
        locking.lock_period(work, FIRST, LAST, "October is reported")
        other = threading.Thread(target=lambda: told.append(booked_on(books, LAST)))
        other.start()
        other.join(0.5)
        early = list(told)
    other.join(10)

    assert early == []
    assert told == ["PERIOD_LOCKED"]
    assert books.balance("ann") == 0


def test_of_two_locks_of_the_same_days_at_once_one_stands(books: Books):
    told: list[str] = []
    with books.work() as work:
        locking.lock_period(work, FIRST, LAST, "October is reported")
        other = threading.Thread(target=lambda: told.append(asked(books, LAST, LAST)))
        other.start()
        other.join(0.5)
    other.join(10)

    assert told == ["PERIOD_LOCKED_BEFORE"]
    with books.read() as reading:
        assert len(locking.periods(reading)) == 1


__all__ = ["forger"]
