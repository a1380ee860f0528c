"""kill -9 of the worker between a webhook's sending and its record, and again and again: nothing lost, one id each."""

import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks import Webhook

from finops_core import notifications
from finops_core.kernel.actor import worker_actor
from finops_core.notifications import DispatchState, DispatchView, Kind, Made
from tests.listener import OK, Listener, listening, said
from tests.processes import kill, running_worker, until
from tests.world import World, running_world

PATIENCE_S = 240
NOTICES, DEATHS = 40, 4

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture
def listener() -> Iterator[Listener]:
    with listening() as made:
        yield made


@pytest.fixture
def world(tmp_path: Path, database_url: str) -> Iterator[World]:
    with running_world(
        tmp_path, database_url, job_lease_s=2.0, scheduler_lease_s=2.0, forwarding_inside="127.0.0.1"
    ) as made:
        yield made


def added(world: World, listener: Listener) -> Made:
    with world.desk.work(world.actor("adam")) as work:
        return notifications.add_endpoint(
            work, channel="webhook", name="Ledger", url=listener.url(), kinds=[Kind.PAYOUT_RETURNED]
        )


def tell(world: World, count: int) -> None:
    for number in range(count):
        with world.desk.work(worker_actor(world.orgs["harbour"])) as work:
            people = [world.people["ana"]]
            notifications.notify(work, people, Kind.PAYOUT_RETURNED, once=f"{number}", title=f"News {number}")


def log(world: World) -> list[DispatchView]:
    with world.desk.read(world.actor("adam")) as reading:
        return list(notifications.dispatch_log(reading, limit=1000).rows)


def all_sent(world: World) -> bool:
    return {each.state for each in log(world)} == {DispatchState.SENT}


def test_a_worker_killed_between_sending_and_its_record_sends_the_same_id_again(world: World, listener: Listener):
    # Given a server that has a notice and does not answer yet
    made, never = added(world, listener), threading.Event()
    listener.answers = [lambda _line: never.wait(PATIENCE_S)]  # type: ignore[list-item,return-value]
    tell(world, 1)
    # When the worker is killed there, and another one lives
    with running_worker(world.desk.settings) as worker:
        until(lambda: len(listener.got) == 1, PATIENCE_S, "it has come")
        kill(worker)
    never.set()
    assert not all_sent(world)
    with running_worker(world.desk.settings):
        until(lambda: all_sent(world), PATIENCE_S, "it is sent")
    # Then it has come twice: the same body under the same id, and both with a good signature
    first, second = listener.got
    (one,) = log(world)
    assert first.id == second.id == one.id
    assert first.body == second.body
    assert Webhook(made.secret).verify(first.body, first.headers) == Webhook(made.secret).verify(
        second.body, second.headers
    )


@pytest.mark.deep
def test_a_worker_killed_again_and_again_loses_nothing(world: World, listener: Listener):
    # Given much to forward, to a server that refuses now and then
    made = added(world, listener)

    def moody(line: Any) -> None:
        ids = listener.ids
        first = len(set(ids)) % 7 == 0 and ids.count(ids[-1]) == 1
        said(503)(line) if first else line.sendall(OK)

    listener.always = moody
    tell(world, NOTICES)
    # When each worker is killed while it is at it
    for _ in range(DEATHS):
        before = len(listener.got)
        with running_worker(world.desk.settings) as worker:
            until(lambda before=before: len(listener.got) > before, PATIENCE_S, "it forwards")  # type: ignore[misc]
            kill(worker)
    # and another one lives
    with running_worker(world.desk.settings):
        until(lambda: all_sent(world), PATIENCE_S, "all are sent")
    # Then each has come, and what came twice was the same
    came = Counter(each.id for each in listener.got)
    assert set(came) == {each.id for each in log(world)}
    assert len(came) == NOTICES
    bodies = {(each.id, each.body) for each in listener.got}
    assert len(bodies) == NOTICES
    for each in listener.got:
        Webhook(made.secret).verify(each.body, each.headers)
