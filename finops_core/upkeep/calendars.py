"""Calendars of schedules: the five fields of a cron expression, in UTC. Pure.

APScheduler reads them; it counts the days of the week from Monday, cron from Sunday. So they are named, never counted.
"""

from datetime import UTC, datetime, timedelta

from apscheduler.triggers.cron import CronTrigger

from finops_core.kernel.errors import Invalid

CHARS_MAX = 100
FIELDS = 5
_JUST_AFTER = timedelta(microseconds=1)
_LIKE = (
    "Write minute, hour, day, month and day of the week in UTC, such as 7 * * * * or 0 2 * * sun; "
    "one of the two days is *."
)


def checked(text: str) -> str:
    """The calendar as it is stored; ``SCHEDULE_CALENDAR_BAD`` for none, or one that never comes."""
    plain = " ".join(text.lower().split())
    fields = plain.split(" ")
    if len(plain) > CHARS_MAX or len(fields) != FIELDS:
        raise _bad(plain, f"has {FIELDS} parts")
    if not {fields[2], fields[4]} & {"*", "?"}:
        # Cron comes on either of them, APScheduler only where both meet.
        raise _bad(plain, "names days of the month or days of the week, not both")
    if any(character.isdigit() for character in fields[-1]):
        raise _bad(plain, "names the days of the week: mon, tue, wed, thu, fri, sat, sun")
    if next_after(plain, datetime(2026, 1, 1, tzinfo=UTC)) is None:
        raise _bad(plain, "comes on some day")
    return plain


def next_after(calendar: str, at: datetime) -> datetime | None:
    """The first instant after another one that a calendar names; None where there is none."""
    try:
        trigger = CronTrigger.from_crontab(calendar, timezone=UTC)
        found: datetime | None = trigger.get_next_fire_time(None, at + _JUST_AFTER)
    except (ValueError, OverflowError) as error:
        raise _bad(calendar, f"can be read ({error})") from error
    return found


def next_times(calendar: str, at: datetime, many: int = 3) -> tuple[datetime, ...]:
    """The next instants that a calendar names, soonest first."""
    found: list[datetime] = []
    while len(found) < many and (at_ := next_after(calendar, found[-1] if found else at)) is not None:
        found.append(at_)
    return tuple(found)


def _bad(calendar: str, why: str) -> Invalid:
    shown = calendar[:CHARS_MAX] or "nothing"
    return Invalid("SCHEDULE_CALENDAR_BAD", f"“{shown}” is no calendar: one {why}.", hint=_LIKE)
