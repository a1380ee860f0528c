"""One real child and what watches over it: its log, its time, its death, a stop, and a worker that leaves."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import psutil
import pytest

from finops_core import operations
from finops_core.kernel.actor import worker_actor
from finops_core.kernel.clock import SystemClock
from finops_core.kernel.errors import Conflict
from finops_core.kernel.operation import LogLevel
from finops_core.operations import State, engine
from finops_core.operations.engine import LogEntry
from finops_core.operations.runner import Line
from finops_core.operations.service import PLAN_JOB
from finops_core.platform import queue
from finops_core.platform.queue import Claim
from finops_core.worker.forking import forkserver
from finops_core.worker.main import Worker
from finops_core.worker.supervisor import MAX_ATTEMPTS, Supervision
from tests.processes import until
from tests.tampering import tamper
from tests.worker.odd import ENDLESS_S, TALK_LINES, open_odd
from tests.world import World

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
PATIENCE_S = 120
"""How long a loaded machine may take for what must come; nothing here is proven by being quick."""


@dataclass
class Hourglass:
    """The clock of a run's time; a test turns it when the run has come as far as it must."""

    ahead_s: float = 0.0

    def __call__(self) -> float:
        return time.monotonic() + self.ahead_s

    def turn(self, seconds: float) -> None:
        self.ahead_s += seconds


def queued(world: World, name: str) -> str:
    """An execution of an odd operation, submitted."""
    with world.desk.work(world.actor("ana")) as work:
        drafted = operations.draft(work, f"odd.{name}", {}, None)
        assert isinstance(drafted, operations.Drafted), drafted
        operations.submit(work, drafted.execution_id)
    return drafted.execution_id


def claimed(world: World) -> Claim:
    with world.desk.work(worker_actor("")) as work:
        claim = queue.claim(work, "here", 30)
    assert claim is not None
    return claim


def supervise(
    world: World, leaving: Callable[[], bool] = lambda: False, seconds: Callable[[], float] = time.monotonic
) -> None:
    """The next job, from its claim to its end."""
    claim = claimed(world)
    begin = engine.begin_plan if claim.kind == PLAN_JOB else engine.begin_run
    with world.desk.work(worker_actor(claim.org_id)) as work:
        begun = begin(work, claim)
    assert begun is not None
    Supervision(world.desk, begun, forkserver(), leaving, open_odd, seconds).watch()


@contextmanager
def supervised(
    world: World, leaving: Callable[[], bool] = lambda: False, seconds: Callable[[], float] = time.monotonic
) -> Iterator[threading.Thread]:
    """The same beside the test; it has ended at the end of the block."""
    thread = threading.Thread(target=supervise, args=(world, leaving, seconds), daemon=True)
    thread.start()
    yield thread
    thread.join(PATIENCE_S)
    assert not thread.is_alive()


def log_of(world: World, execution_id: str) -> tuple[operations.LogView, ...]:
    with world.desk.read(world.actor("ana")) as reading:
        # The first ones: of a child that never stops talking there is always more.
        return operations.log(reading, execution_id, limit=10_000, oldest=True)


def messages(world: World, execution_id: str) -> list[str]:
    return [line.message for line in log_of(world, execution_id)]


def child_of(world: World, execution_id: str) -> psutil.Process:
    until(
        lambda: any("pid" in line.data for line in log_of(world, execution_id)), PATIENCE_S, "the child has told its id"
    )
    return psutil.Process(next(line.data["pid"] for line in log_of(world, execution_id) if "pid" in line.data))


def gone(process: psutil.Process) -> bool:
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


def due_again(world: World) -> None:
    tamper(world.desk.settings, "UPDATE job SET run_at_ms = 0 WHERE state = 'queued'")


def test_every_line_is_kept_in_order_and_the_result_with_it(odd: World):
    execution_id = queued(odd, "talk")

    supervise(odd)

    lines = log_of(odd, execution_id)
    done = odd.execution(execution_id)
    assert [line.seq for line in lines] == list(range(1, TALK_LINES + 3))
    assert [line.data["number"] for line in lines if "number" in line.data] == list(range(TALK_LINES))
    assert messages(odd, execution_id)[-1] == "Done."
    assert (done.state, done.message, done.progress_total) == (State.COMPLETED, "Done.", TALK_LINES)


@pytest.mark.parametrize("name", ["endless", "chatter"])
def test_a_child_that_never_ends_is_ended_when_its_time_is_up(odd: World, name: str):
    execution_id, glass = queued(odd, name), Hourglass()

    with supervised(odd, seconds=glass):
        child = child_of(odd, execution_id)
        glass.turn(ENDLESS_S)

    done = odd.execution(execution_id)
    assert (done.state, done.error_code) == (State.TIMED_OUT, "RUN_TIMED_OUT")
    assert done.public is operations.PublicState.FAILED
    assert gone(child)
    assert odd.work_off() == 0


def test_a_child_that_dies_is_marked_interrupted_and_never_run_again(odd: World):
    execution_id = queued(odd, "die")

    supervise(odd)

    done = odd.execution(execution_id)
    assert (done.state, done.error_code) == (State.INTERRUPTED, "RUN_INTERRUPTED")
    assert messages(odd, execution_id)[-1] == "About to die."
    due_again(odd)
    assert odd.work_off() == 0


def test_a_child_that_dies_is_begun_again_where_that_is_declared_safe(odd: World):
    execution_id = queued(odd, "die_once")

    supervise(odd)
    between = odd.execution(execution_id).state
    due_again(odd)
    supervise(odd)

    assert between is State.RUNNING
    assert odd.execution(execution_id).state is State.COMPLETED
    assert messages(odd, execution_id)[1:] == ["About to die.", "Die_Once 1.0.0 started, attempt 1.", "Done."]


def test_a_child_that_dies_each_time_is_given_up(odd: World):
    execution_id = queued(odd, "die_always")

    for _ in range(MAX_ATTEMPTS):
        assert odd.execution(execution_id).state in {State.QUEUED, State.RUNNING}
        due_again(odd)
        supervise(odd)

    assert odd.execution(execution_id).state is State.INTERRUPTED
    due_again(odd)
    assert odd.work_off() == 0


def test_a_dry_run_that_dies_is_made_again(odd: World):
    with odd.desk.work(odd.actor("ana")) as work:
        drafted = operations.draft(work, "odd.plan_after_death", {}, None)
    assert isinstance(drafted, operations.Drafted)

    supervise(odd)
    between = odd.execution(drafted.execution_id).state
    due_again(odd)
    supervise(odd)

    assert between is State.PLANNING
    assert odd.execution(drafted.execution_id).state is State.READY


def test_a_stop_reaches_the_child(odd: World):
    execution_id = queued(odd, "wait_for_stop")

    with supervised(odd):
        child = child_of(odd, execution_id)
        with odd.desk.work(odd.actor("ana")) as work:
            operations.cancel(work, execution_id, "wrong day")

    done = odd.execution(execution_id)
    assert (done.state, done.message) == (State.CANCELLED, "Stopped.")
    assert gone(child)


def test_a_worker_that_leaves_lets_a_child_end_that_is_almost_done(odd: World):
    execution_id = queued(odd, "almost_done")

    # Its grace is not up before it is done, however slow the machine: the clock stands still.
    supervise(odd, leaving=lambda: True, seconds=lambda: 0.0)

    assert odd.execution(execution_id).state is State.COMPLETED


def test_a_worker_that_leaves_hands_over_what_is_safe_to_resume_and_that_counts_as_no_crash(odd: World):
    # Given a run that takes for ever
    execution_id = queued(odd, "long")
    leaving = threading.Event()
    # When its worker is told to leave
    with supervised(odd, leaving.is_set):
        child = child_of(odd, execution_id)
        leaving.set()
    # Then the child is gone, and the next worker can have it at once
    assert gone(child)
    assert odd.execution(execution_id).state is State.RUNNING
    claim = claimed(odd)
    assert (claim.payload["execution_id"], claim.attempts) == (execution_id, 1)


def test_a_worker_that_leaves_marks_the_rest_interrupted(odd: World):
    execution_id = queued(odd, "long_unsafe")
    leaving = threading.Event()

    with supervised(odd, leaving.is_set):
        child_of(odd, execution_id)
        leaving.set()

    assert odd.execution(execution_id).state is State.INTERRUPTED


def test_a_worker_that_has_lost_its_lease_ends_its_child_and_writes_nothing_more(odd: World):
    # Given a run under way
    execution_id = queued(odd, "wait_for_stop")
    failures: list[Conflict] = []

    def watch() -> None:
        try:
            supervise(odd)
        except Conflict as error:
            failures.append(error)

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    child = child_of(odd, execution_id)
    # When another worker takes it over
    tamper(odd.desk.settings, "UPDATE job SET lease_until_ms = 0 WHERE state = 'leased'")
    other = claimed(odd)
    thread.join(PATIENCE_S)
    # Then the first one gives way
    assert [error.code for error in failures] == ["LEASE_LOST"]
    assert gone(child)
    lines = len(log_of(odd, execution_id))
    with odd.desk.work(worker_actor(other.org_id)) as work:
        assert engine.begin_run(work, other) is None
    assert odd.execution(execution_id).state is State.INTERRUPTED
    assert len(log_of(odd, execution_id)) == lines


def test_a_refusal_is_told_in_its_own_words(odd: World):
    execution_id = queued(odd, "refuse")

    supervise(odd)

    done = odd.execution(execution_id)
    assert (done.state, done.error_code, done.hint) == (State.FAILED, "NOTHING_TO_DO", "Come back tomorrow.")


def test_an_operation_that_breaks_tells_where_but_not_what_it_held(odd: World):
    execution_id = queued(odd, "break")

    supervise(odd)

    done = odd.execution(execution_id)
    told = " ".join(f"{line.message} {dict(line.data)}" for line in log_of(odd, execution_id))
    assert (done.state, done.error_code) == (State.FAILED, "OPERATION_BROKE")
    assert "ValueError" in told
    assert "tests.worker.odd:" in told
    assert "rk_test" not in told + done.message + done.hint


def test_a_database_that_fails_is_no_fault_of_the_operation(odd: World):
    execution_id = queued(odd, "lose_database")

    supervise(odd)

    assert odd.execution(execution_id).state is State.INTERRUPTED
    assert messages(odd, execution_id)[-1] == "The database did not answer."


@pytest.mark.parametrize(("begun", "state"), [(False, State.FAILED), (True, State.INTERRUPTED)])
def test_a_job_that_cannot_be_concluded_however_often_ends_with_its_execution(odd: World, begun: bool, state: State):
    # Given a job that has been tried more often than is of use
    execution_id = queued(odd, "long")
    claim = replace(claimed(odd), attempts=1_000)
    if begun:
        with odd.desk.work(worker_actor(claim.org_id)) as work:
            assert engine.begin_run(work, claim) is not None
    # When it fails once more
    Worker(odd.desk)._try_later(claim, "StrangeError")
    # Then nobody waits for it any longer
    assert odd.execution(execution_id).state is state
    due_again(odd)
    assert odd.work_off() == 0


def test_a_job_that_fails_is_tried_again_later(odd: World):
    execution_id = queued(odd, "talk")
    claim = claimed(odd)

    Worker(odd.desk)._try_later(claim, "StrangeError")

    assert odd.execution(execution_id).state is State.QUEUED
    assert odd.work_off() == 0
    due_again(odd)
    assert odd.work_off() == 1
    assert odd.execution(execution_id).state is State.COMPLETED


class Talker:
    """A pipe that always has one more line: what a child looks like that talks faster than anybody can listen."""

    def poll(self, _seconds: float) -> bool:
        return True

    def recv(self) -> Line:
        return Line(LogEntry(SystemClock().now(), LogLevel.INFO, "And another thing.", {}))


def test_listening_to_one_who_never_pauses_comes_to_an_end(odd: World):
    queued(odd, "talk")
    claim = claimed(odd)
    with odd.desk.work(worker_actor(claim.org_id)) as work:
        begun = engine.begin_run(work, claim)
    assert begun is not None
    supervision = Supervision(odd.desk, begun, forkserver(), lambda: False, open_odd)
    heard: list[bool] = []

    thread = threading.Thread(target=lambda: heard.append(supervision._receive(Talker(), 0.1)), daemon=True)
    thread.start()
    thread.join(PATIENCE_S)

    assert heard == [True]
    assert supervision.entries
