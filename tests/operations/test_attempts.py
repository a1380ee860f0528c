"""Attempts after the first: which rows are planned again, under whose approval, and what stays visible."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from finops_core import approvals, audit, notifications, operations, payouts
from finops_core.adapters.stripe_sandbox.faults import Fault, FaultKind
from finops_core.kernel.actor import worker_actor
from finops_core.operations import State
from finops_core.payouts.operations import STRIPE_BALANCE
from tests.held_up import held_up
from tests.operations.walks import AMOUNTS, TOTALS, act, code_of
from tests.payouts.walks import again, begin, due_now, made, prepared, resume, rows_of, states, violations
from tests.tampering import tamper
from tests.world import World, running_world

TWO = "currency,maximum\nUSD,100.00\nEUR,100.00\n"
ONE = "currency,maximum\nUSD,100.00\n"


def half_done(world: World) -> operations.ExecutionView:
    """Two rows: the first was paid, the second refused."""
    seen = world.approved(TWO)
    world.sandbox.control.fault(Fault(FaultKind.BALANCE_INSUFFICIENT, nth=2))
    world.work_off()
    assert states(world, seen.id) == ["created", "rejected"]
    return world.execution(seen.id)


def unsettled(world: World, csv: str = ONE) -> operations.ExecutionView:
    """A run that ended with its payouts in doubt; they never arrived."""
    seen = world.approved(csv)
    world.sandbox.control.fault(Fault(FaultKind.RESET_BEFORE, times=50))
    world.work_off()
    world.sandbox.control.post("reset", {"only": ["fault"]})
    world.sandbox.forgive()
    view = world.execution(seen.id)
    assert view.state is State.UNSETTLED, view.message
    return view


def plan_of(world: World, execution_id: str, plan_hash: str = "", who: str = "ana") -> operations.PlanView | None:
    with world.desk.read(world.actor(who)) as reading:
        return operations.plan(reading, execution_id, plan_hash)


def planned_rows(world: World, execution_id: str) -> list[int]:
    plan = plan_of(world, execution_id)
    assert plan is not None
    return [int(row.body["no"]) for row in plan.rows]


# --- reopening


def test_a_reopened_execution_is_its_next_attempt_with_nothing_agreed_to_yet(both: World):
    world = both
    seen = half_done(world)

    view = act(world, operations.reopen, seen.id, [2])

    assert (view.state, view.attempt, view.retry_rows) == (State.PLANNING, 2, (2,))
    assert (view.plan_hash, view.totals, view.approval_request_id) == ("", {}, None)
    assert (view.submitted_at, view.ended_at, view.not_before) == (None, None, None)
    assert (view.message, view.error_code, view.hint) == ("", "", "")
    world.work_off()
    assert world.execution(seen.id).state is State.READY
    assert planned_rows(world, seen.id) == [2]
    with world.desk.read(worker_actor(world.orgs["harbour"])) as reading:
        hash_now = world.execution(seen.id).plan_hash
        assert approvals.standing_approval(reading, "execution", seen.id, hash_now) is None


def test_only_what_has_ended_is_reopened_and_only_with_rows_to_plan(timed: World):
    world = timed
    waiting = world.submitted(ONE)
    doubtful = unsettled(world, "currency,maximum\nGBP,100.00\n")
    done = world.approved("currency,maximum\nCAD,100.00\n")
    world.work_off()

    assert code_of(act, world, operations.reopen, waiting.id, [1]) == "EXECUTION_MOVED_ON"
    assert code_of(act, world, operations.reopen, doubtful.id, [1]) == "EXECUTION_MOVED_ON"
    assert code_of(act, world, operations.reopen, done.id, []) == "NOTHING_TO_RETRY"
    assert [world.execution(each.id).attempt for each in (waiting, doubtful, done)] == [1, 1, 1]


@pytest.mark.parametrize("who", ["ben", "carla", "adam", "eva"])
def test_only_its_requester_reopens_it_or_lets_it_go_on(world: World, who: str):
    seen = half_done(world)

    for verb, rows in ((operations.reopen, ([2],)), (operations.go_on, ())):
        assert code_of(act, world, verb, seen.id, *rows, who=who) in {"NOT_YOURS", "EXECUTION_UNKNOWN", "NOT_ALLOWED"}
    assert world.execution(seen.id).attempt == 1


def test_what_was_switched_off_is_neither_reopened_nor_let_go_on(timed: World):
    failed, doubtful = half_done(timed), unsettled(timed, "currency,maximum\nGBP,100.00\n")
    with timed.desk.work(timed.actor("adam")) as work:
        operations.set_active(work, STRIPE_BALANCE.id, active=False, reason="a test")

    assert code_of(act, timed, operations.reopen, failed.id, [2]) == "OPERATION_INACTIVE"
    assert code_of(act, timed, operations.go_on, doubtful.id) == "OPERATION_INACTIVE"


def test_of_two_who_reopen_at_the_same_moment_one_does(both: World):
    world = both
    seen = half_done(world)

    given = held_up(
        world.desk,
        world.actor("ana"),
        lambda work: operations.reopen(work, seen.id, [2]),
        lambda: act(world, operations.reopen, seen.id, [2]),
    )

    assert given == "EXECUTION_MOVED_ON"
    assert world.execution(seen.id).attempt == 2
    assert world.work_off() == 1


# --- a new plan of a retry


def test_a_new_plan_of_a_retry_holds_the_same_rows_and_never_the_whole_file_again(both: World):
    # Given a retry of one row, ready to be submitted
    world = both
    seen = half_done(world)
    act(world, payouts.retry, seen.id)
    world.work_off()
    # When its preparer has a fresh plan made, and again after it was submitted
    act(world, operations.replan, seen.id)
    world.work_off()
    assert planned_rows(world, seen.id) == [2]
    view = world.execution(seen.id)
    act(world, operations.submit, seen.id, view.plan_hash)
    act(world, operations.replan, seen.id)
    # Then what was paid before is paid once
    done = again(world, seen.id)
    assert (done.state, done.attempt, done.retry_rows) == (State.COMPLETED, 4, (2,))
    assert made(world) == [("eur", 10_000), ("usd", 10_000)]
    assert violations(world) == {}


def test_a_retry_that_became_void_is_planned_anew_with_the_same_rows(both: World):
    world = both
    seen = half_done(world)
    act(world, payouts.retry, seen.id)
    world.work_off()
    view = world.execution(seen.id)
    act(world, operations.submit, seen.id, view.plan_hash)
    world.decide(view)
    tamper(world.desk.settings, "UPDATE execution_plan SET key_fingerprint = 'another' WHERE attempt = 2")
    world.work_off()
    assert world.execution(seen.id).state is State.SUPERSEDED

    act(world, operations.replan, seen.id)
    done = again(world, seen.id)

    assert done.state is State.COMPLETED
    assert made(world) == [("eur", 10_000), ("usd", 10_000)]


def test_while_a_retry_is_prepared_or_void_its_file_still_counts_as_run(world: World):
    """Part of it was paid: the same file again needs a reason, whatever became of the retry."""
    seen = half_done(world)

    def refused() -> bool:
        answer = world.draft(TWO)
        return isinstance(answer, operations.Refused) and [fault.code for fault in answer.faults] == ["ALREADY_RAN"]

    act(world, payouts.retry, seen.id)
    assert refused()
    world.work_off()
    assert refused()
    view = world.execution(seen.id)
    act(world, operations.submit, seen.id, view.plan_hash)
    world.decide(view)
    tamper(world.desk.settings, "UPDATE execution_plan SET key_fingerprint = 'another' WHERE attempt = 2")
    world.work_off()
    assert world.execution(seen.id).state is State.SUPERSEDED
    assert refused()
    act(world, operations.replan, seen.id)
    world.work_off()
    act(world, operations.cancel, seen.id)
    assert refused()


# --- going on


def test_a_run_with_open_ends_goes_on_as_the_same_attempt_under_its_approval(timed: World):
    world = timed
    seen = unsettled(world)

    view = act(world, operations.go_on, seen.id)

    assert (view.state, view.attempt, view.plan_hash) == (State.RUNNING, 1, seen.plan_hash)
    assert (view.ended_at, view.error_code, view.hint, view.stop_requested) == (None, "", "", False)
    assert view.started_at == seen.started_at
    world.work_off()
    assert world.execution(seen.id).state is State.COMPLETED
    assert made(world) == [("usd", 10_000)]


def test_only_a_run_with_open_ends_goes_on(world: World):
    done = half_done(world)
    planned = world.planned(ONE)
    waiting = world.submitted("currency,maximum\nGBP,100.00\n")

    for seen in (done, planned, waiting):
        assert code_of(act, world, operations.go_on, seen.id) == "EXECUTION_MOVED_ON"
    assert world.work_off() == 0


def test_of_two_who_let_it_go_on_at_the_same_moment_one_does(both: World):
    world = both
    seen = unsettled(world)

    given = held_up(
        world.desk,
        world.actor("ana"),
        lambda work: operations.go_on(work, seen.id),
        lambda: act(world, operations.go_on, seen.id),
    )

    assert given == "EXECUTION_MOVED_ON"
    world.work_off()
    assert made(world) == [("usd", 10_000)]
    with world.desk.read(world.actor("eva")) as reading:
        resumed = [row for row in audit.trail(reading, f"execution:{seen.id}") if row.verb == "execution.resumed"]
    assert len(resumed) == 1


def test_going_on_under_an_approval_that_has_grown_old_sends_nothing(timed: World):
    seen = unsettled(timed)
    act(timed, operations.go_on, seen.id)
    timed.advance(timedelta(hours=25))

    timed.work_off()

    assert timed.execution(seen.id).state is State.UNSETTLED
    assert states(timed, seen.id) == ["needs_review"]
    assert made(timed) == []


@pytest.mark.parametrize("who", ["ana", "ben", "carla"])
def test_what_has_open_ends_is_over_and_cannot_be_cancelled_away(timed: World, who: str):
    seen = unsettled(timed)

    refused = code_of(act, timed, operations.cancel, seen.id, who=who)

    assert refused == "EXECUTION_MOVED_ON"
    assert timed.execution(seen.id).state is State.UNSETTLED
    assert violations(timed) == {}


# --- held back


@pytest.fixture
def held_back(tmp_path: Path, database_url: str) -> Iterator[World]:
    with running_world(tmp_path, database_url, hold_back_s=300) as made_world:
        yield made_world


def test_an_approved_run_says_until_when_it_is_held_back_and_is_not_due_before(held_back: World):
    world = held_back
    seen = world.submitted(ONE)
    assert seen.not_before is None

    world.decide(seen)

    view = world.execution(seen.id)
    with world.desk.read(world.actor("ben")) as reading:
        (approval,) = approvals.of_subject(reading, "execution", seen.id)
    decided_at = approval.decisions[0].at
    assert (view.state, view.not_before) == (State.QUEUED, decided_at + timedelta(seconds=300))
    assert world.work_off() == 0
    due_now(world)
    world.work_off()
    assert world.execution(seen.id).state is State.COMPLETED


def test_within_the_window_there_is_no_new_plan_but_a_stop(held_back: World):
    seen = held_back.approved(ONE)

    assert code_of(act, held_back, operations.replan, seen.id) == "EXECUTION_MOVED_ON"
    view = act(held_back, operations.cancel, seen.id, "second thoughts", who="ben")
    due_now(held_back)
    held_back.work_off()

    assert (view.state, view.message) == (State.CANCELLED, "Stopped by Ben Osei before it ran: second thoughts")
    assert made(held_back) == []
    (asked,) = requests_of(held_back, seen.id)
    assert asked.closed_why == "stopped by Ben Osei before it ran: second thoughts"
    assert told_failed(held_back, "ana") == [(f"{seen.title} {seen.number} was stopped", view.message)]
    assert told_failed(held_back, "ben") == []
    # The log is never erased: whoever stopped it stands there by an id alone.
    with held_back.desk.read(held_back.actor("eva")) as reading:
        logged = audit.records(reading, audit.AuditFilter(about=f"execution:{seen.id}")).rows
        logged += audit.records(reading, audit.AuditFilter(about=f"approval:{asked.id}")).rows
    assert {"execution.cancelled", "approval.superseded"} <= {each.verb for each in logged}
    assert [each.verb for each in logged if "Ben" in repr(each.detail)] == []


def test_who_stops_what_they_prepared_is_not_told_of_it(held_back: World):
    seen = held_back.approved(ONE)

    view = act(held_back, operations.cancel, seen.id)

    assert view.message == "Stopped by Ana Brito before it ran."
    assert told_failed(held_back, "ana") == []


def test_a_draft_that_its_preparer_leaves_says_no_more_than_that(held_back: World):
    view = act(held_back, operations.cancel, held_back.planned(ONE).id, "started over")

    assert view.message == "Cancelled before it ran."


def requests_of(world: World, execution_id: str) -> list[approvals.RequestView]:
    with world.desk.read(worker_actor(world.orgs["harbour"])) as reading:
        return list(approvals.of_subject(reading, "execution", execution_id))


def told_failed(world: World, who: str) -> list[tuple[str, str]]:
    with world.desk.read(world.actor(who)) as reading:
        found = notifications.notices(reading, kind="execution.failed").rows
    return [(each.title, each.body) for each in found]


def test_a_retry_is_held_back_like_the_first_attempt(held_back: World):
    world = held_back
    seen = world.approved(TWO)
    world.sandbox.control.fault(Fault(FaultKind.BALANCE_INSUFFICIENT, nth=2))
    due_now(world)
    world.work_off()
    act(world, payouts.retry, seen.id)
    world.work_off()
    view = world.execution(seen.id)
    assert view.not_before is None

    act(world, operations.submit, seen.id, view.plan_hash)
    world.decide(view)

    assert world.execution(seen.id).not_before is not None
    assert world.work_off() == 0


def test_what_needs_no_approval_is_not_held_back(held_back: World):
    seen = held_back.planned(AMOUNTS, operation=TOTALS)

    act(held_back, operations.submit, seen.id)
    held_back.work_off()

    view = held_back.execution(seen.id)
    assert (view.state, view.not_before) == (State.COMPLETED, None)


# --- what stays visible


def test_each_plan_is_found_by_its_hash_and_the_newest_without_one(world: World):
    seen = half_done(world)
    act(world, payouts.retry, seen.id)
    world.work_off()
    view = world.execution(seen.id)

    first, second = plan_of(world, seen.id, seen.plan_hash), plan_of(world, seen.id, view.plan_hash)

    assert first is not None
    assert second is not None
    assert (first.attempt, second.attempt) == (1, 2)
    assert [row.currency for row in first.rows] == ["USD", "EUR"]
    assert [row.currency for row in second.rows] == ["EUR"]
    newest = plan_of(world, seen.id)
    assert newest is not None
    assert newest.id == second.id
    assert plan_of(world, seen.id, "0" * 64) is None


def test_a_hash_finds_no_plan_of_another_execution(world: World):
    first, second = world.planned(ONE), world.planned("currency,maximum\nEUR,100.00\n")

    assert plan_of(world, first.id, second.plan_hash) is None


def test_who_approved_sees_what_they_agreed_to_and_what_came_of_it_when_another_plan_followed(both: World):
    # Given a batch that Ben approved, and a retry nobody has asked him about
    world = both
    seen = half_done(world)
    act(world, payouts.retry, seen.id)
    world.work_off()
    # When he looks
    with world.desk.read(world.actor("ben")) as reading:
        view = operations.execution(reading, seen.id)
        agreed = operations.plan(reading, seen.id, seen.plan_hash)
        lines = operations.log(reading, seen.id)
        rows = payouts.rows(reading, seen.id)
        listed = [row.id for row in operations.executions(reading, operations.ExecutionFilter()).rows]
    # Then all of it is there
    assert (view.attempt, listed) == (2, [seen.id])
    assert agreed is not None
    assert sum(row.amount_minor for row in agreed.rows) == 20_000
    assert lines
    assert [row.state.value for row in rows] == ["created", "rejected"]


def test_who_was_asked_about_a_plan_that_was_replaced_still_sees_the_execution(both: World):
    world = both
    seen = world.submitted(ONE)
    act(world, operations.replan, seen.id)
    world.work_off()

    with world.desk.read(world.actor("ben")) as reading:
        assert operations.execution(reading, seen.id).state is State.READY
        assert operations.plan(reading, seen.id, seen.plan_hash) is not None
        (request,) = approvals.of_subject(reading, "execution", seen.id)
    assert request.state is approvals.State.SUPERSEDED


def test_every_row_of_every_plan_is_there_for_a_retry_oldest_first(world: World):
    seen = half_done(world)
    act(world, payouts.retry, seen.id)
    world.work_off()

    with world.desk.read(world.actor("ana")) as reading:
        rows = operations.planned_rows(reading, seen.id)

    assert [(row.currency, row.body["no"]) for row in rows] == [("USD", 1), ("EUR", 2), ("EUR", 2)]
    assert "retry_of" in rows[2].body["change"]
    assert len(rows_of(world, seen.id)) == 2


# --- the same file in another execution


def warnings_of(world: World, execution_id: str) -> tuple[str, ...]:
    plan = plan_of(world, execution_id)
    assert plan is not None
    return plan.warnings


@pytest.mark.parametrize("plans", [1, 2])
def test_a_new_plan_of_a_file_that_ran_meanwhile_is_warned_of_it_and_not_submitted(both: World, plans: int):
    # Given two drafts of one file, of which one ran
    world = both
    first, second = world.planned(ONE), world.planned(ONE)
    act(world, operations.submit, first.id, first.plan_hash)
    world.decide(first)
    world.work_off()
    # When the other one is planned anew, once or twice, before anything of it ran
    for _ in range(plans):
        act(world, operations.replan, second.id)
        world.work_off()
    # Then whoever looks at it is told, and it is not submitted
    view = world.execution(second.id)
    assert [warning.split(" on ")[0] for warning in warnings_of(world, second.id)] == [
        f"This file ran before, as {first.number}"
    ]
    assert code_of(act, world, operations.submit, second.id, view.plan_hash) == "ALREADY_RAN"
    assert made(world) == [("usd", 10_000)]


def test_a_retry_of_what_was_stopped_before_anything_was_sent_is_no_way_around_it(world: World):
    # Given a run that was stopped before it sent anything, so that its file could run as another execution
    seen = world.approved(ONE)
    prepared(world, begin(world))
    act(world, operations.cancel, seen.id)
    resume(world)
    assert (world.execution(seen.id).state, states(world, seen.id)) == (State.CANCELLED, ["canceled"])
    other = world.approved(ONE)
    world.work_off()
    # When the first one is retried
    act(world, payouts.retry, seen.id)
    world.work_off()
    # Then it is told what ran meanwhile, and not submitted
    (warning,) = warnings_of(world, seen.id)
    assert warning.startswith(f"This file ran before, as {other.number} on ")
    assert code_of(act, world, operations.submit, seen.id, world.execution(seen.id).plan_hash) == "ALREADY_RAN"
    assert made(world) == [("usd", 10_000)]
