"""Asked to be taken back, and it could not be: the row says why, the wish is over, and whoever asked is told."""

import pytest

from finops_core import notifications, payouts
from finops_core.adapters.stripe_sandbox.faults import Fault, FaultKind
from finops_core.catalog.jobs import JOBS
from finops_core.kernel.actor import worker_actor
from finops_core.payouts import PayoutView
from finops_core.payouts.following import Follower
from finops_core.payouts.repair import CANCEL_JOB
from finops_core.platform import queue
from tests import inline
from tests.payouts.walks import HARBOUR, act, provider, row_as_stored, rows_of, violations
from tests.world import World

ONE = "currency,maximum\nUSD,100.00\n"
CANCEL = "/v1/payouts/*/cancel"


def made(world: World) -> PayoutView:
    seen = world.approved(ONE)
    world.work_off()
    return rows_of(world, seen.id)[0]


def now(world: World, row: PayoutView) -> PayoutView:
    return rows_of(world, row.execution_id)[0]


# Of approvals and ends of runs people are told, too; that is not what this is about.
ENDS = ("approval.", "execution.")


def told(world: World, who: str) -> list[tuple[str, str]]:
    with world.desk.read(world.actor(who)) as reading:
        return [(each.kind, each.body) for each in notifications.unread(reading) if not each.kind.startswith(ENDS)]


@pytest.mark.parametrize("kind", [FaultKind.FORBIDDEN, FaultKind.UNAUTHORIZED])
def test_a_key_that_may_not_take_back_is_named_as_the_reason(both: World, kind: FaultKind):
    # Given a payout that has not left, and a key that may not take it back
    world = both
    row = made(world)
    world.sandbox.control.fault(Fault(kind, path=CANCEL))
    # When an approver asks for it
    act(world, payouts.ask_cancel, row.execution_id, row.id, who="ben")
    world.work_off()
    # Then it still stands as made, says why, and nobody but who asked is told
    there = now(world, row)
    assert (there.state.value, there.cancel_asked) == ("created", False)
    assert there.error_message.startswith("It could not be taken back: ")
    assert "permission" in there.error_message or "API Key" in there.error_message
    assert told(world, "ben") == [("payout.cancel_refused", there.error_message)]
    assert told(world, "ana") == []
    assert violations(world) == {}
    # and once the key may, asking again does it
    assert act(world, payouts.ask_cancel, row.execution_id, row.id, who="ben") == 1
    world.work_off()
    assert now(world, row).state.value == "canceled"


def test_a_key_that_may_not_even_read_ends_the_wish_all_the_same(world: World):
    row = made(world)
    world.sandbox.control.fault(Fault(FaultKind.UNAUTHORIZED, method="", path="/v1/payouts/*", times=9))

    act(world, payouts.ask_cancel, row.execution_id)
    world.work_off()

    assert not now(world, row).cancel_asked
    assert [kind for kind, _ in told(world, "ana")] == ["payout.cancel_refused"]


def test_a_payout_that_left_before_the_provider_was_asked_says_so(both: World):
    # Given a payout somebody wants back, and that is found to have left before the worker asks
    world = both
    row = made(world)
    act(world, payouts.ask_cancel, row.execution_id)
    world.sandbox.control.transition(row.provider_id, "in_transit", account=HARBOUR)
    Follower(world.desk, world.orgs["harbour"]).follow(row_as_stored(world, row.execution_id))
    # When the worker gets to it
    world.work_off()
    # Then nobody waits for it any more, and who asked knows
    there = now(world, row)
    assert (there.state.value, there.cancel_asked) == ("in_transit", False)
    assert there.error_message == "It could not be taken back any more: it had left before the provider was asked."
    assert told(world, "ana") == [("payout.cancel_refused", there.error_message)]
    assert violations(world) == {}


def test_after_a_wish_that_was_refused_somebody_elses_cancellation_is_news(world: World):
    row = made(world)
    world.sandbox.control.fault(Fault(FaultKind.FORBIDDEN, path=CANCEL))
    act(world, payouts.ask_cancel, row.execution_id)
    world.work_off()

    provider(world).cancel("", row.provider_id, "by-hand")
    world.follow()

    assert [kind for kind, _ in told(world, "ana")] == ["payout.canceled", "payout.cancel_refused"]


def test_a_wish_that_comes_while_an_earlier_one_is_given_up_is_acted_on(world: World):
    # Given a wish that the provider refuses, and another one as the job is about to end
    row = made(world)
    world.sandbox.control.fault(Fault(FaultKind.FORBIDDEN, path=CANCEL))
    act(world, payouts.ask_cancel, row.execution_id)
    claim = inline.claimed(world.desk)
    assert claim is not None
    assert claim.kind == CANCEL_JOB
    JOBS[claim.kind].run(world.desk, claim)
    act(world, payouts.ask_cancel, row.execution_id, who="ben")
    with world.desk.work(worker_actor(claim.org_id)) as work:
        queue.complete(work, claim)
    # Then that one is heard too
    world.work_off()
    assert now(world, row).state.value == "canceled"
