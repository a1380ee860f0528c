"""Calendars of schedules: which are some, when they come, and what is said of those that are none."""

from datetime import UTC, datetime

import pytest

from finops_core.catalog.schedules import SCHEDULES
from finops_core.kernel.errors import Invalid
from finops_core.upkeep import calendars

FRIDAY = datetime(2026, 11, 27, 23, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("calendar", "wanted"),
    [
        ("7 * * * *", ["2026-11-27 23:07", "2026-11-28 00:07", "2026-11-28 01:07"]),
        ("30 1 * * *", ["2026-11-28 01:30", "2026-11-29 01:30", "2026-11-30 01:30"]),
        ("0 2 * * sun", ["2026-11-29 02:00", "2026-12-06 02:00", "2026-12-13 02:00"]),
        ("0 23 * * *", ["2026-11-28 23:00", "2026-11-29 23:00", "2026-11-30 23:00"]),
        ("0 0 29 2 *", ["2028-02-29 00:00", "2032-02-29 00:00", "2036-02-29 00:00"]),
        ("*/30 6-7 * * mon-fri", ["2026-11-30 06:00", "2026-11-30 06:30", "2026-11-30 07:00"]),
    ],
)
def test_the_next_times_come_after_the_instant_that_is_asked_about(calendar: str, wanted: list[str]):
    assert [f"{at:%Y-%m-%d %H:%M}" for at in calendars.next_times(calendar, FRIDAY)] == wanted


@pytest.mark.parametrize(("typed", "kept"), [(" 7  *\t* * * ", "7 * * * *"), ("0 2 * * SUN", "0 2 * * sun")])
def test_a_calendar_is_kept_plainly(typed: str, kept: str):
    assert calendars.checked(typed) == kept


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("", "5 parts"),
        ("hourly", "5 parts"),
        ("7 * * *", "5 parts"),
        ("7 * * * * *", "5 parts"),
        ("7 * * * *" + " " * 3 + "x" * 200, "5 parts"),
        ("x" * 200 + " * * * *", "5 parts"),
        ("60 * * * *", "can be read"),
        ("7 24 * * *", "can be read"),
        ("7 * * * caturday", "can be read"),
        ("*/0 * * * *", "can be read"),
        ("7\u0000 * * * *", "can be read"),
        ("0 2 * * 0", "names the days of the week"),
        ("0 2 1 * sun", "not both"),
        ("0 2 */2 * mon-fri", "not both"),
        ("0 2 * * 7", "names the days of the week"),
        ("0 0 30 2 *", "comes on some day"),
    ],
)
def test_what_is_no_calendar_is_refused_with_what_one_would_be(typed: str, said: str):
    with pytest.raises(Invalid) as caught:
        calendars.checked(typed)

    assert caught.value.code == "SCHEDULE_CALENDAR_BAD"
    assert said in caught.value.message
    assert "7 * * * *" in caught.value.hint


def test_every_calendar_that_the_desk_ships_is_one():
    assert {each.name: each.calendar for each in SCHEDULES.values()} == {
        name: calendars.checked(each.calendar) for name, each in SCHEDULES.items()
    }
