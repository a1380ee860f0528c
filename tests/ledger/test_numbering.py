"""Numbers of entries: without gaps, in the order of their ids, in the year they were booked in, given once."""

import threading
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from finops_core import ledger
from finops_core.audit.models import audit_record
from finops_core.kernel import sought
from finops_core.kernel.actor import worker_actor
from finops_core.kernel.errors import FinOpsError
from finops_core.kernel.permissions import Permission
from finops_core.ledger import journal, numbering, service, statements
from finops_core.ledger.models import ledger_number
from finops_core.ledger.service import Terms
from finops_core.platform.queue import Claim
from tests.desks import person_actor
from tests.ledger.conftest import Books, usd
from tests.ledger.test_guards import NUMBER, Forger, forger, refused
from tests.tampering import tamper


def number(books: Books, at_most: int = numbering.AT_ONCE, *, whole: bool = True, org_id: str = "") -> int:
    with books.desk.work(worker_actor(org_id or books.org_id)) as work:
        return numbering.number(work, at_most, whole=whole)


def given(books: Books, org_id: str = "") -> dict[str, str]:
    """Entry -> its number, of all there are."""
    with books.desk.read(person_actor("person_clerk", org_id or books.org_id)) as reading:
        rows = reading.rows(select(ledger_number).where(ledger_number.c.org_id == reading.org_id))
        return {row.journal_id: numbering.written(row.year, row.n) for row in rows}


def funded(books: Books, many: int) -> list[str]:
    return [books.fund("ann", 1) for _ in range(many)]


def round_of(books: Books, slot: int) -> None:
    claim = Claim("job_x", "", numbering.NUMBER_JOB, {"slot": slot}, 1, 1)
    numbering.number_entries(books.desk.units, claim)


def test_entries_are_numbered_in_the_order_of_their_ids_and_keep_their_numbers(books: Books):
    entries = funded(books, 3)
    assert given(books) == {}

    first, again = number(books), number(books)
    entries += funded(books, 2)
    more = number(books)

    assert (first, again, more) == (3, 0, 2)
    assert given(books) == {entry: f"JE-2026-{n:04d}" for n, entry in enumerate(sorted(entries), 1)}
    assert entries == sorted(entries)


def test_a_number_belongs_to_the_year_of_the_day_it_was_booked_where_the_organisation_is(books: Books):
    org_id = books.desk.org("kiritimati", zone="Pacific/Kiritimati")
    there = person_actor("person_clerk", org_id)
    books.desk.clock.advance(datetime(2026, 12, 31, 9, 59, tzinfo=UTC) - books.desk.clock.now())

    entries = []
    with books.desk.work(there) as work:
        wallet = service.open_wallet(work, "party_cai", "USD")
        entries.append(service.deposit(work, wallet, usd(1)).id)
    books.desk.clock.advance(timedelta(minutes=1))
    with books.desk.work(there) as work:
        entries += [service.deposit(work, wallet, usd(1)).id for _ in range(2)]
    here = books.fund("ann", 1)
    number(books)
    number(books, org_id=org_id)

    assert given(books, org_id) == dict(zip(entries, ("JE-2026-0001", "JE-2027-0001", "JE-2027-0002"), strict=True))
    assert given(books) == {here: "JE-2026-0001"}


def test_an_entry_that_comes_to_light_late_is_numbered_after_those_that_have_numbers(books: Books, forger: Forger):
    """Its unit was long: what was begun before it and after it has been numbered meanwhile."""
    number(books)
    books.desk.clock.advance(timedelta(hours=2))
    later = books.fund("bob", 1)
    number(books)

    books.attack(forger.give_ann(5), forger.line(2, forger.outside, -5), forger.follow(105), forger.head())
    assert number(books, whole=False) == 1

    assert given(books) == {forger.entry: "JE-2026-0001", later: "JE-2026-0002", "je_x": "JE-2026-0003"}


def test_what_lies_before_the_overlap_is_found_by_the_round_that_looks_at_everything(books: Books, forger: Forger):
    number(books)
    books.desk.clock.advance(timedelta(days=3))
    later = books.fund("bob", 1)
    number(books)
    books.attack(forger.give_ann(5), forger.line(2, forger.outside, -5), forger.follow(105), forger.head())

    round_of(books, 61)
    narrow = given(books)
    round_of(books, 120)

    assert set(narrow) == {forger.entry, later}
    assert given(books)["je_x"] == "JE-2026-0003"


def test_a_round_numbers_every_organisation_to_the_end(books: Books, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(numbering, "AT_ONCE", 2)
    monkeypatch.setattr(numbering.number, "__defaults__", (2,))
    other = books.desk.org("other")
    with books.desk.work(person_actor("person_clerk", other)) as work:
        wallet = service.open_wallet(work, "party_cai", "USD")
        service.deposit(work, wallet, usd(1))
    funded(books, 5)

    round_of(books, 7)

    assert sorted(given(books).values()) == [f"JE-2026-{n:04d}" for n in range(1, 6)]
    assert list(given(books, other).values()) == ["JE-2026-0001"]


def test_two_that_number_at_once_leave_no_gap_and_give_none_twice(books: Books):
    """On both databases: the second waits for the first, and goes on where it ended."""
    entries = funded(books, 7)
    told: list[int] = []
    with books.desk.work(worker_actor(books.org_id)) as work:
        first = numbering.number(work, 3)
        other = threading.Thread(target=lambda: told.append(number(books)))
        other.start()
        other.join(0.5)
        early = list(told)
    other.join(10)

    assert early == []
    assert (first, told) == (3, [4])
    assert given(books) == {entry: f"JE-2026-{n:04d}" for n, entry in enumerate(entries, 1)}


def test_many_that_number_while_others_post_leave_no_gap(books: Books):
    books.wallet("cai")
    failed: list[BaseException] = []
    posted = threading.Event()

    def carry(act) -> None:
        try:
            act()
        except BaseException as error:  # noqa: BLE001 - told below
            failed.append(error)

    def post() -> None:
        for _ in range(25):
            with books.work() as work:
                service.deposit(work, books.wallets["ann"], usd(1))
        posted.set()

    def numbers() -> None:
        while not posted.wait(0.01):
            number(books, 4, whole=False)

    threads = [threading.Thread(target=carry, args=(act,)) for act in (post, numbers, numbers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    while number(books):
        pass

    assert failed == []
    assert sorted(given(books).values()) == [f"JE-2026-{n:04d}" for n in range(1, 26)]


def test_the_database_itself_takes_no_number_that_leaves_a_gap_or_stands(books: Books, forger: Forger):
    second = books.fund("ann", 1)
    org = books.org_id

    for n in (0, -1, 2, 3):
        assert "NUMBER_FOLLOWS" in refused(books, NUMBER.format(org=org, id=forger.entry, n=n)), n
    books.attack(NUMBER.format(org=org, id=forger.entry, n=1))
    for n, entry in ((1, second), (2, forger.entry), (2, "je_none")):
        assert refused(books, NUMBER.format(org=org, id=entry, n=n)), (n, entry)
    for change in ("UPDATE ledger_number SET n = 2", "DELETE FROM ledger_number"):
        assert "append-only" in refused(books, change)


def test_the_log_holds_which_entry_was_given_which_number(books: Books):
    funded(books, 2)
    number(books)

    with books.read() as reading:
        body = reading.scalar(select(audit_record.c.body).where(audit_record.c.verb == "ledger.numbered"))
    assert '"entries":2,"first":"JE-2026-0001","last":"JE-2026-0002"' in body
    assert '"after":""' not in body


def test_an_entry_is_shown_and_opened_by_its_number(books: Books):
    entry = books.fund("ann", 100)
    ann = books.wallets["ann"]

    def seen() -> tuple[str, str, str]:
        with books.read() as reading:
            return (
                journal.entry(reading, entry).number,
                journal.entries(reading)[0].number,
                statements.statement(reading, ann).lines[0].number,
            )

    before = seen()
    number(books)

    assert before == ("", "", "")
    assert seen() == ("JE-2026-0001",) * 3
    with books.read() as reading:
        assert {journal.entry(reading, name).id for name in (entry, "JE-2026-0001", " je-2026-1 ")} == {entry}
        for none in ("JE-2026-0002", "JE-2025-0001", "JE-2026-", f"JE-2026-{'9' * 30}"):
            with pytest.raises(FinOpsError, match="no such entry"):
                journal.entry(reading, none)
        assert dict(ledger.numbers(reading, [entry, "", "je_none"])) == {entry: "JE-2026-0001"}


def test_an_entry_is_undone_by_its_number(books: Books):
    entry = books.fund("ann", 100)
    number(books)

    with books.work() as work:
        undone = service.reverse(work, "JE-2026-0001", Terms(reason="twice"))

    with books.read() as reading:
        assert journal.entry(reading, undone.id).reverses == entry


@pytest.mark.parametrize(
    ("typed", "wanted"),
    [
        ("JE-2026-0002", {2}),
        ("je-2026-2", {2}),
        ("2026-0003", {3}),
        ("JE-2026-1", {1}),
        ("JE-2026-001", {1, 10, 11}),
        ("JE-2026-", {11, 10, 9}),
        ("JE-2025-0001", set()),
        ("EX-2026-0001", set()),
        ("2.00", set()),
    ],
)
def test_entries_are_found_by_what_was_typed_of_their_number(books: Books, typed: str, wanted: set[int]):
    entries = funded(books, 11)
    number(books)
    limit = 3

    with books.read() as reading:
        found = ledger.find(reading, sought.read(typed), limit)
        by_id = ledger.find(reading, sought.read(entries[4]))
        without = reading
        without.permissions = frozenset(Permission) - {Permission.LEDGER_VIEW}
        hidden = ledger.find(without, sought.read(typed))

    assert {entries.index(each.id) + 1 for each in found} == wanted
    assert [each.id for each in by_id] == [entries[4]]
    assert hidden == ()


def test_a_number_of_five_digits_is_found_by_its_beginning(books: Books):
    entry = books.fund("ann", 1)
    number(books)
    assert tamper(books.desk.settings, "UPDATE ledger_number SET n = 12345")

    with books.read() as reading:
        found = {
            typed: bool(ledger.find(reading, sought.read(typed)))
            for typed in ("JE-2026-12", "JE-2026-123", "JE-2026-12345", "JE-2026-012", "JE-2026-13")
        }
        assert journal.entry(reading, "JE-2026-12345").id == entry
    assert found == {
        "JE-2026-12": True,
        "JE-2026-123": True,
        "JE-2026-12345": True,
        "JE-2026-012": False,
        "JE-2026-13": False,
    }


def test_only_the_worker_numbers(books: Books):
    books.fund("ann", 1)

    with books.work() as work:
        work.permissions = frozenset(Permission) - {Permission.WORKER_ACT}
        with pytest.raises(FinOpsError, match="not allowed"):
            numbering.number(work)
    assert given(books) == {}


__all__ = ["forger"]
