"""Working days: counted one by one, with the country's own weekends and holidays."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finops_core.kernel.business_days import NO_COUNTRY, add_business_days, is_business_day
from finops_core.kernel.errors import Invalid

days = st.dates(date(2015, 1, 1), date(2035, 12, 31))
countries = st.sampled_from([NO_COUNTRY, "US", "DE", "DE-BY", "GB-ENG", "JP", "AE", "IL"])


@pytest.mark.parametrize(
    ("day", "count", "country", "expected"),
    [
        (date(2026, 1, 31), 3, NO_COUNTRY, date(2026, 2, 4)),  # from a Saturday; numpy's forward roll says the 5th
        (date(2023, 4, 30), 3, NO_COUNTRY, date(2023, 5, 3)),
        (date(2023, 4, 30), 3, "US", date(2023, 5, 3)),
        (date(2023, 4, 30), 3, "DE", date(2023, 5, 4)),  # 1 May is closed
        (date(2023, 4, 30), 3, "GB-ENG", date(2023, 5, 4)),
        (date(2021, 12, 30), 1, "US", date(2022, 1, 3)),  # New Year's Day observed in the old year
        (date(2026, 11, 20), 1, NO_COUNTRY, date(2026, 11, 23)),
        (date(2026, 11, 21), 0, NO_COUNTRY, date(2026, 11, 23)),
        (date(2026, 11, 20), 0, NO_COUNTRY, date(2026, 11, 20)),
        (date(2026, 11, 23), -1, NO_COUNTRY, date(2026, 11, 20)),
        (date(2026, 11, 21), -1, NO_COUNTRY, date(2026, 11, 20)),
        (date(2026, 5, 31), 1, "DE-BY", date(2026, 6, 1)),
        (date(2026, 6, 3), 1, "DE-BY", date(2026, 6, 5)),  # Corpus Christi, in Bavaria but not in Berlin
        (date(2026, 6, 3), 1, "DE-BE", date(2026, 6, 4)),
    ],
)
def test_working_days_are_counted_from_the_day_after(day, count, country, expected):
    assert add_business_days(day, count, country) == expected


@given(days, st.integers(-40, 40), countries)
def test_the_result_is_a_working_day_and_as_many_lie_between_as_were_asked_for(day, count, country):
    result = add_business_days(day, count, country)

    low, high = (day + timedelta(1), result) if count > 0 else (result, day - timedelta(1))
    between = [low + timedelta(n) for n in range((high - low).days + 1)]
    assert is_business_day(result, country)
    if count:
        assert sum(is_business_day(each, country) for each in between) == abs(count)


def test_a_country_with_another_weekend_works_on_its_own_days():
    friday, sunday = date(2026, 11, 20), date(2026, 11, 22)

    assert not is_business_day(friday, "IL")
    assert is_business_day(sunday, "IL")


@pytest.mark.parametrize(
    "country", ["ZZ", "DE-XX", "de", "DEU", "USA", "HolidayBase", "__init__", "DE-", " DE", "DE\n"]
)
def test_a_country_without_a_calendar_is_refused(country):
    with pytest.raises(Invalid) as refusal:
        add_business_days(date(2026, 1, 1), 1, country)
    assert refusal.value.code == "CALENDAR_UNKNOWN"


@pytest.mark.parametrize(
    ("day", "count"),
    [(date(9999, 12, 31), 1), (date(1, 1, 1), -1), (date(2026, 1, 1), 10_001), (date(2026, 1, 1), -10_001)],
)
def test_counting_past_the_end_of_dates_is_refused(day, count):
    with pytest.raises(Invalid) as refusal:
        add_business_days(day, count, NO_COUNTRY)
    assert refusal.value.code == "BUSINESS_DAYS_BAD"
