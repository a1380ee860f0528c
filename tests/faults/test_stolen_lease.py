"""Two processes and one run: whoever has lost it writes nothing more and sends nothing more."""

import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import psutil
import pytest

from finops_core import audit, operations
from finops_core.adapters.stripe_sandbox.faults import Fault, FaultKind
from finops_core.kernel.actor import system_actor
from finops_core.payouts import PayoutState
from tests.clocks import HurriedClock
from tests.faults.lives import Life, lived, living, paid, planned, rows_of
from tests.faults.mortal import Fate, Moment
from tests.payouts.walks import violations
from tests.processes import until
from tests.tampering import row_counts
from tests.world import World, running_world

FILE = "currency,maximum\nUSD,{0}.00\nEUR,{0}.00\nJPY,{0}\nGBP,{0}.00\n"
ROUNDS = 5
LONG_S = 30.0

pytestmark = [pytest.mark.deep, pytest.mark.timeout(1200)]


@pytest.fixture
def world(tmp_path: Path, database_url: str) -> Iterator[World]:
    with running_world(tmp_path, database_url, HurriedClock(), job_lease_s=0.3) as made:
        yield made


def asleep(life: Life) -> bool:
    return psutil.Process(life.process.pid).status() == psutil.STATUS_STOPPED


def wake(life: Life) -> None:
    assert life.process.pid is not None
    os.kill(life.process.pid, signal.SIGCONT)


def sent(world: World) -> int:
    return len(world.sandbox.control.calls("POST", "/v1/payouts"))


def in_the_end(world: World, execution_id: str) -> None:
    """The plan is paid, our rows say so, and the log is whole."""
    assert world.execution(execution_id).state is operations.State.COMPLETED, world.execution(execution_id).message
    assert paid(world, execution_id) == planned(world, execution_id)
    assert {row.state for row in rows_of(world, execution_id)} == {PayoutState.CREATED}
    assert violations(world) == {}
    with world.desk.read(system_actor()) as reading:
        assert audit.verify(reading, world.desk.settings.heads_dir).ok


@pytest.mark.parametrize("moment", [Moment.PLAN, Moment.INTENT, Moment.CALL, Moment.KEPT])
def test_a_worker_that_slept_through_its_lease_does_nothing_more(world: World, moment: Moment):
    # Given a process that falls asleep in the middle of a run
    seen = world.approved(FILE.format(100))
    with living(world, seen.id, Fate(moment, row=0 if moment is Moment.PLAN else 2, stops=True)) as sleeper:
        until(lambda: asleep(sleeper), what="it sleeps")
        # and another one that takes the run over and ends it
        assert lived(world, seen.id, Fate())[0] == 0
        in_the_end(world, seen.id)
        before = row_counts(world.desk.settings), sent(world)
        # When the first one wakes up
        wake(sleeper)
        assert (sleeper.wait(), sleeper.said()) == (0, "lost")
    # Then it finds that it has lost the run, and nothing else happens
    assert (row_counts(world.desk.settings), sent(world)) == before
    in_the_end(world, seen.id)


def test_of_two_processes_that_want_a_run_one_gets_it(world: World):
    for number in range(ROUNDS):
        seen = world.approved(FILE.format(100 + number))
        with ExitStack() as stack:
            lives = [stack.enter_context(living(world, seen.id, Fate(lease_s=LONG_S))) for _ in range(2)]
            assert [life.wait() for life in lives] == [0, 0]
            assert [life.said() for life in lives] == ["", ""]
        in_the_end(world, seen.id)
        with world.desk.read(world.actor("eva")) as reading:
            verbs = [row.verb for row in audit.trail(reading, f"execution:{seen.id}")]
        assert verbs.count("execution.started") == 1
        assert "execution.resumed" not in verbs


def test_two_processes_that_keep_taking_a_run_from_each_other_pay_it_once(world: World):
    """Their leases are far shorter than a payout takes: each is robbed by the other in the middle of its calls."""
    stolen = 0
    for number in range(ROUNDS):
        seen = world.approved(FILE.format(100 + number))
        world.sandbox.control.fault(
            *(Fault(kind, delay_s=0.2) for kind in [FaultKind.DELAY_BEFORE, FaultKind.DELAY] * 2)
        )
        with ExitStack() as stack:
            lives = [stack.enter_context(living(world, seen.id, Fate(lease_s=0.1))) for _ in range(3)]
            assert [life.wait() for life in lives] == [0, 0, 0]
            stolen += sum(life.said() == "lost" for life in lives)
        world.sandbox.control.post("reset", {"only": ["fault"]})
        if world.execution(seen.id).state is not operations.State.COMPLETED:
            assert lived(world, seen.id, Fate())[0] == 0
        in_the_end(world, seen.id)
    assert stolen > 0
