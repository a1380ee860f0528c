"""kill -9 at each step of a payout, under each bad answer, and again after the restart: the plan is paid exactly.

The processes are real and forked from one warmed server. Each run: killed over its second row, started again and
killed at the same kind of step of whatever it does first, started once more and left alone.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from finops_core import operations
from finops_core.payouts import PayoutState
from tests.clocks import HurriedClock
from tests.faults.lives import made_for, paid, rows_of
from tests.faults.mortal import Control, Moment
from tests.faults.sweep import FAULTS, TIMEOUT_S, Steering, Sweep
from tests.payouts.walks import violations
from tests.world import World, running_world


@pytest.fixture
def both(tmp_path: Path, database_url: str) -> Iterator[World]:
    with running_world(tmp_path, database_url, HurriedClock(), provider_timeout_s=TIMEOUT_S) as made:
        yield made


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with running_world(tmp_path, "", HurriedClock(), provider_timeout_s=TIMEOUT_S) as made:
        yield made


@pytest.mark.deep
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("moment", Moment)
def test_killed_twice_under_every_fault_a_run_pays_its_plan_exactly(both: World, moment: Moment):
    sweep = Sweep(both, moment)
    for name, faults in FAULTS.items():
        # Given an approved plan, and an answer that will go wrong
        # When its process is killed, and the next one too
        execution_id = sweep.run(faults)
        if both.execution(execution_id).state is operations.State.UNSETTLED:
            sweep.send_on(execution_id)
        # Then the provider has the plan, and our rows know it
        rows = rows_of(both, execution_id)
        assert sweep.exact(execution_id), f"{moment}, {name}: {paid(both, execution_id)}"
        assert {row.state for row in rows} == {PayoutState.CREATED}, f"{moment}, {name}"
        assert sorted(row.provider_id for row in rows) == sorted(e["id"] for e in made_for(both, execution_id))
        assert both.execution(execution_id).state is operations.State.COMPLETED
    assert violations(both) == {}
    if moment is Moment.COMMIT:
        assert sweep.steering.seen == {True, False}, "all kills fell on one side of the commit"


@pytest.mark.deep
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("moment", Moment)
def test_the_same_sweep_with_a_new_key_for_each_call_pays_twice(world: World, moment: Moment):
    """The control: were it not for the key and the look-up, most of these runs would pay something twice."""
    sweep = Sweep(world, moment, Control.NEW_KEY)

    twice = [name for name, faults in FAULTS.items() if sweep.twice(sweep.run(faults))]

    assert len(twice) > len(FAULTS) / 2, f"only {twice}"


def test_a_kill_that_is_aimed_at_a_commit_falls_on_both_sides_of_it():
    steering = Steering()

    for _ in range(20):
        steering.learn(committed=steering.delay_s > 0.001)

    assert steering.seen == {True, False}
