"""Stopping money in four widths: what each holds and what it lets through, by the desk and by the database alone."""

import threading
from datetime import timedelta

import pytest
from sqlalchemy import select

from finops_core.audit.models import audit_record
from finops_core.kernel.errors import FinOpsError
from finops_core.ledger import booking, chart, service, stopping
from finops_core.ledger.rules import Entry, EntryType, Line, StopWidth
from finops_core.ledger.service import Terms
from tests.ledger.conftest import Books, usd
from tests.ledger.test_guards import STOP, Forger, forger, refused

WHY = Terms(reason="put right")
ACTS = {
    "DEPOSIT": lambda work, of: service.deposit(work, of["ann"], usd(1)),
    "WITHDRAWAL": lambda work, of: service.withdraw(work, of["ann"], usd(1)),
    "ESCROW_HOLD": lambda work, of: service.hold(work, of["ann"], usd(1)),
    "ESCROW_RELEASE": lambda work, of: service.release(work, of["ann"], usd(1), of["bob"]),
    "PAYOUT": lambda work, of: service.pay_out(work, of["ann"], usd(1)),
    "FEE": lambda work, of: service.charge_fee(work, of["ann"], usd(1)),
    "REFUND": lambda work, of: service.refund(work, of["ann"], usd(1)),
    "TRANSFER": lambda work, of: service.transfer(work, of["ann"], of["bob"], usd(1)),
    "ADJUSTMENT": lambda work, of: service.adjust(work, of["ann"], usd(1), WHY),
    "bob": lambda work, of: service.deposit(work, of["bob"], usd(1)),
}
HELD = {
    StopWidth.ALL: set(ACTS),
    StopWidth.NON_ESSENTIAL: set(ACTS) - {"DEPOSIT", "ADJUSTMENT", "bob"},
    StopWidth.TYPE: {"WITHDRAWAL"},
    StopWidth.WALLET: set(ACTS) - {"bob"},
}


def subject(books: Books, width: StopWidth) -> str:
    return {StopWidth.TYPE: "WITHDRAWAL", StopWidth.WALLET: books.wallets["ann"]}.get(width, "")


def stop(books: Books, width: StopWidth, reason: str = "drift found") -> str:
    with books.work() as work:
        return stopping.stop(work, width, reason, subject(books, width))


def code(books: Books, act) -> str:
    try:
        with books.work() as work:
            act(work)
    except FinOpsError as error:
        return error.code
    return ""


def held(books: Books) -> set[str]:
    """The acts that are refused as stopped."""
    found = {name: code(books, lambda work, act=act: act(work, books.wallets)) for name, act in ACTS.items()}
    assert set(found.values()) <= {"", "MONEY_STOPPED"}
    return {name for name, told in found.items() if told}


@pytest.mark.parametrize("width", list(StopWidth))
def test_a_stop_holds_what_is_in_its_width_until_it_is_lifted(books: Books, width: StopWidth):
    books.fund("ann", 1_000)
    with books.work() as work:
        service.hold(work, books.wallets["ann"], usd(100))

    stop_id = stop(books, width)
    while_it_stands = held(books)
    with books.work() as work:
        stopping.resume(work, stop_id, "mended")

    assert while_it_stands == HELD[width]
    assert held(books) == set()


def test_a_refusal_says_why_and_what_stood_before_is_still_given(books: Books):
    ann = books.wallets["ann"]
    with books.work() as work:
        first = service.deposit(work, ann, usd(10), Terms(key="k"))
    stop(books, StopWidth.ALL, "the bank called")

    with pytest.raises(FinOpsError) as caught, books.work() as work:
        service.deposit(work, ann, usd(11))
    with books.work() as work:
        again = service.deposit(work, ann, usd(10), Terms(key="k"))

    assert "the bank called" in caught.value.message
    assert (again.id, again.repeated) == (first.id, True)
    assert books.balance("ann") == 10


def test_what_happened_outside_is_booked_under_any_stop(books: Books):
    for width in StopWidth:
        stop(books, width)
    lines = Line(books.account(chart.TRANSIT), usd(-5)), Line(books.account(chart.EXTERNAL), usd(5))

    with books.work() as work:
        booking.post(work, Entry(EntryType.JOURNAL, lines))

    assert books.trial() == {f"{chart.TRANSIT} USD": -5, f"{chart.EXTERNAL} USD": 5}


def test_a_reversal_puts_right_what_can_wait_but_not_under_a_stop_of_all(books: Books):
    entries = [books.fund("ann", 5), books.fund("ann", 6)]
    waits = stop(books, StopWidth.NON_ESSENTIAL)

    assert code(books, lambda work: service.reverse(work, entries[0], WHY)) == ""
    with books.work() as work:
        stopping.resume(work, waits, "mended")
    stop(books, StopWidth.ALL)
    assert code(books, lambda work: service.reverse(work, entries[1], WHY)) == "MONEY_STOPPED"


@pytest.mark.parametrize(
    ("width", "said"),
    [
        (StopWidth.ALL, "All money operations are stopped: the audit."),
        (StopWidth.NON_ESSENTIAL, "All but essential money operations are stopped: the audit."),
        (StopWidth.TYPE, "Money operations of this kind are stopped: the audit."),
        (StopWidth.WALLET, "The money of this wallet is stopped: the audit."),
    ],
)
def test_what_is_refused_says_how_wide_the_stop_is(books: Books, width: StopWidth, said: str):
    books.fund("ann", 5)
    of = {StopWidth.TYPE: "WITHDRAWAL", StopWidth.WALLET: books.wallets["ann"]}.get(width, "")
    with books.work() as work:
        stopping.stop(work, width, "the audit", of)

    with pytest.raises(FinOpsError) as refused, books.work() as work:
        service.withdraw(work, books.wallets["ann"], usd(1))

    assert refused.value.message == said


@pytest.mark.parametrize(
    ("width", "reason", "of", "wanted"),
    [
        (StopWidth.ALL, "  ", "", "REASON_MISSING"),
        (StopWidth.ALL, "why", "WITHDRAWAL", "STOP_BAD"),
        (StopWidth.NON_ESSENTIAL, "why", "WITHDRAWAL", "STOP_BAD"),
        (StopWidth.TYPE, "why", "", "STOP_BAD"),
        (StopWidth.TYPE, "why", "JOURNAL", "STOP_BAD"),
        (StopWidth.TYPE, "why", "SINGING", "STOP_BAD"),
        (StopWidth.WALLET, "why", "acc_none", "WALLET_NOT_FOUND"),
    ],
)
def test_a_stop_of_nothing_or_without_a_reason_is_refused(books: Books, width, reason, of, wanted):
    assert code(books, lambda work: stopping.stop(work, width, reason, of)) == wanted


def test_a_stop_stands_once_and_is_lifted_once(books: Books):
    stop_id = stop(books, StopWidth.TYPE)

    assert code(books, lambda work: stopping.stop(work, StopWidth.TYPE, "again", "WITHDRAWAL")) == "STOPPED_BEFORE"
    assert code(books, lambda work: stopping.stop(work, StopWidth.TYPE, "another", "FEE")) == ""
    assert code(books, lambda work: stopping.resume(work, stop_id, " ")) == "REASON_MISSING"
    assert code(books, lambda work: stopping.resume(work, stop_id, "mended")) == ""
    assert code(books, lambda work: stopping.resume(work, stop_id, "mended")) == "STOP_OVER"
    assert code(books, lambda work: stopping.resume(work, "stop_none", "mended")) == "STOP_UNKNOWN"


def test_the_same_stop_does_not_stand_twice_whoever_writes_it(books: Books, forger: Forger):
    stop(books, StopWidth.ALL)

    assert "unique" in refused(books, STOP.format(org=books.org_id, lifted="NULL")).lower()


def test_who_stopped_and_who_let_go_on_is_kept(books: Books):
    first = stop(books, StopWidth.ALL, "drift")
    books.desk.clock.advance(timedelta(minutes=5))
    with books.work() as work:
        stopping.resume(work, first, "mended")
    second = stop(books, StopWidth.WALLET, "asked for")

    with books.read() as reading:
        standing, ever = stopping.stops(reading), stopping.stops(reading, standing=False)
        verbs = [row.verb for row in reading.rows(select(audit_record.c.verb).order_by(audit_record.c.id))]

    assert [each.id for each in standing] == [second]
    assert {each.id: (each.reason, each.lifted_reason, each.lifted_by) for each in ever} == {
        first: ("drift", "mended", books.clerk.id),
        second: ("asked for", "", ""),
    }
    assert [verb for verb in verbs if verb.startswith("money.")] == ["money.stopped", "money.resumed", "money.stopped"]


@pytest.mark.parametrize("width", list(StopWidth))
def test_the_database_itself_holds_what_is_stopped(books: Books, forger: Forger, width: StopWidth):
    stop(books, width)
    paid = forger.give_ann(-5), forger.line(2, forger.outside, 5), forger.follow(95)

    assert "MONEY_STOPPED" in refused(books, *paid, forger.head(type_="WITHDRAWAL"))
    books.attack(*paid, forger.head(type_="JOURNAL"))
    assert books.balance("ann") == 95


def test_nothing_but_lifting_happens_to_a_stop(books: Books, forger: Forger):
    stop_id = stop(books, StopWidth.ALL)
    now = "'2026-11-20 09:00:00'"
    for change in ("width = 'type', subject = 'FEE'", "reason = 'x'", "lifted_at = NULL", "set_by = 'me'"):
        assert "STOP_KEEPS" in refused(books, f"UPDATE ledger_stop SET {change} WHERE id = '{stop_id}'")
    rewritten = f"UPDATE ledger_stop SET lifted_at = {now}, reason = 'x' WHERE id = '{stop_id}'"
    assert "STOP_KEEPS" in refused(books, rewritten)
    assert "STOP_STAYS" in refused(books, f"DELETE FROM ledger_stop WHERE id = '{stop_id}'")
    with books.work() as work:
        stopping.resume(work, stop_id, "mended")
    assert "STOP_KEEPS" in refused(books, f"UPDATE ledger_stop SET lifted_at = NULL WHERE id = '{stop_id}'")


def test_a_stop_waits_for_entries_on_their_way_and_none_follows_it(books: Books):
    """On both databases: what was being written when it was asked for ends before it stands."""
    ann = books.wallets["ann"]
    stood = threading.Event()

    def stops_all() -> None:
        stop(books, StopWidth.ALL)
        stood.set()

    with books.work() as work:
        service.deposit(work, ann, usd(10))
        other = threading.Thread(target=stops_all)
        other.start()
        early = stood.wait(0.5)
    other.join(10)

    assert not early
    assert stood.is_set()
    assert books.balance("ann") == 10
    assert code(books, lambda work: service.deposit(work, ann, usd(1))) == "MONEY_STOPPED"


__all__ = ["forger"]
