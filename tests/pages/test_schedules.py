"""Schedules on the Health page: when the desk looks after itself, switched and changed by an administrator."""

from collections.abc import Iterator
from time import sleep

import pytest
from streamlit.testing.v1 import AppTest

from finops_core.api.health import KEPT_S
from finops_core.catalog.schedules import SCHEDULES
from finops_core.kernel.actor import worker_actor
from finops_core.platform import queue
from finops_core.upkeep import scheduling
from tests.pages.conftest import press, shown
from tests.world import World

HOURLY = "Hold each balance against its postings"


@pytest.fixture(autouse=True)
def as_shipped(world: World) -> Iterator[None]:
    yield
    with world.desk.work(world.actor("adam")) as work:
        for row in scheduling.schedules(work, SCHEDULES):
            if not row.enabled or row.calendar != row.shipped:
                scheduling.change(work, SCHEDULES, row.name, "over", calendar=row.shipped, enabled=True)


def hourly(world: World) -> scheduling.ScheduleView:
    with world.desk.read(world.actor("adam")) as reading:
        return scheduling.one(reading, SCHEDULES, "ledger.hourly")


def typed(screen: AppTest, calendar: str = "", why: str = "") -> AppTest:
    if calendar:
        next(field for field in screen.text_input if field.label == "Calendar").input(calendar).run()
    if why:
        next(field for field in screen.text_input if field.label == "Why").input(why)
    return screen


def test_each_schedule_is_told_with_its_next_three_times(world, at):
    told = shown(at("adam", "health"))

    for each in SCHEDULES.values():
        assert each.title in told
        assert each.calendar in told
    assert told.count(":07") >= 3
    assert "switched off" not in told


def test_an_administrator_switches_one_off_and_the_page_warns_of_it(world, at):
    # Given a worker, and checks that hold
    with world.desk.work(worker_actor("")) as work:
        queue.acquire_lease(work, "worker", "a-worker", 600)
    world.run_job("upkeep.check")

    # When Adam switches the hourly look off
    screen = at("adam", "health", do="change", schedule="ledger.hourly")
    next(toggle for toggle in screen.toggle if toggle.label == "On").set_value(False)
    press(typed(screen, why="the auditors count"), "Change it")

    # Then it is off, and whoever watches the desk is warned and told what is missed
    assert not hourly(world).enabled
    sleep(KEPT_S + 0.1)  # the page looks no oftener than that
    told = shown(at("adam", "health"))
    assert f"{HOURLY}: switched off." in told
    assert SCHEDULES["ledger.hourly"].off in told
    assert f"Switched off: {HOURLY.lower()}." in told


def test_another_calendar_is_shown_with_its_next_times_before_it_is_taken(world, at):
    screen = typed(at("adam", "health", do="change", schedule="ledger.hourly"), "17 3 * * mon-fri")
    assert shown(screen).count(":17") >= 3

    press(typed(screen, why="at night"), "Change it")

    assert (hourly(world).calendar, hourly(world).changed_by) == ("17 3 * * mon-fri", world.people["adam"])
    assert "shipped as 7 * * * *" in shown(at("adam", "health"))


def test_what_is_no_calendar_is_said_at_once_and_refused(world, at):
    screen = typed(at("adam", "health", do="change", schedule="ledger.hourly"), "0 2 * * 0")
    assert "names the days of the week" in shown(screen)

    press(screen, "Change it")

    assert hourly(world).calendar == "7 * * * *"
    assert "needs a reason" in shown(screen)


def test_the_one_that_is_chosen_is_changed(world, at):
    screen = at("adam", "health", do="change", schedule="ledger.hourly")
    next(box for box in screen.selectbox if box.label == "Schedule").select("ledger.weekly").run()
    next(toggle for toggle in screen.toggle if toggle.label == "On").set_value(False)

    press(typed(screen, why="moved"), "Change it")

    assert hourly(world).enabled
    with world.desk.read(world.actor("adam")) as reading:
        assert not scheduling.one(reading, SCHEDULES, "ledger.weekly").enabled
