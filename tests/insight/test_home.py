"""The five figures: for each role only what it may see, and each the number of the rows its link leads to."""

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from finops_core import approvals, insight, operations, payouts, security
from finops_core.adapters.stripe_sandbox.faults import Fault, FaultKind
from finops_core.insight import Figure
from finops_core.kernel.actor import system_actor
from finops_core.kernel.clock import ManualClock, SystemClock
from finops_core.kernel.errors import NotAllowed
from finops_core.operations import ExecutionFilter, PublicState
from finops_core.payouts import PayoutFilter, Standing
from finops_core.platform.work import Reading
from tests.world import World, running_world

KEYS = ("waiting", "running", "paid_week", "failed", "in_doubt")
AMOUNTS = "currency,amount\nEUR,12.50\n"
NOTHING = {"waiting": 0, "running": 0, "paid_week": 0, "failed": 0, "in_doubt": 0}


def figures(world: World, who: str, org: str = "harbour") -> dict[str, Figure]:
    with world.desk.read(world.actor(who, org)) as reading:
        view = insight.home(reading)
        assert view.as_of == reading.now
    assert tuple(figure.key for figure in view.figures) == KEYS
    return {figure.key: figure for figure in view.figures}


def values(world: World, who: str, org: str = "harbour") -> dict[str, int]:
    return {key: figure.value for key, figure in figures(world, who, org).items()}


def busy_week(world: World) -> None:
    """Two payouts paid, one refused, one in doubt, one question, one draft, one file of amounts that was added up."""
    world.approved("currency\nUSD\nEUR\n")
    world.work_off()
    refused = world.approved("currency\nGBP\nJPY\n")
    world.sandbox.control.fault(Fault(FaultKind.BALANCE_INSUFFICIENT))
    world.work_off()
    assert world.execution(refused.id).public is PublicState.FAILED
    in_doubt(world, "currency\nCAD\n")
    world.submitted("currency\nCHF\n")
    world.planned("currency\nSEK\n")
    totals = world.planned(AMOUNTS, operation="reporting.csv_totals")
    with world.desk.work(world.actor("ana")) as work:
        operations.submit(work, totals.id)
    world.work_off()


def in_doubt(world: World, csv: str) -> operations.ExecutionView:
    """A payout whose answers are all lost, and whose look-ups fail."""
    seen = world.approved(csv)
    world.sandbox.control.fault(
        Fault(FaultKind.RESET_AFTER), Fault(FaultKind.ERROR_BEFORE, method="GET", path="/v1/payouts", times=10)
    )
    world.work_off()
    world.sandbox.control.post("reset", {"only": ["fault"]})
    world.sandbox.forgive()
    return world.execution(seen.id)


def test_a_new_desk_shows_five_noughts(world: World):
    for who in ("ana", "ben", "carla", "dan", "eva", "adam"):
        assert values(world, who) == NOTHING, who
    assert values(world, "carla", "norrland") == NOTHING


def test_each_role_sees_the_figures_of_what_it_may_see(both: World):
    world = both
    busy_week(world)

    everything = {"waiting": 0, "running": 1, "paid_week": 3, "failed": 1, "in_doubt": 1}
    assert values(world, "ana") == {**everything, "waiting": 2}
    assert values(world, "ben") == {**everything, "waiting": 1}
    for who in ("carla", "eva"):
        assert values(world, who) == {**everything, "waiting": 1}, who
    assert values(world, "adam") == {**everything, "waiting": 2}, "all that is pending: he runs and decides nothing"
    assert values(world, "dan") == everything, "who may decide, but has no authority, waits for nothing"


def test_another_organisation_and_another_preparer_see_none_of_it(world: World):
    with world.desk.work(system_actor(world.orgs["harbour"])) as work:
        cem = security.add_person(work, "cem", "Cem Aydin", "cem@harbour.example", "a-long-password-9")
        security.grant_role(work, cem, "preparer", world.orgs["harbour"])
    world.people["cem"] = cem
    busy_week(world)

    assert values(world, "cem") == NOTHING
    for who in ("ana", "carla", "eva"):
        assert values(world, who, "norrland") == NOTHING, who


def test_somebody_who_may_see_no_executions_sees_noughts(world: World):
    with world.desk.work(system_actor(world.orgs["harbour"])) as work:
        security.end_role(work, world.people["adam"], "operations", world.orgs["harbour"])
    busy_week(world)

    assert values(world, "adam") == NOTHING


def test_without_the_right_there_is_no_home(world: World):
    with world.desk.work(system_actor(world.orgs["harbour"])) as work:
        security.set_active(work, world.people["ben"], active=False)

    with pytest.raises(NotAllowed), world.desk.read(world.actor("ben")) as reading:
        insight.home(reading)


def rows_behind(reading: Reading, query: Mapping[str, str]) -> list[operations.ExecutionView]:
    """The executions that the list shows for a figure's link."""
    wanted = ExecutionFilter(
        public=PublicState(query["state"]) if "state" in query else None,
        operation_id=query.get("operation", ""),
        mine=query.get("mine") == "true",
        since=start_of(query["since"]) if "since" in query else None,
    )
    return list(operations.executions(reading, wanted, limit=1000).rows)


def payouts_behind(query: Mapping[str, str]) -> PayoutFilter:
    """What the page of payouts asks for with a figure's link."""
    since = start_of(query["since"]) if "since" in query else None
    return PayoutFilter(standing=Standing(query["standing"]), sent_since=since)


def start_of(day: str) -> datetime:
    """As the list's own filter reads it: the day at Harbour Labs, New York."""
    read = date.fromisoformat(day)
    return datetime(read.year, read.month, read.day, tzinfo=ZoneInfo("America/New_York"))


@pytest.mark.parametrize("who", ["ana", "ben", "carla", "eva"])
def test_every_figure_is_that_of_the_rows_behind_its_link(world: World, who: str):
    busy_week(world)
    shown = figures(world, who)

    with world.desk.read(world.actor(who)) as reading:
        behind = {key: rows_behind(reading, shown[key].query) for key in KEYS if shown[key].page == "executions"}
        paid, doubtful = (
            payouts.page(reading, payouts_behind(shown[key].query), 1000).rows for key in ("paid_week", "in_doubt")
        )
        asked = approvals.waiting(reading) if who != "ana" else ()

    assert len(behind["running"]) == shown["running"].value
    assert len(behind["failed"]) == shown["failed"].value == 1
    assert (shown["paid_week"].page, shown["in_doubt"].page) == ("payouts", "payouts")
    sums: dict[str, int] = {}
    for row in paid:
        sums[row.currency] = sums.get(row.currency, 0) + row.amount_minor
    assert (len(paid), sums) == (shown["paid_week"].value, shown["paid_week"].amounts)
    assert sums == {"USD": 18_422_015, "EUR": 6_120_050, "JPY": 1_250_400}
    assert [row.state.value for row in doubtful] == ["in_doubt"] * shown["in_doubt"].value == ["in_doubt"]
    if who == "ben":
        mine = [request for request in asked if request.refusal is None]
        assert (shown["waiting"].page, len(mine)) == ("approvals", shown["waiting"].value)
        assert shown["waiting"].amounts == {money.currency: money.minor for money in mine[0].amounts}
    elif who == "ana":
        assert len(behind["waiting"]) == shown["waiting"].value
    else:
        assert (shown["waiting"].page, len(asked)) == ("approvals", shown["waiting"].value)


def test_the_first_figure_is_one_that_can_lead_its_reader_somewhere(world: World):
    labels = {who: figures(world, who)["waiting"].label for who in ("ana", "ben", "dan", "carla", "eva", "adam")}

    assert labels == {
        "ana": "Mine, pending",
        "ben": "Waiting for me",
        "dan": "Waiting for me",
        "carla": "Awaiting approval",
        "eva": "Awaiting approval",
        "adam": "Pending",
    }


def test_a_week_later_the_week_is_empty_and_the_doubt_is_not(tmp_path: Path):
    clock = ManualClock(SystemClock().now() + timedelta(seconds=5))
    with running_world(tmp_path, clock=clock) as world:
        busy_week(world)
        clock.advance(timedelta(days=9))

        late = values(world, "carla")

    # Nobody has decided the request, and no worker has ended it yet: the list still shows it, as expired.
    assert late == {"waiting": 1, "running": 1, "paid_week": 0, "failed": 0, "in_doubt": 1}


def test_the_week_begins_with_the_organisations_day(tmp_path: Path):
    # Given a payout just after midnight in New York, which is still the day before at many places
    evening = SystemClock().now().astimezone(ZoneInfo("America/New_York")) + timedelta(days=1)
    first = evening.replace(hour=0, minute=5, second=0)
    clock = ManualClock(first)
    with running_world(tmp_path, clock=clock) as world:
        world.approved("currency\nUSD\n")
        world.work_off()
        # When it is late on the same day a week later, and after its midnight
        clock.advance(timedelta(days=7, hours=21))
        on_the_day = values(world, "carla")["paid_week"]
        clock.advance(timedelta(hours=4))
        after = values(world, "carla")["paid_week"]

    assert (on_the_day, after) == (1, 0)


def test_what_is_running_counts_as_running_for_who_may_see_it(world: World):
    from tests.operations.walks import begin_and_hold

    world.approved("currency\nUSD\n")
    begin_and_hold(world)

    assert {who: values(world, who)["running"] for who in ("ana", "ben", "carla")} == {"ana": 1, "ben": 1, "carla": 1}
