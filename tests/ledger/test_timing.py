"""How long booking takes is counted in memory and written now and then, without standing in the way of anything."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from finops_core import ledger
from finops_core.kernel.errors import Conflict, FinOpsError
from finops_core.kernel.money import Money
from finops_core.ledger import timing
from finops_core.ledger.records import TIMES_MS, ledger_timing
from finops_core.ledger.timing import Latency, Timings
from tests.ledger.conftest import Books
from tests.world import World, running_world


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with running_world(tmp_path) as made:
        yield made


AT = datetime(2026, 11, 20, 9, tzinfo=UTC)
ORG = "org_a"


def test_the_first_unit_is_written_at_once_and_those_of_the_next_minute_together():
    timings = Timings()

    first = timings.note(ORG, 0.004, AT, 100.0)
    quiet = [timings.note(ORG, took_s, AT, at) for took_s, at in ((0.005, 101.0), (0.0051, 130.0), (11.0, 159.9))]
    other = timings.note("org_b", 0.3, AT, 130.0)
    last = timings.note(ORG, 0.2, AT, 160.0)

    assert first is not None
    assert (first["within_5"], first["since"]) == (1, AT)
    assert quiet == [None, None, None]
    assert other is not None
    assert other["within_500"] == 1
    assert last is not None
    told = {name: many for name, many in last.items() if name != "since" and many}
    assert told == {"within_5": 1, "within_10": 1, "longer": 1, "within_250": 1}


def written(books: Books, **counts: int) -> None:
    nothing = dict.fromkeys((*(f"within_{ms}" for ms in TIMES_MS), "longer"), 0)
    with books.work() as work:
        timing.keep_timings(work, {"since": work.now, **nothing, **counts})


def since(books: Books, period: timedelta) -> Latency:
    with books.read() as reading:
        return timing.latency(reading, reading.now - period)


def test_half_and_19_of_20_are_told_over_everything_written_in_a_period(books: Books):
    hour = timedelta(hours=1)
    assert since(books, hour) == Latency()
    written(books, within_5=50, within_25=44)
    written(books, within_100=5, longer=1)

    assert since(books, hour) == Latency(100, 5, 100)
    written(books, longer=97)
    assert since(books, hour) == Latency(197, 100, None)
    books.desk.clock.advance(2 * hour)
    assert since(books, hour) == Latency()


def test_times_of_long_ago_are_forgotten_and_others_are_not(books: Books):
    written(books, within_5=1)
    books.desk.clock.advance(timing.KEPT + timedelta(days=1))
    written(books, within_5=2)

    with books.work() as work:
        timing.tidy(work)

    assert since(books, 2 * timing.KEPT).units == 2


def statistics(world: World) -> ledger.Statistics:
    with world.desk.read(world.actor("eva")) as reading:
        return ledger.statistics(reading, timedelta(hours=1))


def test_what_books_through_the_desk_is_timed_and_what_only_looks_or_is_refused_is_not(world: World):
    before = statistics(world).latency.units
    with world.desk.work(world.actor("ana")) as work:
        wallet = ledger.open_wallet(work, "party_timed", "USD")
    with pytest.raises(Conflict), world.desk.work(world.actor("ana")) as work:
        ledger.withdraw(work, wallet, Money(1, "USD"))
    with world.desk.read(world.actor("eva")) as reading:
        ledger.wallet(reading, wallet)
    assert statistics(world).latency.units == before

    with world.desk.work(world.actor("ana")) as work:
        ledger.deposit(work, wallet, Money(1, "USD"))
    world.desk._timings.written.clear()  # as if a minute had passed
    with world.desk.work(world.actor("ana")) as work:
        ledger.deposit(work, wallet, Money(1, "USD"))

    seen = statistics(world).latency
    assert seen.units == before + 2
    assert seen.median_ms in TIMES_MS


@pytest.mark.parametrize("fault", [OSError("no space left"), FinOpsError("X", "no")])
def test_a_booking_stands_though_its_time_could_not_be_kept(world: World, monkeypatch: pytest.MonkeyPatch, fault):
    with world.desk.work(world.actor("ana")) as work:
        wallet = ledger.open_wallet(work, "party_timed", "USD")
    world.desk._timings.written.clear()
    tried = []

    def fails(*given: object) -> None:
        tried.append(given)
        raise fault

    monkeypatch.setattr(ledger, "keep_timings", fails)

    with world.desk.work(world.actor("ana")) as work:
        posted = ledger.deposit(work, wallet, Money(1, "USD"))

    assert tried
    with world.desk.read(world.actor("eva")) as reading:
        assert ledger.entry(reading, posted.id).type == "DEPOSIT"


def test_the_times_told_apart_grow_and_have_a_column_each():
    assert all(one < two for one, two in pairwise(TIMES_MS))
    assert {f"within_{ms}" for ms in TIMES_MS} | {"longer"} <= set(ledger_timing.c.keys())
