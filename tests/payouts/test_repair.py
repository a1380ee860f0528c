"""After something went wrong: fund and retry, send on, settle by hand, take back, stop in time."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import func, select

from finops_core import approvals, audit, connections, notifications, operations, payouts
from finops_core.adapters.stripe_sandbox.accounts import Bank, NewAccount
from finops_core.adapters.stripe_sandbox.faults import Fault, FaultKind
from finops_core.kernel.actor import system_actor, worker_actor
from finops_core.kernel.errors import FinOpsError
from finops_core.operations import State
from finops_core.operations.service import RUN_JOB
from finops_core.payouts import PayoutState, PayoutView, Verdict, following, look_up, service
from finops_core.payouts.models import payout_call
from finops_core.payouts.operations import STRIPE
from finops_core.payouts.queries import Unsettled
from finops_core.payouts.running import ordering
from finops_core.platform import queue
from tests.operations.walks import code_of
from tests.payouts.test_counting import Contradicting
from tests.payouts.walks import (
    HARBOUR,
    HARBOUR_KEY,
    USD,
    act,
    again,
    alive,
    begin,
    change_bank,
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
    with_provider,
)
from tests.tampering import tamper
from tests.world import World

TWO = "currency,maximum\nUSD,100.00\nEUR,100.00\n"
USD_100 = "currency,maximum\nUSD,100.00\n"


def with_one_refused(world: World) -> operations.ExecutionView:
    """Two rows, of which the second was refused for want of money and the first was paid."""
    seen = world.approved(TWO)
    world.sandbox.control.fault(Fault(FaultKind.BALANCE_INSUFFICIENT, nth=2))
    world.work_off()
    assert states(world, seen.id) == ["created", "rejected"]
    return world.execution(seen.id)


# --- retry


def test_what_failed_is_paid_by_an_approved_retry_and_nothing_else(both: World):
    # Given a batch of which one row was refused
    world = both
    seen = with_one_refused(world)
    assert seen.state is State.FAILED
    # When the preparer asks for a retry
    act(world, payouts.retry, seen.id)
    world.work_off()
    planned = world.execution(seen.id)
    with world.desk.read(world.actor("ana")) as reading:
        plan = operations.plan(reading, seen.id)
    # Then only that row is planned, with the same amount, and somebody must approve it
    assert plan is not None
    assert [(row.currency, row.amount_minor, row.body["no"]) for row in plan.rows] == [("EUR", 10_000, 2)]
    assert plan.rows[0].body["change"] == {
        "bank": "same",
        "retry_of": "1",
        "failed": "balance_insufficient",
        "why": "You have insufficient funds in your Stripe account for this payout.",
    }
    assert (planned.state, planned.attempt, planned.totals) == (State.READY, 2, {"EUR": 10_000})
    # and approved it is paid
    done = again(world, seen.id)
    assert (done.state, made(world)) == (State.COMPLETED, [("eur", 10_000), ("usd", 10_000)])
    assert [(row.row_no, row.attempt, row.state.value) for row in rows_of(world, seen.id)] == [
        (1, 1, "created"),
        (2, 2, "created"),
    ]
    assert violations(world) == {}


def test_a_retry_waits_until_the_money_is_there(world: World):
    # Given a row that was refused, and an account that has been emptied since
    seen = with_one_refused(world)
    world.sandbox.control.fund(-world.sandbox.control.available("eur", HARBOUR), "eur", HARBOUR, kind="refund")
    # When it is retried
    act(world, payouts.retry, seen.id)
    world.work_off()
    # Then the plan says how much is missing
    with world.desk.read(world.actor("ana")) as reading:
        plan = operations.plan(reading, seen.id)
    assert plan is not None
    assert [fault.code for fault in plan.faults] == ["FUNDS_MISSING"]
    assert "100.00 EUR more is needed" in plan.faults[0].message
    # and once the account is funded, it goes through
    world.sandbox.control.fund(10_000, "eur", HARBOUR)
    act(world, payouts.retry, seen.id)
    assert again(world, seen.id).state is State.COMPLETED
    assert len(made(world)) == 2
    assert violations(world) == {}


def test_a_retry_to_a_bank_account_that_was_changed_is_no_retry(world: World):
    seen = with_one_refused(world)
    change_bank(world, "EUR")

    act(world, payouts.retry, seen.id)
    world.work_off()

    with world.desk.read(world.actor("ana")) as reading:
        plan = operations.plan(reading, seen.id)
    assert plan is not None
    assert [fault.code for fault in plan.faults] == ["BANK_CHANGED"]


def test_a_retry_is_not_run_under_the_approval_of_the_attempt_before_it(both: World):
    # Given a retry that is planned, and that nobody has approved
    world = both
    seen = with_one_refused(world)
    act(world, payouts.retry, seen.id)
    world.work_off()
    assert world.execution(seen.id).state is State.READY
    # When its row is made to say that it may run, job and all
    assert tamper(world.desk.settings, "UPDATE execution SET state = 'queued' WHERE id = :id", id=seen.id)
    with world.desk.work(system_actor(world.orgs["harbour"])) as work:
        queue.enqueue(work, RUN_JOB, {"execution_id": seen.id, "attempt": 2})
    world.work_off()
    # Then it is not run
    done = world.execution(seen.id)
    assert (done.state, done.error_code) == (State.SUPERSEDED, "APPROVAL_VOID")
    assert made(world) == [("usd", 10_000)]


def no_money(world: World) -> None:
    world.sandbox.control.fund(-world.sandbox.control.available("eur", HARBOUR), "eur", HARBOUR, kind="refund")


def another_account(world: World) -> None:
    change_bank(world, "EUR")


def another_amount(world: World) -> None:
    smaller = "UPDATE execution_plan_row SET amount_minor = amount_minor - 1 WHERE currency = 'EUR'"
    assert tamper(world.desk.settings, smaller)


@pytest.mark.parametrize(
    ("befell", "code"),
    [(no_money, "FUNDS_FELL"), (another_account, "BANK_CHANGED"), (another_amount, "PLAN_CHANGED")],
)
def test_what_changes_between_the_approval_of_a_retry_and_its_start_voids_it(
    world: World, befell: Callable[[World], None], code: str
):
    # Given a retry that was approved
    seen = with_one_refused(world)
    act(world, payouts.retry, seen.id)
    world.work_off()
    planned = world.execution(seen.id)
    act(world, operations.submit, seen.id, planned.plan_hash)
    world.decide(planned)
    # When something is not as it was approved any more
    befell(world)
    world.work_off()
    # Then nothing of it is paid
    done = world.execution(seen.id)
    assert (done.state, done.error_code) == (State.SUPERSEDED, code)
    assert made(world) == [("usd", 10_000)]


def test_a_payout_the_bank_returned_after_days_can_be_retried(timed: World):
    # Given a batch that was completed and paid
    seen = timed.approved(TWO)
    timed.work_off()
    first = rows_of(timed, seen.id)[0]
    timed.sandbox.control.transition(first.provider_id, "in_transit", "paid", account=HARBOUR)
    timed.follow()
    assert states(timed, seen.id) == ["paid", "created"]
    # When the bank gives it back days later
    timed.advance(timedelta(days=3))
    timed.sandbox.control.transition(first.provider_id, "failed", account=HARBOUR, code="account_closed")
    timed.follow()
    # Then the row says why, the batch says so, preparer and approver are told
    (row, _) = rows_of(timed, seen.id)
    assert (row.state.value, row.error_code) == ("failed", "account_closed")
    view = timed.execution(seen.id)
    assert (view.state, view.message) == (State.COMPLETED, "1 of 2 payouts made, 1 came back.")
    for who in ("ana", "ben"):
        with timed.desk.read(timed.actor(who)) as reading:
            from finops_core import notifications

            told = [each for each in notifications.unread(reading) if each.kind.startswith("payout.")]
        assert [notice.title for notice in told] == [f"100.00 USD of {seen.number} came back"]
    # and an approved retry pays it again
    act(timed, payouts.retry, seen.id)
    assert again(timed, seen.id).state is State.COMPLETED
    assert alive(timed) == [("eur", 10_000), ("usd", 10_000)]
    assert violations(timed) == {}


def test_nothing_is_retried_while_a_row_is_in_doubt_or_when_none_failed(timed: World):
    seen = timed.approved(TWO)
    timed.work_off()
    assert code_of(act, timed, payouts.retry, seen.id) == "NOTHING_TO_RETRY"

    other = timed.approved("currency,maximum\nGBP,100.00\nCAD,100.00\n")
    timed.sandbox.control.fault(Fault(FaultKind.ERROR_BEFORE, times=50, keep=False))
    timed.work_off()
    assert code_of(act, timed, payouts.retry, other.id) == "STILL_IN_DOUBT"


def test_a_new_plan_of_a_retry_plans_the_same_rows_and_never_what_was_made(both: World):
    # Given a retry that waits for its approval
    world = both
    seen = with_one_refused(world)
    act(world, payouts.retry, seen.id)
    world.work_off()
    act(world, operations.submit, seen.id, world.execution(seen.id).plan_hash)
    # When its preparer makes a new plan
    act(world, operations.replan, seen.id)
    # Then that pays the refused row alone, once
    assert again(world, seen.id).state is State.COMPLETED
    assert made(world) == [("eur", 10_000), ("usd", 10_000)]
    assert violations(world) == {}


def test_whatever_was_planned_no_row_that_was_made_is_made_again(world: World):
    # Given a plan of the whole for an execution of which one row was made
    seen = with_one_refused(world)
    with world.desk.read(world.actor("ana")) as reading:
        plan = operations.plan(reading, seen.id)
    assert plan is not None
    # When it is to become payouts of a next attempt
    with world.desk.work(worker_actor(world.orgs["harbour"])) as work:
        order_of = ordering(STRIPE, seen.id, 2, plan.mode)
        told = code_of(service.prepare, work, seen.id, 2, plan.as_plan(), provider(world), order_of)
    # Then it does not
    assert told == "ALREADY_PAID"
    assert states(world, seen.id) == ["created", "rejected"]


def test_a_retry_that_is_left_says_that_what_was_made_stays(world: World):
    seen = with_one_refused(world)
    act(world, payouts.retry, seen.id)
    world.work_off()

    act(world, operations.cancel, seen.id)

    assert world.execution(seen.id).message == "Its retry was cancelled; what was made before stays."


def test_only_its_preparer_retries(world: World):
    seen = with_one_refused(world)

    assert code_of(act, world, payouts.retry, seen.id, who="ben") == "NOT_ALLOWED"
    assert code_of(act, world, payouts.retry, seen.id, who="carla") == "NOT_ALLOWED"


# --- send on, and settle by hand


def in_doubt(timed: World, file: str = "currency,maximum\nUSD,100.00\n") -> operations.ExecutionView:
    """A run whose payouts got no clear answer, and never arrived."""
    seen = timed.approved(file)
    timed.sandbox.control.fault(Fault(FaultKind.RESET_BEFORE, times=50))
    timed.work_off()
    timed.sandbox.control.post("reset", {"only": ["fault"]})
    assert set(states(timed, seen.id)) == {"in_doubt"}
    return seen


def test_what_is_in_doubt_is_sent_on_with_the_same_key(timed: World):
    seen = in_doubt(timed)

    act(timed, payouts.send_on, seen.id)
    timed.work_off()

    assert timed.execution(seen.id).state is State.COMPLETED
    assert made(timed) == [("usd", 10_000)]
    assert len({call["idempotency_key"] for call in timed.sandbox.control.calls("POST", "/v1/payouts")}) == 1
    assert violations(timed) == {}


def test_an_execution_with_payouts_in_doubt_cannot_be_called_off(timed: World):
    seen = in_doubt(timed)

    assert code_of(act, timed, operations.cancel, seen.id, "enough") == "EXECUTION_MOVED_ON"

    assert timed.execution(seen.id).state is State.UNSETTLED
    assert violations(timed) == {}


def test_a_run_that_was_taken_over_and_is_then_sent_on_looks_like_no_lost_worker(timed: World):
    # Given a run that died while sending, whose second worker got no clear answer either
    seen = timed.approved("currency,maximum\nUSD,100.00\n")
    begun = begin(timed)
    sent_and_died(timed, begun, prepared(timed, begun)[0], arrived=False)
    timed.sandbox.control.fault(Fault(FaultKind.RESET_BEFORE, times=50))
    resume(timed)
    timed.sandbox.control.post("reset", {"only": ["fault"]})
    assert states(timed, seen.id) == ["in_doubt"]
    # When its preparer sends it on
    act(timed, payouts.send_on, seen.id)
    timed.work_off()
    # Then the new run's calls come after the old one's
    assert made(timed) == [("usd", 10_000)]
    assert violations(timed) == {}


def test_whoever_is_near_is_told_of_money_that_had_come_back_when_a_look_up_found_it(both: World):
    # Given a payout whose answer was lost, and which the bank has given back meanwhile
    world = both
    seen = world.approved("currency,maximum\nUSD,100.00\n")
    begun = begin(world)
    sent_and_died(world, begun, prepared(world, begun)[0])
    (found,) = world.sandbox.control.payouts(HARBOUR)
    world.sandbox.control.transition(found["id"], "in_transit", "failed", account=HARBOUR, code="account_closed")
    # When the desk finds it
    resume(world)
    # Then it says so to those near the batch, and the statement shows what came back
    assert states(world, seen.id) == ["failed"]
    for who in ("ana", "ben"):
        assert told_of(world, who) == [f"100.00 USD of {seen.number} came back"]
    (row,) = rows_of(world, seen.id)
    assert row.returned_minor == 10_000
    assert violations(world) == {}


def test_a_payout_that_is_found_when_no_run_is_left_is_held_against_the_statement(timed: World):
    seen = in_doubt(timed)
    row = row_as_stored(timed, seen.id)
    with timed.desk.read(worker_actor(timed.orgs["harbour"])) as reading:
        body = service.body_of(reading, row)
    provider(timed).submit(row.account, body, row.key)

    timed.advance(timedelta(minutes=20))
    timed.look_up()
    timed.work_off()

    (found,) = rows_of(timed, seen.id)
    assert (found.state.value, found.reconciled) == ("created", True)
    assert timed.execution(seen.id).state is State.COMPLETED


def test_once_the_key_may_be_forgotten_a_person_decides(timed: World):
    seen = in_doubt(timed)
    timed.advance(timedelta(hours=24))

    timed.look_up()

    assert states(timed, seen.id) == ["needs_review"]
    assert timed.execution(seen.id).state is State.UNSETTLED
    assert code_of(act, timed, payouts.send_on, seen.id) == "NOTHING_TO_SEND"


def test_whoever_is_near_a_batch_and_whoever_may_settle_it_are_told_once_that_it_needs_a_decision(timed: World):
    # Given a batch whose two payouts nobody can be sure of
    seen = in_doubt(timed, TWO)
    assert told_of(timed, "ana") == []
    # When the provider may have forgotten their keys
    timed.advance(timedelta(hours=24))
    timed.look_up()
    assert states(timed, seen.id) == ["needs_review", "needs_review"]
    # Then the preparer, the approver and the controller have one notice each, and the auditor none
    for who in ("ana", "ben", "carla"):
        assert told_of(timed, who) == [f"100.00 USD of {seen.number} needs a decision"]
    assert told_of(timed, "eva") == []


def told_of(timed: World, who: str) -> list[str]:
    with timed.desk.read(timed.actor(who)) as reading:
        return [each.title for each in notifications.unread(reading) if each.kind.startswith("payout.")]


def test_what_stays_in_doubt_is_looked_up_more_rarely_as_it_gets_older(timed: World):
    seen = in_doubt(timed)
    finds = found_calls(timed, seen.id)

    for _ in range(60):
        timed.advance(timedelta(minutes=1))
        timed.look_up()
    first_hour = found_calls(timed, seen.id) - finds
    for _ in range(60):
        timed.advance(timedelta(minutes=1))
        timed.look_up()

    assert states(timed, seen.id) == ["in_doubt"]
    assert 15 < first_hour < 30
    assert found_calls(timed, seen.id) - finds - first_hour <= 8


def found_calls(timed: World, execution_id: str) -> int:
    row = row_as_stored(timed, execution_id)
    with timed.desk.read(timed.actor("ana")) as reading:
        calls = select(func.count()).where(payout_call.c.payout_id == row.id, payout_call.c.kind == "find")
        return int(reading.scalar(calls.where(payout_call.c.org_id == reading.org_id)) or 0)


def needs_review(timed: World, *, arrived: bool) -> str:
    """A payout whose run died over it, found again when its key was too old; ``arrived``: it exists, unmarked."""
    seen = timed.approved("currency,maximum\nUSD,100.00\n")
    begun = begin(timed)
    sent_and_died(timed, begun, prepared(timed, begun)[0], arrived=False)
    if arrived:
        with_own_hands(timed)
    timed.advance(timedelta(hours=24))
    resume(timed)
    assert states(timed, seen.id) == ["needs_review"]
    return seen.id


def with_own_hands(timed: World) -> None:
    """Somebody made the payout in the provider's dashboard, so it carries nothing of ours."""
    form = b"amount=10000&currency=usd"
    provider(timed).submit("", form, "by-hand")


def test_a_person_finds_the_payout_and_the_desk_checks_it(timed: World):
    execution_id = needs_review(timed, arrived=True)
    row = row_as_stored(timed, execution_id)
    (found,) = timed.sandbox.control.payouts(HARBOUR)

    act(timed, payouts.resolve, row.id, Verdict.EXISTS, found["id"], "Seen in the dashboard.", who="ben")
    timed.work_off()

    (settled,) = rows_of(timed, execution_id)
    assert (settled.state.value, settled.provider_id) == ("created", found["id"])
    assert timed.execution(execution_id).state is State.COMPLETED


def test_a_payout_of_another_amount_is_not_the_one(timed: World):
    execution_id = needs_review(timed, arrived=False)
    other = timed.approved("currency,maximum\nEUR,55.00\n")
    timed.work_off()
    (found,) = timed.sandbox.control.payouts(HARBOUR)
    row = row_as_stored(timed, execution_id)

    act(timed, payouts.resolve, row.id, Verdict.EXISTS, found["id"], "This one, I think.", who="ben")
    timed.work_off()

    (still,) = rows_of(timed, execution_id)
    assert still.state.value == "needs_review"
    assert "is not this payout" in still.refusal
    assert still.error_message == look_up.TOO_LATE
    assert refusals(timed, row.id) == [still.refusal]
    assert last_call(timed, row.id) == ("find", still.refusal)
    assert states(timed, other.id) == ["created"]


def logged(world: World, payout_id: str, verb: str) -> list[str]:
    """Why, by the log's records of a kind."""
    with world.desk.read(worker_actor(world.orgs["harbour"])) as reading:
        records = audit.of_object(reading, f"payout:{payout_id}")
    return [str(each.detail["why"]) for each in records if each.verb == verb]


def refusals(world: World, payout_id: str) -> list[str]:
    return logged(world, payout_id, "payout.resolution_refused")


def last_call(world: World, payout_id: str) -> tuple[str, str]:
    with world.desk.read(worker_actor(world.orgs["harbour"])) as reading:
        mine = payout_call.c.org_id == reading.org_id, payout_call.c.payout_id == payout_id
        last = reading.rows(select(payout_call).where(*mine).order_by(payout_call.c.id.desc()).limit(1))[0]
    return last.kind, last.told


def says_exists(world: World, payout_id: str, provider_id: str) -> PayoutView:
    return says(world, payout_id, Verdict.EXISTS, provider_id)


def says_never(world: World, payout_id: str) -> PayoutView:
    return says(world, payout_id, Verdict.NEVER_MADE, "")


def says(world: World, payout_id: str, verdict: Verdict, provider_id: str) -> PayoutView:
    act(world, payouts.resolve, payout_id, verdict, provider_id, "Seen in the dashboard.", who="ben")
    world.work_off()
    with world.desk.read(world.actor("ben")) as reading:
        return payouts.one(reading, payout_id)


def test_a_payout_made_by_hand_is_adopted_and_the_log_says_that_it_had_no_marks(timed: World):
    row = row_as_stored(timed, needs_review(timed, arrived=True))
    (found,) = timed.sandbox.control.payouts(HARBOUR)

    assert says_exists(timed, row.id, found["id"]).state is PayoutState.CREATED

    assert logged(timed, row.id, "payout.resolution_upheld") == ["adopted without our marks"]


@pytest.mark.parametrize("verdict", [Verdict.NEVER_MADE, Verdict.EXISTS])
def test_what_was_made_by_hand_stays_the_rows_payout_whatever_is_said_later(timed: World, verdict: Verdict):
    # Given a row whose payout was made by hand, carries no marks, and came back
    execution_id = needs_review(timed, arrived=True)
    row = row_as_stored(timed, execution_id)
    (own,) = (each["id"] for each in timed.sandbox.control.payouts(HARBOUR))
    says_exists(timed, row.id, own)
    timed.sandbox.control.transition(own, "in_transit", "failed", account=HARBOUR)
    timed.follow()
    # When the provider says that it was paid after all, and somebody says that it was never made, or names another
    changed = with_provider(timed, lambda real: Contradicting(real, own))
    following.Follower(changed.desk, changed.orgs["harbour"]).follow(row_as_stored(changed, execution_id))
    assert states(changed, execution_id) == ["needs_review"]
    with_own_hands(changed)
    other = next(each["id"] for each in changed.sandbox.control.payouts(HARBOUR) if each["id"] != own)
    told = says(changed, row.id, verdict, other)
    # Then it is not forgotten, so nothing pays the row again
    assert told.provider_id == own
    assert told.state is (PayoutState.PAID if verdict is Verdict.NEVER_MADE else PayoutState.NEEDS_REVIEW)
    assert code_of(act, changed, payouts.retry, execution_id) in {"NOTHING_TO_RETRY", "STILL_IN_DOUBT"}


def test_a_payout_made_by_hand_is_one_rows_only_whichever_connection_it_is_seen_through(timed: World):
    # Given two rows nobody can be sure of, sent through two connections to one account, and a payout made by hand
    first = timed.approved(USD_100)
    begun = begin(timed)
    sent_and_died(timed, begun, prepared(timed, begun)[0], arrived=False)
    with_own_hands(timed)
    (by_hand,) = (each["id"] for each in timed.sandbox.control.payouts(HARBOUR))
    with timed.desk.work(timed.actor("adam")) as work:
        connections.retire(work, connections.active(work, "stripe").id)
        connections.add(work, provider="stripe", name="Again", secret=HARBOUR_KEY, base_url=timed.sandbox.url)
    second = timed.approved(USD_100, reason="for the second week")
    timed.sandbox.control.fault(Fault(FaultKind.RESET_BEFORE, times=50))
    timed.work_off()
    timed.sandbox.control.post("reset", {"only": ["fault"]})
    timed.advance(timedelta(hours=24))
    resume(timed)
    timed.look_up()
    # When a person names it for both
    says_exists(timed, row_as_stored(timed, first.id).id, by_hand)
    still = says_exists(timed, row_as_stored(timed, second.id).id, by_hand)
    # Then only one has it
    assert (states(timed, first.id), states(timed, second.id)) == (["created"], ["needs_review"])
    assert still.refusal == f"{by_hand} is not this payout: it belongs to another payout of ours."


def test_an_unmarked_payout_that_is_older_than_the_row_is_not_the_one(timed: World):
    with_own_hands(timed)
    (older,) = timed.sandbox.control.payouts(HARBOUR)
    timed.advance(timedelta(minutes=6))
    row = row_as_stored(timed, needs_review(timed, arrived=False))

    still = says_exists(timed, row.id, older["id"])

    assert still.state is PayoutState.NEEDS_REVIEW
    assert still.refusal == f"{older['id']} is not this payout: it was made before this one was sent."


def test_an_unmarked_payout_to_another_bank_account_is_not_the_one(timed: World):
    timed.sandbox.control.open(
        NewAccount(HARBOUR_KEY, HARBOUR, banks=(Bank("usd", number="000999", is_default=False),))
    )
    other = provider(timed).facts("").bank_accounts[-1]
    assert (other.currency, other.is_default) == ("USD", False)
    execution_id = needs_review(timed, arrived=False)
    provider(timed).submit("", f"amount=10000&currency=usd&destination={other.id}".encode(), "by-hand")
    (found,) = timed.sandbox.control.payouts(HARBOUR)

    still = says_exists(timed, row_as_stored(timed, execution_id).id, found["id"])

    assert still.state is PayoutState.NEEDS_REVIEW
    assert still.refusal == f"{found['id']} is not this payout: it went to another bank account."


def test_of_two_payouts_for_a_row_neither_counts_while_both_may_arrive(timed: World):
    # Given a row for which the provider has two
    execution_id, row = paid_twice(timed)
    first, second = (each["id"] for each in timed.sandbox.control.payouts(HARBOUR))
    # When a person names one, then it does not count, and why it waits still stands there
    still = says_exists(timed, row.id, first)
    assert still.state is PayoutState.NEEDS_REVIEW
    assert still.refusal == f"The provider lists {second} for this row too; have it taken back there first."
    assert still.error_message == "The provider lists 2 payouts for this row."
    # When the other one is taken back, then it does
    provider(timed).cancel("", second, "take-back")
    assert says_exists(timed, row.id, first).state is PayoutState.CREATED
    assert timed.execution(execution_id).state is State.COMPLETED


def test_a_payout_made_by_hand_is_not_the_one_of_a_row_that_has_its_own_even_one_that_is_over(timed: World):
    execution_id, row = paid_twice(timed)
    first, second = (each["id"] for each in timed.sandbox.control.payouts(HARBOUR))
    for marked in (first, second):
        provider(timed).cancel("", marked, f"take-back-{marked}")
    provider(timed).submit("", b"amount=10000&currency=usd", "by-hand")
    by_hand = next(each for each in timed.sandbox.control.payouts(HARBOUR) if not each["metadata"])

    still = says_exists(timed, row.id, by_hand["id"])

    assert still.state is PayoutState.NEEDS_REVIEW
    assert still.refusal.endswith(f" for this row; {by_hand['id']} does not carry its mark.")
    assert timed.execution(execution_id).state is State.UNSETTLED
    assert says_exists(timed, row.id, first).state is PayoutState.CANCELED


def paid_twice(timed: World) -> tuple[str, Unsettled]:
    """A row whose run died over it, and for which the provider has two payouts that carry its marks."""
    seen = timed.approved("currency,maximum\nUSD,100.00\n")
    begun = begin(timed)
    (row,) = prepared(timed, begun)
    sent_and_died(timed, begun, row)
    provider(timed).submit("", service.body_of(run_of(timed, begun), row), f"{row.key}x")
    resume(timed)
    assert states(timed, seen.id) == ["needs_review"]
    return seen.id, row


def test_a_payout_of_another_amount_that_carries_the_row_stops_the_batch(timed: World):
    # Given a run that died over its first row, and a payout of another amount with that row's marks
    seen = timed.approved(TWO)
    begun = begin(timed)
    row, _ = prepared(timed, begun)
    sent_and_died(timed, begun, row, arrived=False)
    body = service.body_of(run_of(timed, begun), row).replace(b"amount=10000", b"amount=9900")
    provider(timed).submit("", body, "another")
    # When another worker takes it up
    resume(timed)
    # Then a person is told what is there, and nothing more is sent
    assert states(timed, seen.id) == ["needs_review", "canceled"]
    told = rows_of(timed, seen.id)[0].error_message
    assert told == "The provider lists 99.00 USD for this row, which is of 100.00 USD."
    assert made(timed) == [("usd", 9_900)]
    # and while that money may arrive, neither word of a person settles it
    (other,) = (each["id"] for each in timed.sandbox.control.payouts(HARBOUR))
    first = rows_of(timed, seen.id)[0].id
    refusal = says_exists(timed, first, other).refusal
    assert refusal == f"{other} is not this payout: it is of 99.00 USD, not 100.00 USD."
    told = f"The provider does list {other} for this row; it was made. Have it taken back there first."
    assert says_never(timed, first).refusal == told
    # but once it was taken back, the row was not paid, and a retry pays it once
    provider(timed).cancel("", other, "take-back")
    assert says_never(timed, first).state is PayoutState.REJECTED
    act(timed, payouts.retry, seen.id)
    assert again(timed, seen.id).state is State.COMPLETED
    alive = [each["amount"] for each in timed.sandbox.control.payouts(HARBOUR) if each["status"] != "canceled"]
    assert sorted(alive) == sorted(row.amount_minor for row in rows_of(timed, seen.id) if row.newest)
    assert violations(timed) == {}


def test_a_payout_that_was_never_made_is_refused_and_can_be_retried(timed: World):
    # Given a payout that a person says was never made
    execution_id = needs_review(timed, arrived=False)
    row = row_as_stored(timed, execution_id)
    act(timed, payouts.resolve, row.id, Verdict.NEVER_MADE, "", "Neither in the dashboard nor at the bank.", who="ben")
    # When the desk has looked too
    timed.work_off()
    # Then it has failed for certain, and a retry pays it once
    assert states(timed, execution_id) == ["rejected"]
    assert timed.execution(execution_id).state is State.FAILED
    act(timed, payouts.retry, execution_id)
    assert again(timed, execution_id).state is State.COMPLETED
    assert made(timed) == [("usd", 10_000)]
    assert violations(timed) == {}


def test_a_person_who_says_never_made_is_not_believed_when_the_provider_lists_it(timed: World):
    seen = timed.approved("currency,maximum\nUSD,100.00\n")
    begun = begin(timed)
    sent_and_died(timed, begun, prepared(timed, begun)[0])
    timed.sandbox.control.fault(Fault(FaultKind.ERROR_BEFORE, method="GET", path="/v1/payouts", times=50))
    timed.advance(timedelta(hours=24))
    resume(timed)
    timed.sandbox.control.post("reset", {"only": ["fault"]})
    force_review(timed, seen.id)
    row = row_as_stored(timed, seen.id)

    act(timed, payouts.resolve, row.id, Verdict.NEVER_MADE, "", "I saw nothing.", who="ben")
    timed.work_off()

    assert states(timed, seen.id) == ["created"]
    assert made(timed) == [("usd", 10_000)]


def force_review(timed: World, execution_id: str) -> None:
    row = row_as_stored(timed, execution_id)
    with timed.desk.work(worker_actor(timed.orgs["harbour"])) as work:
        service.review(work, row, "for the test")


def test_whoever_prepared_it_does_not_settle_it_and_a_reason_is_needed(timed: World):
    execution_id = needs_review(timed, arrived=False)
    row = row_as_stored(timed, execution_id)

    def say(who: str, verdict: Verdict = Verdict.NEVER_MADE, comment: str = "Looked.") -> str:
        return code_of(act, timed, payouts.resolve, row.id, verdict, "", comment, who=who)

    assert say("ana") == "NOT_ALLOWED"
    assert say("eva") == "NOT_ALLOWED"
    assert say("ben", comment=" ") == "COMMENT_NEEDED"
    assert say("ben", Verdict.EXISTS) == "PROVIDER_ID_NEEDED"


# --- stop in time, and take back


def held(world: World) -> operations.ExecutionView:
    return world.approved(TWO)


def test_an_approved_run_is_held_back_and_can_be_stopped_by_who_prepared_or_approved_it(held_back: World):
    for who in ("ana", "ben", "carla"):
        seen = held_back.approved(f"currency,maximum\nUSD,{100 + len(who)}.00\nEUR,{len(who) + ord(who[0])}.00\n")
        assert (seen.state, seen.not_before is not None) == (State.QUEUED, True)
        assert held_back.work_off() == 0

        act(held_back, operations.cancel, seen.id, "second thoughts", who=who)

        due_now(held_back)
        held_back.work_off()
        assert held_back.execution(seen.id).state is State.CANCELLED
    assert made(held_back) == []


def test_nobody_else_stops_it(held_back: World):
    seen = held_back.approved(TWO)

    assert code_of(act, held_back, operations.cancel, seen.id, who="dan") == "NOT_ALLOWED"


def test_after_the_window_it_is_sent(held_back: World):
    seen = held_back.approved(TWO)
    due_now(held_back)

    held_back.work_off()

    assert held_back.execution(seen.id).state is State.COMPLETED


def test_payouts_that_have_not_left_are_taken_back(both: World):
    # Given two payouts, one of which is on its way to the bank
    world = both
    seen = world.approved(TWO)
    world.work_off()
    first, _ = rows_of(world, seen.id)
    world.sandbox.control.transition(first.provider_id, "in_transit", account=HARBOUR)
    world.follow()
    # When somebody takes back what can be
    assert act(world, payouts.ask_cancel, seen.id, reason="wrong amounts", who="ben") == 1
    world.work_off()
    # Then the other one is back in the balance
    assert states(world, seen.id) == ["in_transit", "canceled"]
    assert alive(world) == [("usd", 10_000)]
    assert world.execution(seen.id).message == "1 of 2 payouts made, 1 not sent."
    assert violations(world) == {}


def test_a_payout_that_left_meanwhile_goes_on_and_says_so(world: World):
    seen = world.approved("currency,maximum\nUSD,100.00\n")
    world.work_off()
    (row,) = rows_of(world, seen.id)
    world.sandbox.control.transition(row.provider_id, "in_transit", account=HARBOUR)

    act(world, payouts.ask_cancel, seen.id)
    world.work_off()
    world.follow()

    (now,) = rows_of(world, seen.id)
    assert now.state.value == "in_transit"
    assert not now.cancel_asked
    assert code_of(act, world, payouts.ask_cancel, seen.id) == "NOTHING_TO_CANCEL"


def test_whoever_is_near_is_told_of_a_payout_that_somebody_else_took_back(world: World):
    seen = world.approved("currency,maximum\nUSD,100.00\n")
    world.work_off()
    (row,) = rows_of(world, seen.id)
    provider(world).cancel("", row.provider_id, "by-hand")

    world.follow()

    assert states(world, seen.id) == ["canceled"]
    for who in ("ana", "ben"):
        assert told_of(world, who) == [f"100.00 USD of {seen.number} was taken back"]


def test_nobody_is_told_of_a_payout_taken_back_as_they_asked_however_the_provider_says_it(world: World):
    # Given a payout that was taken back, though nobody here has heard so
    seen = world.approved("currency,maximum\nUSD,100.00\n")
    world.work_off()
    (row,) = rows_of(world, seen.id)
    provider(world).cancel("", row.provider_id, "by-hand")
    # When somebody asks for it, and the provider refuses because it is
    act(world, payouts.ask_cancel, seen.id)
    world.work_off()
    # Then it is taken back, which is no news
    (now,) = rows_of(world, seen.id)
    assert (now.state.value, now.error_message) == ("canceled", "Taken back at the provider.")
    assert told_of(world, "ana") == []


def test_a_cancel_without_a_clear_answer_is_asked_again(world: World):
    seen = world.approved("currency,maximum\nUSD,100.00\n")
    world.work_off()
    world.sandbox.control.fault(Fault(FaultKind.RESET_AFTER, path="/v1/payouts/*/cancel"))

    act(world, payouts.ask_cancel, seen.id)
    with pytest.raises(FinOpsError):
        world.work_off()
    from tests.tampering import tamper

    tamper(world.desk.settings, "UPDATE job SET lease_until_ms = 0 WHERE state = 'leased'")
    world.work_off()

    assert states(world, seen.id) == ["canceled"]


def test_the_question_about_a_retry_is_a_question_of_its_own(world: World):
    seen = with_one_refused(world)
    act(world, payouts.retry, seen.id)
    world.work_off()
    planned = world.execution(seen.id)
    act(world, operations.submit, seen.id, planned.plan_hash)

    with world.desk.read(world.actor("ben")) as reading:
        requests = approvals.of_subject(reading, "execution", seen.id)

    assert [request.round for request in requests] == [2, 1]
    assert requests[0].title.endswith("attempt 2")
    assert requests[0].content_hash != requests[1].content_hash
    assert USD not in requests[0].title


# --- what the log keeps of it


def records(world: World, row: PayoutView | Unsettled) -> list[audit.AuditView]:
    """Everything the log has of a payout, each record about the row as it was approved."""
    with world.desk.read(worker_actor(world.orgs["harbour"])) as reading:
        found = audit.of_object(reading, f"payout:{row.id}")
    assert {(each.detail["execution"], each.detail["row"]) for each in found} == {(row.execution_id, row.row_no)}
    assert {each.before for each in found} == {row_as_stored(world, row.execution_id, row.row_no).row_hash}
    return list(found)


def steps_of(world: World, row: PayoutView | Unsettled) -> list[tuple[str, str]]:
    """By the log: each state it moved on to, and why."""
    moved = [each for each in records(world, row) if "to" in each.detail]
    assert [each.verb for each in moved] == [f"payout.{each.detail['to']}" for each in moved]
    assert all(each.after == each.before for each in moved)
    return [(str(each.detail["to"]), str(each.detail.get("why", ""))) for each in moved]


def test_the_log_has_each_step_of_a_payout_with_its_row_and_why(world: World):
    seen = with_one_refused(world)
    first, second = rows_of(world, seen.id)
    world.sandbox.control.transition(first.provider_id, "in_transit", "failed", account=HARBOUR, code="account_closed")
    world.follow()

    with world.desk.read(worker_actor(world.orgs["harbour"])) as reading:
        ours = [each for each in audit.of_object(reading, f"execution:{seen.id}") if each.verb == "payouts.prepared"]

    assert [(each.detail["attempt"], each.detail["payouts"], each.detail["mode"]) for each in ours] == [(1, 2, "test")]
    assert steps_of(world, first) == [("submitting", ""), ("created", ""), ("failed", "account_closed")]
    assert [each.detail.get("provider_id") for each in records(world, first)] == [None, first.provider_id, None]
    assert steps_of(world, second) == [("submitting", ""), ("rejected", "balance_insufficient")]
    assert last_call(world, second.id) == ("submit", f"{second.error_code}: {second.error_message}")


def test_the_log_says_why_nobody_was_sure_of_a_payout_and_what_became_of_it(timed: World):
    # Given a payout in doubt, then left to a person
    seen = in_doubt(timed)
    (row,) = rows_of(timed, seen.id)
    timed.advance(timedelta(hours=24))
    timed.look_up()
    # When a person says that it was never made
    act(timed, payouts.resolve, row.id, Verdict.NEVER_MADE, "", "Looked.", who="ben")
    timed.work_off()
    # Then the log has the whole story, and the row how it ended
    assert steps_of(timed, row) == [
        ("submitting", ""),
        ("in_doubt", "No answer came: the connection broke off."),
        ("needs_review", look_up.TOO_LATE),
        ("rejected", "NEVER_MADE"),
    ]
    (said,) = [each for each in records(timed, row) if each.verb == "payout.resolution_given"]
    assert said.actor == timed.people["ben"]
    assert {name: said.detail[name] for name in ("verdict", "provider_id")} == {
        "verdict": "never_made",
        "provider_id": "",
    }
    (settled,) = rows_of(timed, seen.id)
    assert (settled.error_code, settled.error_message) == (
        "NEVER_MADE",
        "Never made: the provider was looked at by a person and by us.",
    )
    assert last_call(timed, row.id) == ("find", "checked for a person")


def test_the_log_says_why_a_payout_was_called_off(world: World):
    seen = world.approved(TWO)
    begun = begin(world)
    prepared(world, begun)
    act(world, operations.cancel, seen.id)
    resume(world)

    for row in rows_of(world, seen.id):
        assert (row.state, row.error_code) == (PayoutState.CANCELED, service.CALLED_OFF)
        assert steps_of(world, row) == [("canceled", row.error_message)]


def test_what_was_refused_first_is_gone_once_a_person_has_found_the_right_one(timed: World):
    # Given a payout that waits for a person, who named one that does not exist
    row = row_as_stored(timed, needs_review(timed, arrived=True))
    (found,) = timed.sandbox.control.payouts(HARBOUR)
    still = says_exists(timed, row.id, "po_sbx_wrong")
    assert still.refusal == "po_sbx_wrong is not this payout: the provider does not know it."
    with timed.desk.read(timed.actor("ben")) as reading:
        assert not payouts.resolutions(reading, [row.id])[row.id].checking
    # When they name the right one
    timed.advance(timedelta(seconds=1))
    settled = says_exists(timed, row.id, found["id"])
    # Then nothing is said against it any more, and the log has both
    assert (settled.state, settled.refusal) == (PayoutState.CREATED, "")
    assert (settled.error_code, settled.error_message) == ("", "")
    told = {each.verb: each.detail for each in records(timed, row)}
    assert told["payout.resolution_refused"]["why"] == still.refusal
    assert told["payout.resolution_upheld"]["provider_id"] == found["id"]


def test_a_payout_that_is_found_by_its_marks_is_logged_so(timed: World):
    _, row = paid_twice(timed)
    first, second = (each["id"] for each in timed.sandbox.control.payouts(HARBOUR))
    provider(timed).cancel("", second, "take-back")

    says_exists(timed, row.id, first)

    assert logged(timed, row.id, "payout.resolution_upheld") == ["it carries our marks"]
