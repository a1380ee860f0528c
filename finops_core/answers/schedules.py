"""Schedules as programs see them, and what they can ask of them; no rule lives here."""

from datetime import datetime

from pydantic import Field

from finops_core.answers.common import Answer
from finops_core.catalog.schedules import SCHEDULES
from finops_core.platform.work import Reading, Work
from finops_core.upkeep import scheduling


class ScheduleAnswer(Answer):
    """When a kind of work is due."""

    name: str = Field(examples=["ledger.hourly"])
    kind: str = Field(examples=["ledger.reconcile"])
    title: str
    calendar: str = Field(
        description="Minute, hour, day, month and day of the week, in UTC.", examples=["7 * * * *", "0 2 * * sun"]
    )
    shipped: str = Field(description="The calendar that it came with.")
    enabled: bool
    changed_by: str = Field(description="Empty while it is as it came.")
    changed_at: datetime
    written_at: datetime | None = Field(description="When it was last written as a job; null before the first time.")
    next_at: list[datetime] = Field(description="The next three times; none while it is off.")


class SchedulesAnswer(Answer):
    """The organisation's schedules."""

    items: list[ScheduleAnswer]


def schedules(reading: Reading) -> SchedulesAnswer:
    """All of them."""
    return SchedulesAnswer(items=[schedule(each) for each in scheduling.schedules(reading, SCHEDULES)])


def change(work: Work, name: str, reason: str, calendar: str | None, enabled: bool | None) -> ScheduleAnswer:  # noqa: FBT001
    """Give one another calendar, switch it, or both."""
    return schedule(scheduling.change(work, SCHEDULES, name, reason, calendar=calendar, enabled=enabled))


def schedule(view: scheduling.ScheduleView) -> ScheduleAnswer:
    """One of them."""
    return ScheduleAnswer.of(view)
