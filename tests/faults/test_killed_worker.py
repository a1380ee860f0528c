"""kill -9 of the worker at its worst moments: started again, it pays the plan exactly once."""

from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from finops_core import operations, payouts
from finops_core.kernel.actor import worker_actor
from finops_core.payouts import PayoutState
from tests.processes import kill, running_worker, until
from tests.world import World, running_world

HARBOUR = "acct_sbx_harbour"
FILE = "currency\nUSD\nEUR\nGBP\nJPY\n"
PLAN = [("eur", 6_120_050), ("gbp", 904_210), ("jpy", 1_250_400), ("usd", 18_422_015)]
PATIENCE_S = 180

pytestmark = [pytest.mark.deep, pytest.mark.timeout(900)]


@pytest.fixture
def world(tmp_path: Path, database_url: str) -> Iterator[World]:
    with running_world(
        tmp_path, database_url, job_lease_s=8.0, scheduler_lease_s=3.0, provider_timeout_s=120.0
    ) as made:
        yield made


def paid(world: World) -> list[tuple[str, int]]:
    return sorted((payout["currency"], payout["amount"]) for payout in world.sandbox.control.payouts(HARBOUR))


def calls(world: World) -> int:
    return len(world.sandbox.control.calls("POST", "/v1/payouts"))


def states(world: World, execution_id: str) -> list[PayoutState]:
    with world.desk.read(worker_actor(world.orgs["harbour"])) as reading:
        return [row.state for row in payouts.rows(reading, execution_id)]


@pytest.mark.parametrize(
    ("moment", "executed", "at_provider"),
    [
        ("the intent is committed, the provider has not executed", False, 1),
        ("the provider has executed, the answer is not recorded", True, 2),
    ],
)
def test_a_worker_killed_around_a_call_pays_the_plan_exactly_once_after_its_restart(
    world: World, moment: str, executed: bool, at_provider: int
):
    # Given an approved plan, and a provider that takes its time over the second payout
    seen = world.approved(FILE)
    with world.sandbox.holding("POST", "/v1/payouts", nth=2, executed=executed) as held:
        # When the worker is killed while that call is under way
        with running_worker(world.desk.settings) as worker:
            until(held.reached, PATIENCE_S, moment)
            assert states(world, seen.id)[:2] == [PayoutState.CREATED, PayoutState.SUBMITTING]
            assert len(paid(world)) == at_provider
            children = psutil.Process(worker.pid).children(recursive=True)
            kill(worker)
        # Then its children leave with it
        until(lambda: not any(map(lives, children)), PATIENCE_S, "they left")
        assert states(world, seen.id)[1] is PayoutState.SUBMITTING
        # and another worker finishes exactly the plan
        with running_worker(world.desk.settings):
            until(lambda: world.execution(seen.id).state in operations.FINAL, PATIENCE_S, "the run ended")
        assert paid(world) == PLAN
        # and what the dead one had sent pays nothing when it arrives at last
        through = calls(world) + (not executed)
        held.let_go()
        until(lambda: calls(world) == through, PATIENCE_S, "it is through")
    world.sandbox.forgive()
    assert world.execution(seen.id).state is operations.State.COMPLETED
    assert set(states(world, seen.id)) == {PayoutState.CREATED}
    assert paid(world) == PLAN


def lives(process: psutil.Process) -> bool:
    return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
