"""kill -9 of the worker while it delivers, a mail server that misbehaves: nothing is lost, doubles keep their id."""

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from sqlalchemy import update

from finops_core import notifications
from finops_core.kernel.actor import worker_actor
from finops_core.notifications import Kind, MailState, MailView
from finops_core.notifications.delivery import HANDFUL
from finops_core.notifications.models import mail
from finops_core.worker.main import JOB_SLOTS
from tests.mail_host import Conduct, MailHost, mail_settings, running_mail_host
from tests.processes import kill, running_worker, until
from tests.world import World, running_world

MAILS = 60
DEATHS_S = (0.02, 0.05, 0.09, 0.14, 0.2)
IN_HAND = JOB_SLOTS * HANDFUL  # of letters, by a worker with all its places for mail taken
PATIENCE_S = 240

pytestmark = [pytest.mark.deep, pytest.mark.timeout(900)]


@pytest.fixture
def host() -> Iterator[MailHost]:
    with running_mail_host(dawdle_s=0.03) as made:
        yield made


@pytest.fixture
def world(tmp_path: Path, database_url: str, host: MailHost) -> Iterator[World]:
    with running_world(tmp_path, database_url, job_lease_s=2.0, scheduler_lease_s=2.0, **mail_settings(host)) as made:
        for who in made.people:
            if who != "nils":
                with made.desk.work(made.actor(who)) as work:
                    notifications.choose(work, {}, None)  # no daily mail in between
        yield made


def tell(world: World, count: int, title: str = "News") -> None:
    """Each in a unit of its own, as the desk's work makes them."""
    for number in range(count):
        with world.desk.work(worker_actor(world.orgs["harbour"])) as work:
            once = f"{title}:{number}"
            people = [world.people["ana"]]
            notifications.notify(work, people, Kind.PAYOUT_RETURNED, once=once, title=f"{title} {number}")


def mails(world: World) -> list[MailView]:
    with world.desk.read(world.actor("ana")) as reading:
        return [each for each in notifications.mails(reading, limit=1000).rows if each.kind == Kind.PAYOUT_RETURNED]


def arrived(host: MailHost) -> Counter[str]:
    """How often each letter has come, by its id."""
    return Counter(each.id.strip("<>").partition("@")[0] for each in host.taken)


def all_sent(world: World) -> bool:
    return {each.state for each in mails(world)} == {MailState.SENT}


def hours_pass(world: World) -> None:
    """Whatever waits for its next try is due."""
    with world.desk.work(worker_actor(world.orgs["harbour"])) as work:
        waits = mail.c.org_id == work.org_id, mail.c.state == MailState.QUEUED
        work.execute(update(mail).where(*waits).values(next_at=work.now))


def nothing_lost(world: World, host: MailHost, count: int) -> Counter[str]:
    came, known = arrived(host), {each.id for each in mails(world)}
    assert len(known) == count
    assert set(came) == known, "each has arrived, under an id of ours"
    bodies: dict[str, set[bytes]] = {}
    for each in host.taken:
        bodies.setdefault(each.id, set()).add(each.raw)
    assert {len(found) for found in bodies.values()} == {1}, "doubles are the same to the last byte"
    return came


def test_a_worker_killed_again_and_again_loses_nothing(world: World, host: MailHost):
    # Given much to deliver, to a server that takes its time
    host.will(Conduct.DAWDLE)
    tell(world, MAILS)
    # When each worker is killed a little later than it began
    for delay_s in DEATHS_S:
        before = len(host.taken)
        with running_worker(world.desk.settings) as worker:
            until(lambda before=before: len(host.taken) > before, PATIENCE_S, "it delivers")  # type: ignore[misc]
            time.sleep(delay_s)
            kill(worker)
    assert not all_sent(world), "they died in the middle"
    # and another one lives
    with running_worker(world.desk.settings):
        until(lambda: all_sent(world), PATIENCE_S, "all are sent")
    # Then each letter has come, and twice at most what a dying worker had in its hands
    came = nothing_lost(world, host, MAILS)
    assert sum(came.values()) - MAILS <= len(DEATHS_S) * IN_HAND


def test_two_workers_deliver_each_mail_once(world: World, host: MailHost):
    host.will(Conduct.DAWDLE)
    tell(world, MAILS)

    with ExitStack() as stack:
        for _ in range(2):
            stack.enter_context(running_worker(world.desk.settings))
        tell(world, MAILS, "More")
        until(lambda: all_sent(world), PATIENCE_S, "all are sent")

    came = nothing_lost(world, host, 2 * MAILS)
    assert set(came.values()) == {1}


def test_a_server_that_dies_hangs_up_and_refuses_gets_everything_in_the_end(world: World, host: MailHost):
    # Given a server with every bad habit, one after the other
    host.will(Conduct.HANG_UP_AFTER_DATA, times=2)
    tell(world, 10)
    with running_worker(world.desk.settings) as worker:
        until(lambda: len(host.taken) > 0, PATIENCE_S, "it delivers")
        host.will(Conduct.HANG_UP_IN_DATA, times=2)
        tell(world, 10, "Second")
        # When it dies, the worker with it, and both come back
        host.stop()
        tell(world, 10, "Third")
        kill(worker)
        host.start()
    host.will(Conduct.TAKE)
    hours_pass(world)
    with running_worker(world.desk.settings):
        until(lambda: all_sent(world), PATIENCE_S, "all are sent")
    # Then nothing is lost
    nothing_lost(world, host, 30)
