"""Figures and instants as people read them."""

from datetime import UTC, date, datetime, timedelta

import pytest

from ui.format import Format, ago, duration, plural, size, spelled, until, words

AT = datetime(2026, 11, 20, 14, 15, 7, tzinfo=UTC)


@pytest.mark.parametrize(
    ("locale", "minor", "currency", "told"),
    [
        ("en_US", 18422015, "USD", "184,220.15 USD"),
        ("en_US", -731000, "EUR", "(7,310.00) EUR"),
        ("en_US", 1250400, "JPY", "1,250,400 JPY"),
        ("en_US", 845230, "KWD", "845.230 KWD"),
        ("de_DE", 123456789, "EUR", "1.234.567,89 EUR"),
        ("en_IN", 1234567890, "INR", "1,23,45,678.90 INR"),
        ("en_US", 2**53 - 1, "USD", "90,071,992,547,409.91 USD"),
        ("xx", 100, "USD", "1.00 USD"),
    ],
)
def test_an_amount_has_its_currencys_decimals_and_the_locales_grouping(locale, minor, currency, told):
    assert Format("UTC", locale).amount(minor, currency) == told


def test_a_plain_amount_reads_like_one_in_minor_units_and_other_text_stays():
    shown = Format()

    assert shown.plain("1234.5", "USD") == "1,234.50 USD"
    assert shown.plain("", "USD") == "\N{EN DASH}"
    assert shown.plain("<b>", "USD") == "<b>"


def test_many_currencies_are_cut_to_the_first_few_and_never_added_up():
    totals = {"USD": 100, "EUR": 200, "JPY": 3}

    assert Format().first_amounts(totals, 2) == ["3 JPY", "2.00 EUR", "and 1 more"]
    assert Format().first_amounts(totals, 3) == ["3 JPY", "2.00 EUR", "1.00 USD"]


def test_the_organisations_own_currency_comes_first_and_then_the_largest_figure():
    totals = {"CAD": 30_303, "EUR": 1_000_000, "JPY": 1_000_000, "KWD": 819_730, "SEK": -5_000_000, "USD": 18_372_015}

    assert [told.split()[-1] for told in Format(base="USD").each_amount(totals)] == [
        "USD",
        "JPY",
        "SEK",
        "EUR",
        "KWD",
        "CAD",
    ]
    assert Format(base="USD").first_amounts(totals, 1) == ["183,720.15 USD", "and 5 more"]


def test_a_plain_figure_is_grouped_and_keeps_its_decimals_to_the_last_digit():
    assert Format().figure("183720.15") == "183,720.15"
    assert Format().figure("-75.250") == "(75.250)"
    assert Format(locale="de_DE").figure("1250400") == "1.250.400"
    assert Format().figure("90071992547409.91") == "90,071,992,547,409.91"


def test_cancelled_has_one_spelling():
    assert words("canceled") == "Cancelled"
    assert words("cancelled") == "Cancelled"
    assert spelled("0 of 2 payouts created (2 canceled).") == "0 of 2 payouts created (2 cancelled)."


def test_instants_are_shown_in_the_organisations_zone():
    shown = Format("America/New_York", "en_US")

    assert shown.instant(AT) == "2026-11-20 09:15"
    assert shown.as_of(AT) == "20 Nov 2026 09:15 EST"
    assert shown.start_of(date(2026, 11, 20)) == datetime(2026, 11, 20, 5, tzinfo=UTC)
    assert shown.end_of(date(2026, 11, 20)) == datetime(2026, 11, 21, 5, tzinfo=UTC)


def test_spans_are_told_in_words():
    assert ago(AT - timedelta(hours=3), AT) == "3 h ago"
    assert ago(AT, AT) == "just now"
    assert until(AT + timedelta(hours=5, minutes=1), AT) == "expires in 5 h"
    assert until(AT, AT) == "expired"
    assert [duration(ms) for ms in (820, 3456, 130_000)] == ["820 ms", "3.4 s", "2 min 10 s"]
    assert size(2048) == "2 KiB"
    assert [plural(1, "row"), plural(1200, "row")] == ["1 row", "1,200 rows"]


def test_a_persons_zone_shows_instants_and_the_organisations_bounds_its_days():
    # Given somebody in Tokyo who works for New York
    shown = Format("Asia/Tokyo", "en_US", "USD", "America/New_York")
    at = datetime(2026, 11, 20, 20, tzinfo=UTC)

    # Then instants are read in Tokyo, and the day is the organisation's
    assert shown.instant(at) == "2026-11-21 05:00"
    assert shown.clock(at) == "05:00:00"
    assert shown.day(at) == date(2026, 11, 20)
    assert shown.start_of(date(2026, 11, 20)) == datetime(2026, 11, 20, 5, tzinfo=UTC)
