"""What a bad day does to a batch: clocks, halts, crashes and answers that prove nothing. Nothing is ever paid twice."""

from collections.abc import Iterable, Mapping
from datetime import timedelta

import pytest

from finops_core import operations, payouts, security
from finops_core.adapters.stripe_sandbox.faults import Fault, FaultKind
from finops_core.kernel.actor import system_actor, worker_actor
from finops_core.operations import State
from finops_core.operations.runner import Progress, Run
from finops_core.payouts import PayoutState, service, strays
from finops_core.payouts.batch import Batch
from finops_core.platform.work import Work
from tests.operations.walks import code_of
from tests.payouts.walks import (
    HARBOUR,
    THREE,
    USD,
    act,
    begin,
    change_bank,
    clock_of,
    due_now,
    made,
    prepared,
    provider,
    resume,
    row_as_stored,
    rows_of,
    run_of,
    sent_and_died,
    states,
    violations,
)
from tests.world import World

ONE_HUNDRED = "currency,maximum\nUSD,100.00\n"


def test_a_clock_set_back_after_the_sending_pays_nothing_twice(timed: World):
    # Given a payout that was made while the desk's clock was two days fast, and a run that died before it heard so
    timed.approved(ONE_HUNDRED)
    begun = begin(timed)
    clock_of(timed).advance(timedelta(days=2))
    sent_and_died(timed, begun, prepared(timed, begun)[0])
    # When the clock is right again, and the provider has forgotten the key
    clock_of(timed).advance(timedelta(days=-2))
    timed.advance(timedelta(hours=25))
    resume(timed)
    # Then it is found all the same
    assert made(timed) == [("usd", 10_000)]
    assert states(timed, begun.execution.id) == ["created"]


def test_a_row_in_doubt_is_looked_up_again_after_every_pause_before_it_is_sent(timed: World):
    # Given an answer that was lost, then "your key is in use"; and a machine that sleeps for a day while it waits
    seen = timed.approved(ONE_HUNDRED)
    timed.sandbox.control.fault(Fault(FaultKind.RESET_BEFORE), Fault(FaultKind.CONFLICT))

    def while_it_waits(_seconds: float) -> None:
        if len(timed.sandbox.control.calls("POST", "/v1/payouts")) == 2 and not made(timed):
            row = row_as_stored(timed, seen.id)
            with timed.desk.read(worker_actor(timed.orgs["harbour"])) as reading:
                body = service.body_of(reading, row)
            provider(timed).submit(row.account, body, row.key)  # what the 409 spoke of comes to its end
            timed.advance(timedelta(hours=25))

    clock_of(timed).on_sleep = while_it_waits
    # When the batch runs
    timed.work_off()
    timed.sandbox.forgive()
    # Then the one payout is adopted
    assert made(timed) == [("usd", 10_000)]
    assert states(timed, seen.id) == ["created"]


def test_a_machine_that_sleeps_for_a_day_after_its_look_up_looks_again_before_it_sends(
    timed: World, monkeypatch: pytest.MonkeyPatch
):
    # Given a call that got no answer, was not there when it was looked up, and is executed a moment later
    seen = timed.approved(ONE_HUNDRED)
    timed.sandbox.control.fault(Fault(FaultKind.RESET_BEFORE))
    looked_for = strays.of_rows

    def sleeps(work: Work, execution_id: str, numbers: Iterable[int]) -> Mapping[int, strays.Stray]:
        row = row_as_stored(timed, seen.id)
        if row.state is PayoutState.IN_DOUBT and not made(timed):
            provider(timed).submit(row.account, service.body_of(work, row), row.key)
            timed.advance(timedelta(hours=25))
        return looked_for(work, execution_id, numbers)

    # When the machine falls asleep just before it would send it again, until the provider has forgotten the key
    monkeypatch.setattr(strays, "of_rows", sleeps)
    timed.work_off()
    # Then it is looked up once more, and found
    assert made(timed) == [("usd", 10_000)]
    assert states(timed, seen.id) == ["created"]


def test_a_key_in_use_is_no_proof_that_nothing_was_sent_so_a_stop_calls_nothing_off(timed: World):
    # Given a first call that is answered "in use", and somebody who stops the run meanwhile
    seen = timed.approved(ONE_HUNDRED)
    timed.sandbox.control.fault(Fault(FaultKind.CONFLICT))

    def stop(_seconds: float) -> None:
        if not timed.execution(seen.id).stop_requested:
            act(timed, operations.cancel, seen.id, "wrong week")

    clock_of(timed).on_sleep = stop
    timed.work_off()
    # Then the row stays in doubt, and so does the execution
    assert states(timed, seen.id) == ["in_doubt"]
    assert timed.execution(seen.id).state is State.UNSETTLED


def test_after_a_stop_nothing_in_doubt_is_sent_on_and_the_stop_stays(timed: World):
    # Given a run that its approver stopped while a payout was in doubt
    seen = timed.approved(ONE_HUNDRED)
    timed.sandbox.control.fault(Fault(FaultKind.CONFLICT))

    def stop(_seconds: float) -> None:
        if not timed.execution(seen.id).stop_requested:
            act(timed, operations.cancel, seen.id, "wrong week", who="ben")

    clock_of(timed).on_sleep = stop
    timed.work_off()
    assert states(timed, seen.id) == ["in_doubt"]
    # When its preparer wants it to be sent all the same
    assert code_of(act, timed, payouts.send_on, seen.id) == "EXECUTION_STOPPED"
    with timed.desk.read(timed.actor("ana")) as reading:
        assert not payouts.remedies(reading, operations.execution(reading, seen.id)).may_send_on
    # Then nothing is sent, the stop still stands, and the row is looked up until a person has to settle it
    timed.work_off()
    assert (made(timed), timed.execution(seen.id).stop_requested) == ([], True)
    timed.advance(timedelta(hours=24))
    timed.look_up()
    assert states(timed, seen.id) == ["needs_review"]
    assert violations(timed) == {}


@pytest.mark.parametrize("seconds", [2, 20])
def test_a_process_that_slept_through_a_stop_calls_off_the_row_it_was_about_to_send(timed: World, seconds: int):
    # Given a process that falls asleep after it has kept an answer and, in the same unit, the next row's intent
    seen = timed.approved("currency,maximum\nUSD,100.00\nEUR,100.00\nGBP,100.00\n")
    begun = begin(timed)
    rows = prepared(timed, begun)

    def hear(message: object) -> None:
        if isinstance(message, Progress) and message.done == 1:
            assert row_as_stored(timed, seen.id, 2).state is PayoutState.SUBMITTING
            act(timed, operations.cancel, seen.id, "wrong week", who="ben")
            timed.advance(timedelta(seconds=seconds))

    # When somebody stops the run before it wakes
    Batch(Run(timed.desk, begun, hear, lambda: False), provider(timed)).settle(rows)
    # Then that row is not sent any more
    assert states(timed, seen.id) == ["created", "canceled", "canceled"]
    assert made(timed) == [("usd", 10_000)]


def test_two_payouts_for_one_row_stop_the_batch_and_rows_in_doubt_with_it(world: World):
    # Given two rows that were being sent when the run died; of the first the provider has two payouts
    seen = world.approved("currency,maximum\nUSD,100.00\nEUR,100.00\nGBP,100.00\n")
    begun = begin(world)
    first, second, _ = prepared(world, begun)
    sent_and_died(world, begun, first)
    sent_and_died(world, begun, second, arrived=False)
    run = run_of(world, begun)
    provider(world).submit("", service.body_of(run, first), f"{first.key}x")
    # When it is resumed
    resume(world)
    # Then nothing more is sent
    assert states(world, seen.id) == ["needs_review", "in_doubt", "canceled"]
    assert made(world) == [("usd", 10_000), ("usd", 10_000)]
    assert world.execution(seen.id).state is State.UNSETTLED


@pytest.mark.parametrize("kind", [FaultKind.FORBIDDEN, FaultKind.BALANCE_INSUFFICIENT])
def test_what_an_answer_stopped_stays_stopped_after_a_crash(world: World, kind: FaultKind):
    # Given an answer that stopped the batch (or the currency), and a crash right after it was recorded
    # One that is paid from two sources
    world.sandbox.control.fund(5_000_000, "usd", HARBOUR, source_type="bank_account")
    seen = world.approved(USD if kind is FaultKind.BALANCE_INSUFFICIENT else THREE)
    begun = begin(world)
    rows = prepared(world, begun)
    assert len(rows) > 1
    world.sandbox.control.fault(Fault(kind))
    sent_and_died(world, begun, rows[0], arrived=False)
    run = run_of(world, begun)
    row = row_as_stored(world, seen.id)
    answer = provider(world).submit("", service.body_of(run, row), row.key)
    with run.unit() as work:
        service.record_answer(work, row, answer, service.Called("submit", "rejected"))
    # When it is resumed
    resume(world)
    # Then the rest is not sent
    assert states(world, seen.id) == ["rejected", *["canceled"] * (len(rows) - 1)]
    assert made(world) == []
    assert world.execution(seen.id).state is State.FAILED


def test_a_refusal_that_did_not_look_at_the_key_clears_no_doubt(world: World):
    # Given a row that was being sent when its run died, and a provider that shows nothing of it yet
    seen = world.approved(ONE_HUNDRED)
    begun = begin(world)
    sent_and_died(world, begun, prepared(world, begun)[0], arrived=False)
    # When it is sent again, and the key is refused by then
    world.sandbox.control.fault(Fault(FaultKind.FORBIDDEN, times=9))
    resume(world)
    # Then what was sent before may still be executed
    assert states(world, seen.id) == ["in_doubt"]
    assert world.execution(seen.id).state is State.UNSETTLED


def test_only_429_means_never_executed_and_the_row_can_be_retried(timed: World):
    seen = timed.approved(USD)
    timed.sandbox.control.fault(Fault(FaultKind.RATE_LIMIT, times=50))

    timed.work_off()

    (row,) = rows_of(timed, seen.id)
    assert (row.state, made(timed)) == (PayoutState.CANCELED, [])
    assert "never executed" in row.error_message
    assert timed.execution(seen.id).state is State.FAILED


def test_a_run_whose_payouts_are_all_in_doubt_is_neither_completed_nor_failed(timed: World):
    seen = timed.approved(USD)
    timed.sandbox.control.fault(Fault(FaultKind.ERROR_BEFORE, times=50, keep=False))

    timed.work_off()

    view = timed.execution(seen.id)
    assert (view.state, view.public.value) == (State.UNSETTLED, "running")
    assert view.message == "0 of 1 payouts made, 1 in doubt."
    assert states(timed, seen.id) == ["in_doubt"]
    assert violations(timed) == {}


def test_what_is_found_later_ends_the_execution_and_its_result_is_told_anew(timed: World):
    # Given a run that ended in doubt, though the provider had paid
    seen = timed.approved(USD)
    timed.sandbox.control.fault(
        Fault(FaultKind.ERROR_AFTER, times=1), Fault(FaultKind.ERROR_BEFORE, method="GET", path="/v1/payouts", times=50)
    )
    timed.work_off()
    assert timed.execution(seen.id).state is State.UNSETTLED
    # When the provider is well again, and the look-up job makes its round
    timed.sandbox.control.post("reset", {"only": ["fault"]})
    timed.look_up()
    # Then the execution has ended, its result says so, and so do its files
    view = timed.execution(seen.id)
    assert (view.state, view.message) == (State.COMPLETED, "1 of 1 payouts made.")
    with timed.desk.read(timed.actor("ana")) as reading:
        result = operations.result(reading, seen.id)
    assert result is not None
    assert (result.success, result.warnings) == (True, ())
    assert len(made(timed)) == 1
    assert violations(timed) == {}


def test_an_approval_that_has_grown_old_is_not_acted_on(timed: World):
    seen = timed.approved(USD)
    timed.advance(timedelta(hours=25))

    timed.work_off()

    view = timed.execution(seen.id)
    assert (view.state, view.error_code) == (State.EXPIRED, "APPROVAL_AGED")
    assert made(timed) == []


def test_a_plan_that_has_grown_old_cannot_be_submitted(timed: World):
    seen = timed.planned(USD)
    timed.advance(timedelta(hours=25))

    assert code_of(act, timed, operations.submit, seen.id, seen.plan_hash) == "PLAN_EXPIRED"


def test_what_was_never_sent_expires_with_its_approval_and_what_was_is_looked_up(timed: World):
    # Given a run that died over its first payout, for longer than an approval lasts
    seen = timed.approved("currency,maximum\nUSD,100.00\nEUR,100.00\n")
    begun = begin(timed)
    first, _ = prepared(timed, begun)
    sent_and_died(timed, begun, first)
    timed.advance(timedelta(hours=25))
    # When it is taken up again
    resume(timed)
    # Then nothing new is sent
    assert states(timed, seen.id) == ["created", "expired"]
    assert made(timed) == [("usd", 10_000)]
    assert timed.execution(seen.id).state is State.FAILED
    assert violations(timed) == {}


def test_a_resumed_run_of_an_operation_that_was_switched_off_sends_nothing_new(world: World):
    seen = world.approved("currency,maximum\nUSD,100.00\nEUR,100.00\n")
    begun = begin(world)
    first, _ = prepared(world, begun)
    sent_and_died(world, begun, first)
    act(world, operations.set_active, "payouts.stripe_balance", active=False, reason="a test", who="adam")

    resume(world)

    assert states(world, seen.id) == ["created", "canceled"]
    assert made(world) == [("usd", 10_000)]


def test_a_run_that_died_before_anything_was_sent_is_void_once_its_approver_has_left(world: World):
    seen = world.approved(USD)
    begin(world)
    with world.desk.work(system_actor(world.orgs["harbour"])) as work:
        security.set_active(work, world.people["ben"], active=False)

    resume(world)

    view = world.execution(seen.id)
    assert (view.state, view.error_code) == (State.SUPERSEDED, "APPROVER_LEFT")
    assert made(world) == []


def test_what_must_stay_is_held_to_at_the_start(world: World):
    seen = world.approved("currency,minimum_to_leave\nUSD,100000.00\n")
    world.sandbox.control.fund(-1, "usd", HARBOUR, kind="refund")

    world.work_off()

    view = world.execution(seen.id)
    assert (view.state, view.error_code) == (State.SUPERSEDED, "FUNDS_FELL")
    assert "100000.00 USD must stay" in view.message
    assert made(world) == []


def test_a_bank_account_that_was_changed_at_the_provider_voids_the_approval(world: World):
    seen = world.approved(USD)
    change_bank(world, "USD")

    world.work_off()

    view = world.execution(seen.id)
    assert (view.state, view.error_code) == (State.SUPERSEDED, "BANK_CHANGED")
    assert made(world) == []


def test_a_provider_that_does_not_answer_at_the_start_is_asked_again_and_the_plan_is_paid(world: World):
    seen = world.approved(USD)
    world.sandbox.control.fault(Fault(FaultKind.ERROR_BEFORE, method="GET", path="/v1/balance"))

    world.work_off()
    waiting = world.execution(seen.id)
    assert waiting.state is State.RUNNING
    assert "Trying again" in waiting.message
    due_now(world)
    world.work_off()

    assert world.execution(seen.id).state is State.COMPLETED
    assert len(made(world)) == 1


def test_a_provider_that_never_answers_voids_the_plan_and_the_file_has_not_run(world: World):
    seen = world.approved(USD)
    world.sandbox.control.fault(Fault(FaultKind.ERROR_BEFORE, method="GET", path="/v1/balance", times=50))

    for _ in range(8):
        world.work_off()
        due_now(world)

    view = world.execution(seen.id)
    assert (view.state, view.error_code) == (State.SUPERSEDED, "PROVIDER_UNAVAILABLE")
    world.sandbox.control.post("reset", {"only": ["fault"]})
    assert isinstance(world.draft(USD), operations.Drafted)


def test_amounts_that_were_made_small_in_the_database_do_not_fool_an_approvers_limit(both: World):
    # Given an approver whose limit is one dollar, and a total that somebody lowered in the database
    from finops_core import approvals
    from tests.tampering import tamper

    world = both
    with world.desk.work(system_actor(world.orgs["harbour"])) as work:
        for held in approvals.authorities(work, world.people["ben"]):
            approvals.end_authority(work, held.id)
        approvals.grant_authority(
            work, person_id=world.people["ben"], item_type="payout", currency="USD", limit_minor=100
        )
    seen = world.planned(USD)
    tamper(world.desk.settings, "UPDATE execution SET totals = :totals", totals='{"USD":1}')
    act(world, operations.submit, seen.id, seen.plan_hash)
    # When they try to approve, then the plan's own amounts count
    assert code_of(world.decide, seen) == "APPROVAL_OVER_LIMIT"


def test_a_split_balance_is_paid_source_by_source(world: World):
    # Given a balance of two sources
    world.sandbox.control.fund(5_000_000, "usd", HARBOUR, source_type="bank_account")

    seen = world.approved("currency\nUSD\n")
    world.work_off()

    assert world.execution(seen.id).state is State.COMPLETED
    assert made(world) == [("usd", 5_000_000), ("usd", 18_422_015)]
    assert world.sandbox.control.available("usd", HARBOUR) == 0


def test_a_negative_source_is_made_up_for_by_the_others(world: World):
    world.sandbox.control.fund(-1_000_000, "usd", HARBOUR, source_type="bank_account", kind="refund")

    seen = world.approved("currency\nUSD\n")
    world.work_off()

    assert world.execution(seen.id).state is State.COMPLETED
    assert made(world) == [("usd", 17_422_015)]


def test_a_clock_far_from_the_providers_plans_nothing(timed: World):
    clock_of(timed).advance(timedelta(hours=3))

    seen = timed.planned(USD)

    assert seen.state is State.FAILED
    with timed.desk.read(timed.actor("ana")) as reading:
        plan = operations.plan(reading, seen.id)
    assert plan is not None
    assert [fault.code for fault in plan.faults] == ["CLOCK_WRONG"]


def test_a_clock_that_went_wrong_after_the_approval_pays_nothing(timed: World):
    seen = timed.approved(USD)
    clock_of(timed).advance(timedelta(minutes=20))

    timed.work_off()

    view = timed.execution(seen.id)
    assert (view.state, view.error_code) == (State.SUPERSEDED, "CLOCK_WRONG")
    assert made(timed) == []


def test_every_answer_is_kept_sealed_whatever_it_changed(timed: World):
    from sqlalchemy import select

    from finops_core.payouts.models import payout_call

    seen = timed.approved(USD)
    timed.sandbox.control.fault(Fault(FaultKind.RATE_LIMIT), Fault(FaultKind.RESET_AFTER))

    timed.work_off()

    with timed.desk.read(worker_actor(timed.orgs["harbour"])) as reading:
        mine = payout_call.c.org_id == reading.org_id
        calls = reading.rows(select(payout_call).where(mine).order_by(payout_call.c.at, payout_call.c.id))
        opened = [
            reading.ports.vault.open(call.answer, f"payout_call|answer|{call.id}") for call in calls if call.answer
        ]
    assert [(call.kind, call.outcome) for call in calls] == [
        ("submit", "later"),
        ("submit", "unknown"),
        ("find", "found"),
    ]
    assert all(b"fod_item" in raw for raw in opened)
    assert states(timed, seen.id) == ["created"]
    assert payouts.PayoutState.CREATED in payouts.LIVE
