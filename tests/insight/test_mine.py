"""My work: what waits for each person, in the order of what ends first, and never anybody else's."""

from datetime import timedelta

from finops_core import insight, operations
from finops_core.adapters.stripe_sandbox.faults import Fault, FaultKind
from finops_core.insight import MyWork
from finops_core.operations import ExecutionFilter
from tests.world import World


def work_of(world: World, who: str, org: str = "harbour") -> MyWork:
    with world.desk.read(world.actor(who, org)) as reading:
        return insight.my_work(reading)


def counted(view: MyWork) -> dict[str, int]:
    return {figure.key: figure.value for figure in view.figures.figures}


def ids(runs) -> list[str]:
    return [run.id for run in runs]


def test_each_thing_stands_where_its_owner_has_to_act(world: World):
    # Given a draft, a request, a failed batch and a paid one of Ana's
    paid = world.approved("currency,maximum\nUSD,1.00\n")
    world.work_off()
    failed = world.approved("currency\nCHF\n")
    world.sandbox.control.fault(Fault(FaultKind.BALANCE_INSUFFICIENT))
    world.work_off()
    draft = world.planned("currency,maximum\nEUR,2.00\n")
    asked = world.submitted("currency,maximum\nGBP,3.00\n")

    # When she looks
    view = work_of(world, "ana")

    # Then each stands in its place, with until when the request waits
    assert (ids(view.drafts), ids(view.awaiting)) == ([draft.id], [asked.id])
    assert (ids(view.failed), ids(view.ended)) == ([failed.id], [paid.id])
    assert view.asked[asked.id].id == asked.approval_request_id
    assert counted(view) == {"pending": 2, "running": 0, "failed": 1, "news": 4}
    assert view.to_decide == ()


def test_what_expires_first_is_decided_first(timed: World):
    # Given two requests an hour apart
    first = timed.submitted("currency,maximum\nUSD,1.00\n")
    timed.advance(timedelta(hours=1))
    second = timed.submitted("currency,maximum\nEUR,1.00\n")

    # Then the older one leads for who may decide, and is nobody else's to do
    assert [each.subject_id for each in work_of(timed, "ben").to_decide] == [first.id, second.id]
    assert counted(work_of(timed, "ben"))["to_decide"] == 2
    assert work_of(timed, "eva").to_decide == ()
    assert "to_decide" not in counted(work_of(timed, "eva"))


def test_every_figure_is_the_number_of_the_rows_behind_its_link(world: World):
    world.planned("currency,maximum\nEUR,2.00\n")
    world.submitted("currency,maximum\nGBP,3.00\n")

    view = work_of(world, "ana")

    with world.desk.read(world.actor("ana")) as reading:
        for figure in view.figures.figures:
            if figure.page == "executions":
                wanted = ExecutionFilter(public=operations.PublicState(figure.query["state"]), mine=True)
                assert operations.executions(reading, wanted).total == figure.value


def test_nothing_of_anybody_elses_or_of_another_organisation_is_there(world: World):
    world.planned("currency,maximum\nEUR,2.00\n")
    world.submitted("currency,maximum\nGBP,3.00\n")

    for view in (work_of(world, "carla"), work_of(world, "ana", "norrland")):
        assert (view.drafts, view.awaiting, view.running, view.failed, view.ended) == ((), (), (), (), ())
