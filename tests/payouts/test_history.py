"""The story of one payout: every move, call, piece of news and word of a person, for those who may see it."""

import pytest

from finops_core import connections, payouts
from finops_core.adapters.stripe_sandbox.faults import Fault, FaultKind
from finops_core.kernel.actor import webhook_actor, worker_actor
from finops_core.kernel.errors import NotAllowed, NotFound
from finops_core.kernel.provider import Mode, ProviderEvent
from finops_core.payouts import Order, PayoutFilter, StepKind, Verdict
from tests.payouts.walks import HARBOUR, act, again, rows_of
from tests.tampering import tamper
from tests.world import World

TWO = "currency,maximum\nUSD,100.00\nEUR,100.00\n"


def story(world: World, payout_id: str, who: str = "carla") -> payouts.PayoutHistory:
    with world.desk.read(world.actor(who)) as reading:
        return payouts.history(reading, payout_id)


def hear(world: World, *events: tuple[str, str]) -> str:
    """News from the provider, as (kind, payout); gives the connection it came through."""
    with world.desk.read(worker_actor(world.orgs["harbour"])) as reading:
        connection_id = connections.active(reading, "stripe").id
    for number, (kind, payout_id) in enumerate(events):
        now = world.desk.ports.clock.now()
        event = ProviderEvent(f"evt_sbx_{kind}_{number}", kind, "", payout_id, {}, Mode.TEST, now)
        with world.desk.work(webhook_actor(world.orgs["harbour"])) as work:
            payouts.take_news(work, connection_id, [(event, b"{}")])
    return connection_id


def test_a_payout_tells_how_it_went_to_the_bank_and_came_back(both: World):
    # Given a payout that arrived and was returned days later, with the provider's statement of both
    world = both
    seen = world.approved(TWO)
    world.work_off()
    first = rows_of(world, seen.id)[0]
    world.sandbox.control.transition(first.provider_id, "in_transit", "paid", account=HARBOUR)
    hear(world, ("payout.paid", first.provider_id))
    world.work_off()
    world.run_job("payouts.reconcile")
    world.sandbox.control.transition(first.provider_id, "failed", account=HARBOUR, code="no_account")
    hear(world, ("payout.failed", first.provider_id))
    world.work_off()
    world.run_job("payouts.reconcile")

    # When its story is read, by either id
    told, by_provider = story(world, first.id), story(world, first.provider_id)

    # Then it has everything in order, and each move stands after what led to it
    assert told == by_provider
    assert [(step.kind.value, step.what) for step in told.steps] == [
        ("moved", "approved"),
        ("moved", "submitting"),
        ("called", "submit"),
        ("moved", "created"),
        ("heard", "payout.paid"),
        ("moved", "paid"),
        ("heard", "payout.failed"),
        ("moved", "failed"),
    ]
    call = told.steps[2]
    assert (call.outcome, bool(call.request_id), call.duration_ms is not None) == ("created", True, True)
    assert told.steps[-1].told == "no_account"
    assert told.paid_at is not None

    # and the statement shows what left and what came back
    shown = told.statement
    assert (shown.net_minor, shown.fee_minor, shown.returned_minor, shown.agrees) == (-10_000, 0, 10_000, True)
    assert shown.movement_id != shown.return_id
    assert [attempt.id for attempt in told.attempts] == [first.id]


def test_a_statement_with_another_amount_does_not_agree(world: World):
    seen = world.approved(TWO)
    world.work_off()
    first, second = rows_of(world, seen.id)
    assert story(world, first.id).statement.seen_at is not None

    tamper(world.desk.settings, "UPDATE payout SET net_minor = net_minor - 1 WHERE id = :id", id=first.id)

    assert not story(world, first.id).statement.agrees
    assert story(world, second.id).statement.agrees


def test_what_people_said_of_a_payout_stands_in_its_story(both: World):
    # Given a payout of which nobody can say any more whether it was sent
    world = both
    seen = world.approved("currency,maximum\nUSD,100.00\n")
    unclear = Fault(FaultKind.RESET_BEFORE), Fault(FaultKind.ERROR_BEFORE, method="GET", path="/v1/payouts", times=9)
    world.sandbox.control.fault(*unclear)
    world.work_off()
    world.sandbox.control.post("reset", {"only": ["fault"]})
    world.sandbox.forgive()
    tamper(world.desk.settings, "UPDATE payout SET state = 'needs_review' WHERE state = 'in_doubt'")
    (row,) = rows_of(world, seen.id)
    # When Ben says that it was never made, and the desk has looked too
    act(world, payouts.resolve, row.id, Verdict.NEVER_MADE, "", "not in the dashboard", who="ben")
    world.work_off()
    # Then his words, the look-up and what followed stand there
    steps = story(world, row.id).steps
    said = next(step for step in steps if step.kind is StepKind.SAID)
    assert (said.what, said.told, said.by) == ("never_made", "not in the dashboard", world.people["ben"])
    assert [step.what for step in steps if step.kind is StepKind.CALLED][-1] == "find"
    assert (steps[-1].kind, steps[-1].what) == (StepKind.MOVED, "rejected")


def test_each_attempt_of_a_row_leads_to_the_others(world: World):
    seen = world.approved(TWO)
    world.sandbox.control.fault(Fault(FaultKind.BALANCE_INSUFFICIENT, nth=2))
    world.work_off()
    act(world, payouts.retry, seen.id)
    again(world, seen.id)

    newest = rows_of(world, seen.id)[1]

    told = story(world, newest.id)
    assert [(each.row_no, each.attempt, each.state.value) for each in told.attempts] == [
        (2, 1, "rejected"),
        (2, 2, "created"),
    ]
    assert told.payout.attempt == 2


def test_a_story_is_told_to_those_who_may_see_the_execution_alone(world: World):
    seen = world.approved(TWO)
    world.work_off()
    row = rows_of(world, seen.id)[0]

    assert story(world, row.id, "ana").payout.number == seen.number
    assert story(world, row.id, "ben").payout.number == seen.number
    for who, payout_id in (("ben", "pay_unknown"), ("ben", ""), ("adam", "po_unknown")):
        with pytest.raises(NotFound) as refused:
            story(world, payout_id, who)
        assert refused.value.code == "PAYOUT_UNKNOWN"
    with world.desk.read(world.actor("carla", "norrland")) as reading, pytest.raises(NotFound):
        payouts.history(reading, row.id)


def test_an_inbox_tells_when_the_last_news_came_and_what_waits(both: World):
    # Given a connection that never sent any
    world = both
    seen = world.approved(TWO)
    world.work_off()
    first = rows_of(world, seen.id)[0]
    with world.desk.read(world.actor("adam")) as reading:
        assert payouts.inbox(reading, connections.active(reading, "stripe").id) is None

    # When two pieces come, and again when they were looked into
    connection_id = hear(world, ("payout.updated", first.provider_id), ("payout.paid", first.provider_id))
    with world.desk.read(world.actor("adam")) as reading:
        before = payouts.inbox(reading, connection_id)
    world.work_off()
    with world.desk.read(world.actor("adam")) as reading:
        after = payouts.inbox(reading, connection_id)

    # Then the newest one is told, and first both wait, then none
    assert before is not None
    assert after is not None
    assert (before.last_kind, before.waiting, after.waiting) == ("payout.paid", 2, 0)
    with world.desk.read(world.actor("ana")) as reading, pytest.raises(NotAllowed):
        payouts.inbox(reading, connection_id)


def test_payouts_are_listed_by_trouble_by_arrival_or_newest_first(both: World):
    # Given one that comes tomorrow, one that has no date, and an earlier one that was refused
    world = both
    refused = world.approved("currency,maximum\nGBP,100.00\n")
    world.sandbox.control.fault(Fault(FaultKind.BALANCE_INSUFFICIENT))
    world.work_off()
    sent = world.approved(TWO)
    world.work_off()
    usd, eur = rows_of(world, sent.id)
    tamper(world.desk.settings, "UPDATE payout SET arrival_on = '2026-01-05' WHERE id = :id", id=eur.id)
    tamper(world.desk.settings, "UPDATE payout SET arrival_on = '' WHERE id = :id", id=usd.id)

    def listed(order: Order) -> list[str]:
        with world.desk.read(world.actor("carla")) as reading:
            return [row.currency for row in payouts.page(reading, PayoutFilter(), order=order).rows]

    # Then trouble first, or by date with the dateless last, or what left last first
    assert rows_of(world, refused.id)[0].state.value == "rejected"
    assert listed(Order.TROUBLE) == ["GBP", "USD", "EUR"]
    assert listed(Order.ARRIVAL) == ["EUR", "GBP", "USD"]
    assert listed(Order.NEWEST) == ["EUR", "USD", "GBP"]
