"""Draft, submit, cancel, replan: what they refuse and what they leave behind."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import insert

from finops_core import approvals, operations, payouts, security
from finops_core.desk import Desk
from finops_core.kernel.actor import system_actor, worker_actor
from finops_core.kernel.clock import ManualClock, SystemClock
from finops_core.kernel.errors import Conflict, NotAllowed
from finops_core.kernel.permissions import Permission
from finops_core.operations import State
from finops_core.payouts.operations import BANK_TRANSFERS, STRIPE_BALANCE
from finops_core.platform import queue
from finops_core.security.models import role, role_permission
from tests.operations.walks import (
    AMOUNTS,
    HARBOUR,
    TOTALS,
    USD,
    Cancelling,
    act,
    code_of,
    paid,
    stopped_after_the_first,
    verbs,
)
from tests.tampering import grown, row_counts
from tests.world import World, running_world

# --- drafts

BAD_FILES = {
    "no bytes": (b"", {"FILE_EMPTY"}),
    "a header alone": (b"currency\n", {"FILE_NO_ROWS"}),
    "no such header": (b"valuta\nUSD\n", {"COLUMN_UNKNOWN", "COLUMN_MISSING"}),
    "a header twice": (b"currency,currency\nUSD,EUR\n", {"COLUMN_TWICE"}),
    "an unknown header": (b"currency,amount\nUSD,1\n", {"COLUMN_UNKNOWN"}),
    "no such currency": (b"currency\nXXQ\n", {"CELL_BAD"}),
    "an amount with grouping": (b'currency,maximum\nUSD,"1,000.00"\n', {"CELL_BAD"}),
    "too many decimals": (b"currency,maximum\nJPY,1.50\n", {"ROW_BAD"}),
    "the same row twice": (b"currency\nUSD\nUSD\n", {"ROW_TWICE"}),
    "a picture": (b"\x89PNG\r\n\x1a\n" + bytes(64), {"FILE_TYPE"}),
    "a NUL": (b"currency\nU\0D\n", {"FILE_NUL"}),
    "no UTF-8": (b"currency\n\xff\xfe\xfa\n", {"FILE_NOT_UTF8"}),
}


@pytest.mark.parametrize(("content", "codes"), BAD_FILES.values(), ids=list(BAD_FILES))
def test_a_bad_file_leaves_nothing_but_a_line_in_the_audit(world: World, content: bytes, codes: set[str]):
    # Given what is stored
    before, kept = row_counts(world.desk.settings), list(world.desk.ports.file_store.names())
    # When somebody uploads it
    with world.desk.work(world.actor("ana")) as work:
        answer = operations.draft(work, STRIPE_BALANCE.id, {}, operations.Upload("week.csv", content))
    # Then its faults come back, and only the audit has grown
    assert isinstance(answer, operations.Refused)
    assert {fault.code for fault in answer.faults} == codes
    assert grown(before, row_counts(world.desk.settings)) == {"audit_record": 1}
    assert verbs(world)[-1] == "upload.refused"
    assert list(world.desk.ports.file_store.names()) == kept


BAD_FORMS = {
    "a descriptor with a line break": {"descriptor": "one\ntwo"},
    "a descriptor too long": {"descriptor": "x" * 23},
    "a choice that is none": {"unpayable": "pay it anyway"},
    "a field nobody asked for": {"amount": "1"},
    "a number for a text": {"descriptor": 7},
}


@pytest.mark.parametrize("params", BAD_FORMS.values(), ids=list(BAD_FORMS))
def test_a_bad_form_leaves_nothing_but_a_line_in_the_audit(world: World, params: dict[str, object]):
    before = row_counts(world.desk.settings)

    answer = world.draft(USD, params=params)

    assert isinstance(answer, operations.Refused)
    assert [(fault.code, fault.column) for fault in answer.faults] == [("PARAMETER_BAD", next(iter(params)))]
    assert grown(before, row_counts(world.desk.settings)) == {"audit_record": 1}


def test_faults_of_form_and_file_come_at_once_and_by_row_and_column(world: World):
    answer = world.draft("currency,maximum\nUSD,ten\nQQQ,\n", params={"descriptor": "§"})

    assert isinstance(answer, operations.Refused)
    assert [(fault.row, fault.column) for fault in answer.faults] == [
        (None, "descriptor"),
        (2, "maximum"),
        (3, "currency"),
    ]


def test_a_file_is_asked_for_when_it_is_missing(world: World):
    with world.desk.work(world.actor("ana")) as work:
        answer = operations.draft(work, STRIPE_BALANCE.id, {}, None)

    assert isinstance(answer, operations.Refused)
    assert [fault.code for fault in answer.faults] == ["FILE_MISSING"]


def test_a_file_past_the_limit_is_refused_and_not_kept(tmp_path: Path):
    with running_world(tmp_path, upload_max_bytes=1000) as world:
        before = row_counts(world.desk.settings)

        answer = world.draft("currency\n" + "USD\n" * 300)

        assert isinstance(answer, operations.Refused)
        assert [fault.code for fault in answer.faults] == ["FILE_TOO_LARGE"]
        assert grown(before, row_counts(world.desk.settings)) == {"audit_record": 1}


def test_an_unknown_operation_is_refused(world: World):
    assert code_of(world.draft, USD, operation="payouts.everything") == "OPERATION_UNKNOWN"


def test_a_switched_off_operation_is_refused_and_says_so_in_the_catalogue(world: World):
    with world.desk.work(world.actor("adam")) as work:
        operations.set_active(work, TOTALS, active=False, reason="a test")

    with world.desk.read(world.actor("ana")) as reading:
        listed = {view.id: (view.active, view.runnable) for view in operations.catalogue(reading)}
    assert listed == {TOTALS: (False, False), STRIPE_BALANCE.id: (True, True), BANK_TRANSFERS.id: (True, True)}
    assert code_of(world.draft, AMOUNTS, operation=TOTALS) == "OPERATION_INACTIVE"
    assert code_of(world.planned, AMOUNTS, operation=TOTALS) == "OPERATION_INACTIVE"


@pytest.mark.parametrize("who", ["ben", "carla", "dan", "eva", "adam"])
def test_who_may_not_prepare_drafts_nothing_and_the_refusal_is_recorded(world: World, who: str):
    before = row_counts(world.desk.settings)

    with pytest.raises(NotAllowed):
        world.draft(USD, who=who)

    assert grown(before, row_counts(world.desk.settings)) == {"audit_record": 1}
    assert verbs(world)[-1] == "access.denied"


def test_each_operation_asks_for_its_own_permissions(world: World):
    # Given a role that runs operations but prepares no payouts
    with world.desk.work(system_actor(world.orgs["harbour"])) as work:
        work.execute(insert(role).values(id="clerk", title="Clerk", description="Adds up.", shipped=False))
        held = [Permission.OPERATIONS_RUN, Permission.FILES_UPLOAD, Permission.FILES_VIEW_OWN]
        work.execute(insert(role_permission), [{"role_id": "clerk", "permission": each.value} for each in held])
        security.grant_role(work, world.people["ben"], "clerk", world.orgs["harbour"])
    # When its holder tries both
    with world.desk.read(world.actor("ben")) as reading:
        runnable = {view.id: view.runnable for view in operations.catalogue(reading)}
    # Then only the one that needs no more is open to them
    assert runnable == {TOTALS: True, STRIPE_BALANCE.id: False, BANK_TRANSFERS.id: False}
    assert isinstance(world.draft(AMOUNTS, operation=TOTALS, who="ben"), operations.Drafted)
    assert code_of(world.draft, USD, who="ben") == "NOT_ALLOWED"


@pytest.mark.parametrize("who", ["ana", "ben", "carla", "dan", "eva"])
def test_only_an_administrator_switches_operations(world: World, who: str):
    with pytest.raises(NotAllowed), world.desk.work(world.actor(who)) as work:
        operations.set_active(work, TOTALS, active=False, reason="a test")

    assert isinstance(world.draft(AMOUNTS, operation=TOTALS), operations.Drafted)


def test_numbers_have_no_gap_after_refused_drafts(both: World):
    world = both
    first = world.draft(USD)
    world.draft("currency\nXXQ\n")
    second = world.draft("currency\nEUR\n")

    assert isinstance(first, operations.Drafted)
    assert isinstance(second, operations.Drafted)
    assert (first.number[-4:], second.number[-4:]) == ("0001", "0002")


# --- the same again


def test_the_same_content_is_known_for_the_window_and_no_longer(tmp_path: Path):
    clock = ManualClock(SystemClock().now() + timedelta(seconds=5))
    with running_world(tmp_path, clock=clock, rerun_window_s=3600) as world:
        seen = world.approved(USD)
        world.work_off()

        clock.advance(timedelta(minutes=59))
        within = world.draft(USD)
        other = world.draft("currency\nEUR\n")
        with_reason = world.draft(USD, reason="second sweep")
        clock.advance(timedelta(minutes=2))
        after = world.draft(USD)

    assert isinstance(within, operations.Refused)
    assert [fault.code for fault in within.faults] == ["ALREADY_RAN"]
    assert seen.number in within.faults[0].message
    assert [type(each) for each in (other, with_reason, after)] == [operations.Drafted] * 3


def test_a_draft_that_was_never_submitted_is_no_run(world: World):
    world.planned(USD)

    assert isinstance(world.draft(USD), operations.Drafted)


def test_of_two_drafts_of_one_file_only_the_first_can_be_submitted(both: World):
    # Given two drafts of the same content, both ready
    world = both
    first, second = world.planned(USD), world.planned(USD)
    # When both are submitted
    act(world, operations.submit, first.id, first.plan_hash)
    refused = code_of(act, world, operations.submit, second.id, second.plan_hash)
    # Then the second one is not
    assert refused == "ALREADY_RAN"
    assert world.execution(second.id).state is State.READY


def test_one_that_ended_before_it_began_is_no_run_but_one_that_was_stopped_on_the_way_is(world: World):
    # Given one that was cancelled before it ran
    seen = world.submitted(USD)
    act(world, operations.cancel, seen.id)
    assert isinstance(world.draft(USD), operations.Drafted)
    # When another one has been stopped after its first payout
    stopped = stopped_after_the_first(world, "currency\nEUR\nGBP\n")
    assert (world.execution(stopped).state, len(paid(world))) == (State.CANCELLED, 1)
    # Then the same again asks for a reason
    again = world.draft("currency\nEUR\nGBP\n")
    assert isinstance(again, operations.Refused)
    assert [fault.code for fault in again.faults] == ["ALREADY_RAN"]


# --- submitting


def test_only_its_requester_submits_or_plans_anew(world: World):
    seen = world.planned(USD)

    for who in ("ben", "carla", "adam"):
        codes = {
            code_of(act, world, operations.submit, seen.id, seen.plan_hash, who=who),
            code_of(act, world, operations.replan, seen.id, who=who),
        }
        assert codes <= {"NOT_YOURS", "EXECUTION_UNKNOWN"}, who
    assert world.execution(seen.id).state is State.READY


def test_a_plan_that_was_not_seen_is_not_submitted(world: World):
    seen = world.planned(USD)

    assert code_of(act, world, operations.submit, seen.id, "0" * 64) == "PLAN_CHANGED"
    assert code_of(act, world, operations.submit, seen.id) == "PLAN_CHANGED"
    assert world.execution(seen.id).state is State.READY


def test_a_draft_whose_plan_is_not_there_yet_is_not_submitted(world: World):
    drafted = world.draft(USD)
    assert isinstance(drafted, operations.Drafted)

    assert code_of(act, world, operations.submit, drafted.execution_id) == "EXECUTION_MOVED_ON"


def test_a_plan_that_pays_nothing_is_not_submitted(world: World):
    seen = world.planned("currency,minimum_to_leave\nUSD,9999999.00\n")

    assert seen.state is State.READY
    assert code_of(act, world, operations.submit, seen.id, seen.plan_hash) == "NOTHING_TO_DO"


def test_submitting_twice_asks_once(both: World):
    world = both
    seen = world.submitted(USD)

    refused = code_of(act, world, operations.submit, seen.id, seen.plan_hash)

    assert refused == "EXECUTION_MOVED_ON"
    with world.desk.read(world.actor("ben")) as reading:
        requests = approvals.of_subject(reading, "execution", seen.id)
    assert [request.state for request in requests] == [approvals.State.PENDING]


def test_without_approval_a_submit_queues_one_run(both: World):
    world = both
    seen = world.planned(AMOUNTS, operation=TOTALS)

    act(world, operations.submit, seen.id)
    refused = code_of(act, world, operations.submit, seen.id)

    assert refused == "EXECUTION_MOVED_ON"
    assert world.work_off() == 1
    assert world.execution(seen.id).state is State.COMPLETED


# --- cancelling


def test_a_draft_is_cancelled_while_its_plan_is_being_made(both: World):
    world = both
    drafted = world.draft(USD)
    assert isinstance(drafted, operations.Drafted)

    act(world, operations.cancel, drafted.execution_id, "wrong file")
    world.work_off()

    assert world.execution(drafted.execution_id).state is State.CANCELLED
    with world.desk.read(world.actor("ana")) as reading:
        assert operations.plan(reading, drafted.execution_id) is None


def test_a_plan_that_comes_after_the_cancel_is_thrown_away(world: World):
    # Given a dry run under way
    drafted = world.draft(USD)
    assert isinstance(drafted, operations.Drafted)
    with world.desk.work(worker_actor("")) as work:
        claim = queue.claim(work, "inline", 30)
    assert claim is not None
    # When it is cancelled before the plan is kept
    watching = Cancelling(world, drafted.execution_id)
    provider = world.desk.ports.provider
    ports = replace(world.desk.ports, provider=lambda credentials: watching.over(provider(credentials)))
    replace(world, desk=Desk(world.desk.settings, world.desk.database, ports)).carry(claim)
    # Then it stays cancelled, without a plan, and its job is done
    assert world.execution(drafted.execution_id).state is State.CANCELLED
    assert world.work_off() == 0


def test_a_ready_plan_is_cancelled(world: World):
    seen = world.planned(USD)

    assert act(world, operations.cancel, seen.id).state is State.CANCELLED
    assert code_of(act, world, operations.submit, seen.id, seen.plan_hash) == "EXECUTION_MOVED_ON"


def test_a_cancelled_question_can_no_longer_be_answered(both: World):
    world = both
    seen = world.submitted(USD)

    act(world, operations.cancel, seen.id)

    with pytest.raises(Conflict):
        world.decide(seen)
    assert world.execution(seen.id).state is State.CANCELLED
    assert world.work_off() == 0


def test_an_approved_run_that_waits_is_cancelled_and_never_runs(both: World):
    world = both
    seen = world.approved(USD)

    act(world, operations.cancel, seen.id)
    world.work_off()

    assert world.execution(seen.id).state is State.CANCELLED
    assert paid(world) == []


def test_a_stop_during_the_run_lets_no_further_payout_leave(both: World):
    world = both
    execution_id = stopped_after_the_first(world, "currency\nEUR\nGBP\nUSD\n")

    done = world.execution(execution_id)
    with world.desk.read(world.actor("ana")) as reading:
        states = [row.state.value for row in payouts.rows(reading, execution_id)]
    assert states == ["created", "canceled", "canceled"]
    assert (done.state, len(paid(world))) == (State.CANCELLED, 1)
    assert "execution.stop_requested" in verbs(world)


def test_a_stop_that_comes_after_the_last_payout_changes_nothing(world: World):
    execution_id = stopped_after_the_first(world, "currency\nEUR\n")

    done = world.execution(execution_id)
    assert (done.state, done.stop_requested, len(paid(world))) == (State.COMPLETED, True, 1)


@pytest.mark.parametrize("ended", ["completed", "cancelled", "rejected"])
def test_what_is_over_is_not_cancelled(world: World, ended: str):
    seen = world.submitted(USD)
    if ended == "completed":
        world.decide(seen)
        world.work_off()
    elif ended == "rejected":
        world.decide(seen, "rejected")
    else:
        act(world, operations.cancel, seen.id)

    assert code_of(act, world, operations.cancel, seen.id) == "EXECUTION_MOVED_ON"
    assert world.execution(seen.id).state.value == ended


def test_a_colleague_cancels_only_with_the_right_to(world: World):
    seen = world.submitted(USD)

    assert code_of(act, world, operations.cancel, seen.id, who="ben") == "NOT_ALLOWED"
    assert code_of(act, world, operations.cancel, seen.id, who="eva") == "NOT_ALLOWED"
    assert act(world, operations.cancel, seen.id, "audit", who="carla").state is State.CANCELLED


# --- planning anew


def test_a_new_plan_takes_the_place_of_the_one_that_was_asked_about(both: World):
    # Given a question, and money that came in since
    world = both
    seen = world.submitted(USD)
    world.sandbox.control.fund(100, "usd", HARBOUR)
    # When a new plan is made
    act(world, operations.replan, seen.id)
    world.work_off()
    # Then the old question stands no more, and the new plan must be submitted again
    again = world.execution(seen.id)
    with world.desk.read(world.actor("ben")) as reading:
        states = [request.state for request in approvals.of_subject(reading, "execution", seen.id)]
    assert states == [approvals.State.SUPERSEDED]
    assert (again.state, again.attempt, again.approval_request_id) == (State.READY, 2, None)
    assert again.plan_hash != seen.plan_hash
    assert again.totals == {"USD": seen.totals["USD"] + 100}
    assert code_of(act, world, operations.submit, seen.id, seen.plan_hash) == "PLAN_CHANGED"


def test_the_new_plan_is_the_one_that_is_paid(world: World):
    seen = world.submitted(USD)
    world.sandbox.control.fund(100, "usd", HARBOUR)
    act(world, operations.replan, seen.id)
    world.work_off()
    again = world.execution(seen.id)

    act(world, operations.submit, seen.id, again.plan_hash)
    world.decide(again)
    world.work_off()

    assert world.execution(seen.id).state is State.COMPLETED
    assert [payout["amount"] for payout in paid(world)] == [seen.totals["USD"] + 100]


@pytest.mark.parametrize("state", ["queued", "completed", "rejected", "cancelled"])
def test_no_new_plan_is_made_of_what_runs_or_is_over(world: World, state: str):
    seen = world.submitted(USD)
    if state == "rejected":
        world.decide(seen, "rejected")
    elif state == "cancelled":
        act(world, operations.cancel, seen.id)
    else:
        world.decide(seen)
    if state == "completed":
        world.work_off()

    assert code_of(act, world, operations.replan, seen.id) == "EXECUTION_MOVED_ON"
    assert world.execution(seen.id).state.value == state
