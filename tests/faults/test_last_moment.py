"""What differs from what was approved at the last moment: a cent, a clock, the mode. Nothing is paid then."""

from datetime import timedelta

import pytest

from finops_core import operations
from finops_core.adapters.stripe_sandbox.faults import Fault, FaultKind
from finops_core.operations import State
from tests.payouts.walks import (
    HARBOUR,
    begin,
    made,
    prepared,
    resume,
    sent_and_died,
    states,
    steps,
    violations,
)
from tests.tampering import tamper
from tests.world import World

TWO = "currency,maximum\nUSD,100.00\nEUR,100.00\n"
LIVE = {"livemode": True}
AN_HOUR = timedelta(hours=1)  # so that what was paid in is available by a clock that is behind


def calls(world: World) -> int:
    return len(world.sandbox.control.calls("POST", "/v1/payouts"))


def change_plan(world: World, by_minor: int, currency: str = "EUR") -> None:
    changed = tamper(
        world.desk.settings,
        "UPDATE execution_plan_row SET amount_minor = amount_minor + :more WHERE currency = :currency",
        more=by_minor,
        currency=currency,
    )
    assert changed == 1


def skew_provider(world: World, seconds: float) -> None:
    """The provider's clock goes wrong by this much, from here on."""
    offset_s = world.sandbox.control.post("clock", {})["offset_s"]
    world.sandbox.control.post("clock", {"offset_s": offset_s + seconds})


# --- a cent


@pytest.mark.parametrize("by_minor", [1, -1])
def test_a_plan_changed_by_a_cent_after_its_approval_pays_nothing(both: World, by_minor: int):
    seen = both.approved(TWO)
    change_plan(both, by_minor)

    both.work_off()

    view = both.execution(seen.id)
    assert (view.state, view.error_code) == (State.SUPERSEDED, "PLAN_CHANGED")
    assert (calls(both), made(both)) == (0, [])


def test_a_plan_changed_by_a_cent_under_a_run_that_died_sends_nothing_new(both: World):
    # Given a run that died over its first row, and a plan whose second row was changed since
    seen = both.approved(TWO)
    begun = begin(both)
    sent_and_died(both, begun, prepared(both, begun)[0])
    change_plan(both, 1)
    # When it is resumed
    resume(both)
    # Then what was sent is found, and nothing else is sent
    assert states(both, seen.id) == ["created", "canceled"]
    assert made(both) == [("usd", 10_000)]
    assert both.execution(seen.id).state is State.FAILED


# --- the provider's mode


def test_a_provider_that_answers_in_live_mode_gets_no_plan(world: World):
    world.sandbox.control.fault(Fault(FaultKind.CHANGED_FIELDS, "GET", "/v1/balance", fields=LIVE))

    seen = world.planned(TWO)
    world.sandbox.forgive()

    assert seen.state is State.FAILED
    with world.desk.read(world.actor("ana")) as reading:
        plan = operations.plan(reading, seen.id)
    assert plan is not None
    assert [fault.code for fault in plan.faults] == ["MODE_WRONG"]


def test_a_provider_that_answers_in_live_mode_after_the_approval_is_sent_nothing(world: World):
    seen = world.approved(TWO)
    world.sandbox.control.fault(Fault(FaultKind.CHANGED_FIELDS, "GET", "/v1/balance", fields=LIVE))

    world.work_off()
    world.sandbox.forgive()

    view = world.execution(seen.id)
    assert (view.state, view.error_code) == (State.SUPERSEDED, "MODE_CHANGED")
    assert calls(world) == 0


def test_a_payout_that_is_answered_in_live_mode_is_in_doubt_until_it_is_looked_up(world: World):
    seen = world.approved(TWO)
    world.sandbox.control.fault(Fault(FaultKind.CHANGED_FIELDS, fields=LIVE))

    world.work_off()
    world.sandbox.forgive()

    assert steps(world, seen.id, 1) == ["submitting", "in_doubt", "created"]
    assert steps(world, seen.id, 2) == ["submitting", "created"]
    assert made(world) == [("eur", 10_000), ("usd", 10_000)]
    assert violations(world) == {}


# --- clocks


@pytest.mark.parametrize("skew_s", [-280, -120, 120, 280])
def test_a_provider_whose_clock_is_minutes_off_is_paid_through_once_even_when_it_forgets(timed: World, skew_s: int):
    # Given clocks that differ by less than five minutes, and a run that died over its first payout
    timed.advance(AN_HOUR)
    skew_provider(timed, skew_s)
    seen = timed.approved(TWO)
    begun = begin(timed)
    sent_and_died(timed, begun, prepared(timed, begun)[0])
    # When it is resumed after the provider has forgotten the key
    timed.advance(timedelta(hours=23, minutes=50))
    timed.sandbox.control.post("prune_keys", {})
    resume(timed)
    # Then it is found
    assert states(timed, seen.id) == ["created", "created"]
    assert made(timed) == [("eur", 10_000), ("usd", 10_000)]
    assert violations(timed) == {}


@pytest.mark.parametrize("jump_s", [-1800, 7200])
def test_a_providers_clock_that_jumps_during_a_run_hides_no_payout(timed: World, jump_s: int):
    # Given a provider whose clock jumps between the start of a run and its first call
    timed.advance(AN_HOUR)
    seen = timed.approved(TWO)
    begun = begin(timed)
    row = prepared(timed, begun)[0]
    skew_provider(timed, jump_s)
    sent_and_died(timed, begun, row)
    timed.sandbox.control.post("prune_keys", {})

    resume(timed)

    assert states(timed, seen.id) == ["created", "created"]
    assert made(timed) == [("eur", 10_000), ("usd", 10_000)]
    assert timed.sandbox.control.available("usd", HARBOUR) == 18_422_015 - 10_000
