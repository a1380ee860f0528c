"""The last guard before a second attempt is sent: no row of which an earlier attempt may still arrive."""

from datetime import timedelta

import pytest

from finops_core import operations, payouts, security
from finops_core.adapters.stripe_sandbox.faults import Fault, FaultKind
from finops_core.kernel.actor import system_actor
from finops_core.operations import State
from finops_core.payouts import PayoutState
from tests.operations.walks import code_of
from tests.payouts.walks import HARBOUR, act, again, made, rows_of, states, violations
from tests.tampering import tamper
from tests.world import World

TWO = "currency,maximum\nUSD,100.00\nEUR,100.00\n"


def whole_file_again(world: World, execution_id: str) -> operations.ExecutionView:
    """A retry whose rows somebody has made the desk forget, so that it plans the whole, approved and carried out."""
    act(world, payouts.retry, execution_id)
    assert tamper(world.desk.settings, "UPDATE execution SET retry_rows = '[]' WHERE id = :id", id=execution_id)
    return again(world, execution_id)


def half_done(world: World) -> str:
    """Two rows: the first was paid, the second refused."""
    seen = world.approved(TWO)
    world.sandbox.control.fault(Fault(FaultKind.BALANCE_INSUFFICIENT, nth=2))
    world.work_off()
    assert states(world, seen.id) == ["created", "rejected"]
    return seen.id


@pytest.mark.parametrize("steps", [(), ("in_transit",), ("in_transit", "paid")])
def test_a_row_that_an_earlier_attempt_paid_is_never_sent_again_whatever_was_approved(
    both: World, steps: tuple[str, ...]
):
    # Given a row that is on its way, or has arrived
    world = both
    execution_id = half_done(world)
    world.sandbox.control.transition(rows_of(world, execution_id)[0].provider_id, *steps, account=HARBOUR)
    world.follow()
    # When a plan that pays it again is approved
    view = whole_file_again(world, execution_id)
    # Then nothing of that plan is sent, the other row included
    assert (view.state, view.error_code) == (State.SUPERSEDED, "ALREADY_PAID")
    assert view.message == "Row 1 was paid, or may have been, by an earlier attempt. Nothing was sent."
    assert made(world) == [("usd", 10_000)]
    assert violations(world) == {}


def test_a_row_whose_earlier_attempts_all_failed_is_sent(world: World):
    execution_id = half_done(world)
    first = rows_of(world, execution_id)[0]
    world.sandbox.control.transition(first.provider_id, "in_transit", "failed", account=HARBOUR, code="no_account")
    world.follow()

    view = whole_file_again(world, execution_id)

    assert view.state is State.COMPLETED
    assert states(world, execution_id) == ["created", "created"]
    assert violations(world) == {}


def test_a_second_attempt_in_doubt_is_not_taken_for_the_first_one(world: World):
    # Given a payout that came back, and a retry of it whose answer is lost
    seen = world.approved("currency,maximum\nUSD,100.00\n")
    world.work_off()
    first = rows_of(world, seen.id)[0].provider_id
    world.sandbox.control.transition(first, "in_transit", "failed", account=HARBOUR, code="no_account")
    world.follow()
    act(world, payouts.retry, seen.id)
    world.sandbox.control.fault(Fault(FaultKind.RESET_AFTER))
    # When it is looked up, then it is found, and not the one before it
    assert again(world, seen.id).state is State.COMPLETED
    (row,) = rows_of(world, seen.id)
    assert (row.attempt, row.state, row.provider_id == first) == (2, PayoutState.CREATED, False)


def test_another_preparer_learns_nothing_of_a_run_they_may_not_see(timed: World):
    # Given a run with a payout in doubt, and somebody else who prepares
    seen = timed.approved("currency,maximum\nUSD,100.00\n")
    timed.sandbox.control.fault(Fault(FaultKind.RESET_BEFORE, times=50))
    timed.work_off()
    assert states(timed, seen.id) == ["in_doubt"]
    with timed.desk.work(system_actor(timed.orgs["harbour"])) as work:
        cem = security.add_person(work, "cem", "Cem Aydin", "", "a-long-password-9")
        security.grant_role(work, cem, "preparer", timed.orgs["harbour"])
    timed.people["cem"] = cem
    # When they ask for what only its preparer may have done
    for verb in (payouts.retry, payouts.send_on):
        for name in (seen.id, seen.number, "ex_none"):
            # Then the answer is the same as for one that is not there
            assert code_of(act, timed, verb, name, who="cem") == "EXECUTION_UNKNOWN"


def test_a_run_is_named_by_its_number_too(world: World):
    execution_id = half_done(world)

    view = act(world, payouts.retry, world.execution(execution_id).number)

    assert (view.id, view.attempt, view.retry_rows) == (execution_id, 2, (2,))


def test_what_a_person_said_of_a_payout_is_told_only_to_those_who_may_see_it(timed: World):
    # Given a payout that a person has settled, and a preparer who may see only their own executions
    seen = timed.approved("currency,maximum\nUSD,100.00\n")
    timed.sandbox.control.fault(Fault(FaultKind.RESET_BEFORE, times=50))
    timed.work_off()
    timed.advance(timedelta(hours=24))
    timed.look_up()
    (row,) = rows_of(timed, seen.id)
    act(timed, payouts.resolve, row.id, payouts.Verdict.NEVER_MADE, "", "Not in the dashboard.", who="ben")
    with timed.desk.work(system_actor(timed.orgs["harbour"])) as work:
        cem = security.add_person(work, "cem", "Cem Aydin", "", "a-long-password-9")
        security.grant_role(work, cem, "preparer", timed.orgs["harbour"])
    timed.people["cem"] = cem

    def said(who: str) -> list[str]:
        with timed.desk.read(timed.actor(who)) as reading:
            return list(payouts.resolutions(reading, [row.id]))

    assert (said("ana"), said("ben"), said("cem")) == ([row.id], [row.id], [])
