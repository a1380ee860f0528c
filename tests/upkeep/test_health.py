"""The standing checks on schedule and on demand, and how the machinery stands: what the Health page shows."""

from collections.abc import Mapping

import pytest

from finops_core import notifications
from finops_core.catalog.checks import CHECKS
from finops_core.kernel.actor import worker_actor
from finops_core.kernel.errors import NotAllowed
from finops_core.kernel.job import Check
from finops_core.platform import queue
from finops_core.platform.queue import Claim
from finops_core.upkeep import checking, queries
from finops_core.upkeep.checking import CheckView
from tests.tampering import tamper
from tests.world import World

NO_CLAIM = Claim("", "", checking.CHECK_JOB, {}, 0, 0)


def runs(world: World, checks: Mapping[str, Check] = CHECKS, org: str = "harbour") -> dict[str, CheckView]:
    with world.desk.read(world.actor("adam", org)) as reading:
        return {view.id: view for view in checking.last_runs(reading, checks)}


def under_way(world: World) -> bool:
    with world.desk.read(world.actor("adam")) as reading:
        return checking.under_way(reading)


def broken(_reading: object) -> list[str]:
    raise KeyError("something inside")


def test_checks_that_are_asked_for_run_in_every_organisation(both: World):
    # Given checks that never ran
    world = both
    assert {view.at for view in runs(world).values()} == {None}
    assert not under_way(world)

    # When somebody asks for them twice, and a worker takes them up
    for _ in range(2):
        with world.desk.work(world.actor("adam")) as work:
            checking.ask_to_check(work)
    assert under_way(world)
    world.work_off()

    # Then each has run in both organisations and found nothing, and nothing is under way any more
    assert not under_way(world)
    for org in ("harbour", "norrland"):
        told = runs(world, org=org)
        assert list(told) == list(CHECKS)
        assert all(view.at is not None and view.violations == 0 and view.told == () for view in told.values())


def test_a_violation_is_told_with_what_to_do_and_those_who_watch_learn_of_it_once(both: World):
    # Given a payout that was changed past the desk
    world = both
    seen = world.approved("currency,maximum\nUSD,100.00\n")
    world.work_off()
    tamper(world.desk.settings, "UPDATE payout SET state = 'paid' WHERE state = 'created'")

    # When the checks run twice
    for _ in range(2):
        checking.run_checks(CHECKS, world.desk, NO_CLAIM)

    # Then the one it concerns says so, in Harbour alone
    told = runs(world)
    assert {view.id for view in told.values() if view.violations} == {"payouts.I8"}
    failed = told["payouts.I8"]
    assert failed.told == (f"{seen.id}:1 is paid; the log says approved → submitting → created",)
    assert "Verify the audit log" in failed.hint
    assert runs(world, org="norrland")["payouts.I8"].violations == 0

    # and Adam has one notice, which leads to the page
    with world.desk.read(world.actor("adam")) as reading:
        notices = notifications.unread(reading)
    assert [(each.title, each.page) for each in notices] == [
        ("Check failed: Every change is in the log once", "health")
    ]
    with world.desk.read(world.actor("ana")) as reading:
        assert notifications.unread_count(reading) == 0


def test_a_check_that_breaks_is_a_violation_and_stops_no_other(world: World):
    checks = {"a": Check("a", "Breaks", broken), "b": Check("b", "Holds", lambda _reading: [])}

    checking.run_checks(checks, world.desk, NO_CLAIM)

    told = runs(world, checks)
    assert (told["a"].violations, told["b"].violations) == (1, 0)
    assert "The check itself broke" in told["a"].told[0]
    assert "something inside" not in told["a"].told[0]


def test_every_check_says_what_a_violation_means_and_what_to_do():
    assert [check.id for check in CHECKS.values() if len(check.hint.split()) < 8] == []


def test_the_lanes_of_the_worker_and_what_broke_are_told_apart(both: World):
    # Given a plan that waits, and a job that was given up
    world = both
    world.draft("currency\nUSD\n")
    with world.desk.work(worker_actor("")) as work:
        queue.enqueue(work, "upkeep.check", {})
        claim = queue.claim(work, "somebody", 60, ("upkeep.check",))
        assert claim is not None
        queue.give_up(work, claim, "PROVIDER_UNAVAILABLE: The provider does not answer.")
        queue.enqueue(work, "payouts.refresh", {})

    with world.desk.read(world.actor("adam")) as reading:
        told = queries.machinery(reading)

    assert (told.runs.waiting, told.others.waiting, told.others.running) == (1, 1, 0)
    assert [(job.kind, job.message) for job in told.broken] == [("upkeep.check", "The provider does not answer.")]
    assert told.dialect in {"sqlite", "postgresql"}
    assert told.size_bytes > 50_000


def test_only_those_who_watch_over_the_desk_see_it(world: World):
    with world.desk.work(world.actor("carla")) as work:
        for refused in (
            lambda: checking.last_runs(work, CHECKS),
            lambda: checking.under_way(work),
            lambda: checking.ask_to_check(work),
            lambda: queries.machinery(work),
        ):
            with pytest.raises(NotAllowed):
                refused()
