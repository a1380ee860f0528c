"""Whom each event is told, once, in the unit that makes the news; seen in the demo company with a real mail server."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import update

from finops_core import approvals, notifications, operations
from finops_core.adapters.stripe_sandbox.faults import Fault, FaultKind
from finops_core.kernel.actor import worker_actor
from finops_core.kernel.clock import ManualClock
from finops_core.kernel.errors import FinOpsError
from finops_core.notifications import Kind
from finops_core.platform import queue
from finops_core.platform.queue import lease
from finops_core.upkeep.outage import LEFT_S, PATIENCE_S, OutageWatch, tell_of_outage
from tests.desks import START
from tests.mail_host import MailHost, mail_settings, running_mail_host
from tests.world import World, running_world

FILE = "currency,maximum\nUSD,100.00\n"


@pytest.fixture
def host() -> Iterator[MailHost]:
    with running_mail_host() as made:
        yield made


@pytest.fixture
def world(tmp_path: Path, database_url: str, host: MailHost) -> Iterator[World]:
    with running_world(tmp_path, database_url, ManualClock(START), **mail_settings(host)) as made:
        yield made


def told(world: World, who: str, *kinds: Kind) -> list[tuple[str, str, str]]:
    """What somebody has not read: kind, page, and what its address names."""
    with world.desk.read(world.actor(who)) as reading:
        found = notifications.unread(reading, 100)
    return [(each.kind, each.page, "".join(each.query.values())) for each in found if not kinds or each.kind in kinds]


def mailed(host: MailHost, who: str) -> list[str]:
    return [str(each.message["Subject"]) for each in host.taken if each.to == f"{who}@demo.tieout.example"]


def request_of(world: World, seen: operations.ExecutionView) -> approvals.RequestView:
    with world.desk.read(worker_actor(world.orgs["harbour"])) as reading:
        return approvals.of_subject(reading, "execution", seen.id)[0]


def test_a_request_is_told_to_who_may_decide_it_and_its_end_to_who_asked(world: World, host: MailHost):
    # Given a plan of Ana's that was submitted
    seen = world.submitted(FILE)
    request = request_of(world, seen)
    deciders = [who for who in world.people if told(world, who, Kind.APPROVAL_ASKED)]
    # Then those who may decide it, and nobody else, know, and have mail with the way to it
    with world.desk.read(worker_actor(world.orgs["harbour"])) as reading:
        amounts = {money.currency: money.minor for money in request.amounts}
        may = approvals.eligible(reading, request.item_type, amounts, request.excluded)
    assert sorted(deciders) == sorted(person.username for person in may)
    assert "ben" in deciders
    assert "ana" not in deciders
    assert told(world, "ben") == [(Kind.APPROVAL_ASKED, "approvals", request.number)]
    world.work_off()
    assert mailed(host, "ben") == [f"[Harbour Labs] To decide: {request.title}"]

    # When Ben decides
    world.decide(seen)

    # Then nobody has to any more, and Ana learns of it where she looks anyway
    assert all(told(world, who, Kind.APPROVAL_ASKED) == [] for who in deciders)
    assert told(world, "ana") == [(Kind.APPROVAL_APPROVED, "executions", seen.number)]
    # and when it has run, of that
    world.work_off()
    assert told(world, "ana", Kind.EXECUTION_COMPLETED) == [(Kind.EXECUTION_COMPLETED, "executions", seen.number)]
    assert mailed(host, "ana") == [], "good news does not ring"


def test_a_rejection_comes_by_mail_with_what_was_said(world: World, host: MailHost):
    seen = world.submitted(FILE)

    world.decide(seen, "rejected")
    world.work_off()

    (mail,) = [each for each in host.taken if each.to == "ana@demo.tieout.example"]
    assert str(mail.message["Subject"]).endswith(f"{seen.number} was rejected")
    assert "as agreed" in mail.text
    assert f"https://tieout.example/executions?execution={seen.number}&notice=" in mail.text


def test_a_withdrawn_question_rings_for_nobody(world: World, host: MailHost):
    seen = world.submitted(FILE)
    with world.desk.work(world.actor("ana")) as work:
        operations.cancel(work, seen.id)

    world.work_off()

    assert told(world, "ben") == []
    assert host.taken == []


def test_a_refused_decision_tells_nobody_anything(world: World, host: MailHost):
    seen = world.submitted(FILE)
    world.work_off()
    before = len(host.taken)

    with pytest.raises(FinOpsError):
        world.decide(seen, who="ana")
    world.work_off()

    assert len(host.taken) == before
    assert told(world, "ana") == []
    assert told(world, "ben", Kind.APPROVAL_ASKED) != []


def test_an_end_that_nears_is_told_once_and_the_end_itself_to_who_asked(world: World):
    # Given a request that nobody decides
    seen = world.submitted(FILE)
    request = request_of(world, seen)
    world.run_job("approvals.expire")
    assert told(world, "ben", Kind.APPROVAL_EXPIRING) == []
    # When little of its time is left, and the round comes more than once
    world.advance(timedelta(hours=22, minutes=1))
    for _ in range(3):
        world.run_job("approvals.expire")
    # Then both sides know, once
    assert told(world, "ben", Kind.APPROVAL_EXPIRING) == [(Kind.APPROVAL_EXPIRING, "approvals", request.number)]
    assert told(world, "ana") == [(Kind.APPROVAL_EXPIRING, "executions", seen.number)]
    # and when it is over, Ben has nothing to do, and Ana knows why
    world.advance(timedelta(hours=2))
    world.run_job("approvals.expire")
    assert told(world, "ben") == []
    assert told(world, "ana") == [(Kind.APPROVAL_EXPIRED, "executions", seen.number)]


def test_a_run_that_fails_comes_by_mail(world: World, host: MailHost):
    seen = world.approved(FILE)
    world.sandbox.control.fault(Fault(FaultKind.BALANCE_INSUFFICIENT, times=50))

    world.work_off()
    world.work_off()

    assert told(world, "ana", Kind.EXECUTION_FAILED) == [(Kind.EXECUTION_FAILED, "executions", seen.number)]
    assert mailed(host, "ana") == [f"[Harbour Labs] {seen.title} {seen.number} has failed"]


def gone(world: World, owner: str) -> None:
    """A worker was there, and its lease ran out ten minutes ago."""
    with world.desk.work(worker_actor("")) as work:
        assert queue.acquire_lease(work, "worker", owner, 60) is not None
        work.execute(update(lease).values(until_ms=lease.c.until_ms - 600_000))


def test_a_worker_that_is_gone_is_told_once_an_outage_whoever_looks(world: World):
    # Given a desk whose worker has never come, then is there
    passed = [0.0]
    watch = OutageWatch(lambda: world.desk, lambda: passed[0])
    assert not tell_of_outage(world.desk)
    assert not watch.saw(None)
    # When it is gone, and several processes look, again and again
    gone(world, "it")
    assert watch.saw(600.0)
    assert told(world, "adam") == [], "it may only just have been started anew"
    passed[0] = PATIENCE_S
    for _ in range(3):
        assert watch.saw(600.0)
        assert tell_of_outage(world.desk)
    # Then who watches knows, once, in each organisation
    assert told(world, "adam") == [(Kind.WORKER_DEAD, "health", "")]
    assert told(world, "ana") == told(world, "ben") == []
    # and the next outage is another one
    gone(world, "another")
    assert tell_of_outage(world.desk)
    assert len(told(world, "adam", Kind.WORKER_DEAD)) == 2


def test_a_worker_that_left_in_good_order_is_given_time_to_be_replaced(world: World):
    passed = [0.0]
    watch = OutageWatch(lambda: world.desk, lambda: passed[0])

    assert not watch.saw(LEFT_S + 1)
    assert not watch.saw(None)
    passed[0] = 1.0
    assert not watch.saw(LEFT_S + 1)
    passed[0] = 1.0 + PATIENCE_S
    assert watch.saw(LEFT_S + 1)
