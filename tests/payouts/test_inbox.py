"""The inbox of a provider's news while the provider itself is not well: nothing is lost, nobody is pestered."""

from finops_core.adapters.stripe_sandbox.faults import Fault, FaultKind
from tests.payouts.test_following import event, hear, move, news, paid_batch
from tests.payouts.walks import due_now, states, violations
from tests.world import World

ONE_PAYOUT = "/v1/payouts/*"


def reads(world: World, payout_id: str) -> int:
    return len(world.sandbox.control.calls("GET", f"/v1/payouts/{payout_id}"))


def test_news_of_a_provider_that_does_not_answer_is_tried_again_after_a_pause(both: World):
    # Given news, and a provider that has fallen silent since
    world = both
    execution_id, (first, _) = paid_batch(world)
    move(world, first, "in_transit", "paid")
    world.work_off()
    world.sandbox.control.fault(Fault(FaultKind.ERROR_BEFORE, method="GET", path=ONE_PAYOUT, times=100))
    before = reads(world, first)
    # When the worker looks into it
    hear(world, event(world, first, "payout.paid", 1))
    world.work_off()
    # Then it asks once and lets it be for now
    assert reads(world, first) == before + 1
    assert (states(world, execution_id), news(world)) == (["created", "created"], [("payout.paid", "new")])
    # and once the provider is well and the pause is over, it is heard
    world.sandbox.control.post("reset", {"only": ["fault"]})
    due_now(world)
    world.work_off()
    assert (states(world, execution_id), news(world)) == (["paid", "created"], [("payout.paid", "done")])
    assert violations(world) == {}


def test_one_payout_that_cannot_be_read_keeps_no_other_waiting(world: World):
    execution_id, (first, second) = paid_batch(world)
    for each in (first, second):
        move(world, each, "in_transit", "paid")
    world.work_off()
    world.sandbox.control.fault(Fault(FaultKind.ERROR_BEFORE, method="GET", path=f"/v1/payouts/{first}", times=100))

    hear(world, event(world, first, "payout.paid", 1), event(world, second, "payout.paid", 2))
    world.work_off()

    assert states(world, execution_id) == ["created", "paid"]
    assert news(world) == [("payout.paid", "new"), ("payout.paid", "done")]
