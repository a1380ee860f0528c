"""One operation in full: who may run it, how it went, since when it is known, and who switched it."""

import pytest

from finops_core import insight, operations
from finops_core.adapters.stripe_sandbox.faults import Fault, FaultKind
from finops_core.insight import Procedure
from finops_core.kernel.errors import Invalid, NotAllowed, NotFound
from finops_core.operations import PublicState
from tests.world import World

STRIPE, TOTALS = "payouts.stripe_balance", "reporting.csv_totals"


def shown(world: World, who: str, operation_id: str = STRIPE, org: str = "harbour") -> Procedure:
    with world.desk.read(world.actor(who, org)) as reading:
        return insight.procedure(reading, operation_id)


def switch(world: World, who: str, *, active: bool, reason: str) -> None:
    with world.desk.work(world.actor(who)) as work:
        operations.set_active(work, STRIPE, active=active, reason=reason)


def test_how_it_went_is_counted_among_what_the_person_may_see(world: World):
    # Given one paid, one failed and one draft
    paid = world.approved("currency,maximum\nUSD,1.00\n")
    world.work_off()
    failed = world.approved("currency\nCHF\n")
    world.sandbox.control.fault(Fault(FaultKind.BALANCE_INSUFFICIENT))
    world.work_off()
    draft = world.planned("currency,maximum\nEUR,1.00\n")

    # Then half of what ended went well, for who sees it
    seen = shown(world, "eva")
    assert [run.id for run in seen.recent] == [draft.id, failed.id, paid.id]
    assert (seen.counts[PublicState.COMPLETED], seen.counts[PublicState.FAILED]) == (1, 1)
    assert seen.success_bps == 5_000
    assert shown(world, "eva", TOTALS).success_bps is None
    assert shown(world, "eva", org="norrland").recent == ()


def test_who_may_run_it_and_since_when_it_is_known(world: World):
    seen = shown(world, "ana")

    assert seen.people == ("Ana Brito",)
    assert [each.version for each in seen.versions] == [seen.view.version]
    assert not seen.may_switch


def test_an_administrator_switches_it_with_a_reason_that_stands_there(world: World):
    # Given an operation that is running here
    assert shown(world, "adam").may_switch

    # When it is switched off and on
    switch(world, "adam", active=False, reason="The provider is down.")
    off = shown(world, "ana")
    switch(world, "adam", active=True, reason="It is back.")

    # Then nobody could run it meanwhile, and both reasons are there, the newest first
    assert (off.view.active, off.view.runnable) == (False, False)
    told = [(each.detail["active"], each.detail["reason"]) for each in shown(world, "ana").switches]
    assert told == [(True, "It is back."), (False, "The provider is down.")]


def test_no_reason_no_right_and_no_such_operation_are_refused(world: World):
    with pytest.raises(Invalid) as wordless:
        switch(world, "adam", active=False, reason=" ")
    with pytest.raises(NotAllowed):
        switch(world, "ana", active=False, reason="I want to.")
    with pytest.raises(NotAllowed):
        shown(world, "ben")
    with pytest.raises(NotFound) as unknown:
        shown(world, "ana", "no.such")

    assert (wordless.value.code, unknown.value.code) == ("SWITCH_REASON_NEEDED", "OPERATION_NOT_THERE")
