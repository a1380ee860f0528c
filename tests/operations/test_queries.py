"""Who sees what of an execution, the list of them, and what the audit and the log tell."""

import pytest

from finops_core import audit, files, operations, payouts, security
from finops_core.adapters.stripe_sandbox.faults import Fault, FaultKind
from finops_core.kernel.actor import system_actor
from finops_core.kernel.errors import NotFound
from finops_core.operations import ExecutionFilter, State
from finops_core.payouts.operations import STRIPE_BALANCE
from tests.operations.walks import (
    AMOUNTS,
    TOTALS,
    USD,
    act,
    code_of,
)
from tests.world import World


@pytest.fixture
def two_preparers(world: World) -> World:
    """Cem prepares at Harbour Labs too."""
    with world.desk.work(system_actor(world.orgs["harbour"])) as work:
        cem = security.add_person(work, "cem", "Cem Aydin", "cem@harbour.example", "a-long-password-9")
        security.grant_role(work, cem, "preparer", world.orgs["harbour"])
    world.people["cem"] = cem
    return world


READS = {
    "the execution": operations.execution,
    "its plan": operations.plan,
    "its log": operations.log,
    "its result": operations.result,
    "its payouts": payouts.rows,
}
VERBS = {"cancel": operations.cancel, "submit": operations.submit, "replan": operations.replan}


@pytest.mark.parametrize("read", READS.values(), ids=list(READS))
def test_another_preparer_sees_nothing_of_it(two_preparers: World, read):
    world = two_preparers
    seen = world.approved(USD)
    world.work_off()

    for name in (seen.id, seen.number):
        with world.desk.read(world.actor("cem")) as reading, pytest.raises(NotFound) as unknown:
            read(reading, name)
        assert unknown.value.code == "EXECUTION_UNKNOWN"
    with world.desk.read(world.actor("ana")) as reading:
        assert read(reading, seen.id)


@pytest.mark.parametrize("verb", VERBS.values(), ids=list(VERBS))
def test_another_preparer_does_nothing_to_it(two_preparers: World, verb):
    world = two_preparers
    seen = world.submitted(USD)

    assert code_of(act, world, verb, seen.id, who="cem") == "EXECUTION_UNKNOWN"
    assert world.execution(seen.id).state is State.AWAITING_APPROVAL


def test_another_preparer_neither_lists_nor_downloads_its_files(two_preparers: World):
    world = two_preparers
    seen = world.approved(USD)
    world.work_off()
    with world.desk.read(world.actor("ana")) as reading:
        references = [each.id for each in files.of(reading, "execution", seen.id)]
    assert len(references) == 3

    with world.desk.work(world.actor("cem")) as work:
        assert operations.executions(work, ExecutionFilter()).rows == ()
        assert files.of(work, "execution", seen.id) == ()
        assert files.page(work, files.FileFilter()).rows == ()
        codes = {code_of(files.download, work, each) for each in references}
        codes |= {code_of(files.content, work, each) for each in references}
    assert codes == {"FILE_UNKNOWN"}


def test_an_approver_sees_what_was_put_to_them_and_nothing_before(world: World):
    planned, asked = world.planned(USD), world.submitted("currency\nEUR\n")

    with world.desk.read(world.actor("ben")) as reading:
        listed = [row.id for row in operations.executions(reading, ExecutionFilter()).rows]
        assert operations.plan(reading, asked.id) is not None
        assert code_of(operations.execution, reading, planned.id) == "EXECUTION_UNKNOWN"
    assert listed == [asked.id]


@pytest.mark.parametrize("who", ["carla", "dan", "eva", "adam"])
def test_who_oversees_sees_every_run_of_the_organisation(world: World, who: str):
    world.planned(USD)
    world.submitted("currency\nEUR\n")

    with world.desk.read(world.actor(who)) as reading:
        assert operations.executions(reading, ExecutionFilter()).total == 2
    with world.desk.read(world.actor(who, "norrland")) as reading:
        assert operations.executions(reading, ExecutionFilter()).total == 0


# --- lists


def test_the_history_is_filtered_counted_and_paged_in_the_database(both: World):
    world = both
    numbers = [world.planned(f"currency\n{code}\n").number for code in ("USD", "EUR", "GBP")]
    totals = world.planned(AMOUNTS, operation=TOTALS)
    act(world, operations.submit, totals.id)
    world.work_off()

    with world.desk.read(world.actor("carla")) as reading:

        def found(limit: int = 50, offset: int = 0, **wanted: object) -> tuple[list[str], int]:
            page = operations.executions(reading, ExecutionFilter(**wanted), limit, offset)  # type: ignore[arg-type]
            return [row.number for row in page.rows], page.total

        assert found() == ([totals.number, *reversed(numbers)], 4)
        assert found(limit=2, offset=1) == ([numbers[2], numbers[1]], 4)
        assert found(public=operations.PublicState.COMPLETED) == ([totals.number], 1)
        assert found(operation_id=STRIPE_BALANCE.id)[1] == 3
        assert found(text=numbers[0].lower()) == ([numbers[0]], 1)
        assert found(text="CURRENCIES.csv")[1] == 4
        assert found(text="100%")[1] == 0
        assert found(mine=True)[1] == 0
        assert found(ids=()) == ([], 0)
        assert found(since=reading.now) == ([], 0)
        assert found(until=reading.now)[1] == 4


def test_a_word_with_wildcards_is_looked_for_as_it_stands(world: World):
    world.planned(USD)

    with world.desk.read(world.actor("ana")) as reading:
        assert operations.executions(reading, ExecutionFilter(text="%")).total == 0
        assert operations.executions(reading, ExecutionFilter(text="_")).total == 0


# --- what audit and log say


def test_the_whole_walk_stands_in_the_audit_in_order(both: World):
    world = both
    seen = world.approved(USD)
    world.work_off()

    with world.desk.read(world.actor("eva")) as reading:
        walked = [row.verb for row in audit.trail(reading, f"execution:{seen.id}")]
        about = audit.trail(reading, f"approval:{world.execution(seen.id).approval_request_id}")
    assert walked == [
        "execution.drafted",
        "execution.planned",
        "execution.submitted",
        "execution.started",
        "payouts.prepared",
        "execution.completed",
    ]
    assert [(row.verb, row.actor) for row in about] == [
        ("approval.requested", world.people["ana"]),
        ("approval.approved", world.people["ben"]),
    ]


def test_a_fault_of_the_provider_is_told_in_the_log_without_its_key(world: World):
    seen = world.approved(USD)
    world.sandbox.control.fault(Fault(FaultKind.UNAUTHORIZED))

    world.work_off()

    with world.desk.read(world.actor("ana")) as reading:
        lines = operations.log(reading, seen.id)
    text = " ".join(f"{line.message} {dict(line.data)}" for line in lines)
    assert [line.seq for line in lines] == list(range(1, len(lines) + 1))
    assert "rk_test" not in text
    assert world.execution(seen.id).state is State.FAILED


def test_the_log_can_be_read_on_from_any_line(world: World):
    seen = world.planned(AMOUNTS, operation=TOTALS)
    act(world, operations.submit, seen.id)
    world.work_off()

    with world.desk.read(world.actor("ana")) as reading:
        lines = operations.log(reading, seen.id)
        assert operations.log(reading, seen.id, after=lines[0].seq) == lines[1:]
        assert operations.log(reading, seen.id, limit=1) == lines[-1:]
