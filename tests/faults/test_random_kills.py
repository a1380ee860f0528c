"""Two workers, killed at moments nobody chose: whatever they leave, the plan is paid exactly once."""

import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from random import Random  # noqa: TID251 - seeded: the same moments in every run

import pytest

from finops_core import audit, operations, payouts
from finops_core.adapters.stripe_sandbox.faults import Fault, FaultKind
from finops_core.kernel.actor import system_actor, worker_actor
from finops_core.operations import State
from finops_core.payouts import PayoutState
from tests.processes import kill, running_worker, until
from tests.world import World, running_world

HARBOUR = "acct_sbx_harbour"
TEN = "currency\nUSD\nEUR\nGBP\nJPY\nCAD\nCHF\nSEK\nHUF\nKWD\nAUD\n"
KILLS = 4
PATIENCE_S = 240  # a worker takes half a minute to start on a busy machine

pytestmark = [pytest.mark.deep, pytest.mark.timeout(1200)]


@pytest.fixture
def world(tmp_path: Path, database_url: str) -> Iterator[World]:
    with running_world(tmp_path, database_url, job_lease_s=8.0, scheduler_lease_s=3.0) as made:
        yield made


def payout_rows(world: World, execution_id: str) -> tuple[payouts.PayoutView, ...]:
    with world.desk.read(worker_actor(world.orgs["harbour"])) as reading:
        return payouts.rows(reading, execution_id)


@pytest.mark.parametrize("seed", [1, 2])
def test_two_workers_killed_at_random_pay_the_plan_exactly_once(world: World, seed: int):
    # Given an approved plan of ten rows, and a provider that is not the fastest
    chance = Random(seed)
    seen = world.approved(TEN)
    slow_down(world)
    # When two workers are at it and one of them is killed, again and again
    with ExitStack() as stack:
        workers: list[subprocess.Popen[bytes]] = []
        for turn in range(KILLS):
            while len(workers) < 2:
                workers.append(stack.enter_context(running_worker(world.desk.settings)))
            wait_for_progress(world, seen.id, turn)
            time.sleep(chance.random() * 0.7)
            kill(workers.pop(chance.randrange(2)))
        workers.append(stack.enter_context(running_worker(world.desk.settings)))
        until(lambda: world.execution(seen.id).state in operations.FINAL, PATIENCE_S, "the run ended")
    # Then the provider has exactly the plan
    world.sandbox.forgive()
    with world.desk.read(world.actor("ana")) as reading:
        plan = operations.plan(reading, seen.id)
    assert plan is not None
    made = world.sandbox.control.payouts(HARBOUR)
    rows = payout_rows(world, seen.id)
    assert world.execution(seen.id).state is State.COMPLETED, world.execution(seen.id).message
    assert [(row.row_no, row.amount_minor) for row in rows] == [(row.row_no, row.amount_minor) for row in plan.rows]
    assert {row.state for row in rows} == {PayoutState.CREATED}
    assert sorted(row.provider_id for row in rows) == sorted(payout["id"] for payout in made)
    assert len({payout["metadata"]["fod_item"] for payout in made}) == len(made) == 10
    # and the log is whole
    with world.desk.read(system_actor()) as reading:
        assert audit.verify(reading, world.desk.settings.heads_dir).ok


def slow_down(world: World) -> None:
    world.sandbox.control.fault(
        *(Fault(kind, delay_s=0.4) for kind in [FaultKind.DELAY_BEFORE, FaultKind.DELAY] * 10),
    )


def wait_for_progress(world: World, execution_id: str, turn: int) -> None:
    """Until a row more than at the last kill is under way, or all is over."""

    def there() -> bool:
        touched = [row for row in payout_rows(world, execution_id) if row.state is not PayoutState.APPROVED]
        return len(touched) > turn or world.execution(execution_id).state in operations.FINAL

    until(there, PATIENCE_S, "the batch goes on")
