"""A disk that is full at the worst moments of a payout: nothing is sent that was not written down first.

The disk is filled for one process at a time by its limit on file sizes (``RLIMIT_FSIZE`` 0): each of its writes to a
file then fails as on a full disk, while pipes and sockets go on. PostgreSQL keeps its files in processes of its own:
there it refuses the one statement with the error it has for a full disk (53100).
"""

import resource
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from finops_core import audit, operations, payouts
from finops_core.kernel.actor import system_actor, worker_actor
from finops_core.operations import State
from finops_core.payouts import PayoutState
from finops_core.platform.db import open_owner_engine
from tests.faults.lives import KILLED, lived
from tests.faults.mortal import Fate, Moment
from tests.payouts.walks import resume, violations
from tests.processes import running_worker, until
from tests.sandbox import Held
from tests.world import World, running_world

HARBOUR = "acct_sbx_harbour"
FILE = "currency\nUSD\nEUR\nGBP\n"
PLAN = [("eur", 6_120_050), ("gbp", 904_210), ("usd", 18_422_015)]
PATIENCE_S = 180

pytestmark = [pytest.mark.deep, pytest.mark.timeout(900)]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with running_world(tmp_path, job_lease_s=10.0, scheduler_lease_s=3.0, provider_timeout_s=120.0) as made:
        yield made


def paid(world: World) -> list[tuple[str, int]]:
    return sorted((payout["currency"], payout["amount"]) for payout in world.sandbox.control.payouts(HARBOUR))


def calls(world: World) -> int:
    return len(world.sandbox.control.calls("POST", "/v1/payouts"))


def states(world: World, execution_id: str) -> list[PayoutState]:
    with world.desk.read(worker_actor(world.orgs["harbour"])) as reading:
        return [row.state for row in payouts.rows(reading, execution_id)]


@contextmanager
def holding_looks(world: World, path: str) -> Iterator[tuple[Held, Held]]:
    """The next two reads of a kind, each held up until it is let go."""
    with world.sandbox.holding("GET", path) as first, world.sandbox.holding("GET", path) as second:
        yield first, second


def caller(worker: subprocess.Popen[bytes], held: Held) -> psutil.Process:
    """The process that carries out the run: the one of the worker's whose call is held up."""
    until(held.reached, PATIENCE_S, "its call is there")
    (found,) = (each for each in family(worker) if held.port in ports(each))
    return found


def family(worker: subprocess.Popen[bytes]) -> list[psutil.Process]:
    whole = psutil.Process(worker.pid)
    return [whole, *whole.children(recursive=True)]


def ports(process: psutil.Process) -> set[int]:
    try:
        return {each.laddr.port for each in process.net_connections("inet") if each.laddr}
    except psutil.NoSuchProcess:  # one that has just ended
        return set()


def gone(process: psutil.Process) -> bool:
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


def fill_the_disk(*processes: psutil.Process) -> None:
    _limit(processes, 0)


def make_room(*processes: psutil.Process) -> None:
    _limit(processes, resource.RLIM_INFINITY)


def _limit(processes: Sequence[psutil.Process], most: int) -> None:
    for each in processes:
        with suppress(ProcessLookupError):  # one that has just ended
            resource.prlimit(each.pid, resource.RLIMIT_FSIZE, (most, resource.RLIM_INFINITY))


def paid_in_the_end(world: World, execution_id: str) -> None:
    until(lambda: world.execution(execution_id).state in operations.FINAL, PATIENCE_S, "the run ended")
    world.sandbox.forgive()
    assert world.execution(execution_id).state is State.COMPLETED, world.execution(execution_id).message
    assert set(states(world, execution_id)) == {PayoutState.CREATED}
    assert paid(world) == PLAN
    assert not any(call["replayed"] for call in world.sandbox.control.calls("POST", "/v1/payouts")), "sent again"
    with world.desk.read(system_actor()) as reading:
        assert audit.verify(reading, world.desk.settings.heads_dir).ok


def test_an_intent_that_cannot_be_written_down_is_not_carried_out(world: World):
    # Given a run whose rows are stored, and that looks at the balance once more before its first intent
    seen = world.approved(FILE)
    assert lived(world, seen.id, Fate(Moment.PLAN))[0] == KILLED
    with holding_looks(world, "/v1/balance") as (look, next_look), running_worker(world.desk.settings) as worker:
        child = caller(worker, look)
        # When the disk is full for it from then on
        fill_the_disk(child)
        look.let_go()
        until(lambda: gone(child), PATIENCE_S, "the run broke off")
        # Then it has sent nothing by the time the run is taken up again
        until(next_look.reached, PATIENCE_S, "it is taken up again")
        assert (calls(world), paid(world)) == (0, [])
        assert states(world, seen.id) == [PayoutState.APPROVED] * 3
        # and that one pays the plan
        next_look.let_go()
        paid_in_the_end(world, seen.id)


def test_an_intent_that_is_written_with_the_last_outcome_waits_like_it_for_the_next_run(world: World):
    # Given a payout that was made, whose outcome is to be kept together with the next row's intent
    seen = world.approved(FILE)
    with (
        world.sandbox.holding("GET", "/v1/payouts") as look_up,
        world.sandbox.holding("POST", "/v1/payouts") as first,
        running_worker(world.desk.settings) as worker,
    ):
        child = caller(worker, first)
        # When the disk is full before its answer arrives
        fill_the_disk(child)
        first.let_go()
        until(lambda: gone(child), PATIENCE_S, "the run broke off")
        # Then the next run looks it up, and the second row has not been called for
        until(look_up.reached, PATIENCE_S, "it is looked up")
        assert calls(world) == len(paid(world)) == 1
        assert states(world, seen.id) == [PayoutState.IN_DOUBT, PayoutState.APPROVED, PayoutState.APPROVED]
        look_up.let_go()
        paid_in_the_end(world, seen.id)


def test_an_outcome_that_cannot_be_written_down_is_in_doubt_until_it_is_found(world: World):
    # Given the last payout of the plan, which was made, and whose answer is on its way
    seen = world.approved(FILE)
    with (
        world.sandbox.holding("GET", "/v1/payouts") as look_up,
        world.sandbox.holding("POST", "/v1/payouts", nth=3) as last,
        running_worker(world.desk.settings) as worker,
    ):
        child = caller(worker, last)
        # When the disk is full before it arrives
        fill_the_disk(child)
        last.let_go()
        until(lambda: gone(child), PATIENCE_S, "the run broke off")
        # Then its row is in doubt, found, and not sent again
        until(look_up.reached, PATIENCE_S, "it is looked up")
        assert states(world, seen.id) == [PayoutState.CREATED, PayoutState.CREATED, PayoutState.IN_DOUBT]
        look_up.let_go()
        paid_in_the_end(world, seen.id)
    assert calls(world) == 3


def test_a_disk_that_is_full_for_everybody_and_freed_again_costs_nothing_but_time(world: World):
    # Given the same, with the worker's own writes failing as well
    seen = world.approved(FILE)
    with world.sandbox.holding("POST", "/v1/payouts", 2) as held, running_worker(world.desk.settings) as worker:
        child = caller(worker, held)
        fill_the_disk(*family(worker))
        held.let_go()
        until(lambda: gone(child), PATIENCE_S, "the run broke off")
        assert world.execution(seen.id).state is State.RUNNING
        # When there is room again
        assert worker.poll() is None
        make_room(*family(worker))
        # Then the same worker goes on by itself
        paid_in_the_end(world, seen.id)


@pytest.fixture
def on_postgresql(tmp_path: Path, postgres_database: str) -> Iterator[World]:
    with running_world(tmp_path, postgres_database) as made:
        yield made


@contextmanager
def no_room_for(world: World, state: PayoutState) -> Iterator[None]:
    """No payout can be moved to a state: its database says that the disk is full."""
    refuse = "BEGIN RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = '53100'; END"
    on_moving = f"BEFORE UPDATE ON payout FOR EACH ROW WHEN (NEW.state = '{state}')"
    _as_owner(
        world,
        f"CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $$ {refuse} $$",
        f"CREATE TRIGGER full_disk {on_moving} EXECUTE FUNCTION full_disk()",
    )
    yield
    _as_owner(world, "DROP TRIGGER full_disk ON payout", "DROP FUNCTION full_disk")


def _as_owner(world: World, *statements: str) -> None:
    engine = open_owner_engine(world.desk.settings)
    with engine.begin() as connection:
        for statement in statements:
            connection.execute(text(statement))
    engine.dispose()


def test_on_postgresql_an_intent_that_cannot_be_written_down_is_not_carried_out(on_postgresql: World):
    world = on_postgresql
    seen = world.approved(FILE)

    with no_room_for(world, PayoutState.SUBMITTING), pytest.raises(OperationalError, match="No space left"):
        world.work_off()

    assert (calls(world), paid(world)) == (0, [])
    assert states(world, seen.id) == [PayoutState.APPROVED] * 3
    resume(world)
    paid_in_the_end(world, seen.id)
    assert violations(world) == {}


def test_on_postgresql_an_outcome_that_cannot_be_written_down_is_found_and_not_sent_again(on_postgresql: World):
    world = on_postgresql
    seen = world.approved(FILE)

    with no_room_for(world, PayoutState.CREATED), pytest.raises(OperationalError, match="No space left"):
        world.work_off()

    assert calls(world) == len(paid(world)) == 1
    assert states(world, seen.id) == [PayoutState.SUBMITTING, PayoutState.APPROVED, PayoutState.APPROVED]
    resume(world)
    paid_in_the_end(world, seen.id)
    assert calls(world) == 3
    assert violations(world) == {}
