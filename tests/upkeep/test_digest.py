"""The daily mail: what waits and what is unread, once a day at the hour of choice, over restarts and odd nights."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import update

from finops_core import notifications
from finops_core.kernel.actor import worker_actor
from finops_core.kernel.clock import ManualClock
from finops_core.notifications import Kind
from finops_core.reference.models import organisation
from finops_core.upkeep.digest import write_digests
from tests.mail_host import MailHost, Taken, mail_settings, running_mail_host
from tests.world import World, running_world

FILE = "currency,maximum\nUSD,100.00\n"
MIDNIGHT = datetime(2031, 3, 28, 0, 0, tzinfo=UTC)
BERLIN = "Europe/Berlin"


@pytest.fixture
def host() -> Iterator[MailHost]:
    with running_mail_host() as made:
        yield made


@pytest.fixture
def world(tmp_path: Path, database_url: str, host: MailHost) -> Iterator[World]:
    """Harbour lives in Berlin, where the clocks change in the night to 30 March 2031."""
    with running_world(tmp_path, database_url, ManualClock(MIDNIGHT), **mail_settings(host)) as made:
        with made.desk.work(worker_actor("")) as work:
            work.execute(update(organisation).values(zone=BERLIN))
        yield made


def tell(world: World, title: str, kind: Kind = Kind.PAYOUT_RETURNED, who: str = "ana") -> None:
    with world.desk.work(worker_actor(world.orgs["harbour"])) as work:
        notifications.notify(work, [world.people[who]], kind, once=title, title=title, page="executions")


def choose(world: World, who: str, hour: int | None, **ways: str) -> None:
    with world.desk.work(world.actor(who)) as work:
        notifications.choose(work, {kind.replace("_", ".", 1): way for kind, way in ways.items()}, hour)


def at(world: World, when: datetime) -> None:
    """Some rounds of the job at this time, as restarted workers would make them; then the mail is delivered."""
    clock = world.desk.ports.clock
    assert isinstance(clock, ManualClock)
    clock.advance(when - clock.now())
    for _ in range(3):
        world.run_job("notifications.digest")
    write_digests(world.desk, None)  # type: ignore[arg-type]
    world.work_off()


def daily(host: MailHost, who: str = "ana") -> list[Taken]:
    return [
        each
        for each in host.taken
        if each.to == f"{who}@demo.tieout.example" and "Your day" in str(each.message["Subject"])
    ]


def test_it_says_what_waits_and_what_is_unread_and_leads_there(world: World, host: MailHost):
    # Given a request for Ben, and news for him that he wants once a day
    choose(world, "ben", 7, payout_returned="digest")
    tell(world, "100.00 USD came back", who="ben")
    seen = world.submitted(FILE)
    world.work_off()
    assert [str(each.message["Subject"]) for each in host.taken if each.to.startswith("ben@")] == [
        f"[Harbour Labs] To decide: {seen.title} {seen.number}"
    ], "what is for the daily mail does not come at once"

    # When his hour comes: seven in Berlin
    at(world, MIDNIGHT + timedelta(hours=5, minutes=59))
    assert daily(host, "ben") == []
    at(world, MIDNIGHT + timedelta(hours=6))

    # Then one mail says all of it, the request once
    (mail,) = daily(host, "ben")
    assert str(mail.message["Subject"]) == "[Harbour Labs] Your day: 1 to decide, 1 unread"
    assert f"Waiting for your decision:\n- AP-2031-0001: {seen.title} {seen.number}\n" in mail.text
    assert "Unread:\n- 100.00 USD came back\n" in mail.text
    assert mail.text.count(seen.number) == 1
    assert "Open it: https://tieout.example/?org=harbour" in mail.text


def test_who_has_nothing_gets_nothing_also_when_something_comes_later_that_day(world: World, host: MailHost):
    at(world, MIDNIGHT + timedelta(hours=6))
    tell(world, "later")
    at(world, MIDNIGHT + timedelta(hours=12))

    assert daily(host) == []


def test_what_was_read_or_is_good_news_is_not_in_it(world: World, host: MailHost):
    tell(world, "read")
    with world.desk.work(world.actor("ana")) as work:
        notifications.read_all(work)
    tell(world, "good", Kind.EXECUTION_COMPLETED)

    at(world, MIDNIGHT + timedelta(hours=6))

    assert daily(host) == []


def test_who_wants_none_gets_none(world: World, host: MailHost):
    choose(world, "ana", None)
    tell(world, "unread")

    at(world, MIDNIGHT + timedelta(hours=20))

    assert daily(host) == []


def test_one_a_day_over_restarts_and_both_nights_of_the_clock(world: World, host: MailHost):
    # Given Ana, whose hour is the one the clock leaves out in spring and has twice in autumn
    choose(world, "ana", 2)
    tell(world, "unread")
    nights = [datetime(2031, 3, day, tzinfo=UTC) for day in (29, 30, 31)]
    # When the job runs every half hour of three days in spring
    for night in nights:
        for half in range(48):
            at(world, night - timedelta(hours=1) + timedelta(minutes=30 * half))
    # Then there is one mail a day
    said = [each.message["Date"].datetime.astimezone(UTC) for each in daily(host)]
    assert [(each.day, each.hour) for each in said] == [(29, 1), (30, 1), (31, 0)]
    # and so it is in autumn
    at(world, datetime(2031, 10, 25, 12, 0, tzinfo=UTC))
    tell(world, "still unread")
    for half in range(16):
        at(world, datetime(2031, 10, 25, 22, 0, tzinfo=UTC) + timedelta(minutes=30 * half))
    assert [each.message["Date"].datetime.astimezone(UTC).hour for each in daily(host)[3:]] == [0]


def test_another_hour_does_not_bring_a_second_one_on_the_same_day(world: World, host: MailHost):
    tell(world, "unread")
    at(world, MIDNIGHT + timedelta(hours=6))
    choose(world, "ana", 18)
    at(world, MIDNIGHT + timedelta(hours=18))
    assert len(daily(host)) == 1

    at(world, MIDNIGHT + timedelta(hours=24 + 17))

    assert len(daily(host)) == 2
