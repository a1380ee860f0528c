"""A disk that is full at the worst moments of a payout: nothing is sent that was not written down first.

The disk is filled for one process at a time by its limit on file sizes (``RLIMIT_FSIZE`` 0): each of its writes to a
file then fails as on a full disk, while pipes and sockets go on. PostgreSQL keeps its files in processes of its own,
so this is about the embedded database.
"""

import resource
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from finops_core import audit, operations, payouts
from finops_core.adapters.stripe_sandbox.faults import Fault, FaultKind
from finops_core.kernel.actor import system_actor, worker_actor
from finops_core.operations import State
from finops_core.payouts import PayoutState
from tests.processes import running_worker, until
from tests.world import World, running_world

HARBOUR = "acct_sbx_harbour"
FILE = "currency\nUSD\nEUR\nGBP\n"
PLAN = [("eur", 6_120_050), ("gbp", 904_210), ("usd", 18_422_015)]
DELAY_S = 5.0

pytestmark = pytest.mark.deep


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with running_world(tmp_path, job_lease_s=2.0, scheduler_lease_s=2.0) as made:
        yield made


def paid(world: World) -> list[tuple[str, int]]:
    return sorted((payout["currency"], payout["amount"]) for payout in world.sandbox.control.payouts(HARBOUR))


def calls(world: World) -> int:
    return len(world.sandbox.control.calls("POST", "/v1/payouts"))


def states(world: World, execution_id: str) -> list[PayoutState]:
    with world.desk.read(worker_actor(world.orgs["harbour"])) as reading:
        return [row.state for row in payouts.rows(reading, execution_id)]


def child_of(worker: subprocess.Popen[bytes]) -> psutil.Process:
    """The process that carries out the run: a child of the forkserver, which is a child of the worker."""
    (child,) = (each for each in psutil.Process(worker.pid).children(recursive=True) if each.ppid() != worker.pid)
    return child


def fill_the_disk(*processes: int) -> None:
    for pid in processes:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))


def make_room(*processes: int) -> None:
    for pid in processes:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


def paid_in_the_end(world: World, execution_id: str) -> None:
    until(lambda: world.execution(execution_id).state in operations.FINAL, 90, "the run ended")
    world.sandbox.forgive()
    assert world.execution(execution_id).state is State.COMPLETED, world.execution(execution_id).message
    assert set(states(world, execution_id)) == {PayoutState.CREATED}
    assert paid(world) == PLAN
    assert not any(call["replayed"] for call in world.sandbox.control.calls("POST", "/v1/payouts")), "sent again"
    with world.desk.read(system_actor()) as reading:
        assert audit.verify(reading, world.desk.settings.heads_dir).ok


def test_an_intent_that_cannot_be_written_down_is_not_carried_out(world: World):
    # Given a run that asks for the balance once more before its first intent
    seen = world.approved(FILE)
    world.sandbox.control.fault(Fault(FaultKind.DELAY, method="GET", path="/v1/balance", delay_s=DELAY_S))
    with running_worker(world.desk.settings) as worker:
        until(lambda: len(states(world, seen.id)) == 3, what="the rows are there")
        child = child_of(worker)
        # When the disk is full for it from then on
        fill_the_disk(child.pid)
        until(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE, 30, "the run broke off")
        # Then nothing was sent
        assert (calls(world), paid(world)) == (0, [])
        assert set(states(world, seen.id)) <= {PayoutState.APPROVED, PayoutState.SUBMITTING, PayoutState.CREATED}
        # and the run is taken up again, and pays the plan
        paid_in_the_end(world, seen.id)


def test_an_outcome_that_cannot_be_written_down_is_looked_up_later(world: World):
    # Given a payout that was made, whose answer is on its way
    seen = world.approved(FILE)
    world.sandbox.control.fault(Fault(FaultKind.DELAY, nth=2, delay_s=DELAY_S))
    with running_worker(world.desk.settings) as worker:
        until(lambda: len(paid(world)) == 2, what="the second payout is made")
        child = child_of(worker)
        # When the disk is full before it arrives
        fill_the_disk(child.pid)
        until(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE, 30, "the run broke off")
        # Then it is found again, not sent again
        paid_in_the_end(world, seen.id)


def test_a_disk_that_is_full_for_everybody_and_freed_again_costs_nothing_but_time(world: World):
    # Given the same, with the worker's own writes failing as well
    seen = world.approved(FILE)
    world.sandbox.control.fault(Fault(FaultKind.DELAY, nth=2, delay_s=DELAY_S))
    with running_worker(world.desk.settings) as worker:
        until(lambda: len(paid(world)) == 2, what="the second payout is made")
        child = child_of(worker)
        everybody = [each.pid for each in (psutil.Process(worker.pid), *psutil.Process(worker.pid).children(True))]
        fill_the_disk(*everybody)
        until(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE, 30, "the run broke off")
        assert world.execution(seen.id).state is State.RUNNING
        # When there is room again
        assert worker.poll() is None
        make_room(*(pid for pid in everybody if psutil.pid_exists(pid)))
        # Then the same worker goes on by itself
        paid_in_the_end(world, seen.id)
