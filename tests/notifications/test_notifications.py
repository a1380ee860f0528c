"""Notices: each piece of news reaches each person once, and nobody else sees or puts away what is theirs."""

import threading
from datetime import timedelta

import pytest
from sqlalchemy import select

from finops_core import notifications
from finops_core.kernel.actor import worker_actor
from finops_core.notifications.models import notice
from tests.desks import AreaDesk, person_actor
from tests.held_up import held_up

ANA, BEN = "person_ana", "person_ben"


@pytest.fixture
def org(area: AreaDesk) -> str:
    return area.org()


def tell(area: AreaDesk, org: str, *people: str, once: str = "returned:1", **facts: object) -> None:
    given = {"title": "100.00 USD came back", **facts}
    with area.work(worker_actor(org)) as work:
        notifications.notify(work, people, "payout.returned", once=once, **given)  # type: ignore[arg-type]


def titles(area: AreaDesk, org: str, person: str) -> list[str]:
    with area.read(person_actor(person, org)) as reading:
        found = [each.title for each in notifications.unread(reading)]
        assert notifications.unread_count(reading) == len(found)
    return found


def ids(area: AreaDesk, org: str, person: str) -> list[str]:
    with area.read(person_actor(person, org)) as reading:
        return [each.id for each in notifications.unread(reading)]


def test_who_must_know_is_told_what_happened_and_where_to_look(area: AreaDesk, org: str):
    tell(area, org, ANA, body="No account.", page="executions", query={"execution": "EX-2026-0001"})

    with area.read(person_actor(ANA, org)) as reading:
        (told,) = notifications.unread(reading)
    assert (told.kind, told.title, told.body) == ("payout.returned", "100.00 USD came back", "No account.")
    assert (told.page, told.query) == ("executions", {"execution": "EX-2026-0001"})
    assert told.created_at == area.clock.now()


def test_the_same_news_reaches_each_person_once(area: AreaDesk, org: str):
    tell(area, org, ANA, ANA, BEN)
    tell(area, org, ANA, BEN, title="said again")
    tell(area, org, ANA, once="returned:2", title="other news")

    assert titles(area, org, ANA) == ["other news", "100.00 USD came back"]
    assert titles(area, org, BEN) == ["100.00 USD came back"]


def test_news_that_was_put_away_does_not_come_back(area: AreaDesk, org: str):
    tell(area, org, ANA)
    with area.work(person_actor(ANA, org)) as work:
        notifications.read_all(work)

    tell(area, org, ANA)

    assert titles(area, org, ANA) == []


def test_two_units_with_the_same_news_at_the_same_moment_tell_it_once(area: AreaDesk, org: str):
    def first(work) -> None:
        notifications.notify(work, [ANA], "payout.returned", once="returned:1", title="first")

    given = held_up(area.units, worker_actor(org), first, lambda: tell(area, org, ANA, title="second"))

    assert given is None, "neither unit has failed"
    assert titles(area, org, ANA) == ["first"]


def test_units_that_tell_the_same_people_in_another_order_do_not_lock_each_other_out(area: AreaDesk, org: str):
    people = [f"person_{number:02}" for number in range(30)]
    failed: list[BaseException] = []
    ready = threading.Barrier(2)

    def tell_all(order: list[str]) -> None:
        try:
            for number in range(20):
                ready.wait(30)
                tell(area, org, *order, once=f"returned:{number}")
        except Exception as error:  # noqa: BLE001 - whatever it is, the test says so
            failed.append(error)
            ready.abort()

    threads = [threading.Thread(target=tell_all, args=(order,)) for order in (people, people[::-1])]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert failed == []
    assert len(titles(area, org, people[0])) == 20


def test_news_whose_unit_is_undone_is_no_news(area: AreaDesk, org: str):
    def tell_and_break() -> None:
        with area.work(worker_actor(org)) as work:
            notifications.notify(work, [ANA], "payout.returned", once="returned:1", title="undone")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        tell_and_break()

    assert titles(area, org, ANA) == []


def test_everybody_sees_and_puts_away_their_own_alone(area: AreaDesk, org: str):
    tell(area, org, ANA, BEN)
    (bens,) = ids(area, org, BEN)

    with area.work(person_actor(ANA, org)) as work:
        notifications.read_one(work, bens)
        notifications.read_all(work)

    assert titles(area, org, ANA) == []
    assert ids(area, org, BEN) == [bens]


def test_one_is_put_away_and_the_others_stay(area: AreaDesk, org: str):
    for number in (1, 2, 3):
        tell(area, org, ANA, once=f"returned:{number}", title=f"news {number}")
    middle = ids(area, org, ANA)[1]
    area.clock.advance(timedelta(hours=1))

    with area.work(person_actor(ANA, org)) as work:
        notifications.read_one(work, middle)
    read_at = area.clock.now()
    area.clock.advance(timedelta(hours=1))
    with area.work(person_actor(ANA, org)) as work:
        notifications.read_one(work, middle)

    assert titles(area, org, ANA) == ["news 3", "news 1"]
    with area.read(worker_actor(org)) as reading:
        mine = notice.c.org_id == org, notice.c.id == middle
        assert reading.scalar(select(notice.c.read_at).where(*mine)) == read_at, "the first time counts"


def test_the_newest_come_first_and_all_are_counted(area: AreaDesk, org: str):
    for number in range(25):
        tell(area, org, ANA, once=f"returned:{number}", title=f"news {number}")

    with area.read(person_actor(ANA, org)) as reading:
        shown = [each.title for each in notifications.unread(reading)]
        two = [each.title for each in notifications.unread(reading, limit=2)]
        count = notifications.unread_count(reading)
    assert (len(shown), shown[0], two, count) == (20, "news 24", ["news 24", "news 23"], 25)


def test_the_other_organisation_sees_and_puts_away_nothing(area: AreaDesk, org: str):
    # Given somebody who works for both
    other = area.org("norrland")
    tell(area, org, ANA)
    tell(area, other, ANA, title="Norrland's")
    (mine,) = ids(area, org, ANA)
    # When they act for the other one
    with area.work(person_actor(ANA, other)) as work:
        notifications.read_one(work, mine)
    assert titles(area, other, ANA) == ["Norrland's"]
    with area.work(person_actor(ANA, other)) as work:
        notifications.read_all(work)
    # Then each organisation's news stays its own
    assert titles(area, other, ANA) == []
    assert titles(area, org, ANA) == ["100.00 USD came back"]


def test_nobody_in_particular_sees_nothing(area: AreaDesk, org: str):
    tell(area, org, ANA)

    assert titles(area, org, "") == []
    assert titles(area, "", ANA) == []
