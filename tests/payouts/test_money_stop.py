"""A stop of money holds payouts, too: none is begun while it stands, and what was begun is still booked."""

import threading

import pytest

from finops_core import ledger, operations, payouts
from finops_core.kernel.actor import worker_actor
from finops_core.ledger import EntryType, StopWidth, stopping
from finops_core.payouts import PayoutState, service
from tests.payouts.test_bank_transfers import approved, written
from tests.payouts.walks import act, again, begin, made, prepared, rows_of, violations
from tests.world import World

TWO = "currency,maximum\nUSD,100.00\nEUR,100.00\n"


def stop(world: World, width: StopWidth = StopWidth.ALL, subject: str = "") -> str:
    with world.desk.work(world.actor("carla")) as work:
        return ledger.stop(work, width, "a drift was found", subject)


@pytest.mark.parametrize(
    ("width", "subject"), [(StopWidth.ALL, ""), (StopWidth.NON_ESSENTIAL, ""), (StopWidth.TYPE, "PAYOUT")]
)
def test_nothing_leaves_while_payouts_are_stopped(world: World, width: StopWidth, subject: str):
    seen = world.approved(TWO)
    stop(world, width, subject)

    world.work_off()

    assert made(world) == []
    assert [row.state for row in rows_of(world, seen.id)] == [PayoutState.CANCELED] * 2
    told = rows_of(world, seen.id)[0].error_message
    assert told == "Not sent: Money operations are stopped: a drift was found."
    assert violations(world) == {}


@pytest.mark.parametrize(("width", "subject"), [(StopWidth.TYPE, "DEPOSIT"), (StopWidth.WALLET, "")])
def test_a_stop_of_something_else_lets_them_go(world: World, width: StopWidth, subject: str):
    if width is StopWidth.WALLET:
        with world.desk.work(world.actor("ana")) as work:
            subject = ledger.open_wallet(work, "party_lumen", "USD")
    seen = world.approved(TWO)
    stop(world, width, subject)

    world.work_off()

    assert world.execution(seen.id).state is operations.State.COMPLETED
    assert len(made(world)) == 2


def test_a_stop_in_the_middle_of_a_batch_keeps_what_was_begun_and_begins_no_more(world: World):
    seen = world.approved(TWO)
    first, second = prepared(world, begin(world))
    worker = worker_actor(world.orgs["harbour"])

    with world.desk.work(worker) as work:
        begun = service.intend(work, first)
    stop(world)
    with world.desk.work(worker) as work:
        refused = service.intend(work, second)

    assert (begun.state, refused.state) == (PayoutState.SUBMITTING, PayoutState.CANCELED)
    assert [row.state for row in rows_of(world, seen.id)] == [PayoutState.SUBMITTING, PayoutState.CANCELED]


def test_once_it_is_lifted_what_was_not_sent_is_retried_with_an_approval_of_its_own(world: World):
    seen = world.approved(TWO)
    stop_id = stop(world)
    world.work_off()
    with world.desk.work(world.actor("carla")) as work:
        ledger.resume(work, stop_id, "explained and mended")

    act(world, payouts.retry, seen.id)

    assert again(world, seen.id).state is operations.State.COMPLETED
    assert made(world) == [("eur", 10_000), ("usd", 10_000)]


def test_no_bank_file_is_written_under_a_stop_and_its_orders_are_taken_back(world: World):
    seen = approved(world)
    stop(world)

    world.work_off()

    assert written(world, seen.id) == []
    assert {row.state for row in rows_of(world, seen.id)} == {PayoutState.CANCELED}
    assert violations(world) == {}


def test_a_stop_waits_for_an_intent_on_its_way_and_none_follows_it(both: World):
    """On both databases: whoever has seen no stop commits before the stop stands."""
    stood = threading.Event()
    waiting = threading.Thread(target=lambda: (stop(both), stood.set()))
    worker = worker_actor(both.orgs["harbour"])

    with both.desk.work(worker) as work:
        assert stopping.why_not(work, EntryType.PAYOUT) == ""
        waiting.start()
        assert not stood.wait(0.5)
    waiting.join(20)

    assert stood.is_set()
    with both.desk.work(worker) as work:
        assert "a drift was found" in stopping.why_not(work, EntryType.PAYOUT)
