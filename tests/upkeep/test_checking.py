"""The standing checks: run on schedule in every organisation, kept, told to who watches health, and never silent."""

from collections.abc import Callable, Mapping
from datetime import timedelta

import pytest
from sqlalchemy import func, select, text

from finops_core import audit, notifications
from finops_core.catalog.checks import CHECKS
from finops_core.catalog.tables import TABLES
from finops_core.kernel.actor import worker_actor
from finops_core.kernel.job import Check
from finops_core.ledger import checks as ledger
from finops_core.parties import checks as parties
from finops_core.payouts import checks as payouts
from finops_core.platform.queue import JobState, job
from finops_core.platform.work import Reading
from finops_core.upkeep import checking
from finops_core.upkeep.checking import CHECK_JOB, CheckView
from finops_core.upkeep.models import check_run
from tests import house
from tests.operations.walks import code_of
from tests.tampering import tamper
from tests.world import World

Find = Callable[[Reading], list[str]]


def well(_reading: Reading) -> list[str]:
    return []


def checks(**found: Find) -> Mapping[str, Check]:
    """Checks by name, in this order."""
    return {f"test.{name}": Check(f"test.{name}", f"About {name}", find) for name, find in found.items()}


def run(world: World, of: Mapping[str, Check]) -> None:
    checking.run_checks(of, world.desk, None)  # type: ignore[arg-type]


def last(world: World, of: Mapping[str, Check], org: str = "harbour", who: str = "adam") -> dict[str, CheckView]:
    with world.desk.read(world.actor(who, org)) as reading:
        return {view.id: view for view in checking.last_runs(reading, of)}


def told(world: World, who: str, org: str = "harbour") -> list[notifications.NoticeView]:
    with world.desk.read(world.actor(who, org)) as reading:
        return list(notifications.unread(reading))


def violated(world: World, org: str = "harbour") -> list[audit.AuditView]:
    with world.desk.read(world.actor("eva", org)) as reading:
        return [row for row in audit.records(reading, limit=1000).rows if row.verb == "check.violated"]


def runs(world: World) -> int:
    with world.desk.read(worker_actor("")) as reading, reading.across_orgs("a test counts"):
        return int(reading.scalar(select(func.count()).select_from(check_run)) or 0)


def test_a_run_is_kept_for_every_check_of_every_organisation(both: World):
    of = checks(first=well, second=well)

    run(both, of)

    for org in ("harbour", "norrland"):
        found = last(both, of, org)
        assert [(view.id, view.title, view.violations) for view in found.values()] == [
            ("test.first", "About first", 0),
            ("test.second", "About second", 0),
        ]
        assert all(view.at is not None and view.duration_ms >= 0 for view in found.values())
    assert (violated(both), told(both, "adam")) == ([], [])


def test_before_the_first_run_a_check_says_that_it_has_not_run(world: World):
    assert [(view.at, view.violations) for view in last(world, checks(first=well)).values()] == [(None, 0)]


def test_the_last_run_of_each_check_is_shown_and_the_earlier_ones_are_kept(timed: World):
    answers = [["one", "two"], []]
    of = checks(turning=lambda _reading: answers[runs(timed) // 2])

    run(timed, of)
    before = last(timed, of)["test.turning"]
    timed.advance(timedelta(minutes=15))
    run(timed, of)
    after = last(timed, of)["test.turning"]

    assert (before.violations, before.told) == (2, ("one", "two"))
    assert (after.violations, after.told) == (0, ())
    assert after.at is not None
    assert before.at is not None
    assert after.at - before.at == timedelta(minutes=15)
    assert runs(timed) == 4


def test_a_violation_is_audited_and_told_to_who_watches_health_and_nobody_else(both: World):
    of = checks(bad=lambda reading: ["EX-1 is paid twice"] if reading.org_id == both.orgs["harbour"] else [])

    run(both, of)

    (notice,) = told(both, "adam")
    assert (notice.kind, notice.title, notice.body) == (
        "check.violated",
        "Check failed: About bad",
        "EX-1 is paid twice",
    )
    assert notice.page == "health"
    assert [told(both, who) for who in ("ana", "ben", "carla", "dan", "eva")] == [[]] * 5
    assert told(both, "adam", "norrland") == []
    (record,) = violated(both)
    assert (record.object, dict(record.detail)) == ("check:test.bad", {"violations": 1})
    assert violated(both, "norrland") == []


def test_whoever_watches_is_told_once_a_day_as_long_as_it_lasts(timed: World):
    of = checks(bad=lambda _reading: ["still so"], other=lambda _reading: ["this too"])
    now = timed.desk.ports.clock.now()
    timed.advance((now + timedelta(days=1)).replace(hour=8) - now)  # far from midnight

    for _ in range(3):
        run(timed, of)
        timed.advance(timedelta(minutes=15))
    assert [notice.title for notice in told(timed, "adam")] == ["Check failed: About other", "Check failed: About bad"]
    assert len(violated(timed)) == 6, "the log has every run"

    with timed.desk.work(timed.actor("adam")) as work:
        notifications.read_all(work)
    run(timed, of)
    assert told(timed, "adam") == []
    timed.advance(timedelta(days=1))
    run(timed, of)
    assert len(told(timed, "adam")) == 2


def breaks(_reading: Reading) -> list[str]:
    raise ValueError("rk_test_a_secret")


def breaks_in_the_database(reading: Reading) -> list[str]:
    with reading.across_orgs("a check with a mistake in it"):
        reading.execute(text("SELECT nothing FROM nowhere"))
    return []


def asks_without_an_organisation(reading: Reading) -> list[str]:
    return [str(row) for row in reading.rows(select(check_run))]


@pytest.mark.parametrize(
    ("find", "kind"),
    [
        (breaks, "ValueError"),
        (breaks_in_the_database, "OperationalError|ProgrammingError"),
        (asks_without_an_organisation, "ScopeBreach"),
    ],
)
def test_a_check_that_breaks_is_seen_and_hides_no_other(both: World, find: Find, kind: str):
    of = checks(before=well, broken=find, after=lambda _reading: ["a real one"])

    run(both, of)

    found = last(both, of)
    assert found["test.before"].violations == 0
    assert found["test.after"].told == ("a real one",)
    (said,) = found["test.broken"].told
    assert said in {f"The check itself broke ({each}); tell whoever maintains it." for each in kind.split("|")}
    assert "rk_test" not in said
    assert {notice.title for notice in told(both, "adam")} == {
        "Check failed: About broken",
        "Check failed: About after",
    }


def test_of_very_many_violations_all_are_counted_and_fifty_are_told(world: World):
    of = checks(bad=lambda _reading: [f"number {n}" for n in range(120)])

    run(world, of)

    found = last(world, of)["test.bad"]
    assert (found.violations, len(found.told), found.told[0]) == (120, 50, "number 0")


def test_a_check_writes_nothing(both: World):
    def writes(reading: Reading) -> list[str]:
        reading.execute(check_run.delete().where(check_run.c.org_id == reading.org_id))
        return []

    run(both, checks(first=well))
    run(both, checks(writing=writes))

    assert runs(both) == 4
    assert last(both, checks(writing=writes))["test.writing"].violations == 1


def test_a_real_violation_reaches_the_people(world: World):
    # Given a batch that was paid, and a row of the database changed behind everybody's back
    world.approved("currency,maximum\nUSD,100.00\n")
    world.work_off()
    run(world, CHECKS)
    assert {view.violations for view in last(world, CHECKS).values()} == {0}
    tamper(world.desk.settings, "UPDATE payout SET amount_minor = amount_minor * 10")
    # When the checks run
    run(world, CHECKS)
    # Then those that hold the amount against something say so
    bad = {name for name, view in last(world, CHECKS).items() if view.violations}
    assert "payouts.I2" in bad
    assert {notice.title for notice in told(world, "adam")} == {f"Check failed: {CHECKS[name].title}" for name in bad}


# --- asking for them, and forgetting


def test_who_watches_health_has_them_run_now(world: World):
    with world.desk.work(world.actor("adam")) as work:
        checking.ask_to_check(work)
    world.work_off()

    assert all(view.at is not None for view in last(world, CHECKS).values())


def test_asking_while_they_run_makes_them_run_once_more(world: World):
    with world.desk.work(world.actor("adam")) as work:
        checking.ask_to_check(work)
    from finops_core.platform import queue

    with world.desk.work(worker_actor("")) as work:
        claim = queue.claim(work, "here", 60)
    assert claim is not None
    with world.desk.work(world.actor("adam")) as work:
        checking.ask_to_check(work)

    world.carry(claim)

    with world.desk.read(worker_actor("")) as reading:
        states = [row.state for row in reading.rows(select(job.c.state).where(job.c.kind == CHECK_JOB))]
    assert states == [JobState.QUEUED]
    assert world.work_off() == 1


@pytest.mark.parametrize("who", ["ana", "ben", "carla", "dan", "eva"])
def test_nobody_else_asks_for_them_and_whoever_sees_the_ledger_sees_its_own(world: World, who: str):
    with world.desk.work(world.actor(who)) as work:
        assert code_of(checking.ask_to_check, work) == "NOT_ALLOWED"
        if who == "ben":
            assert code_of(checking.last_runs, work, CHECKS) == "NOT_ALLOWED"
        else:
            seen = {view.id for view in checking.last_runs(work, CHECKS)}
            assert seen == {name for name in CHECKS if name.startswith("ledger.")}


def test_runs_of_long_ago_are_forgotten_and_the_newest_stay(timed: World):
    of = checks(first=well)
    run(timed, of)
    timed.advance(timedelta(days=60))
    run(timed, of)
    timed.advance(timedelta(days=31))

    timed.run_job("upkeep.clean_up")

    assert runs(timed) == 2
    assert last(timed, of)["test.first"].at is not None


# --- the catalogue


def test_every_check_has_an_id_and_a_title_of_its_own_and_stands_in_the_operating_procedures():
    procedures = (house.ROOT / "docs" / "operating.md").read_text(encoding="utf-8")

    every = (*payouts.CHECKS, *ledger.CHECKS, *parties.CHECKS)
    assert len(CHECKS) == len(every), "two checks with one id would be one"
    assert list(CHECKS) == [check.id for check in CHECKS.values()]
    assert len({check.title for check in CHECKS.values()}) == len(CHECKS)
    assert [check.id for check in CHECKS.values() if f"| `{check.id}` | {check.title} |" not in procedures] == []
    assert {f"payouts.I{number}" for number in range(1, 12)} <= set(CHECKS)


def test_every_check_is_well_on_an_empty_desk_and_within_its_organisation(both: World):
    run(both, CHECKS)

    for org in ("harbour", "norrland"):
        assert {view.told for view in last(both, CHECKS, org).values()} == {()}
    assert "check_run" in TABLES.tables
