"""The very same file once more, with other settings: it needs a reason, and nobody decides it without knowing."""

import pytest

from finops_core import operations, payouts
from finops_core.answers import verbs
from finops_core.approvals import Decision
from finops_core.commands import words
from finops_core.kernel.actor import worker_actor
from finops_core.kernel.errors import Conflict
from finops_core.operations import State
from tests.operations.walks import USD, act, code_of
from tests.world import World, running_world

HEAD = "name,iban,bic,currency,amount,reference,street,building,post_code,town,country\n"
PAYEES = HEAD + "Nordlicht GmbH,DE02120300000000202051,,EUR,10.00,,,,,Hamburg,DE\n"
TRANSFERS = {"operation": "payouts.bank_transfers"}
LATER = {"operation": "payouts.bank_transfers", "params": {"execute_on": "2099-01-05"}}
EACH = [(PAYEES, TRANSFERS, LATER), (USD, {}, {"params": {"descriptor": "OTHER"}})]


@pytest.fixture
def world(tmp_path):
    with running_world(tmp_path) as made:
        yield made


@pytest.fixture
def held_back(tmp_path):
    with running_world(tmp_path, hold_back_s=300) as made:
        yield made


def warnings_of(world: World, seen: operations.ExecutionView) -> tuple[str, ...]:
    with world.desk.read(worker_actor(world.orgs["harbour"])) as reading:
        plan = operations.plan(reading, seen.id)
    assert plan is not None
    return plan.warnings


def since(world: World, seen: operations.ExecutionView, who: str = "ana") -> payouts.Meanwhile:
    """What whoever decides it now is told."""
    with world.desk.read(world.actor(who)) as reading:
        run = operations.execution(reading, seen.id)
        plan = operations.plan(reading, seen.id)
        assert plan is not None
        return payouts.meanwhile(reading, run, plan)


@pytest.mark.parametrize(("csv", "first", "other"), EACH)
def test_the_same_file_with_other_settings_needs_a_reason_while_one_waits_and_after_it_ran(
    both: World, csv: str, first: dict[str, object], other: dict[str, object]
):
    # Given one that waits for approval
    world = both
    seen = world.submitted(csv, **first)
    # Then another with other settings is stopped, and says what waits
    refused = world.draft(csv, **other)
    assert isinstance(refused, operations.Refused)
    assert [fault.code for fault in refused.faults] == ["ALREADY_RAN"]
    assert f"waits for approval, as {seen.number}" in refused.faults[0].message
    assert isinstance(world.draft(csv, reason="both are meant", **other), operations.Drafted)
    # And so it is once the first one is approved, and once it ran
    world.decide(seen)
    assert isinstance(world.draft(csv, **other), operations.Refused)
    world.work_off()
    assert isinstance(world.draft(csv, **other), operations.Refused)


@pytest.mark.parametrize("end", ["rejected", "withdrawn", "cancelled"])
def test_one_that_ended_unpaid_stops_nobody(world: World, end: str):
    seen = world.submitted(PAYEES, **TRANSFERS)
    if end == "rejected":
        world.decide(seen, "rejected")
    elif end == "withdrawn":
        act(world, operations.withdraw, seen.id, "wrong day")
    else:
        act(world, operations.cancel, seen.id)

    assert isinstance(world.draft(PAYEES, **LATER), operations.Drafted)


def test_of_two_drafts_of_one_file_with_other_settings_only_the_first_is_submitted(world: World):
    first, second = world.planned(PAYEES, **TRANSFERS), world.planned(PAYEES, **LATER)
    act(world, operations.submit, first.id, first.plan_hash)

    assert code_of(act, world, operations.submit, second.id, second.plan_hash) == "ALREADY_RAN"
    assert world.execution(second.id).state is State.READY


@pytest.mark.parametrize(("csv", "first", "other"), EACH)
def test_a_plan_warns_of_the_same_file_that_waits_is_held_back_or_ran(
    held_back: World, csv: str, first: dict[str, object], other: dict[str, object]
):
    world = held_back
    seen = world.submitted(csv, **first)
    again = world.planned(csv, reason="both are meant", **other)
    assert warnings_of(world, again) == (f"This file waits for approval, as {seen.number}.",)

    world.decide(seen)
    act(world, operations.replan, again.id)
    world.work_off()
    assert world.execution(seen.id).state is State.QUEUED
    assert warnings_of(world, again) == (f"This file is approved and about to run, as {seen.number}.",)


def test_whoever_decides_is_told_what_was_submitted_approved_and_paid_since_the_plan(both: World):
    # Given two plans of one file, made before either was submitted
    world = both
    first, second = (world.planned(PAYEES, reason="both are meant", **each) for each in (TRANSFERS, LATER))
    assert warnings_of(world, second) == ()
    assert since(world, second) == payouts.Meanwhile()
    act(world, operations.submit, second.id, second.plan_hash)
    # When the first one is submitted, approved and paid
    told = []
    for step in (
        lambda: act(world, operations.submit, first.id, first.plan_hash),
        lambda: world.decide(first),
        world.work_off,
    ):
        step()
        told.append(since(world, second, "ben"))
    # Then each is known to whoever decides the second one: the file, and that its payee is new no more
    assert [each.same_file[0].told.split(" on ")[0] for each in told] == [
        f"waits for approval, as {first.number}",
        f"is approved and about to run, as {first.number}",
        f"ran before, as {first.number}",
    ]
    assert [list(each.paid.values()) for each in told] == [[(first.number,)]] * 3
    # And the plan itself is what it was
    assert world.execution(second.id).plan_hash == second.plan_hash


def test_a_new_payee_whom_another_file_pays_meanwhile_is_told_and_nobody_else(world: World):
    two = PAYEES + "Atelier Lumen,FR1420041010050500013M02606,,EUR,5.00,,,,,Marseille,FR\n"
    seen = world.submitted(two, **TRANSFERS)
    other = world.approved(PAYEES.replace("10.00", "11.00"), **TRANSFERS)
    world.work_off()

    found = since(world, seen)

    assert found.same_file == ()
    assert list(found.paid.values()) == [(other.number,)]
    # And a program that decides is told the same
    with world.desk.read(world.actor("ben")) as reading:
        answer = verbs.approval(reading, str(world.execution(seen.id).approval_request_id))
    told = f"{other.number} paid, or is about to pay, 1 destination that was new when it was planned."
    assert answer.meanwhile == [told]
    assert answer.others == [other.number]
    assert f"Since its plan: {told}" in words.approval(answer)
    # which a list does not look for, and says so
    with world.desk.read(world.actor("ben")) as reading:
        (listed,) = verbs.approvals_waiting(reading, verbs.Paging(50, 0)).items
    assert (listed.meanwhile, listed.others) == (None, None)


def test_a_program_approves_only_once_it_has_seen_who_paid_the_same_meanwhile(world: World):
    # Given a request whose new payee another execution has paid since
    seen = world.submitted(PAYEES, **TRANSFERS)
    other = world.approved(PAYEES.replace("10.00", "11.00"), **TRANSFERS)
    world.work_off()
    request = str(world.execution(seen.id).approval_request_id)

    def decide(said: Decision, *named: str) -> str:
        with world.desk.work(world.actor("ben")) as work:
            return verbs.decide(work, request, said, "as agreed", seen.plan_hash, named).state

    # When a program approves without having seen that, then it is told so
    for named in ((), ("EX-1999-0001",)):
        with pytest.raises(Conflict) as refused:
            decide(Decision.APPROVED, *named)
        assert (refused.value.code, refused.value.context["unseen"]) == ("MEANWHILE_UNSEEN", [other.number])
        assert other.number in refused.value.message
    assert world.execution(seen.id).state is State.AWAITING_APPROVAL

    # and once it names what it saw, it may
    assert decide(Decision.APPROVED, other.number) == "approved"


def test_a_rejection_needs_to_have_seen_nothing_else(world: World):
    seen = world.submitted(PAYEES, **TRANSFERS)
    world.approved(PAYEES.replace("10.00", "11.00"), **TRANSFERS)
    with world.desk.work(world.actor("ben")) as work:
        request = str(world.execution(seen.id).approval_request_id)
        assert verbs.decide(work, request, Decision.REJECTED, "twice", seen.plan_hash).state == "rejected"


def test_what_was_called_off_is_told_to_nobody(world: World):
    first, second = (world.planned(PAYEES, reason="both are meant", **each) for each in (TRANSFERS, LATER))
    act(world, operations.submit, first.id, first.plan_hash)
    world.decide(first, "rejected")

    assert since(world, second) == payouts.Meanwhile()
