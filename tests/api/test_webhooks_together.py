"""News that comes while the desk is busy is kept together: one commit, and for each piece its own answer."""

import asyncio
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import event, text
from sqlalchemy.exc import TimeoutError as PoolEmpty
from starlette.requests import Request

from finops_core import payouts
from finops_core.api.webhooks import AT_ONCE, WAITING_MOST, NewsDoor
from finops_core.desk import Desk
from finops_core.kernel.errors import Unavailable
from finops_core.kernel.provider import ProviderEvent
from finops_core.platform.db import open_owner_engine
from tests.api.conftest import Site
from tests.api.test_webhooks import FOREIGN, SECRET, Door, door, follow_jobs, kept, told

__all__ = ["door"]

MANY = 12


def request(door: Door, number: int, *, secret: str = SECRET, connection_id: str = "") -> Request:
    """One piece of news as the server hands it to the route."""
    body = told(door, number)
    scope = {
        "type": "http",
        "method": "POST",
        "headers": [(b"stripe-signature", door.signed(body, secret).encode())],
        "path_params": {"connection": connection_id or door.connection_id},
    }

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    return Request(scope, receive)


def answers(door: Door, requests: Sequence[Request], waiting_most: int = WAITING_MOST) -> list[int]:
    """What the door answers to all of them, when the first is being kept as the others come."""

    async def all_of_them() -> list[int]:
        news = NewsDoor(lambda: door.site.desk, "stripe", "stripe-signature", waiting_most)
        owner = open_owner_engine(door.site.desk.settings)
        with owner.begin() as holder:
            if holder.dialect.name == "postgresql":
                holder.execute(text("LOCK TABLE provider_news IN ACCESS EXCLUSIVE MODE"))
            waiting = [asyncio.create_task(news.take(each)) for each in requests]
            await asyncio.sleep(0.2)
        owner.dispose()
        return [(await each).status_code for each in waiting]

    return asyncio.run(all_of_them())


@contextmanager
def counted(site: Site) -> Iterator[list[int]]:
    """How many transactions of the writer were committed."""
    commits: list[int] = []

    def note(_connection: object) -> None:
        commits.append(1)

    event.listen(site.desk.database.writer, "commit", note)
    yield commits
    event.remove(site.desk.database.writer, "commit", note)


def test_what_comes_while_the_desk_is_busy_is_kept_in_one_commit_and_answered_each(door: Door):
    # Given news of two that can sign, one that cannot, and one for nobody
    requests = [request(door, number) for number in range(MANY)]
    requests[3] = request(door, 3, secret=FOREIGN)
    requests[4] = request(door, 4, connection_id=f"cn_{'0' * 32}")

    # When all but the first come while the desk is busy
    with counted(door.site) as commits:
        found = answers(door, requests)

    # Then what is proven is kept, once each, by two commits, and the worker is asked once
    assert [found.pop(4), found.pop(3)] == [404, 400]
    assert set(found) == {200}
    assert sorted(row[0] for row in kept(door)) == sorted(f"evt_sbx_{n}" for n in range(MANY) if n not in {3, 4})
    assert len(commits) == 2
    assert len(follow_jobs(door)) == 1


def test_the_same_news_among_them_is_kept_once(door: Door):
    found = answers(door, [request(door, number % 3) for number in range(MANY)])

    assert set(found) == {200}
    assert len(kept(door)) == 3


def test_no_more_are_carried_at_once_than_leaves_others_their_turn(door: Door):
    with counted(door.site) as commits:
        found = answers(door, [request(door, number) for number in range(1 + AT_ONCE + 1)])

    assert set(found) == {200}
    assert len(kept(door)) == AT_ONCE + 2
    assert len(commits) == 3


def test_one_that_breaks_the_desk_does_not_take_the_others_with_it(door: Door, caplog: pytest.LogCaptureFixture):
    owner = open_owner_engine(door.site.desk.settings)
    with owner.begin() as connection:
        connection.execute(text(_BREAKS[connection.dialect.name]))
    owner.dispose()

    found = answers(door, [request(door, number) for number in range(4)])

    assert found == [200, 200, 500, 200]
    assert [row[0] for row in kept(door)] == ["evt_sbx_0", "evt_sbx_1", "evt_sbx_3"]
    assert "broke the desk" in caplog.text


def test_a_piece_whose_sender_is_gone_is_left_and_the_next_one_is_kept(door: Door):
    async def some_go() -> int:
        news = NewsDoor(lambda: door.site.desk, "stripe", "stripe-signature")
        owner = open_owner_engine(door.site.desk.settings)
        with owner.begin() as holder:
            if holder.dialect.name == "postgresql":
                holder.execute(text("LOCK TABLE provider_news IN ACCESS EXCLUSIVE MODE"))
            first = asyncio.create_task(news.take(request(door, 0)))
            await asyncio.sleep(0.1)
            gone = [asyncio.create_task(news.take(request(door, number))) for number in range(1, AT_ONCE + 5)]
            last = asyncio.create_task(news.take(request(door, 99)))
            await asyncio.sleep(0.1)
            for each in gone:
                each.cancel()
        owner.dispose()
        assert (await first).status_code == 200
        return (await last).status_code

    assert asyncio.run(some_go()) == 200
    assert [row[0] for row in kept(door)] == ["evt_sbx_0", "evt_sbx_99"]


def test_past_what_can_be_waited_for_the_provider_is_asked_to_come_again(door: Door):
    found = answers(door, [request(door, number) for number in range(6)], waiting_most=3)

    assert sorted(found) == [200, 200, 200, 200, 503, 503]
    assert len(kept(door)) == 4


def test_whoever_is_carried_is_answered_before_those_behind_are_kept(door: Door):
    answered: list[bool] = []

    async def in_turn() -> None:
        news = NewsDoor(lambda: door.site.desk, "stripe", "stripe-signature")
        keep = news._keep_all

        def keep_and_look(parcels: Sequence[Any]) -> None:
            answered.append(first.done())
            keep(parcels)

        news._keep_all = keep_and_look  # type: ignore[method-assign]
        first = asyncio.create_task(news.take(request(door, 0)))
        behind = [asyncio.create_task(news.take(request(door, number))) for number in range(1, AT_ONCE + 5)]
        await asyncio.gather(first, *behind)

    asyncio.run(in_turn())

    assert answered == [False, True, True]


def test_news_of_which_nothing_is_proven_does_not_get_at_the_writer(door: Door):
    with counted(door.site) as commits:
        found = answers(door, [request(door, number, secret=FOREIGN) for number in range(3)])

    assert found == [400, 400, 400]
    assert commits == []


def test_one_that_breaks_the_desk_by_itself_is_not_tried_again(door: Door, caplog: pytest.LogCaptureFixture):
    owner = open_owner_engine(door.site.desk.settings)
    with owner.begin() as connection:
        connection.execute(text(_BREAKS[connection.dialect.name]))
    owner.dispose()

    assert answers(door, [request(door, 2)]) == [500]
    assert caplog.text.count("broke the desk") == 1


def test_of_some_that_broke_the_desk_together_each_gets_the_answer_of_its_own_turn(
    door: Door, monkeypatch: pytest.MonkeyPatch
):
    def no_room(_work: object, _connection_id: str, told: Sequence[object]) -> int:
        if len(told) > 1:
            raise ValueError
        raise PoolEmpty

    monkeypatch.setattr(payouts, "take_news", no_room)

    assert answers(door, [request(door, number) for number in range(3)]) == [503, 503, 503]


def test_who_was_carried_by_one_whose_sender_left_is_thanked_for_nothing(door: Door):
    news = NewsDoor(lambda: door.site.desk, "stripe", "stripe-signature")
    begun, gates = [threading.Event() for _ in range(2)], [threading.Event() for _ in range(2)]

    def keep_nothing(_parcels: object) -> None:
        turn = sum(each.is_set() for each in begun)
        begun[turn].set()
        gates[turn].wait(30)

    news._keep_all = keep_nothing  # type: ignore[method-assign]

    async def the_second_goes() -> list[int]:
        first, second, *behind = [asyncio.create_task(news.take(request(door, number))) for number in range(4)]
        await asyncio.to_thread(begun[0].wait, 30)
        gates[0].set()
        await first
        await asyncio.to_thread(begun[1].wait, 30)
        second.cancel()
        answered = [(await each).status_code for each in behind]
        gates[1].set()
        return answered

    assert asyncio.run(the_second_goes()) == [503, 503]


def test_news_that_cannot_be_read_just_now_is_asked_for_again(door: Door):
    def not_now(*_told: object) -> ProviderEvent:
        raise Unavailable("KEY_UNREADABLE", "The key cannot be read now.", hint="Try again.")

    desk = door.site.desk
    unwell = Desk(desk.settings, desk.database, replace(desk.ports, webhooks={"stripe": not_now}))
    news = NewsDoor(lambda: unwell, "stripe", "stripe-signature")

    assert asyncio.run(news.take(request(door, 1))).status_code == 503


_BREAKS = {
    "sqlite": "CREATE TRIGGER planted BEFORE INSERT ON provider_news WHEN NEW.event_id = 'evt_sbx_2' "
    "BEGIN SELECT RAISE(ABORT, 'planted'); END",
    "postgresql": "ALTER TABLE provider_news ADD CONSTRAINT planted CHECK (event_id <> 'evt_sbx_2')",
}
