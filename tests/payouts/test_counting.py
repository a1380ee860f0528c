"""A row of which several attempts may have moved money: told, counted, held back and settled, and never paid again."""

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update

from finops_core import connections, files, notifications, operations, payouts
from finops_core.adapters.stripe_sandbox.faults import Fault, FaultKind
from finops_core.kernel.actor import worker_actor
from finops_core.kernel.errors import FinOpsError
from finops_core.kernel.provider import PayoutStatus
from finops_core.operations import State
from finops_core.payouts import (
    PayoutFilter,
    PayoutView,
    Standing,
    Tie,
    TieOut,
    Verdict,
    following,
    queries,
    service,
)
from finops_core.payouts.models import payout
from finops_core.payouts.queries import Unsettled
from tests.operations.walks import code_of
from tests.payouts.test_following import event, hear
from tests.payouts.walks import (
    HARBOUR,
    act,
    again,
    begin,
    due_now,
    made,
    prepared,
    resume,
    states,
    violations,
    with_provider,
)
from tests.tampering import tamper
from tests.world import World

ONE = "currency,maximum\nUSD,100.00\n"
TWO = "currency,maximum\nUSD,100.00\nEUR,100.00\n"


@dataclass
class Contradicting:
    """A provider that says of one payout that it was paid after all."""

    real: Any
    payout_id: str

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)

    def get(self, *asked: Any) -> Any:
        return self._told(self.real.get(*asked))

    def find(self, *asked: Any) -> list[Any]:
        return [self._told(each) for each in self.real.find(*asked)]

    def _told(self, each: Any) -> Any:
        return replace(each, status=PayoutStatus.PAID) if each.id == self.payout_id else each


def came_back(world: World, file: str = ONE) -> str:
    """A batch whose first row came back; its id."""
    seen = world.approved(file)
    world.work_off()
    first = attempts(world, seen.id)[0]
    world.sandbox.control.transition(first.provider_id, "in_transit", "failed", account=HARBOUR)
    world.follow()
    return seen.id


def refused_again(world: World) -> str:
    """The same, whose retry was refused."""
    execution_id = came_back(world)
    act(world, payouts.retry, execution_id)
    world.sandbox.control.fault(Fault(FaultKind.BALANCE_INSUFFICIENT))
    assert again(world, execution_id).state is State.FAILED
    return execution_id


def paid_again(world: World) -> str:
    """The same, whose retry was made."""
    execution_id = came_back(world)
    act(world, payouts.retry, execution_id)
    assert again(world, execution_id).state is State.COMPLETED
    return execution_id


def paid_after_all(world: World, execution_id: str) -> World:
    """The provider says of the first attempt that it was paid; the world as it is from then on."""
    first = stored(world, execution_id)
    changed = with_provider(world, lambda real: Contradicting(real, first.provider_id))
    told = replace(changed.desk.ports.provider(credentials(world, first)).get("", first.provider_id))
    with world.desk.work(worker_actor(world.orgs["harbour"])) as work:
        following.move_on(work, first, told)
    return changed


def credentials(world: World, row: Unsettled) -> Any:
    with world.desk.read(worker_actor(world.orgs["harbour"])) as reading:
        return connections.credentials(reading, row.connection_id)


def stored(world: World, execution_id: str, attempt: int = 1) -> Unsettled:
    with world.desk.read(worker_actor(world.orgs["harbour"])) as reading:
        return queries.batch(reading, execution_id, attempt)[0]


def attempts(world: World, execution_id: str) -> tuple[PayoutView, ...]:
    with world.desk.read(worker_actor(world.orgs["harbour"])) as reading:
        return payouts.rows(reading, execution_id)


def tied(world: World, execution_id: str) -> TieOut:
    with world.desk.read(world.actor("ana")) as reading:
        (told,) = payouts.tie_out(reading, execution_id)
    return told


def count(world: World, execution_id: str, standing: Standing) -> int:
    with world.desk.read(world.actor("ana")) as reading:
        return payouts.page(reading, PayoutFilter(execution_id, standing)).sums.count


def remedies(world: World, execution_id: str, who: str = "ana") -> payouts.Remedies:
    with world.desk.read(world.actor(who)) as reading:
        return payouts.remedies(reading, operations.execution(reading, execution_id))


def settled(world: World, execution_id: str) -> None:
    """Ben says of the first attempt what the provider says."""
    first = attempts(world, execution_id)[0]
    act(world, payouts.resolve, first.id, Verdict.EXISTS, "", "Seen paid in the dashboard.", who="ben")
    world.work_off()


def titles(world: World, who: str) -> list[str]:
    with world.desk.read(world.actor(who)) as reading:
        return [each.title for each in notifications.unread(reading)]


# --- a first attempt that is in doubt again


def test_doubt_about_an_early_attempt_opens_the_execution_and_shows_everywhere(both: World):
    # Given a row that came back, and whose retry was refused
    world = both
    execution_id = refused_again(world)
    assert tied(world, execution_id).refused == 10_000
    # When the provider says that the first attempt was paid after all
    paid_after_all(world, execution_id)
    # Then the row is in doubt and nothing else, in the state, the figures and the report
    view = world.execution(execution_id)
    assert (view.state, view.message) == (State.UNSETTLED, "0 of 1 payouts made, 1 in doubt.")
    assert [(row.attempt, row.newest) for row in attempts(world, execution_id)] == [(1, True), (2, False)]
    assert (count(world, execution_id, Standing.IN_DOUBT), count(world, execution_id, Standing.NOT_MADE)) == (1, 0)
    sums = tied(world, execution_id)
    assert (sums.in_doubt, sums.refused, sums.planned - sums.accounted, sums.tie) == (10_000, 0, 0, Tie.DOUBT)
    # and the retry is neither open nor offered, in the same words
    with pytest.raises(FinOpsError) as refused:
        act(world, payouts.retry, execution_id)
    why_not = remedies(world, execution_id).again.why_not
    assert why_not is not None
    assert (refused.value.code, refused.value.message) == ("STILL_IN_DOUBT", why_not.message)
    assert not remedies(world, execution_id).may_retry
    assert remedies(world, execution_id, "ben").may_settle


def test_a_row_that_an_early_attempt_paid_after_all_is_told_as_paid_and_never_retried(both: World):
    execution_id = refused_again(both)
    world = paid_after_all(both, execution_id)

    settled(world, execution_id)

    view, sums = world.execution(execution_id), tied(world, execution_id)
    assert (view.state, view.message) == (State.COMPLETED, "1 of 1 payouts made.")
    assert (sums.arrived, sums.refused, sums.planned - sums.accounted) == (10_000, 0, 0)
    assert (count(world, execution_id, Standing.SENT), count(world, execution_id, Standing.NOT_MADE)) == (1, 0)
    assert not remedies(world, execution_id).may_retry
    assert code_of(act, world, payouts.retry, execution_id) == "NOTHING_TO_RETRY"
    with world.desk.read(world.actor("ana")) as reading:
        shown = operations.result(reading, execution_id)
    assert shown is not None
    assert (shown.success, shown.table["State"]) == (True, ("paid",))


@pytest.mark.parametrize("waits", ["to be planned", "for its submission", "for its approval", "held back"])
def test_a_retry_that_has_not_begun_is_called_back_when_the_first_attempt_is_in_doubt_again(
    held_back: World, waits: str
):
    # Given a row that came back, and its retry on its way
    world = held_back
    seen = world.approved(ONE)
    due_now(world)
    world.work_off()
    first = attempts(world, seen.id)[0]
    world.sandbox.control.transition(first.provider_id, "in_transit", "failed", account=HARBOUR)
    world.follow()
    act(world, payouts.retry, seen.id)
    if waits != "to be planned":
        world.work_off()
    if waits in {"for its approval", "held back"}:
        act(world, operations.submit, seen.id, world.execution(seen.id).plan_hash)
    if waits == "held back":
        world.decide(world.execution(seen.id))
    # When the first attempt was paid after all
    changed = paid_after_all(world, seen.id)
    # Then the retry is called back, and pays nothing whatever is due
    assert world.execution(seen.id).state is State.UNSETTLED
    due_now(changed)
    changed.work_off()
    assert made(changed) == [("usd", 10_000)]
    assert changed.execution(seen.id).state is State.UNSETTLED
    # and once it is settled, the row is paid
    settled(changed, seen.id)
    assert (changed.execution(seen.id).state, states(changed, seen.id)) == (State.COMPLETED, ["paid"])


def test_a_second_attempt_is_not_sent_when_the_first_is_in_doubt_by_then(world: World):
    # Given a retry whose rows are stored and not sent
    execution_id = came_back(world)
    act(world, payouts.retry, execution_id)
    world.work_off()
    view = world.execution(execution_id)
    act(world, operations.submit, view.id, view.plan_hash)
    world.decide(view)
    begun = begin(world)
    prepared(world, begun)
    # When the first attempt was paid after all, before another worker takes the run up
    changed = paid_after_all(world, execution_id)
    resume(changed)
    # Then nothing was sent, and the row says why
    assert made(changed) == [("usd", 10_000)]
    told = {row.attempt: (row.state.value, row.error_message) for row in attempts(changed, execution_id)}
    assert told[2] == ("canceled", "Not sent: attempt 1 may have paid it after all.")
    assert changed.execution(execution_id).state is State.UNSETTLED


# --- paid twice


def test_money_that_left_twice_is_told_loudly_until_a_person_has_settled_it(both: World):
    # Given a row that came back and was paid again
    execution_id = paid_again(both)
    # When the provider says that the first attempt was paid after all
    world = paid_after_all(both, execution_id)
    # Then it may be twice
    view, sums = world.execution(execution_id), tied(world, execution_id)
    assert (view.state, view.message) == (State.UNSETTLED, "1 of 1 payouts made, 1 in doubt.")
    assert (sums.in_doubt, sums.beside, sums.planned - sums.accounted, sums.tie) == (10_000, 10_000, 0, Tie.DOUBT)
    assert count(world, execution_id, Standing.IN_DOUBT) == 1
    # and when a person has found that it was, it is
    settled(world, execution_id)
    view, sums = world.execution(execution_id), tied(world, execution_id)
    assert (view.state, view.message) == (State.UNSETTLED, "1 of 1 payouts made, 1 paid twice.")
    assert (sums.twice, sums.planned - sums.accounted, sums.tie) == (10_000, 0, Tie.TWICE)
    assert [(row.attempt, row.newest, row.twice) for row in attempts(world, execution_id)] == [
        (1, True, False),
        (2, True, True),
    ]
    assert remedies(world, execution_id).twice.amounts == {"USD": 10_000}
    assert f"100.00 USD of {view.number} was paid twice" in titles(world, "carla")
    assert {"payouts.I1", "payouts.I5", "payouts.I12"} <= set(violations(world))
    # and when somebody who did not prepare it has dealt with it, the execution ends
    second = attempts(world, execution_id)[1].id
    assert code_of(act, world, payouts.resolve, second, Verdict.PAID_TWICE, "", " ", who="ben") == "COMMENT_NEEDED"
    act(world, payouts.resolve, second, Verdict.PAID_TWICE, "", "The bank sent it back.", who="ben")
    assert world.execution(execution_id).state is State.COMPLETED
    assert (tied(world, execution_id).twice, tied(world, execution_id).beside) == (0, 10_000)
    told = code_of(act, world, payouts.resolve, second, Verdict.PAID_TWICE, "", "Once more.", who="ben")
    assert told == "PAYOUT_MOVED_ON"
    # and the standing checks, which told of it until then, are free to tell of the next one
    assert not {"payouts.I1", "payouts.I5", "payouts.I12"} & set(violations(world))


def test_a_doubling_that_was_settled_hides_no_later_one_of_its_row(world: World):
    # Given a row that was paid twice, which was dealt with; then both came back, and it was paid a third time
    execution_id = paid_again(world)
    changed = paid_after_all(world, execution_id)
    settled(changed, execution_id)
    second = attempts(changed, execution_id)[1]
    act(changed, payouts.resolve, second.id, Verdict.PAID_TWICE, "", "The bank sends it back.", who="ben")
    world.sandbox.control.transition(second.provider_id, "in_transit", "failed", account=HARBOUR)
    world.follow()
    act(world, payouts.retry, execution_id)
    assert again(world, execution_id).state is State.COMPLETED
    # When the second payment has arrived after all
    told = with_provider(world, lambda real: Contradicting(real, second.provider_id))
    following.Follower(told.desk, told.orgs["harbour"]).follow(stored(world, execution_id, 2))
    act(told, payouts.resolve, second.id, Verdict.EXISTS, "", "Seen paid in the dashboard.", who="ben")
    told.work_off()
    # Then that is twice again, by every check
    assert [(row.attempt, row.twice) for row in attempts(told, execution_id)] == [(1, False), (2, False), (3, True)]
    assert {"payouts.I1", "payouts.I5", "payouts.I12"} <= set(violations(told))


def test_a_second_payment_that_is_taken_back_is_no_second_payment_any_more(world: World):
    execution_id = paid_again(world)
    changed = paid_after_all(world, execution_id)
    settled(changed, execution_id)
    second = attempts(changed, execution_id)[1]

    assert act(changed, payouts.ask_cancel, execution_id, second.id) == 1
    changed.work_off()

    assert [(row.state.value, row.newest) for row in attempts(changed, execution_id)] == [
        ("paid", True),
        ("canceled", False),
    ]
    assert changed.execution(execution_id).state is State.COMPLETED
    assert (tied(changed, execution_id).twice, tied(changed, execution_id).beside) == (0, 0)


def test_nothing_of_a_batch_is_retried_while_a_row_of_it_was_paid_twice(world: World):
    # Given two rows, the first of which was paid twice
    execution_id = came_back(world, TWO)
    act(world, payouts.retry, execution_id)
    again(world, execution_id)
    changed = paid_after_all(world, execution_id)
    settled(changed, execution_id)
    # When the other one comes back
    other = next(row for row in attempts(changed, execution_id) if row.row_no == 2)
    changed.sandbox.control.transition(other.provider_id, "in_transit", "failed", account=HARBOUR)
    with changed.desk.work(worker_actor(changed.orgs["harbour"])) as work:
        row = next(each for each in queries.newest_of(work, execution_id) if each.row_no == 2)
        following.move_on(work, row, changed.desk.ports.provider(credentials(changed, row)).get("", row.provider_id))
    # Then it is told as not paid, and waits with its retry
    view = changed.execution(execution_id)
    assert view.message == "1 of 1 payouts made, 1 paid twice, 1 of an earlier attempt not paid."
    assert code_of(act, changed, payouts.retry, execution_id) == "PAID_TWICE"
    second = next(row for row in attempts(changed, execution_id) if row.attempt == 2)
    act(changed, payouts.resolve, second.id, Verdict.PAID_TWICE, "", "The bank sent it back.", who="ben")
    assert changed.execution(execution_id).state is State.FAILED
    assert remedies(changed, execution_id).may_retry


def test_money_that_comes_back_a_second_time_is_told_a_second_time(world: World):
    # Given a payout that came back, and arrived after all
    execution_id = came_back(world)
    told = [f"100.00 USD of {world.execution(execution_id).number} came back"]
    assert [title for title in titles(world, "ana") if title in told] == told
    changed = paid_after_all(world, execution_id)
    settled(changed, execution_id)
    assert states(changed, execution_id) == ["paid"]
    # When it comes back once more
    world.follow()
    # Then preparer and approver are told of that, too
    assert states(world, execution_id) == ["failed"]
    for who in ("ana", "ben"):
        assert [title for title in titles(world, who) if title in told] == told * 2


# --- a row that something else may pay


def one_blocked(world: World) -> tuple[str, str]:
    """Two rows were refused, and of the second the provider tells of a payout that the desk did not make: both ids."""
    seen = world.approved("currency,maximum\nUSD,100.00\nEUR,100.00\nGBP,100.00\n")
    world.sandbox.control.fault(
        *(Fault(FaultKind.BALANCE_INSUFFICIENT, where={"currency": each}) for each in ("usd", "eur"))
    )
    world.work_off()
    assert states(world, seen.id) == ["rejected", "rejected", "created"]
    second = next(row for row in attempts(world, seen.id) if row.row_no == 2)
    with world.desk.work(worker_actor(world.orgs["harbour"])) as work:
        row = next(each for each in queries.newest_of(work, seen.id) if each.id == second.id)
        body = service.body_of(work, row)
    there = world.desk.ports.provider(credentials(world, row)).submit("", body, "a-call-of-somebody-else").payout.id
    hear(world, event(world, there, "payout.created", 1, f"{seen.id}:2"))
    world.work_off()
    return seen.id, there


def test_a_row_that_something_else_may_pay_stays_visible_and_its_batch_is_not_told_as_done(world: World):
    # Given a batch of which one row failed, and another that something else may pay
    execution_id, there = one_blocked(world)
    found = remedies(world, execution_id)
    assert (found.again.rows, dict(found.again.blocked), found.may_retry) == ((1,), {2: there}, True)
    assert (found.again.sums.count, found.again.sums.amounts) == (1, {"USD": 10_000})
    # When what can be is retried
    act(world, payouts.retry, execution_id)
    view = again(world, execution_id)
    # Then the other row is told as not paid, the batch has failed, and nothing is offered that would be refused
    assert (view.state, view.message) == (State.FAILED, "1 of 1 payouts made, 1 of an earlier attempt not paid.")
    with world.desk.read(world.actor("ana")) as reading:
        shown = operations.result(reading, execution_id)
    assert shown is not None
    assert (shown.success, shown.table["Row"]) == (False, (1, 2))
    found = remedies(world, execution_id)
    assert found.again.why_not is not None
    assert (found.may_retry, found.again.rows, dict(found.again.blocked)) == (False, (), {2: there})
    assert code_of(act, world, payouts.retry, execution_id) == found.again.why_not.code == "OTHER_PAYOUT_FOUND"
    assert len(made(world)) == 3


# --- a result that changes late


def test_the_stored_result_and_its_files_follow_a_late_return(both: World):
    # Given a batch that was completed, of which a row came back since
    world = both
    execution_id = came_back(world, TWO)
    # When the job that this has queued is done
    world.work_off()
    # Then the stored result tells of it, and each of its files has another version
    with world.desk.read(world.actor("ana")) as reading:
        shown = operations.result(reading, execution_id)
        versions = {each.name: each.version for each in files.of(reading, "execution", execution_id)}
    assert shown is not None
    assert shown.message == world.execution(execution_id).message == "1 of 2 payouts made, 1 came back."
    assert shown.table["State"] == ("failed", "created")
    assert {version for name, version in versions.items() if "result" in name} == {2}


# --- whoever has to look is told again


def test_a_row_that_begins_to_wait_when_all_others_are_settled_is_told_again(timed: World):
    # Given two rows in doubt, of which the first waited for a person and was settled
    seen = timed.approved(TWO)
    timed.sandbox.control.fault(Fault(FaultKind.RESET_BEFORE, times=50))
    timed.work_off()
    timed.sandbox.control.post("reset", {"only": ["fault"]})
    assert states(timed, seen.id) == ["in_doubt", "in_doubt"]
    review(timed, seen.id, 1)
    assert titles(timed, "ben") == [f"100.00 USD of {seen.number} needs a decision"]
    act(timed, payouts.resolve, attempts(timed, seen.id)[0].id, Verdict.NEVER_MADE, "", "Not there.", who="ben")
    timed.work_off()
    act(timed, notifications.read_all, who="ben")
    # When the second begins to wait, on the same day
    review(timed, seen.id, 2)
    # Then that is news
    assert titles(timed, "ben") == [f"100.00 EUR of {seen.number} needs a decision"]


def test_a_row_that_joins_those_that_wait_is_told_once_a_day(timed: World):
    seen = timed.approved("currency,maximum\nUSD,100.00\nEUR,100.00\nGBP,100.00\n")
    timed.sandbox.control.fault(Fault(FaultKind.RESET_BEFORE, times=50))
    timed.work_off()
    review(timed, seen.id, 1)
    review(timed, seen.id, 2)
    assert len(titles(timed, "ben")) == 1

    timed.advance(timedelta(days=2))
    review(timed, seen.id, 3)

    assert f"100.00 GBP of {seen.number} needs a decision" in titles(timed, "ben")


def review(world: World, execution_id: str, row_no: int) -> None:
    with world.desk.work(worker_actor(world.orgs["harbour"])) as work:
        row = next(each for each in queries.newest_of(work, execution_id) if each.row_no == row_no)
        service.review(work, row, "for the test")


# --- a payout to another bank account


@dataclass
class Elsewhere:
    """A provider whose payouts went to another bank account than was asked for."""

    real: Any

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)

    def find(self, *asked: Any) -> list[Any]:
        return [replace(each, destination="ba_sbx_other") for each in self.real.find(*asked)]

    def get(self, *asked: Any) -> Any:
        return replace(self.real.get(*asked), destination="ba_sbx_other")


def test_a_payout_to_another_bank_account_stops_the_batch_and_waits_for_a_person(world: World):
    # Given an answer that names another bank account, as the provider's list does
    seen = world.approved(TWO)
    world.sandbox.control.fault(Fault(FaultKind.CHANGED_FIELDS, fields={"destination": "ba_sbx_other"}))
    changed = with_provider(world, Elsewhere)
    # When it is sent and looked up
    changed.work_off()
    # Then it is not taken for ours, nothing more is sent, and people are told
    first, second = attempts(changed, seen.id)
    assert (first.state.value, second.state.value) == ("needs_review", "canceled")
    (there,) = changed.sandbox.control.payouts(HARBOUR)
    told = f"The provider lists {there['id']} for this row, which goes to another bank account."
    assert first.error_message == told
    assert changed.execution(seen.id).state is State.UNSETTLED
    assert titles(changed, "ben") == [f"100.00 USD of {seen.number} needs a decision"]
    # and it was made, whoever says that it was not
    assert said(changed, first.id, Verdict.NEVER_MADE, "").refusal.endswith("Have it taken back there first.")
    # and once a person has said that it is the row's all the same, it is, and where it went stays to be read
    settled_one = said(changed, first.id, Verdict.EXISTS, there["id"])
    assert (settled_one.state.value, settled_one.provider_id) == ("created", there["id"])
    assert settled_one.error_message == "It went to another bank account than was approved: ba_sbx_other."
    view = changed.execution(seen.id)
    assert (view.state, view.message) == (State.FAILED, "1 of 2 payouts made, 1 not sent.")


def said(world: World, payout_id: str, verdict: Verdict, provider_id: str) -> payouts.PayoutView:
    act(world, payouts.resolve, payout_id, verdict, provider_id, "Seen in the dashboard.", who="ben")
    world.work_off()
    with world.desk.read(world.actor("ben")) as reading:
        return payouts.one(reading, payout_id)


# --- late by the organisation's calendar


def test_a_payout_is_late_by_the_day_it_is_where_the_organisation_is(timed: World):
    # Given an organisation far to the west, where it is still yesterday when it is midnight by UTC
    seen = timed.approved(ONE)
    timed.work_off()

    tamper(timed.desk.settings, "UPDATE organisation SET zone = 'Pacific/Honolulu'")
    now = timed.desk.ports.clock.now()
    timed.advance(now.replace(hour=1, minute=0) + timedelta(days=1) - now)
    today = timed.desk.ports.clock.now().date()

    def late(arrival_on: str) -> tuple[int, bool]:
        with timed.desk.work(worker_actor(timed.orgs["harbour"])) as work:
            mine = payout.c.org_id == work.org_id, payout.c.execution_id == seen.id
            work.execute(update(payout).where(*mine).values(arrival_on=arrival_on))
        return count(timed, seen.id, Standing.LATE), attempts(timed, seen.id)[0].late

    # When it was expected yesterday, or the day before
    assert late((today - timedelta(days=1)).isoformat()) == (0, False)
    # Then only the day before is late there
    assert late((today - timedelta(days=2)).isoformat()) == (1, True)
