"""Between the approval and the run: everything that was agreed to is checked again, and runs wait their turn."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from finops_core import connections, files, operations, payouts, security
from finops_core.desk import Desk
from finops_core.kernel.actor import system_actor, worker_actor
from finops_core.kernel.clock import ManualClock, SystemClock
from finops_core.operations import State, rules
from finops_core.operations.service import RUN_JOB
from finops_core.payouts.operations import STRIPE_BALANCE
from finops_core.platform import queue
from finops_core.upkeep import jobs
from tests.operations.walks import (
    USD,
    act,
    begin_and_die,
    begin_and_hold,
    code_of,
    paid,
)
from tests.tampering import tamper
from tests.world import World, running_world


def assert_refused_at_the_start(world: World, execution_id: str, code: str) -> None:
    """The run was not begun, says why, and no money has moved."""
    done = world.execution(execution_id)
    assert (done.state, done.error_code) == (State.SUPERSEDED, code)
    assert done.message
    assert done.hint == "Make a new plan and submit it again."
    assert done.started_at is None
    assert paid(world) == []
    with world.desk.read(worker_actor(world.orgs["harbour"])) as reading:
        assert payouts.rows(reading, execution_id) == ()


def test_a_preparer_who_was_deactivated_since_pays_nothing(both: World):
    world = both
    seen = world.approved(USD)
    with world.desk.work(system_actor(world.orgs["harbour"])) as work:
        security.set_active(work, world.people["ana"], active=False)

    world.work_off()

    assert_refused_at_the_start(world, seen.id, "PREPARER_LEFT")


def test_an_approver_who_was_deactivated_since_voids_the_approval(both: World):
    world = both
    seen = world.approved(USD)
    with world.desk.work(system_actor(world.orgs["harbour"])) as work:
        security.set_active(work, world.people["ben"], active=False)

    world.work_off()

    assert_refused_at_the_start(world, seen.id, "APPROVER_LEFT")


def test_an_operation_that_was_switched_off_since_does_not_run(world: World):
    seen = world.approved(USD)
    with world.desk.work(world.actor("adam")) as work:
        operations.set_active(work, STRIPE_BALANCE.id, active=False, reason="a test")

    world.work_off()

    assert_refused_at_the_start(world, seen.id, "OPERATION_CHANGED")


def with_operations(world: World, *known: object) -> World:
    """The same world under another version of the program."""
    ports = replace(world.desk.ports, operations={op.id: op for op in known})  # type: ignore[attr-defined]
    return replace(world, desk=Desk(world.desk.settings, world.desk.database, ports))


def test_a_new_version_of_the_operation_needs_a_new_plan(world: World):
    seen = world.approved(USD)

    with_operations(world, replace(STRIPE_BALANCE, version="1.0.1")).work_off()

    assert_refused_at_the_start(world, seen.id, "OPERATION_CHANGED")


def test_an_operation_that_is_gone_leaves_no_run_waiting_for_ever(world: World):
    approved = world.approved(USD)
    drafted = world.draft("currency\nEUR\n")
    assert isinstance(drafted, operations.Drafted)

    gone = with_operations(world)
    gone.work_off()

    assert_refused_at_the_start(world, approved.id, "OPERATION_CHANGED")
    assert world.execution(drafted.execution_id).state is State.FAILED


TAMPERED = {
    "one minor unit": "UPDATE execution_plan_row SET amount_minor = amount_minor - 1 WHERE row_no = 1",
    "another bank": "UPDATE execution_plan_row SET body = replace(body, '6789', '6780') WHERE row_no = 1",
    "a row less": "DELETE FROM execution_plan_row WHERE row_no = 2",
    "no rows at all": "DELETE FROM execution_plan_row",
    "another key": "UPDATE execution_plan SET key_fingerprint = 'another'",
    "another mode": "UPDATE execution_plan SET mode = 'live'",
    "other parameters": 'UPDATE execution SET params = \'{"descriptor":"X","unpayable":"refuse the file"}\'',
    "another file": "UPDATE execution SET input_sha256 = 'another'",
}


@pytest.mark.parametrize("statement", TAMPERED.values(), ids=list(TAMPERED))
def test_a_plan_that_was_changed_in_the_database_after_its_approval_is_not_run(both: World, statement: str):
    world = both
    seen = world.approved("currency\nUSD\nEUR\n")

    assert tamper(world.desk.settings, statement) > 0
    world.work_off()

    assert_refused_at_the_start(world, seen.id, "PLAN_CHANGED")


def test_a_plan_whose_hash_was_changed_along_with_it_finds_no_approval(both: World):
    world = both
    seen = world.approved(USD)
    tamper(world.desk.settings, TAMPERED["one minor unit"])
    with world.desk.read(worker_actor(world.orgs["harbour"])) as reading:
        plan = operations.plan(reading, seen.id)
        assert plan is not None
        forged = rules.plan_hash(
            operation_id=seen.operation_id,
            version=seen.operation_version,
            params=seen.params,
            file_hash=files.content_hash_of(USD.encode()),
            plan=plan.as_plan(),
        )

    tamper(world.desk.settings, "UPDATE execution SET plan_hash = :hash WHERE id = :id", hash=forged, id=seen.id)
    world.work_off()

    assert_refused_at_the_start(world, seen.id, "APPROVAL_VOID")


def test_an_approval_that_is_only_a_word_in_a_row_is_none(both: World):
    # Given a question that nobody has answered
    world = both
    seen = world.submitted(USD)
    # When the rows are made to say otherwise, job and all
    tamper(world.desk.settings, "UPDATE approval_request SET state = 'approved'")
    tamper(world.desk.settings, "UPDATE execution SET state = 'queued'")
    with world.desk.work(system_actor(world.orgs["harbour"])) as work:
        queue.enqueue(work, RUN_JOB, {"execution_id": seen.id, "attempt": 1})
    world.work_off()
    # Then it is not run
    assert_refused_at_the_start(world, seen.id, "APPROVAL_VOID")


def test_a_plan_changed_while_its_run_was_dead_is_not_resumed(both: World):
    # Given a run whose process died right after it was begun
    world = both
    seen = world.approved("currency\nUSD\nEUR\n")
    begin_and_die(world)
    assert world.execution(seen.id).state is State.RUNNING
    # When its plan is changed, and another worker takes it up
    tamper(world.desk.settings, TAMPERED["one minor unit"])
    world.work_off()
    # Then nothing is paid
    done = world.execution(seen.id)
    assert (done.state, done.error_code) == (State.SUPERSEDED, "PLAN_CHANGED")
    assert paid(world) == []


def test_a_replaced_key_voids_what_was_approved_with_the_old_one(world: World):
    seen = world.approved(USD)
    with world.desk.work(world.actor("adam")) as work:
        connection = connections.active(work, "stripe")
        connections.replace_secret(work, connection.id, "rk_test_sbx_harbour_other_0002")

    world.work_off()

    done = world.execution(seen.id)
    assert (done.state, done.error_code) == (State.SUPERSEDED, "CONNECTION_CHANGED")
    assert paid(world) == []


def test_a_question_nobody_answers_in_time_ends_and_can_be_asked_anew(tmp_path: Path):
    clock = ManualClock(SystemClock().now() + timedelta(seconds=5))
    with running_world(tmp_path, clock=clock, approval_expires_s=3600) as world:
        # Given a question that is an hour old
        seen = world.submitted(USD)
        world.advance(timedelta(hours=1))
        # When somebody decides, and when the worker makes its round
        assert code_of(world.decide, seen) == "APPROVAL_EXPIRED"
        jobs.expire_requests(world.desk, None)
        # Then it has ended, and a new plan can be made and paid
        assert world.execution(seen.id).state is State.EXPIRED
        assert world.work_off() == 0
        act(world, operations.replan, seen.id)
        world.work_off()
        again = world.execution(seen.id)
        act(world, operations.submit, seen.id, again.plan_hash)
        world.decide(again)
        world.work_off()
        assert world.execution(seen.id).state is State.COMPLETED
        assert len(paid(world)) == 1


def test_a_superseded_run_can_be_planned_anew_and_is_paid_once(world: World):
    seen = world.approved(USD)
    tamper(world.desk.settings, TAMPERED["one minor unit"])
    world.work_off()

    act(world, operations.replan, seen.id)
    world.work_off()
    again = world.execution(seen.id)
    act(world, operations.submit, seen.id, again.plan_hash)
    world.decide(again)
    world.work_off()

    assert world.execution(seen.id).state is State.COMPLETED
    assert [payout["amount"] for payout in paid(world)] == [18_422_015]


# --- waiting one's turn


def test_a_run_past_the_limit_waits_its_turn_and_that_counts_as_no_attempt(both: World):
    # Given a payout that runs, and a second one that is due
    world = both
    first = world.approved(USD)
    begin_and_hold(world)
    second = world.approved("currency\nEUR\n")
    # When a worker claims the second one again and again
    for _ in range(3):
        with world.desk.work(worker_actor("")) as work:
            claim = queue.claim(work, "inline", 30)
        assert claim is not None
        assert claim.attempts == 1
        world.carry(claim)
        tamper(world.desk.settings, "UPDATE job SET run_at_ms = 0 WHERE state = 'queued'")
    # Then it waits, unharmed
    assert world.execution(first.id).state is State.RUNNING
    assert world.execution(second.id).state is State.QUEUED
    # and runs when the first one has ended
    tamper(world.desk.settings, "UPDATE job SET lease_until_ms = 0 WHERE state = 'leased'")
    world.work_off()
    tamper(world.desk.settings, "UPDATE job SET run_at_ms = 0 WHERE state = 'queued'")
    world.work_off()
    assert [world.execution(each.id).state for each in (first, second)] == [State.COMPLETED] * 2


def test_another_organisation_does_not_wait_for_it(world: World):
    world.approved(USD)
    begin_and_hold(world)

    other = world.approved("currency\nEUR\n", org="norrland")
    world.work_off()

    assert world.execution(other.id, "norrland").state is State.COMPLETED
