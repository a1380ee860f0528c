"""The worker as a process of its own: whole runs, two at once, taking over, and leaving without orphans."""

import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import psutil
import pytest
from sqlalchemy import select

from finops_core import audit, files, operations, payouts
from finops_core.kernel.actor import system_actor, worker_actor
from finops_core.operations import State
from finops_core.payouts import PayoutState
from finops_core.platform.queue import lease
from finops_core.worker.main import ROLE, Worker
from tests import processes
from tests.processes import ROOT, environment, kill, running_worker
from tests.sandbox import Held
from tests.world import World, running_world

HARBOUR = "acct_sbx_harbour"
FOUR = "currency\nUSD\nEUR\nGBP\nJPY\n"
PLAN = [("eur", 6_120_050), ("gbp", 904_210), ("jpy", 1_250_400), ("usd", 18_422_015)]

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]


def until(holds: Callable[[], bool], seconds: float = 150, what: str = "it") -> None:
    """Patient: on a busy machine a worker takes half a minute to start."""
    processes.until(holds, seconds, what)


@pytest.fixture
def both(tmp_path: Path, database_url: str) -> Iterator[World]:
    with running_world(tmp_path, database_url, job_lease_s=10.0, scheduler_lease_s=3.0) as made:
        yield made


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with running_world(tmp_path, job_lease_s=10.0, scheduler_lease_s=3.0) as made:
        yield made


def paid(world: World) -> list[tuple[str, int]]:
    return sorted((payout["currency"], payout["amount"]) for payout in world.sandbox.control.payouts(HARBOUR))


def states(world: World, execution_id: str) -> list[PayoutState]:
    with world.desk.read(worker_actor(world.orgs["harbour"])) as reading:
        return [row.state for row in payouts.rows(reading, execution_id)]


def ended(world: World, *execution_ids: str) -> bool:
    return all(world.execution(each).state in operations.FINAL for each in execution_ids)


def role_holder(world: World) -> str:
    """The process id of the worker that schedules and seals."""
    with world.desk.read(worker_actor("")) as reading:
        owner = reading.scalar(select(lease.c.owner).where(lease.c.name == ROLE, lease.c.until_ms > 0))
    return str(owner or "").partition("-")[0]


def unsealed(world: World) -> int:
    with world.desk.read(system_actor()) as reading:
        found = audit.verify(reading, world.desk.settings.heads_dir)
    assert found.ok, found.findings
    return found.unsealed


def family(process: subprocess.Popen[bytes]) -> list[psutil.Process]:
    here = psutil.Process(process.pid)
    return [here, *here.children(recursive=True)]


def alive(processes: list[psutil.Process]) -> list[psutil.Process]:
    return [each for each in processes if each.is_running() and each.status() != psutil.STATUS_ZOMBIE]


def second_payout(world: World) -> AbstractContextManager[Held]:
    """The call for the second payout waits at the provider, not executed, until it is let go."""
    return world.sandbox.holding("POST", "/v1/payouts", nth=2, executed=False)


def reached(world: World, execution_id: str, held: Held) -> None:
    until(held.reached, what="row 2")
    assert states(world, execution_id)[:2] == [PayoutState.CREATED, PayoutState.SUBMITTING]


def test_a_worker_carries_a_file_of_amounts_and_a_payout_from_draft_to_sealed_result(both: World):
    world = both
    with running_worker(world.desk.settings):
        # Given two drafts, planned by the worker
        totals = world.draft("currency,amount\nEUR,1.50\nEUR,2.00\n", operation="reporting.csv_totals")
        payout = world.draft(FOUR)
        assert isinstance(totals, operations.Drafted)
        assert isinstance(payout, operations.Drafted)
        until(lambda: world.execution(payout.execution_id).state is State.READY, what="the plan is there")
        # When they are submitted and the payout is approved
        plan = world.execution(payout.execution_id)
        with world.desk.work(world.actor("ana")) as work:
            operations.submit(work, totals.execution_id)
            seen = operations.submit(work, plan.id, plan.plan_hash)
        world.decide(seen)
        until(lambda: ended(world, totals.execution_id, plan.id), what="both have ended")
        # Then both are done, with log and files, and the log of all of it is sealed
        with world.desk.read(world.actor("ana")) as reading:
            result = operations.result(reading, totals.execution_id)
            lines = operations.log(reading, plan.id)
            outputs = [each.name for each in files.of(reading, "execution", plan.id) if each.role == "output"]
        until(lambda: unsealed(world) == 0, 60, "all is sealed")
    assert world.execution(totals.execution_id).state is State.COMPLETED
    assert result is not None
    assert result.table == {"currency": ("EUR",), "count": (2,), "sum": ("3.50",)}
    assert world.execution(plan.id).state is State.COMPLETED
    assert paid(world) == PLAN
    assert outputs == [f"{plan.number}-result.csv", f"{plan.number}-result.xlsx"]
    assert [line.message for line in lines][1:5] == [f"Row {row}: created." for row in (1, 2, 3, 4)]
    assert [line.seq for line in lines] == list(range(1, len(lines) + 1))


@pytest.mark.deep
def test_of_two_workers_one_carries_out_each_execution(both: World):
    # Given work for two workers
    world = both
    payout = world.approved(FOUR)
    totals = [world.planned(f"currency,amount\nEUR,{n}.00\n", operation="reporting.csv_totals") for n in range(4)]
    # When both are started at once
    with running_worker(world.desk.settings), running_worker(world.desk.settings):
        for each in totals:
            with world.desk.work(world.actor("ana")) as work:
                operations.submit(work, each.id)
        everything = [payout.id, *(each.id for each in totals)]
        until(lambda: ended(world, *everything), what="all have ended")
    # Then each was started once, and paid once
    with world.desk.read(world.actor("eva")) as reading:
        started = [audit.trail(reading, f"execution:{each}") for each in everything]
    assert [[row.verb for row in rows].count("execution.started") for rows in started] == [1] * 5
    assert not any(row.verb == "execution.resumed" for rows in started for row in rows)
    assert paid(world) == PLAN


@pytest.mark.deep
def test_another_worker_takes_over_the_scheduling_and_sealing_of_one_that_was_killed(both: World):
    world = both
    with running_worker(world.desk.settings) as first, running_worker(world.desk.settings) as second:
        workers = {str(first.pid): first, str(second.pid): second}
        until(lambda: role_holder(world) in workers, what="one of them holds the role")
        holder = role_holder(world)
        kill(workers.pop(holder))
        until(lambda: role_holder(world) in workers, what="the other one has it")
        world.draft("currency\nUSD\n")
        until(lambda: unsealed(world) == 0, 60, "it seals")
    assert holder not in workers


def test_a_worker_that_cannot_begin_a_child_never_takes_the_role(world: World, monkeypatch: pytest.MonkeyPatch):
    # Given a machine on which no child can be begun
    class Barren:
        def Process(self, **_: object) -> object:  # noqa: N802 - multiprocessing's own name
            raise OSError(28, "No space left on device")

    monkeypatch.setattr("finops_core.worker.main.forkserver", Barren)
    taken: list[str] = []
    monkeypatch.setattr(Worker, "_keep_role", lambda worker: taken.append(worker.name))

    # When a worker starts there
    with pytest.raises(OSError, match="No space"):
        Worker(world.desk).run()

    # Then nobody takes it for one that works
    assert taken == []


def test_a_worker_whose_loop_breaks_gives_its_role_back(world: World, monkeypatch: pytest.MonkeyPatch):
    def breaks(_worker: Worker, _parent: int | None) -> None:
        until(lambda: role_holder(world) == str(os.getpid()), what="it has the role")
        raise RuntimeError("broken")

    monkeypatch.setattr(Worker, "_loop", breaks)

    with pytest.raises(RuntimeError, match="broken"):
        Worker(world.desk).run()

    assert role_holder(world) == ""


@pytest.mark.deep
def test_a_worker_that_is_told_to_leave_gives_its_role_back_at_once(world: World):
    with running_worker(world.desk.settings) as worker:
        until(lambda: role_holder(world) == str(worker.pid), what="it holds the role")
        worker.terminate()
        assert worker.wait(60) == 0

    assert role_holder(world) == ""


def test_a_stop_reaches_the_child_before_its_next_intent(world: World):
    # Given a payout under way whose second row takes its time
    seen = world.approved(FOUR)
    with second_payout(world) as held, running_worker(world.desk.settings):
        reached(world, seen.id, held)
        # When its preparer stops it
        with world.desk.work(world.actor("ana")) as work:
            operations.cancel(work, seen.id, "wrong week")
        held.let_go()
        until(lambda: ended(world, seen.id), what="it has ended")
    # Then the call that was under way has its outcome, and no other was begun
    assert states(world, seen.id) == [*[PayoutState.CREATED] * 2, *[PayoutState.CANCELED] * 2]
    assert world.execution(seen.id).state is State.CANCELLED
    assert len(world.sandbox.control.calls("POST", "/v1/payouts")) == 2


@pytest.mark.deep
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_worker_told_to_leave_during_a_run_leaves_no_process_behind_and_the_next_one_finishes(
    world: World, number: signal.Signals
):
    # Given a payout whose second row takes longer than a leaving worker waits
    seen = world.approved(FOUR)
    with second_payout(world) as held, running_worker(world.desk.settings) as worker:
        reached(world, seen.id, held)
        everybody = family(worker)
        # When the worker is told to leave
        worker.send_signal(number)
        assert worker.wait(60) == 0
    # Then all of it is gone
    until(lambda: alive(everybody) == [], 60, "they left")
    assert world.execution(seen.id).state is State.RUNNING
    # and the next worker pays exactly the plan
    with running_worker(world.desk.settings):
        until(lambda: ended(world, seen.id), what="it has ended")
    world.sandbox.forgive()
    assert world.execution(seen.id).state is State.COMPLETED
    assert paid(world) == PLAN


PARENT = """
    import subprocess, sys, os, time
    worker = subprocess.Popen([sys.executable, "-m", "finops_core", sys.argv[1], "--parent", str(os.getpid())])
    print(worker.pid, flush=True)
    time.sleep(600)
"""


@contextmanager
def parent_of_a_worker(world: World) -> Iterator[tuple[subprocess.Popen[bytes], psutil.Process]]:
    parent = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(PARENT), "worker"],
        cwd=ROOT,
        env=environment(world.desk.settings),
        stdout=subprocess.PIPE,
    )
    try:
        assert parent.stdout is not None
        yield parent, psutil.Process(int(parent.stdout.readline()))
    finally:
        if parent.poll() is None:
            kill(parent)
        parent.stdout.close()


@pytest.mark.deep
def test_a_worker_leaves_with_its_parent_and_so_do_its_children(world: World):
    # Given a worker whose parent is another process, in the middle of a payout
    seen = world.approved(FOUR)
    with second_payout(world) as held, parent_of_a_worker(world) as (parent, worker):
        reached(world, seen.id, held)
        everybody = [worker, *worker.children(recursive=True)]
        # When the parent is killed
        kill(parent)
        # Then nothing of it stays
        until(lambda: alive(everybody) == [], 60, "they left")
    # and what it had begun is finished by the next worker
    with running_worker(world.desk.settings):
        until(lambda: ended(world, seen.id), what="it has ended")
    world.sandbox.forgive()
    assert paid(world) == PLAN


@pytest.mark.deep
def test_a_worker_whose_parent_is_not_there_leaves_by_itself(world: World):
    here = os.getpid()
    nobody = next(number for number in range(here + 100_000, here + 200_000) if not psutil.pid_exists(number))

    worker = subprocess.Popen(
        [sys.executable, "-m", "finops_core", "worker", "--parent", str(nobody)],
        cwd=ROOT,
        env=environment(world.desk.settings),
    )

    assert worker.wait(30) == 0
