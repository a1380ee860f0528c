"""An archive of random entries, added up in plain Python, is what every read of the ledger says."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import pytest
from sqlalchemy import func, select

from finops_core import ledger
from finops_core.ledger import Dated, EntryFilter, EntryType
from finops_core.ledger.models import ledger_posting
from finops_core.platform.work import Reading
from tests.desks import area_desk, person_actor
from tests.ledger.archive import CURRENCIES, Account, Archive, Kept, filled
from tests.postgres import PostgresServer

SEED, ENTRIES, STEP = 7, 130, timedelta(hours=5)
Read = tuple[Archive, Reading]


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def read(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Read]:
    """The archive, and a look at the ledger it was written to; nothing is written to it any more."""
    url = ""
    if request.param == "postgresql":
        server: PostgresServer = request.getfixturevalue("postgres")
        url = server.url(server.new_name())
    desk = area_desk(tmp_path_factory.mktemp("archive"), url)
    org = desk.org()
    actors = person_actor("person_clerk", org), person_actor("person_rater", org)
    archive = filled(desk.work, actors, SEED, ENTRIES, lambda: desk.clock.advance(STEP))
    with desk.read(actors[0]) as reading:
        yield archive, reading
    desk.units.database.close()


def days(archive: Archive) -> list[date]:
    """Each day that anything counts for, and the days around all of them."""
    told = sorted({each.day for each in archive.kept})
    return [told[0] - timedelta(days=1), *told, told[-1] + timedelta(days=1)]


def lines(archive: Archive, kept: Sequence[Kept]) -> dict[tuple[str, str], int]:
    found: Counter[tuple[str, str]] = Counter()
    for account, minor in archive.of(kept).items():
        found[account.code, account.currency] += minor
    return dict(found)


def known(line: ledger.AccountLine) -> Account:
    own = not line.party_id
    return Account(line.code, line.currency, line.party_id, "" if own else line.purpose)


def pages(turn: Callable[[str], tuple[Sequence[Any], str]]) -> list[Any]:
    """All rows of a list that is read page by page."""
    rows, place = turn("")
    found = list(rows)
    while place:
        rows, place = turn(place)
        found += rows
    return found


def test_the_archive_holds_every_type_and_days_of_before(read: Read):
    archive, _ = read

    assert {each.type for each in archive.kept} == set(EntryType)
    assert sum(each.day < each.booked_at.date() for each in archive.kept) > len(archive.kept) / 5
    assert {each.department for each in archive.kept} > {""}
    assert len({each.entry for each in archive.kept}) > ENTRIES / 2


def test_the_trial_balance_now_and_of_each_day(read: Read):
    archive, reading = read

    def told(day: date | None) -> dict[tuple[str, str], int]:
        return {(line.code, line.total.currency): line.total.minor for line in ledger.trial_balance(reading, day)}

    assert told(None) == lines(archive, archive.kept)
    for day in days(archive):
        kept = [each for each in archive.kept if each.day <= day]
        assert told(day) == (lines(archive, kept) if kept else {}), day
        assert {c: sum(minor for (_, of), minor in told(day).items() if of == c) for c in CURRENCIES} == {
            "USD": 0,
            "EUR": 0,
        }


def test_the_accounts_of_each_line_and_what_each_holds_now_and_at_the_end_of_a_day(read: Read):
    archive, reading = read
    found = {}
    for code, currency in lines(archive, archive.kept):
        mine: list[ledger.AccountLine] = pages(
            lambda place, code=code, currency=currency: _accounts(reading, code, currency, place)
        )
        found |= {known(line): line for line in mine}

    assert {account: line.balance.minor for account, line in found.items() if line.balance} == archive.of()
    for account, line in found.items():
        assert ledger.balance(reading, line.id).minor == archive.holds(account)
        for day in days(archive)[::4]:
            kept = [each.minor for each in archive.kept if each.account == account and each.day <= day]
            assert ledger.balance_on(reading, line.id, day).minor == sum(kept)


def _accounts(reading: Reading, code: str, currency: str, place: str) -> tuple[Sequence[ledger.AccountLine], str]:
    rows = ledger.accounts(reading, code, currency, 2, place)
    return rows, rows[-1].id if len(rows) == 2 else ""


def test_wallets_with_what_is_free_and_what_is_set_aside(read: Read):
    archive, reading = read

    def turn(place: str) -> tuple[Sequence[ledger.WalletView], str]:
        rows = ledger.wallets(reading, limit=2, after=place)
        return rows, rows[-1].id if len(rows) == 2 else ""

    found: list[ledger.WalletView] = pages(turn)
    assert [each.id for each in found] == sorted(archive.ids.values())
    for each in found:
        mine = Account("2010", each.currency, each.party_id, "wallet")
        aside = Account("2020", each.currency, each.party_id, "escrow")
        assert (each.balance.minor, each.held.minor) == (archive.holds(mine), archive.holds(aside))
        assert ledger.wallet(reading, each.id) == each


@pytest.mark.parametrize("dated", list(Dated))
def test_statements_with_their_running_balances(read: Read, dated: Dated):
    archive, reading = read
    every = {known(line): line.id for line in _every_account(archive, reading)}
    assert set(every) == set(archive.of())
    for account, account_id in every.items():
        for day in (None, *days(archive)[:: len(days(archive)) // 3]):
            wanted = _statement(archive, account, day, dated)
            found = pages(lambda place, of=account_id, day=day: _page(reading, of, place, day, dated))
            assert [(each.journal_id, each.amount.minor, each.balance.minor) for each in found] == wanted
            closing = ledger.statement(reading, account_id, until=day, dated=dated).balance.minor
            assert closing == (wanted[0][2] if wanted else 0)


def _every_account(archive: Archive, reading: Reading) -> list[ledger.AccountLine]:
    return [
        line
        for code, currency in lines(archive, archive.kept)
        for line in ledger.accounts(reading, code, currency, 100)
    ]


def _page(
    reading: Reading, account_id: str, place: str, day: date | None, dated: Dated
) -> tuple[Sequence[ledger.StatementLine], str]:
    seen = ledger.statement(reading, account_id, 5, place, day, dated)
    return seen.lines, seen.older


def _statement(archive: Archive, account: Account, day: date | None, dated: Dated) -> list[tuple[str, int, int]]:
    """(entry, amount, what it held then) of each posting up to the end of a day, newest first."""

    def counts(each: Kept) -> bool:
        if day is None:
            return True
        end = datetime.combine(day + timedelta(days=1), time(), UTC)
        return each.day <= day if dated is Dated.EFFECTIVE else each.booked_at < end

    mine = [each for each in archive.kept if each.account == account and counts(each)]
    if dated is Dated.EFFECTIVE:
        mine.sort(key=lambda each: (each.day, each.entry, each.line))
    told, holds = [], 0
    for each in mine:
        holds += each.minor
        told.append((each.entry, each.minor, holds))
    return told[::-1]


def test_entries_by_kind_and_by_document_with_what_each_posting_is_worth(read: Read):
    archive, reading = read
    kept: dict[str, list[Kept]] = {}
    for each in archive.kept:
        kept.setdefault(each.entry, []).append(each)
    undone = {each.reverses: each.entry for each in archive.kept if each.reverses}
    filters = [EntryFilter(), *(EntryFilter(type=kind.value) for kind in EntryType), EntryFilter(source_id="or_3")]
    for wanted in filters:
        found = pages(lambda place, wanted=wanted: _entries(reading, wanted, place))
        mine = [
            entry
            for entry, (first, *_) in kept.items()
            if wanted.type in ("", first.type) and wanted.source_id in ("", first.source)
        ]
        assert [each.id for each in found] == mine[::-1]
        for each in found:
            told = [(known(line.account), line.amount.minor, line.worth and line.worth.minor) for line in each.postings]
            assert told == [(line.account, line.minor, line.worth) for line in kept[each.id]]
            assert (each.effective_on, each.booked_at) == (kept[each.id][0].day, kept[each.id][0].booked_at)
            assert each.reversed_by == undone.get(each.id, "")
            assert ledger.entry(reading, each.id) == each


def _entries(reading: Reading, wanted: EntryFilter, place: str) -> tuple[Sequence[ledger.EntryLine], str]:
    rows = ledger.entries(reading, wanted, 20, place)
    return rows, rows[-1].id if len(rows) == 20 else ""


@pytest.mark.parametrize("hours", [24, 7 * 24, 10_000])
def test_what_happened_in_a_period(read: Read, hours: int):
    archive, reading = read
    lately = [each for each in archive.kept if each.booked_at > reading.now - timedelta(hours=hours)]
    volume: Counter[tuple[str, str]] = Counter()
    entries: dict[tuple[str, str], set[str]] = {}
    for each in lately:
        volume[each.type.value, each.account.currency] += max(each.minor, 0)
        entries.setdefault((each.type.value, each.account.currency), set()).add(each.entry)

    seen = ledger.statistics(reading, timedelta(hours=hours))

    assert seen.entries == len({each.entry for each in lately}) > 0
    assert {(each.type, each.volume.currency): each.volume.minor for each in seen.kinds} == volume
    assert {(each.type, each.volume.currency): each.many for each in seen.kinds} == {
        kind: len(told) for kind, told in entries.items()
    }


def test_what_was_counted_by_a_department(read: Read):
    archive, reading = read
    table = ledger_posting
    rows = reading.rows(
        select(table.c.department, table.c.currency, func.sum(func.abs(table.c.amount_minor)).label("minor"))
        .where(table.c.org_id == reading.org_id)
        .group_by(table.c.department, table.c.currency)
    )
    sums: Counter[tuple[str, str]] = Counter()
    for each in archive.kept:
        sums[each.department, each.account.currency] += abs(each.minor)

    assert {(row.department, row.currency): int(row.minor) for row in rows} == sums
