"""Runs of the machine: a few in every suite, many in the deep one. The same ones each time."""

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from finops_core.adapters.stripe_sandbox.faults import Fault, FaultKind
from tests.properties.machine import KEPT, NEVER, STOP, Event, PayoutMachine

pytestmark = pytest.mark.slow

# Those that luck brings about; the rest (rejected, submitting, needs_review, expired) have a walk of their own below.
ROWS = {"approved", "created", "in_transit", "paid", "failed", "in_doubt", "canceled"}
# The unit in which a run stores its first intent: its claim, its beginning, its rows (in four units), then this.
FIRST_INTENT = 6
BASE = settings(
    derandomize=True,
    database=None,
    deadline=None,
    print_blob=True,
    suppress_health_check=list(HealthCheck),
)
SHORT = settings(BASE, max_examples=5, stateful_step_count=15)
LONG = settings(BASE, max_examples=40, stateful_step_count=40)


def test_a_few_bad_weeks_end_well():
    PayoutMachine.seen.clear()

    run_state_machine_as_test(PayoutMachine, settings=SHORT)

    assert PayoutMachine.seen["row created"] > 0


def test_a_batch_for_which_money_is_missing_is_refused_and_paid_by_its_retry():
    PayoutMachine.seen.clear()
    machine = PayoutMachine()

    short = Fault(FaultKind.BALANCE_INSUFFICIENT, times=9)
    machine.batch_goes_out((True, True, True), (100, 100, 100), short, Event(1, NEVER))
    machine.nothing_is_wrong()
    machine.good_answers_again()
    machine.repair(0)
    machine.nothing_is_wrong()
    machine.teardown()

    assert {"row rejected", "retry", "row created"} <= set(PayoutMachine.seen), PayoutMachine.seen


@pytest.mark.parametrize("forgets", [False, True])
def test_a_batch_that_is_left_for_a_day_is_looked_up_and_the_rest_expires(forgets: bool):
    PayoutMachine.seen.clear()
    machine = PayoutMachine()

    machine.batch_is_left_for_a_day(FIRST_INTENT, KEPT, forgets)
    machine.nothing_is_wrong()
    machine.teardown()

    assert {"row submitting", "row approved", "row expired"} <= set(PayoutMachine.seen), PayoutMachine.seen


@pytest.mark.parametrize("kind", [FaultKind.RESET_AFTER, FaultKind.ERROR_AFTER])
def test_a_batch_of_which_an_answer_is_lost_is_looked_up_and_paid_once(kind: FaultKind):
    PayoutMachine.seen.clear()
    machine = PayoutMachine()

    machine.batch_goes_out((True, True, True), (100, 100, 100), Fault(kind), Event(1, NEVER))
    machine.nothing_is_wrong()
    machine.teardown()

    assert {each for each in PayoutMachine.seen if each.startswith("row ")} == {"row created"}, PayoutMachine.seen


def test_a_batch_that_is_stopped_in_the_midst_of_it_sends_no_more():
    PayoutMachine.seen.clear()
    machine = PayoutMachine()

    machine.batch_goes_out((True, True, True), (100, 100, 100), None, Event(FIRST_INTENT, STOP))
    machine.nothing_is_wrong()
    machine.teardown()

    assert {"stopped while running", "row created", "row canceled"} <= set(PayoutMachine.seen), PayoutMachine.seen


def test_a_payout_that_comes_back_after_it_was_paid_is_heard_of_without_any_news():
    PayoutMachine.seen.clear()
    machine = PayoutMachine()

    machine.batch_goes_out((True, False, False), (100, 100, 100), None, Event(1, NEVER))
    machine.the_bank_acts([(0, 0), (0, 0)], told=True)
    machine.nothing_is_wrong()
    machine.the_bank_acts([(0, 0)], told=False)
    machine.teardown()

    assert {"row paid", "row failed"} <= set(PayoutMachine.seen), PayoutMachine.seen


@pytest.mark.parametrize("closed", [None, "USD"])
def test_a_batch_whose_approver_leaves_is_planned_anew_and_what_was_void_is_never_paid(closed: str | None):
    PayoutMachine.seen.clear()
    machine = PayoutMachine()

    machine.approver_leaves(FIRST_INTENT - 1, KEPT, closed)
    machine.nothing_is_wrong()
    machine.repair(0)
    machine.nothing_is_wrong()
    machine.teardown()

    assert {"replan", "row canceled", "row created"} <= set(PayoutMachine.seen), PayoutMachine.seen


@pytest.mark.parametrize("settled", [False, True])
def test_a_bank_that_takes_its_word_back_after_a_retry_is_told_as_money_that_left_twice(settled: bool):
    PayoutMachine.seen.clear()
    machine = PayoutMachine()
    machine.batch_goes_out((True, False, False), (100, 100, 100), None, Event(1, NEVER))
    machine.the_bank_acts([(0, 1)], told=True)

    machine.repair(0)
    machine.nothing_is_wrong()
    machine.the_bank_takes_its_word_back(0)
    machine.nothing_is_wrong()
    machine.settle_by_hand(0, exists=True, which=0)
    machine.settle_by_hand(0, exists=True, which=1)
    machine.work_off()
    machine.nothing_is_wrong()
    if settled:
        machine.money_that_left_twice_is_dealt_with(0)
    machine.nothing_is_wrong()
    machine.repair(0)
    machine.nothing_is_wrong()
    machine.teardown()

    wanted = {"contradicted", "retry", *(["paid_twice"] if settled else [])}
    assert wanted <= set(PayoutMachine.seen), PayoutMachine.seen


@pytest.mark.deep
@pytest.mark.timeout(1200)
def test_many_bad_weeks_end_well():
    PayoutMachine.seen.clear()

    run_state_machine_as_test(PayoutMachine, settings=LONG)

    # Otherwise it would prove little.
    assert {f"row {state}" for state in ROWS} - set(PayoutMachine.seen) == set(), PayoutMachine.seen
