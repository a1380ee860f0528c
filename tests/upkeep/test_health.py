"""What the Health page shows beside the checks' own runs: whether they are under way, what they mean, the machinery."""

import pytest

from finops_core.catalog.checks import CHECKS
from finops_core.kernel.actor import worker_actor
from finops_core.kernel.errors import NotAllowed
from finops_core.platform import queue
from finops_core.upkeep import checking, queries
from tests.world import World


def under_way(world: World) -> bool:
    with world.desk.read(world.actor("adam")) as reading:
        return checking.under_way(reading)


def test_checks_that_are_asked_for_are_under_way_until_a_worker_has_run_them(both: World):
    world = both
    before = under_way(world)

    with world.desk.work(world.actor("adam")) as work:
        checking.ask_to_check(work)
    waiting = under_way(world)
    with world.desk.work(worker_actor("")) as work:
        claim = queue.claim(work, "somebody", 60, (checking.CHECK_JOB,))
    assert claim is not None
    running = under_way(world)
    world.carry(claim)

    assert (before, waiting, running, under_way(world)) == (False, True, True, False)


def test_every_check_says_what_a_violation_means_and_what_to_do(world: World):
    with world.desk.read(world.actor("adam")) as reading:
        told = checking.last_runs(reading, CHECKS)

    assert [view.id for view in told if view.hint.count(". ") != 1 or not view.hint.endswith(".")] == []


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
            lambda: checking.under_way(work),
            lambda: queries.machinery(work),
        ):
            with pytest.raises(NotAllowed):
                refused()
