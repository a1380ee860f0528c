"""Keys that the provider has forgotten, a day after a run was killed: looked up, or a person decides. Never twice."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from finops_core import operations, payouts
from finops_core.payouts import PayoutState, Verdict
from tests.clocks import HurriedClock
from tests.faults.lives import paid, planned, rows_of
from tests.faults.mortal import Control, Moment
from tests.faults.sweep import FAULTS, TIMEOUT_S, Sweep
from tests.payouts.walks import act, violations, worked_off
from tests.world import World, running_world

DAY_AND_HOUR_S = 25 * 3600
LONG_S = 30 * 24 * 3600

pytestmark = [pytest.mark.deep, pytest.mark.timeout(1200)]


@pytest.fixture
def world(tmp_path: Path, database_url: str) -> Iterator[World]:
    """Approvals last for weeks here, so that a run that was killed goes on however late it is."""
    with running_world(
        tmp_path, database_url, HurriedClock(), provider_timeout_s=TIMEOUT_S, approval_expires_s=LONG_S
    ) as made:
        yield made


def a_day_later(world: World) -> Callable[[], None]:
    """Everybody's clock goes on by 25 hours, and the provider forgets every key."""

    def between() -> None:
        time.sleep(4 * TIMEOUT_S)  # a day is longer than any request is under way, and our day takes no time
        clock = world.desk.ports.clock
        assert isinstance(clock, HurriedClock)
        clock.advance(DAY_AND_HOUR_S)
        world.sandbox.control.advance(DAY_AND_HOUR_S)
        world.sandbox.control.post("prune_keys", {})

    return between


def decide(world: World, execution_id: str) -> None:
    """A person looks at the provider and says what they saw; what was never made is retried, newly approved."""
    for row in rows_of(world, execution_id):
        if row.state is PayoutState.NEEDS_REVIEW:
            act(world, payouts.resolve, row.id, Verdict.NEVER_MADE, "", "Looked, and saw none.", who="ben")
    world.sandbox.control.post("reset", {"only": ["fault"]})
    worked_off(world, execution_id)
    act(world, payouts.retry, execution_id)
    seen = worked_off(world, execution_id)
    act(world, operations.submit, seen.id, seen.plan_hash)
    world.decide(seen)
    assert worked_off(world, execution_id).state is operations.State.COMPLETED


@pytest.mark.parametrize("moment", Moment)
def test_a_day_after_each_kill_what_was_sent_is_found_and_the_rest_waits_for_a_person(world: World, moment: Moment):
    sweep = Sweep(world, moment, between=a_day_later(world))
    decided = 0
    for name, faults in FAULTS.items():
        # Given a run that was killed, and another one a day later
        execution_id = sweep.run(faults)
        # Then nothing was paid twice, and every payout of the provider's stands in our rows
        rows = rows_of(world, execution_id)
        made = paid(world, execution_id)
        assert not sweep.twice(execution_id), f"{moment}, {name}: {made}"
        assert {row.state for row in rows} <= {PayoutState.CREATED, PayoutState.NEEDS_REVIEW}, f"{moment}, {name}"
        known = [(row.currency.lower(), row.amount_minor) for row in rows if row.state is PayoutState.CREATED]
        assert sorted(known) == made, f"{moment}, {name}"
        # and once a person has decided, the plan is paid
        if world.execution(execution_id).state is operations.State.UNSETTLED:
            decided += 1
            wanted = sorted((row.currency.lower(), row.amount_minor) for row in rows)
            decide(world, execution_id)
            assert paid(world, execution_id) == wanted, f"{moment}, {name}"
        else:
            assert made == planned(world, execution_id)
    assert violations(world) == {}
    if moment in {Moment.CALL, Moment.COMMIT}:
        assert 0 < decided < len(FAULTS), "all were found, or none"


def test_without_the_look_up_the_same_key_pays_again(world: World):
    """The control: a fixed key alone is no protection once it is forgotten."""
    sweep = Sweep(world, Moment.CALL, Control.NO_LOOK_UP, a_day_later(world))

    twice = [name for name, faults in FAULTS.items() if sweep.twice(sweep.run(faults))]

    assert len(twice) > len(FAULTS) / 2, f"only {twice}"
