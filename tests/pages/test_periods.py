"""Locked periods on the ledger page: locked and opened by whoever may, seen with their reasons by everybody else."""

from collections.abc import Iterator
from datetime import date

import pytest
from streamlit.testing.v1 import AppTest

from finops_core import ledger
from tests.pages.conftest import press, shown
from tests.world import World

FIRST, LAST = date(2020, 1, 1), date(2020, 1, 31)


@pytest.fixture(autouse=True)
def nothing_left(world: World) -> Iterator[None]:
    yield
    with world.desk.work(world.actor("carla")) as work:
        for period in ledger.periods(work):
            ledger.unlock_period(work, period.id, "the test is over")


def locked(world: World) -> list[tuple[date, date, str]]:
    with world.desk.read(world.actor("carla")) as reading:
        return [(each.from_on, each.to_on, each.reason) for each in ledger.periods(reading)]


def lock(world: World, first: date = FIRST, last: date = LAST, reason: str = "reported") -> str:
    with world.desk.work(world.actor("carla")) as work:
        return ledger.lock_period(work, first, last, reason)


def labels(screen: AppTest) -> set[str]:
    return {button.label for button in screen.button}


def days(screen: AppTest, first: date, last: date) -> AppTest:
    next(field for field in screen.date_input if field.label == "First day").set_value(first)
    next(field for field in screen.date_input if field.label == "Last day").set_value(last)
    return screen


def why(screen: AppTest, reason: str) -> AppTest:
    next(field for field in screen.text_input if field.label == "Why").input(reason)
    return screen


def test_without_one_the_page_says_so_and_offers_the_act_to_whoever_may(at):
    assert "No period is locked" in shown(at("carla", "ledger", ledger_view="Periods"))
    acts = {"Lock a period", "Open one again"}
    assert labels(at("carla", "ledger", ledger_view="Periods")) & acts == {"Lock a period"}
    assert acts.isdisjoint(labels(at("eva", "ledger", ledger_view="Periods")))


def test_the_controller_locks_a_period_and_opens_it_again(world, at):
    # Given Carla in the dialog, when she chooses the days and says why
    screen = days(at("carla", "ledger", ledger_view="Periods", do="lock"), FIRST, LAST)
    press(why(screen, "January is reported"), "Lock it now")

    # Then it is locked, and everybody who sees the ledger reads why
    assert locked(world) == [(FIRST, LAST, "January is reported")]
    told = shown(at("ana", "ledger", ledger_view="Periods"))
    assert "2020-01-01 to 2020-01-31" in told
    assert "January is reported" in told
    assert "Carla" in told

    # When she opens it
    press(why(at("carla", "ledger", ledger_view="Periods", do="open"), "an invoice came late"), "Open it now")

    # Then it stands in the record
    assert locked(world) == []
    told = shown(at("eva", "ledger", ledger_view="Periods"))
    assert "No period is locked" in told
    assert "an invoice came late" in told


def test_the_one_that_is_chosen_is_opened(world, at):
    lock(world)
    other = lock(world, date(2020, 3, 1), date(2020, 3, 1), "one day")
    screen = at("carla", "ledger", ledger_view="Periods", do="open")
    next(box for box in screen.selectbox if box.label == "Period").select(other)

    press(why(screen, "by mistake"), "Open it now")

    assert locked(world) == [(FIRST, LAST, "reported")]


def test_the_month_before_is_what_the_dialog_begins_with(world, at):
    screen = at("carla", "ledger", ledger_view="Periods", do="lock")

    first, last = (field.value for field in screen.date_input if field.label in {"First day", "Last day"})
    assert (first.day, (first.year, first.month)) == (1, (last.year, last.month))
    assert last < world.desk.ports.clock.now().date().replace(day=1)


def test_everything_wrong_is_refused_in_the_dialog_at_once(world, at):
    lock(world)
    screen = press(days(at("carla", "ledger", ledger_view="Periods", do="lock"), LAST, FIRST), "Lock it now")

    assert locked(world) == [(FIRST, LAST, "reported")]
    for said in ("needs a reason", "after its last day", "are locked already"):
        assert said in shown(screen)


@pytest.mark.parametrize("who", ["ana", "dan", "eva"])
def test_an_address_opens_no_dialog_for_whoever_may_not_lock(world, at, who):
    lock(world)

    for what in ("lock", "open"):
        screen = at(who, "ledger", ledger_view="Periods", do=what)
        assert {"Lock it now", "Open it now"}.isdisjoint(labels(screen))


def test_one_that_is_locked_is_shown_however_many_were_opened_since(world, at, monkeypatch):
    monkeypatch.setattr("ui.periods.MOST", 2)
    lock(world, reason="the oldest, and it is locked")
    for month in (2, 3, 4):
        period_id = lock(world, date(2020, month, 1), date(2020, month, 2))
        with world.desk.work(world.actor("carla")) as work:
            ledger.unlock_period(work, period_id, "over")

    assert "the oldest, and it is locked" in shown(at("eva", "ledger", ledger_view="Periods"))
