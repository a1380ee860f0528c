"""kill -9 of the worker at its worst moments: started again, it pays the plan exactly once."""

from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from finops_core import operations, payouts
from finops_core.adapters.stripe_sandbox.faults import Fault, FaultKind
from finops_core.kernel.actor import worker_actor
from finops_core.payouts import PayoutState
from tests.processes import kill, running_worker, until
from tests.world import World, running_world

HARBOUR = "acct_sbx_harbour"
FILE = "currency\nUSD\nEUR\nGBP\nJPY\n"
PLAN = [("eur", 6_120_050), ("gbp", 904_210), ("jpy", 1_250_400), ("usd", 18_422_015)]
DELAY_S = 6.0

pytestmark = pytest.mark.deep


@pytest.fixture
def world(tmp_path: Path, database_url: str) -> Iterator[World]:
    with running_world(tmp_path, database_url, job_lease_s=1.0, scheduler_lease_s=1.0) as made:
        yield made


def paid(world: World) -> list[tuple[str, int]]:
    return sorted((payout["currency"], payout["amount"]) for payout in world.sandbox.control.payouts(HARBOUR))


def states(world: World, execution_id: str) -> list[PayoutState]:
    with world.desk.read(worker_actor(world.orgs["harbour"])) as reading:
        return [row.state for row in payouts.rows(reading, execution_id)]


@pytest.mark.parametrize(
    ("moment", "kind", "at_provider"),
    [
        ("the intent is committed, the provider has not executed", FaultKind.DELAY_BEFORE, 1),
        ("the provider has executed, the answer is not recorded", FaultKind.DELAY, 2),
    ],
)
def test_a_worker_killed_around_a_call_pays_the_plan_exactly_once_after_its_restart(world, moment, kind, at_provider):
    # Given an approved plan, and a provider that takes its time over the second payout
    seen = world.approved(FILE)
    world.sandbox.control.fault(Fault(kind, nth=2, delay_s=DELAY_S))
    # When the worker is killed while that call is under way
    with running_worker(world.desk.settings) as worker:
        until(lambda: states(world, seen.id)[:2] == [PayoutState.CREATED, PayoutState.SUBMITTING], what=moment)
        until(lambda: len(paid(world)) == at_provider, what=moment)
        children = psutil.Process(worker.pid).children(recursive=True)
        kill(worker)
    # Then its children leave with it
    until(lambda: not any(child.is_running() and child.status() != "zombie" for child in children), 10, "they left")
    assert states(world, seen.id)[1] is PayoutState.SUBMITTING
    # and another worker finishes exactly the plan
    with running_worker(world.desk.settings):
        until(lambda: world.execution(seen.id).state in operations.FINAL, what="the run ended")
    world.sandbox.forgive()
    assert world.execution(seen.id).state is operations.State.COMPLETED
    assert set(states(world, seen.id)) == {PayoutState.CREATED}
    assert paid(world) == PLAN
