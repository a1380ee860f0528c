"""What people are told of by default, what may leave in a mail, and when the daily mail is due."""

from datetime import UTC, date, datetime, timedelta

import pytest

from finops_core.kernel.permissions import Permission
from finops_core.notifications import KINDS, Kind, Way, digest_day, expires_soon, facts_of
from finops_core.notifications.rules import PAUSES_S, for_mail, grouped, one_line, pause_s, way_of

GOOD = {Kind.APPROVAL_APPROVED, Kind.EXECUTION_COMPLETED}


def test_every_kind_says_how_people_are_told_and_may_choose_that():
    assert set(KINDS) == set(Kind)
    assert all(facts.way in facts.ways for facts in KINDS.values())


def test_bad_news_and_decisions_come_at_once_good_news_waits_in_the_app():
    by_way = {way: {kind for kind, facts in KINDS.items() if facts.way is way} for way in Way}

    assert by_way[Way.APP] == GOOD | {Kind.MAIL_FAILING}
    assert by_way[Way.MAIL] == set(Kind) - GOOD - {Kind.MAIL_FAILING}


def test_only_good_news_can_be_put_out_and_no_mail_tells_that_mail_fails():
    assert {kind for kind, facts in KINDS.items() if Way.OFF in facts.ways} == GOOD
    assert KINDS[Kind.MAIL_FAILING].ways == (Way.APP,)


@pytest.mark.parametrize(
    ("kind", "chosen", "way"),
    [
        (Kind.PAYOUT_RETURNED, None, Way.MAIL),
        (Kind.PAYOUT_RETURNED, "digest", Way.DIGEST),
        (Kind.PAYOUT_RETURNED, "off", Way.MAIL),
        (Kind.PAYOUT_RETURNED, "by pigeon", Way.MAIL),
        (Kind.EXECUTION_COMPLETED, "off", Way.OFF),
        ("another.version", None, Way.APP),
    ],
)
def test_what_somebody_chose_counts_while_it_is_offered(kind: str, chosen: str | None, way: Way):
    assert way_of(kind, chosen) is way


def test_a_kind_of_another_version_has_a_name():
    assert facts_of("file.commented").title == "File commented"


def test_the_schedule_is_the_one_of_the_decision_and_ends():
    assert PAUSES_S == (5, 300, 1800, 7200, 18000, 36000, 36000)
    assert [pause_s(attempts) for attempts in (1, 7, 8)] == [5, 36000, None]


@pytest.mark.parametrize(
    ("said", "left"),
    [
        ("It went to DE89 3704 0044 0532 0130 00.", "It went to •••• 3000."),
        ("It went to GB29NWBK60161331926819", "It went to •••• 6819"),
        ("Account 000123456789.", "Account •••• 6789."),
        ("Account 0001 2345 6789 closed", "Account •••• 6789 closed"),
        ("key sk_test_51H8xyzabcdefghij is void", "key … is void"),
        ("whsec_0123456789abcdef", "…"),
    ],
)
def test_no_account_in_full_and_no_key_leaves_in_a_mail(said: str, left: str):
    assert for_mail(said) == left


@pytest.mark.parametrize(
    "said",
    [
        "184220150.15 USD of EX-2026-0001 came back",
        "1250400000 JPY of EX-2026-0001 came back",
        "AP-2026-0007 expires at 2026-11-20 09:15 UTC",
        "po_1QabcDEF234567890 at the provider carries row 3 too",
        "1,250,400,000.00 EUR",
    ],
)
def test_amounts_numbers_and_dates_stay_as_they_are(said: str):
    assert for_mail(said) == said


def test_a_header_is_one_line_without_control_characters():
    assert one_line("a\r\nBcc: b\x00\u2028c  d") == "a Bcc: b c d"
    assert len(one_line("x" * 500)) == 200


NEW_YORK, BERLIN = "America/New_York", "Europe/Berlin"


@pytest.mark.parametrize(
    ("now", "zone", "hour", "day"),
    [
        ("2026-11-20T06:59", "UTC", 7, None),
        ("2026-11-20T07:00", "UTC", 7, date(2026, 11, 20)),
        ("2026-11-20T11:59", NEW_YORK, 7, None),
        ("2026-11-20T12:00", NEW_YORK, 7, date(2026, 11, 20)),
        # The night the clock leaves out the hour from two to three, and the one in which it comes twice.
        ("2026-03-29T00:59", BERLIN, 2, None),
        ("2026-03-29T01:00", BERLIN, 2, date(2026, 3, 29)),
        ("2026-10-25T00:00", BERLIN, 2, date(2026, 10, 25)),
        ("2026-10-25T01:00", BERLIN, 2, date(2026, 10, 25)),
        ("2026-11-20T23:30", "Asia/Tokyo", 7, date(2026, 11, 21)),
    ],
)
def test_the_day_begins_at_the_hour_of_the_zone(now: str, zone: str, hour: int, day: date | None):
    assert digest_day(datetime.fromisoformat(now).replace(tzinfo=UTC), zone, hour) == day


def test_a_short_request_is_called_to_mind_in_its_last_quarter():
    assert expires_soon(24 * 3600) == timedelta(hours=2)
    assert expires_soon(3600) == timedelta(minutes=15)


@pytest.mark.parametrize(
    ("told", "read"),
    [
        ("1950.15 EUR came back", "1,950.15 EUR came back"),
        ("asks for 1234567 JPY, 12.50 USD.", "asks for 1,234,567 JPY, 12.50 USD."),
        ("EX-2026-0001 of 2026 was stopped", "EX-2026-0001 of 2026 was stopped"),
        ("-1950.15 EUR, 1.1950 BHD", "-1950.15 EUR, 1.1950 BHD"),
    ],
)
def test_amounts_in_a_mail_are_grouped_like_on_the_screens(told: str, read: str):
    assert grouped(told) == read


def test_what_only_watchers_and_administrators_are_told_says_so():
    assert KINDS[Kind.CHECK_VIOLATED].told is Permission.HEALTH_VIEW
    assert KINDS[Kind.FORWARDING_FAILING].told is Permission.CONNECTIONS_ADMINISTER
    assert KINDS[Kind.EXECUTION_FAILED].told is None
