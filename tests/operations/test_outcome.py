"""How a run ends, or goes on: a silent outside is tried again and said so; a later truth is a new revision."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import pytest
from sqlalchemy import select

from finops_core import files, operations, payouts
from finops_core.adapters.stripe_sandbox.faults import Fault, FaultKind
from finops_core.desk import Desk
from finops_core.kernel.actor import worker_actor
from finops_core.kernel.errors import Unavailable
from finops_core.kernel.operation import Category, Operation, Plan, PlanRow, Recovery, Result, Risk, RunContext
from finops_core.operations import State, engine
from finops_core.operations.models import result as result_table
from finops_core.payouts import service
from finops_core.platform.queue import JobState, job
from tests.operations.walks import AMOUNTS, TOTALS, USD, act
from tests.payouts.walks import begin, due_now, prepared, provider, row_as_stored, sent_and_died, states
from tests.world import World

SILENT = Unavailable("PROVIDER_UNAVAILABLE", "The provider does not answer.", hint="Try again later.")


@dataclass
class Outside:
    """Something outside that answers nothing a few times, then all is well."""

    silent: int = 0
    asked: list[int] = field(default_factory=list)

    def answer(self, context: RunContext) -> None:
        self.asked.append(context.fence)
        if len(self.asked) <= self.silent:
            raise SILENT

    def run(self, context: RunContext) -> Result:
        self.answer(context)
        return Result(success=True, message="Done.")

    def dry_run(self, context: RunContext) -> Plan:
        self.answer(context)
        return Plan((PlanRow("", "USD", 1, {}),), "test", "")


def world_with(world: World, run: Callable[[RunContext], Result], **more: object) -> World:
    """The same world, with one operation more."""
    op = Operation(
        id="odd.outside",
        version="1.0.0",
        title="Outside",
        description="Asks somebody outside.",
        category=Category.CUSTOM,
        risk=Risk.LOW,
        run=run,
        **more,  # type: ignore[arg-type]
    )
    ports = replace(world.desk.ports, operations={**world.desk.ports.operations, op.id: op})
    return replace(world, desk=Desk(world.desk.settings, world.desk.database, ports))


def drafted(world: World) -> str:
    with world.desk.work(world.actor("ana")) as work:
        found = operations.draft(work, "odd.outside", {}, None)
    assert isinstance(found, operations.Drafted), found
    return found.execution_id


def submitted(world: World) -> str:
    execution_id = drafted(world)
    act(world, operations.submit, execution_id)
    return execution_id


def tried(world: World) -> None:
    """The next try, its pause over."""
    due_now(world)
    assert world.work_off() == 1


def job_states(world: World) -> list[str]:
    with world.desk.read(worker_actor("")) as reading:
        return [row.state for row in reading.rows(select(job.c.state).order_by(job.c.id))]


# --- a silent outside


def test_a_run_whose_outside_is_silent_is_tried_again_after_a_pause_and_says_so(both: World):
    # Given a run that may be begun again, and an outside that is silent twice
    outside = Outside(silent=2)
    world = world_with(both, outside.run, recovery=Recovery.RESUME)
    execution_id = submitted(world)
    # When it is tried
    tried(world)
    first = world.execution(execution_id)
    assert world.work_off() == 0, "it pauses"
    tried(world)
    second = world.execution(execution_id)
    # Then it goes on running, and tells why and when
    assert [view.state for view in (first, second)] == [State.RUNNING] * 2
    assert first.message == "The provider does not answer. Trying again in 5 s (1 of 4)."
    assert second.message == "The provider does not answer. Trying again in 15 s (2 of 4)."
    # and once it is answered, nothing of that is left
    tried(world)
    done = world.execution(execution_id)
    assert (done.state, done.message, done.error_code) == (State.COMPLETED, "Done.", "")
    assert len(set(outside.asked)) == len(outside.asked) == 3


def test_a_run_is_given_up_when_its_outside_stays_silent(both: World):
    outside = Outside(silent=100)
    world = world_with(both, outside.run, recovery=Recovery.RESUME)
    execution_id = submitted(world)

    for _ in range(1 + len(engine.RUN_PAUSES_S)):
        assert world.execution(execution_id).state in {State.QUEUED, State.RUNNING}
        tried(world)

    done = world.execution(execution_id)
    assert (done.state, done.error_code, done.hint) == (State.FAILED, "PROVIDER_UNAVAILABLE", "Try again later.")
    assert done.message == "The provider does not answer."
    assert job_states(world) == [JobState.FAILED]
    due_now(world)
    assert world.work_off() == 0


def test_a_run_that_may_not_be_begun_again_is_not_tried_again(world: World):
    outside = Outside(silent=1)
    execution_id = submitted(world_with(world, outside.run))

    world_with(world, outside.run).work_off()

    done = world.execution(execution_id)
    assert (done.state, done.error_code) == (State.FAILED, "PROVIDER_UNAVAILABLE")
    assert len(outside.asked) == 1


def test_a_plan_whose_outside_is_silent_is_made_again_and_then_given_up(both: World):
    # Given a dry run that is answered at the third try, and one that never is
    patient, hopeless = Outside(silent=2), Outside(silent=100)
    world = world_with(both, Outside().run, dry_run=patient.dry_run)
    execution_id = drafted(world)
    told = []
    for _ in range(3):
        tried(world)
        told.append((world.execution(execution_id).state, world.execution(execution_id).message))
    assert told == [
        (State.PLANNING, "The provider does not answer. Trying again in 1 s (1 of 2)."),
        (State.PLANNING, "The provider does not answer. Trying again in 3 s (2 of 2)."),
        (State.READY, ""),
    ]
    # When the other one has been tried as often as is of use
    other = world_with(both, Outside().run, dry_run=hopeless.dry_run)
    lost = drafted(other)
    for _ in range(1 + len(engine.PLAN_PAUSES_S)):
        tried(other)
    # Then it has failed, in the words of the outside
    view = world.execution(lost)
    assert (view.state, view.error_code) == (State.FAILED, "PROVIDER_UNAVAILABLE")
    assert len(hopeless.asked) == 3


def test_a_payout_that_never_reached_its_provider_is_void_and_can_be_planned_anew(world: World):
    # Given an approved payout, and a provider that is silent before anything is sent
    seen = world.approved("currency,maximum\nUSD,100.00\n")
    world.sandbox.control.fault(Fault(FaultKind.ERROR_BEFORE, method="GET", path="/v1/balance", times=100))
    for _ in range(1 + len(engine.RUN_PAUSES_S)):
        tried(world)
    world.sandbox.control.post("reset", {"only": ["fault"]})
    world.sandbox.forgive()
    # Then nothing was done, the plan is void, and the same file may be prepared at once
    view = world.execution(seen.id)
    assert (view.state, view.started_at) == (State.SUPERSEDED, None)
    assert states(world, seen.id) == []
    assert isinstance(world.draft("currency,maximum\nUSD,100.00\n"), operations.Drafted)
    act(world, operations.replan, seen.id)
    world.work_off()
    assert world.execution(seen.id).state is State.READY


def test_a_stop_during_the_pause_is_heard_at_the_next_try(both: World):
    seen = both.approved("currency,maximum\nUSD,100.00\n")
    both.sandbox.control.fault(Fault(FaultKind.ERROR_BEFORE, method="GET", path="/v1/balance"))
    tried(both)
    both.sandbox.forgive()

    act(both, operations.cancel, seen.id, "second thoughts")
    due_now(both)
    both.work_off()

    assert both.execution(seen.id).state is State.CANCELLED
    assert states(both, seen.id) == ["canceled"]
    assert both.sandbox.control.payouts("acct_sbx_harbour") == []


# --- revisions


def in_doubt_though_paid(world: World) -> str:
    """A run that ended in doubt over a payout that had been made."""
    seen = world.approved(USD)
    world.sandbox.control.fault(
        Fault(FaultKind.ERROR_AFTER), Fault(FaultKind.ERROR_BEFORE, method="GET", path="/v1/payouts", times=50)
    )
    world.work_off()
    world.sandbox.control.post("reset", {"only": ["fault"]})
    world.sandbox.forgive()
    assert world.execution(seen.id).state is State.UNSETTLED
    return seen.id


def outputs(world: World, execution_id: str) -> list[files.FileView]:
    with world.desk.read(world.actor("ana")) as reading:
        return [each for each in files.of(reading, "execution", execution_id) if each.role == files.OUTPUT]


def revisions(world: World, execution_id: str) -> list[tuple[int, int, str]]:
    """Attempt, revision and message of every result that was kept."""
    table = result_table
    with world.desk.read(worker_actor(world.orgs["harbour"])) as reading:
        mine = table.c.org_id == reading.org_id, table.c.execution_id == execution_id
        found = reading.rows(select(table).where(*mine).order_by(table.c.attempt, table.c.revision))
        return [(row.attempt, row.revision, row.message) for row in found]


def test_an_open_end_that_is_settled_is_a_new_revision_and_a_new_version_of_each_file(both: World):
    # Given a result that tells of a payout in doubt
    world = both
    execution_id = in_doubt_though_paid(world)
    before = outputs(world, execution_id)
    # When the provider is asked again
    world.look_up()
    # Then the newest result is the truth, and the one that was given out is still what it was
    assert revisions(world, execution_id) == [
        (1, 1, "0 of 1 payouts made, 1 in doubt."),
        (1, 2, "1 of 1 payouts made."),
    ]
    with world.desk.read(world.actor("ana")) as reading:
        shown = operations.result(reading, execution_id)
    assert shown is not None
    assert (shown.success, shown.message, shown.table["State"]) == (True, "1 of 1 payouts made.", ("created",))
    after = outputs(world, execution_id)
    assert [(each.name, each.version) for each in after] == sorted(
        (each.name, version) for each in before for version in (1, 2)
    )
    with world.desk.work(world.actor("ana")) as work:
        csv = [files.download(work, each.id).content.decode() for each in after if each.name.endswith(".csv")]
    assert ["in doubt" in each for each in csv] == [True, False]


def test_settling_twice_says_it_once(both: World):
    execution_id = in_doubt_though_paid(both)

    both.look_up()
    both.look_up()

    assert len(revisions(both, execution_id)) == 2
    assert len(outputs(both, execution_id)) == 4


def test_news_of_a_payout_while_its_run_still_goes_on_settles_nothing_and_calls_nothing_off(both: World):
    # Given a run with two payouts, the first of which was made and is on its way already
    world = both
    seen = world.approved("currency,maximum\nUSD,100.00\nEUR,100.00\n")
    begun = begin(world)
    first, _ = prepared(world, begun)
    sent_and_died(world, begun, first)
    (found,) = world.sandbox.control.payouts("acct_sbx_harbour")
    with world.desk.work(worker_actor(world.orgs["harbour"])) as work:
        assert service.adopt(work, row_as_stored(world, seen.id), provider(world).get("", found["id"])) == "created"
    world.sandbox.control.transition(found["id"], "in_transit", account="acct_sbx_harbour")
    # When news of it is followed
    world.follow(reconcile=False)
    # Then the other one still waits to be sent
    assert states(world, seen.id) == ["in_transit", "approved"]
    assert (world.execution(seen.id).state, revisions(world, seen.id)) == (State.RUNNING, [])


def test_a_retry_has_a_result_and_files_of_its_own(world: World):
    seen = world.approved("currency,maximum\nUSD,100.00\nEUR,100.00\n")
    world.sandbox.control.fault(Fault(FaultKind.BALANCE_INSUFFICIENT, nth=2))
    world.work_off()
    from tests.payouts.walks import again

    act(world, payouts.retry, seen.id)
    again(world, seen.id)

    assert revisions(world, seen.id) == [
        (1, 1, "1 of 2 payouts made, 1 refused."),
        (2, 1, "1 of 1 payouts made."),
    ]
    names = {each.name for each in outputs(world, seen.id)}
    assert names == {f"{seen.number}-result{attempt}.{kind}" for attempt in ("", "-2") for kind in ("csv", "xlsx")}
    with world.desk.read(world.actor("ana")) as reading:
        shown = operations.result(reading, seen.id)
    assert shown is not None
    assert shown.message == "1 of 1 payouts made."


# --- downloads


def test_downloads_are_counted_whoever_made_them_and_looking_is_none(both: World):
    world = both
    seen = world.planned(AMOUNTS, operation=TOTALS)
    act(world, operations.submit, seen.id)
    world.work_off()
    first, second = outputs(world, seen.id)

    with world.desk.work(world.actor("ana")) as work:
        files.download(work, first.id)
        files.download(work, first.id)
        files.content(work, second.id)
    with world.desk.work(world.actor("eva")) as work:
        files.download(work, first.id)
    with world.desk.read(world.actor("ana")) as reading:
        counted = files.downloads(reading, [first.id, second.id])

    assert counted == {first.id: 3}
    with world.desk.read(world.actor("ana", "norrland")) as reading:
        assert files.downloads(reading, [first.id, second.id]) == {}
        assert files.downloads(reading, []) == {}


@pytest.mark.parametrize("who", ["ana", "eva"])
def test_each_version_of_a_file_has_a_count_of_its_own(world: World, who: str):
    execution_id = in_doubt_though_paid(world)
    old = outputs(world, execution_id)[0]
    with world.desk.work(world.actor(who)) as work:
        files.download(work, old.id)

    world.look_up()

    with world.desk.read(world.actor(who)) as reading:
        counted = files.downloads(reading, [each.id for each in outputs(world, execution_id)])
    assert counted == {old.id: 1}
