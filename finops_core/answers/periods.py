"""Locked periods as programs see them, and what they can ask of them; no rule lives here."""

from datetime import date, datetime

from pydantic import Field

from finops_core import ledger
from finops_core.answers.common import Answer
from finops_core.platform.work import Reading, Work

MOST = 200


class PeriodAnswer(Answer):
    """Business days that nothing is posted into, first and last included, or were such."""

    id: str = Field(examples=["period_0199b1c2d3e4"])
    from_on: date
    to_on: date
    reason: str
    locked_by: str
    locked_at: datetime
    unlocked_by: str
    unlocked_at: datetime | None = Field(description="Null while they are locked.")
    unlocked_reason: str


class PeriodsAnswer(Answer):
    """Periods, the latest days first."""

    items: list[PeriodAnswer]


def periods(reading: Reading, *, locked: bool) -> PeriodsAnswer:
    """Periods that are locked, or the last ones there were."""
    return PeriodsAnswer(items=[PeriodAnswer.of(each) for each in ledger.periods(reading, MOST, locked=locked)])


def lock(work: Work, from_on: date, to_on: date, reason: str) -> PeriodAnswer:
    """Lock business days."""
    return PeriodAnswer.of(ledger.period(work, ledger.lock_period(work, from_on, to_on, reason)))


def unlock(work: Work, period_id: str, reason: str) -> PeriodAnswer:
    """Open them again."""
    ledger.unlock_period(work, period_id, reason)
    return PeriodAnswer.of(ledger.period(work, period_id))
