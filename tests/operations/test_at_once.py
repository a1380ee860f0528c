"""Two people or two workers at the same moment: a second unit is held up inside the first one's, then goes on."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from finops_core import approvals, connections, operations
from finops_core.kernel.actor import worker_actor
from finops_core.operations import State, engine
from finops_core.payouts import service
from finops_core.payouts.operations import STRIPE
from finops_core.payouts.running import ordering
from finops_core.platform import queue
from finops_core.platform.work import Work
from tests.held_up import held_up
from tests.operations.walks import USD, act, code_of
from tests.world import World, running_world

pytestmark = pytest.mark.slow


@pytest.fixture
def both(tmp_path: Path, database_url: str) -> Iterator[World]:
    with running_world(tmp_path, database_url) as made:
        yield made


def after(first: Callable[[Work], object], actor, second: Callable[[], object], world: World) -> list[object]:
    """What the second one came to, when it began while the first one was not yet committed."""
    return [held_up(world.desk, actor, first, second)]


def claimed(world: World) -> queue.Claim:
    with world.desk.work(worker_actor("")) as work:
        claim = queue.claim(work, "here", 60)
    assert claim is not None
    return claim


def in_unit(world: World, actor, verb: Callable[[Work], object]) -> object:
    with world.desk.work(actor) as work:
        return verb(work)


def prepared(world: World, execution_id: str) -> service.Unsettled:
    """The first row of a run that was begun, about to be sent."""
    claim = claimed(world)
    actor = worker_actor(claim.org_id)
    with world.desk.work(actor) as work:
        begun = engine.begin_run(work, claim)
    assert begun is not None
    assert begun.plan is not None
    with world.desk.work(actor) as work:
        provider = world.desk.ports.provider(connections.credentials(work, str(begun.plan.connection_id)))
        order_of = ordering(STRIPE, execution_id, 1, begun.plan.mode)
        return service.prepare(work, execution_id, 1, begun.plan, provider, order_of)[0]


def test_two_workers_that_begin_two_payouts_at_the_same_moment_start_one(both: World):
    # Given two approved payouts, of which one may run at a time, claimed by two workers
    world = both
    ids = [each.id for each in (world.planned(USD), world.planned("currency\nEUR\n"))]
    for each in ids:
        world.decide(act(world, operations.submit, each, world.execution(each).plan_hash))
    claims = [claimed(world), claimed(world)]
    actor = worker_actor(claims[0].org_id)
    # When the second is begun before the first one's beginning is committed
    given = after(
        lambda work: engine.begin_run(work, claims[0]),
        actor,
        lambda: in_unit(world, actor, lambda work: engine.begin_run(work, claims[1])),
        world,
    )
    # Then it has to wait its turn
    assert given == [None]
    assert sorted(world.execution(each).state.value for each in ids) == ["queued", "running"]


def test_a_stop_whose_commit_comes_first_is_seen_by_the_intent_that_waited_for_it(both: World):
    # Given a row about to be sent
    world = both
    seen = world.approved(USD)
    row = prepared(world, seen.id)
    worker = worker_actor(world.orgs["harbour"])
    # When its intent is written while the stop is being committed
    given = after(
        lambda work: operations.cancel(work, seen.id),
        world.actor("ana"),
        lambda: in_unit(world, worker, lambda work: service.intend(work, row)),
        world,
    )
    # Then it is canceled instead
    assert [each.state.value for each in given] == ["canceled"]


def test_an_intent_whose_commit_comes_first_lets_the_stop_wait(both: World):
    world = both
    seen = world.approved(USD)
    row = prepared(world, seen.id)

    given = after(
        lambda work: service.intend(work, row),
        worker_actor(world.orgs["harbour"]),
        lambda: act(world, operations.cancel, seen.id).stop_requested,
        world,
    )

    assert given == [True]


def test_a_question_that_is_answered_and_cancelled_at_the_same_moment_has_one_end(both: World):
    world = both
    seen = world.submitted(USD)

    given = after(
        lambda work: operations.cancel(work, seen.id),
        world.actor("ana"),
        lambda: world.decide(seen),
        world,
    )

    assert given == ["APPROVAL_NOT_PENDING"]
    assert world.execution(seen.id).state is State.CANCELLED
    assert world.work_off() == 0


def test_two_submits_of_one_plan_at_the_same_moment_ask_once(both: World):
    world = both
    world.submitted("currency\nGBP\n")
    seen = world.planned(USD)

    given = after(
        lambda work: operations.submit(work, seen.id, seen.plan_hash),
        world.actor("ana"),
        lambda: act(world, operations.submit, seen.id, seen.plan_hash),
        world,
    )

    assert given == ["EXECUTION_MOVED_ON"]
    with world.desk.read(world.actor("ben")) as reading:
        assert len(approvals.of_subject(reading, "execution", seen.id)) == 1


def test_two_drafts_of_one_file_submitted_at_the_same_moment_ask_once(both: World):
    world = both
    world.submitted("currency\nGBP\n")
    first, second = world.planned(USD), world.planned(USD)

    given = after(
        lambda work: operations.submit(work, first.id, first.plan_hash),
        world.actor("ana"),
        lambda: act(world, operations.submit, second.id, second.plan_hash),
        world,
    )

    assert given == ["ALREADY_RAN"]
    assert code_of(act, world, operations.submit, second.id, second.plan_hash) == "ALREADY_RAN"


def test_two_workers_never_claim_the_same_job(both: World):
    world = both
    world.draft(USD)
    claims: list[queue.Claim | None] = []

    def claim(work: Work) -> None:
        claims.append(queue.claim(work, "one of two", 60))

    given = after(claim, worker_actor(""), lambda: in_unit(world, worker_actor(""), claim), world)

    assert given == [None]
    assert [each is not None for each in claims] == [True, False]
