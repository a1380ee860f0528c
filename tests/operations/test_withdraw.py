"""Taking back what waits for approval, and what takes its place."""

import pytest

from finops_core import approvals, audit, operations
from finops_core.kernel.errors import Conflict, FinOpsError, Invalid, NotAllowed, NotFound
from finops_core.operations import Drafted, ExecutionView, State, Upload
from tests.world import World

FILE = "currency,maximum\nUSD,12.00\n"
STRIPE = "payouts.stripe_balance"


def withdraw(world: World, seen: ExecutionView, reason: str = "The wrong month.", who: str = "ana") -> ExecutionView:
    with world.desk.work(world.actor(who)) as work:
        return operations.withdraw(work, seen.id, reason)


def resubmit(
    world: World, replaces: str, content: str | None = None, *, who: str = "ana", org: str = "harbour", **more
):
    upload = Upload("mended.csv", content.encode()) if content else None
    with world.desk.work(world.actor(who, org)) as work:
        return operations.draft(work, more.get("operation", STRIPE), more.get("params", {}), upload, replaces=replaces)


def kin(world: World, seen: ExecutionView, who: str = "ana") -> tuple[str | None, list[str]]:
    with world.desk.read(world.actor(who)) as reading:
        before, after = operations.kin(reading, operations.execution(reading, seen.id))
    return before.number if before else None, [each.number for each in after]


def test_the_requester_takes_it_back_and_nobody_can_approve_it_any_more(both: World):
    # Given a request
    seen = both.submitted(FILE)

    # When Ana takes it back
    ended = withdraw(both, seen)

    # Then it has ended with her reason, the request says so, and it stands in the log
    assert (ended.state, ended.message) == (State.CANCELLED, "Taken back by its requester: The wrong month.")
    with both.desk.read(both.actor("eva")) as reading:
        request = approvals.of_subject(reading, "execution", seen.id)[0]
        verbs = {record.verb for record in audit.trail(reading, f"execution:{seen.id}")}
    assert request.state is approvals.State.WITHDRAWN
    assert "execution.withdrawn" in verbs
    with pytest.raises(FinOpsError) as refused:
        both.decide(seen)
    assert refused.value.code == "APPROVAL_NOT_PENDING"
    assert both.work_off() == 0


@pytest.mark.parametrize("reason", ["", "  \n"])
def test_a_reason_is_needed(world: World, reason: str):
    seen = world.submitted(FILE)

    with pytest.raises(Invalid) as refused:
        withdraw(world, seen, reason)

    assert refused.value.code == "WITHDRAW_REASON_NEEDED"
    assert world.execution(seen.id).state is State.AWAITING_APPROVAL


def test_nobody_else_takes_it_back_and_nothing_but_what_waits_is_taken_back(world: World):
    seen, draft = world.submitted(FILE), world.planned("currency,maximum\nEUR,1.00\n")

    with pytest.raises(NotAllowed) as anothers:
        withdraw(world, seen, who="carla")
    with pytest.raises(Conflict) as early:
        withdraw(world, draft)
    world.decide(seen)
    with pytest.raises(Conflict) as late:
        withdraw(world, seen)

    assert (anothers.value.code, early.value.code, late.value.code) == (
        "NOT_YOURS",
        "EXECUTION_MOVED_ON",
        "EXECUTION_MOVED_ON",
    )


def test_another_one_takes_its_place_with_the_same_file_and_each_knows_the_other(both: World):
    # Given what was taken back
    seen = both.submitted(FILE)
    withdraw(both, seen)

    # When it is resubmitted, first with its own file, then with a mended one
    same = resubmit(both, seen.number)
    mended = resubmit(both, seen.id, "currency,maximum\nUSD,11.00\n")

    # Then both stand in its place, and the chain is seen from each end
    assert isinstance(same, Drafted)
    assert isinstance(mended, Drafted)
    first, second = both.execution(same.execution_id), both.execution(mended.execution_id)
    assert (first.input_name, first.input_sha256) == ("currencies.csv", seen.input_sha256)
    assert second.input_name == "mended.csv"
    assert kin(both, seen) == (None, [first.number, second.number])
    assert kin(both, first) == (seen.number, [])
    both.work_off()
    assert both.execution(first.id).state is State.READY


def test_what_was_rejected_may_be_replaced_and_what_ran_or_is_open_may_not(world: World):
    # Given one that was rejected, one that was paid, one that waits, and one of another operation
    rejected = world.submitted(FILE)
    world.decide(rejected, "rejected")
    paid = world.approved("currency,maximum\nEUR,1.00\n")
    world.work_off()
    waiting = world.submitted("currency,maximum\nGBP,1.00\n")

    # Then only the first can be replaced, by an execution of its own operation and person
    assert isinstance(resubmit(world, rejected.number), Drafted)
    for number, more in (
        (paid.number, {}),
        (waiting.number, {}),
        (rejected.number, {"operation": "reporting.csv_totals"}),
    ):
        with pytest.raises(Conflict) as refused:
            resubmit(world, number, FILE, **more)
        assert refused.value.code == "REPLACES_BAD"


def test_nothing_of_another_organisation_can_be_replaced(world: World):
    seen = world.submitted(FILE)
    withdraw(world, seen)

    with pytest.raises(NotFound):
        resubmit(world, seen.id, FILE, org="norrland")


def test_the_place_of_another_shows_only_to_who_may_see_it(world: World):
    # Given Ben was asked about the first, and not about its replacement
    seen = world.submitted(FILE)
    withdraw(world, seen)
    resubmit(world, seen.number)

    assert kin(world, seen, "ben") == (None, [])
    assert len(kin(world, seen, "eva")[1]) == 1
