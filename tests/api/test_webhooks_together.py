"""News that comes while the desk is busy is kept together: one commit, and for each piece its own answer."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import event, text
from starlette.requests import Request

from finops_core.api.webhooks import AT_ONCE, WAITING_MOST, NewsDoor
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


_BREAKS = {
    "sqlite": "CREATE TRIGGER planted BEFORE INSERT ON provider_news WHEN NEW.event_id = 'evt_sbx_2' "
    "BEGIN SELECT RAISE(ABORT, 'planted'); END",
    "postgresql": "ALTER TABLE provider_news ADD CONSTRAINT planted CHECK (event_id <> 'evt_sbx_2')",
}
