"""A plan rehearsed before anybody approves it: the real batch on a stage of its own, with bad days on order."""

import pytest

from finops_core import operations, payouts, security
from finops_core.kernel.actor import system_actor
from finops_core.payouts import Trouble
from tests.operations.walks import code_of
from tests.payouts.walks import act, made
from tests.tampering import tamper
from tests.world import World

FIVE = "currency,maximum\nUSD,100.00\nEUR,100.00\nGBP,100.00\nJPY,1000\nKWD,10.000\n"


def rehearsed(world: World, execution_id: str, *troubles: Trouble, who: str = "ana") -> payouts.RehearsalView:
    act(world, payouts.rehearse, execution_id, troubles, who=who)
    world.work_off()
    with world.desk.read(world.actor(who)) as reading:
        return payouts.rehearsals(reading, execution_id)[0]


def test_a_plan_without_troubles_is_paid_once_on_the_stage_and_nowhere_else(both: World):
    world = both
    seen = world.planned(FIVE)

    told = rehearsed(world, seen.id)

    assert told.passed
    assert told.outcome["summary"] == "5 of 5 payouts made. Nothing was paid twice and nothing was lost."
    assert [(row["currency"], row["amount"], row["state"]) for row in told.outcome["rows"]] == [
        ("USD", "100.00", "created"),
        ("EUR", "100.00", "created"),
        ("GBP", "100.00", "created"),
        ("JPY", "1000", "created"),
        ("KWD", "10.000", "created"),
    ]
    assert made(world) == []
    assert world.execution(seen.id).state is operations.State.READY


@pytest.mark.parametrize(
    "trouble",
    [Trouble.ANSWER_LOST, Trouble.CALL_LOST, Trouble.SERVER_ERROR, Trouble.TOO_FAST, Trouble.WORKER_DIES],
)
def test_a_trouble_that_can_be_survived_costs_nothing(world: World, trouble: Trouble):
    seen = world.planned(FIVE)

    told = rehearsed(world, seen.id, trouble)

    assert told.passed, told.outcome
    assert {row["state"] for row in told.outcome["rows"]} == {"created"}
    (struck,) = [row for row in told.outcome["rows"] if row["trouble"]]
    assert struck["trouble"] == trouble.value


def test_a_refusal_is_told_and_stops_what_it_must(world: World):
    seen = world.planned(FIVE)

    short = rehearsed(world, seen.id, Trouble.NO_MONEY)
    refused = rehearsed(world, seen.id, Trouble.KEY_REFUSED)

    assert short.passed
    assert sorted(row["state"] for row in short.outcome["rows"]) == ["created"] * 4 + ["rejected"]
    assert refused.passed
    assert {row["state"] for row in refused.outcome["rows"]} == {"created", "rejected", "canceled"}


def test_all_troubles_at_once_strike_a_row_each(world: World):
    seen = world.planned(FIVE)

    told = rehearsed(world, seen.id, Trouble.ANSWER_LOST, Trouble.WORKER_DIES, Trouble.TOO_FAST, Trouble.CALL_LOST)

    assert told.passed, told.outcome
    assert sum(bool(row["trouble"]) for row in told.outcome["rows"]) == 4


def test_troubles_that_struck_nothing_are_named(world: World):
    # Given more troubles than rows, and one that stops the batch before another's row is begun
    seen = world.planned("currency,maximum\nUSD,100.00\n")

    told = rehearsed(world, seen.id, Trouble.TOO_FAST, Trouble.SERVER_ERROR, Trouble.CALL_LOST)

    assert told.passed
    assert told.unmet == (Trouble.SERVER_ERROR, Trouble.CALL_LOST)
    five = world.planned(FIVE)
    stopped = rehearsed(world, five.id, Trouble.KEY_REFUSED, Trouble.TOO_FAST)
    met = {row["trouble"]: row["state"] for row in stopped.outcome["rows"] if row["trouble"]}
    assert {trouble.value for trouble in stopped.troubles} == met.keys() | {each.value for each in stopped.unmet}
    assert stopped.unmet == (Trouble.TOO_FAST,)
    assert "canceled" not in met.values()
    assert rehearsed(world, five.id, Trouble.TOO_FAST).unmet == ()


def test_an_approver_sees_it_and_may_rehearse_too(world: World):
    seen = world.submitted(FIVE)

    told = rehearsed(world, seen.id, Trouble.SERVER_ERROR, who="ben")

    assert told.requested_by == world.people["ben"]
    assert told.plan_hash == seen.plan_hash


def test_a_subsidiary_stands_alone_on_the_stage(both: World):
    world = both
    seen = world.planned(FIVE)
    parent, own = world.orgs["norrland"], world.orgs["harbour"]
    tamper(world.desk.settings, "UPDATE organisation SET parent_id = :parent WHERE id = :own", parent=parent, own=own)

    assert rehearsed(world, seen.id).passed


def test_a_new_plan_has_not_been_rehearsed(world: World):
    seen = world.planned(FIVE)
    rehearsed(world, seen.id)
    act(world, operations.replan, seen.id)
    world.work_off()

    again = world.execution(seen.id)
    with world.desk.read(world.actor("ana")) as reading:
        assert payouts.rehearsals(reading, seen.id, again.plan_hash) == () or again.plan_hash == seen.plan_hash
        assert len(payouts.rehearsals(reading, seen.id)) == 1


def test_only_a_plan_that_waits_and_one_rehearsal_at_a_time(world: World):
    seen = world.planned(FIVE)
    act(world, payouts.rehearse, seen.id, [])
    assert code_of(act, world, payouts.rehearse, seen.id, []) == "REHEARSAL_RUNS"
    world.work_off()
    act(world, operations.cancel, seen.id)
    assert code_of(act, world, payouts.rehearse, seen.id, []) == "EXECUTION_MOVED_ON"

    totals = world.planned("currency,amount\nEUR,1.00\n", operation="reporting.csv_totals")
    assert code_of(act, world, payouts.rehearse, totals.id, []) == "REHEARSAL_NOT_OFFERED"
    assert code_of(act, world, payouts.rehearse, seen.id, [], who="adam") in {"EXECUTION_UNKNOWN", "NOT_YOURS"}


def test_one_that_was_given_up_has_not_passed_and_keeps_no_other_one_waiting(both: World):
    # Given a rehearsal whose job broke off as often as it was tried
    world = both
    seen = world.planned(FIVE)
    act(world, payouts.rehearse, seen.id, [])
    assert tamper(world.desk.settings, "UPDATE job SET state = 'failed' WHERE kind = 'payouts.rehearse'")
    with world.desk.read(world.actor("ana")) as reading:
        (lost,) = payouts.rehearsals(reading, seen.id)
    assert (lost.running, lost.given_up, lost.passed) == (False, True, False)
    # When another one is asked for, then it is carried out
    assert rehearsed(world, seen.id).passed


def test_a_preparer_who_may_prepare_no_more_rehearses_no_more(world: World):
    seen = world.planned(FIVE)
    with world.desk.work(system_actor(world.orgs["harbour"])) as work:
        security.grant_role(work, world.people["ana"], "auditor", world.orgs["harbour"])
        security.end_role(work, world.people["ana"], "preparer", world.orgs["harbour"])

    assert code_of(act, world, payouts.rehearse, seen.id, []) == "NOT_ALLOWED"
