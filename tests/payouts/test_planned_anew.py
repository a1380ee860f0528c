"""A plan made whole again before anything was sent: its rows are counted anew, and what was prepared before is void."""

import sqlite3
from contextlib import closing

from finops_core import operations, payouts, security
from finops_core.kernel.actor import system_actor
from finops_core.operations import State
from finops_core.payouts import service
from tests.operations.walks import code_of
from tests.payouts.walks import act, again, alive, begin, made, prepared, provider, resume, run_of, violations
from tests.tampering import tamper
from tests.world import World

THREE = "currency,maximum\nUSD,100.00\nEUR,100.00\nGBP,100.00\n"
LEAVE_OUT = {"unpayable": "leave the row out"}
Seen = tuple[int, int, str, str, bool]


def employed(world: World, who: str, *, active: bool) -> None:
    with world.desk.work(system_actor(world.orgs["harbour"])) as work:
        security.set_active(work, world.people[who], active=active)


def close_bank_account(world: World, currency: str) -> None:
    with closing(sqlite3.connect(world.desk.settings.data_dir / "stripe-sandbox.sqlite")) as store, store:
        assert store.execute("DELETE FROM bank_account WHERE currency = ?", (currency,)).rowcount


def void(world: World) -> operations.ExecutionView:
    """Three rows were prepared, the worker died before it sent one, and whoever had approved them left and came back.

    Meanwhile the first currency cannot be paid any more.
    """
    seen = world.approved(THREE, params=LEAVE_OUT)
    prepared(world, begin(world))
    employed(world, "ben", active=False)
    resume(world)
    employed(world, "ben", active=True)
    close_bank_account(world, "usd")
    view = world.execution(seen.id)
    assert (view.state, view.error_code) == (State.SUPERSEDED, "APPROVER_LEFT")
    return view


def every_row(world: World, execution_id: str) -> list[Seen]:
    with world.desk.read(world.actor("ana")) as reading:
        found = payouts.rows(reading, execution_id)
    return [(row.attempt, row.row_no, row.currency, row.state.value, row.newest) for row in found]


def test_what_was_prepared_for_a_void_plan_is_never_retried(both: World):
    world = both
    seen = void(world)

    act(world, operations.replan, seen.id)
    done = again(world, seen.id)

    # The rows of the new plan are numbered anew; the void ones stay to be seen, and count no more.
    assert (done.state, done.message) == (State.COMPLETED, "2 of 2 payouts made.")
    assert sorted(every_row(world, seen.id)) == [
        (1, 1, "USD", "canceled", False),
        (1, 2, "EUR", "canceled", False),
        (1, 3, "GBP", "canceled", False),
        (2, 1, "EUR", "created", True),
        (2, 2, "GBP", "created", True),
    ]
    with world.desk.read(world.actor("ana")) as reading:
        found, sums = payouts.remedies(reading, done), payouts.tie_out(reading, seen.id)
    assert (found.may_retry, found.failed.count, found.payouts) == (False, 0, 2)
    assert {each.currency: (each.planned, each.accounted, each.payouts) for each in sums} == {
        "EUR": (10_000, 10_000, 1),
        "GBP": (10_000, 10_000, 1),
    }
    assert code_of(act, world, payouts.retry, seen.id) == "NOTHING_TO_RETRY"
    assert made(world) == [("eur", 10_000), ("gbp", 10_000)]
    assert violations(world) == {}


def test_what_fails_of_the_new_plan_is_retried_as_it_was_planned_there(world: World):
    # Given a new plan whose second row, GBP, comes back
    seen = void(world)
    act(world, operations.replan, seen.id)
    again(world, seen.id)
    (sent,) = [each for each in world.sandbox.control.payouts("acct_sbx_harbour") if each["currency"] == "gbp"]
    world.sandbox.control.transition(sent["id"], "in_transit", "failed", account="acct_sbx_harbour")
    world.follow()

    act(world, payouts.retry, seen.id)
    done = again(world, seen.id)

    # The second row of the void plan was EUR: its number is not its name any more.
    assert (done.state, done.retry_rows) == (State.COMPLETED, (2,))
    assert alive(world) == [("eur", 10_000), ("gbp", 10_000)]
    assert violations(world) == {}


def test_between_two_plans_there_is_nothing_to_repair(world: World):
    """However the new plan ends, void rows are not offered: they would be paid under numbers that mean others."""
    seen = void(world)

    act(world, operations.replan, seen.id)

    with world.desk.read(world.actor("ana")) as reading:
        found = payouts.remedies(reading, world.execution(seen.id))
        assert (found.payouts, found.failed.count, payouts.tie_out(reading, seen.id)) == (0, 0, ())
    world.work_off()
    act(world, operations.cancel, seen.id)
    assert code_of(act, world, payouts.retry, seen.id) == "NOTHING_TO_RETRY"


def test_the_story_of_a_row_leaves_out_what_had_its_number_in_a_void_plan(world: World):
    seen = void(world)
    act(world, operations.replan, seen.id)
    again(world, seen.id)

    with world.desk.read(world.actor("ana")) as reading:
        rows = {(row.attempt, row.row_no): row for row in payouts.rows(reading, seen.id)}
        told = [payouts.history(reading, rows[key].id).attempts for key in ((1, 2), (2, 2))]

    assert [(row.void, row.newest) for row in (rows[1, 2], rows[2, 2])] == [(True, False), (False, True)]
    assert [[(each.attempt, each.currency) for each in attempts] for attempts in told] == [[(1, "EUR")], [(2, "GBP")]]


def test_nothing_is_sent_for_a_new_plan_when_anything_was_sent_for_an_old_one(both: World):
    """The last guard, should the desk ever be wrong about a plan being void."""
    world = both
    seen = world.approved(THREE)
    begun = begin(world)
    row = prepared(world, begun)[2]
    with run_of(world, begun).unit() as work:
        service.intend(work, row)
    provider(world).submit("", service.body_of(run_of(world, begun), row), row.key)
    tamper(world.desk.settings, "UPDATE job SET state = 'failed' WHERE state = 'leased'")
    tamper(world.desk.settings, "UPDATE execution SET state = 'superseded'")

    act(world, operations.replan, seen.id)
    view = again(world, seen.id)

    # What was sent for the old plan stands open, and once it is found nothing is told as done
    assert (view.state, view.error_code) == (State.UNSETTLED, "ALREADY_PAID")
    assert made(world) == [("gbp", 10_000)]
    world.look_up()
    assert world.execution(seen.id).state is State.FAILED
