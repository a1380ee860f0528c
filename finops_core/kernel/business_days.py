"""Counting working days by weekends and public holidays. Not for fiscal periods, nor for a company's own days off.

Holidays come from the ``holidays`` library (public holidays, ISO 3166-1 codes, subdivisions as ISO 3166-2: ``DE-BY``).
"""

import re
from datetime import date, timedelta
from functools import lru_cache

from finops_core.kernel.errors import Invalid

NO_COUNTRY = ""
"""The calendar that knows Saturdays and Sundays only."""

MAX_STEPS = 10_000
_CALENDAR = re.compile(r"([A-Z]{2})(?:-([A-Z0-9]{1,3}))?")
_SATURDAY = 5
_ONE_DAY = timedelta(days=1)


def add_business_days(day: date, count: int, country: str) -> date:
    """The working day that is ``count`` working days after ``day`` (before it, when negative).

    The first working day after ``day`` is 1, whatever ``day`` is itself: three working days after Saturday
    2026-01-31 is Wednesday 2026-02-04. 0 gives ``day``, or the next working day when it is none. (Rolling a closed
    day forward before counting, as numpy does, would give the Thursday: tried and rejected.)
    Raises Invalid CALENDAR_UNKNOWN, and Invalid BUSINESS_DAYS_BAD past 10,000 days or the end of dates.
    """
    if abs(count) > MAX_STEPS:
        raise _too_far(day, count)
    step = -_ONE_DAY if count < 0 else _ONE_DAY
    try:
        if count == 0:
            return _first_working_day(day, step, country)
        for _ in range(abs(count)):
            day = _first_working_day(day + step, step, country)
    except OverflowError:
        raise _too_far(day, count) from None
    return day


def is_business_day(day: date, country: str) -> bool:
    """Whether the country works that day. Raises Invalid CALENDAR_UNKNOWN."""
    return day not in _closed_days(country, day.year)


def _first_working_day(day: date, step: timedelta, country: str) -> date:
    while not is_business_day(day, country):
        day += step
    return day


@lru_cache(maxsize=1_024)
def _closed_days(country: str, year: int) -> frozenset[date]:
    first = date(year, 1, 1).toordinal()
    days = [date.fromordinal(number) for number in range(first, date(year, 12, 31).toordinal() + 1)]
    if country == NO_COUNTRY:
        return frozenset(day for day in days if day.weekday() >= _SATURDAY)
    match = _CALENDAR.fullmatch(country)
    if match is None:
        raise _unknown(country)
    # Imported here: most programs that import the kernel never count a day, and this costs 0.1 s.
    import holidays  # noqa: PLC0415

    try:
        calendar = holidays.country_holidays(match[1], subdiv=match[2], years=year, expand=False)
    except NotImplementedError:
        raise _unknown(country) from None
    # The library knows weekends that are not Saturday and Sunday, and Saturdays that are worked to make up.
    return frozenset(day for day in days if not calendar.is_working_day(day))


def _unknown(country: str) -> Invalid:
    return Invalid(
        "CALENDAR_UNKNOWN",
        f"There are no public holidays on file for {country[:20]!r}.",
        hint="Use a country code such as DE or US, or a subdivision such as DE-BY.",
    )


def _too_far(day: date, count: int) -> Invalid:
    return Invalid("BUSINESS_DAYS_BAD", f"{count} working days from {day.isoformat()} is too far to count.")
