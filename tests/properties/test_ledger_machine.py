"""Runs of the ledger's machine: a few in every suite, many in the deep one, on both databases. The same each time."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.desks import area_desk
from tests.properties.ledger_machine import LedgerMachine

pytestmark = pytest.mark.slow
BASE = settings(
    derandomize=True,
    database=None,
    deadline=None,
    print_blob=True,
    suppress_health_check=list(HealthCheck),
    # A shorter example takes longer to find than this one to read.
    phases=(Phase.explicit, Phase.generate),
)
SHORT = settings(BASE, max_examples=15, stateful_step_count=40)
LONG = settings(BASE, max_examples=25, stateful_step_count=50)
# So many turns are taken, and more until they have met all that they must.
TURNS, TURNS_MOST = 2, 8
MET_SOON = {"INSUFFICIENT_BALANCE", "cut", "attack refused", "at once"}
MET = MET_SOON | {
    "ACCOUNT_FROZEN",
    "repeated",
    "key refused",
    "reversed",
    "MONEY_STOPPED",
    "exchange",
    "RATE_UNKNOWN",
    "ADJUSTMENT_OVER_LIMIT",
    "REVERSAL_STANDS",
    "posted in two steps",
    "given back",
    "expired",
    "one of two",
}
"""What many weeks must have met to prove anything; a few meet only some of it, others at every change of the code."""


@pytest.fixture
def machine(tmp_path: Path, database_url: str) -> Iterator[type[LedgerMachine]]:
    LedgerMachine.desk = area_desk(tmp_path, database_url)
    LedgerMachine.seen.clear()
    yield LedgerMachine
    LedgerMachine.desk.units.database.close()


def test_a_few_weeks_of_a_ledger_add_up(machine: type[LedgerMachine]):
    run_state_machine_as_test(machine, settings=SHORT)

    assert set(machine.seen) >= MET_SOON, machine.seen


@pytest.mark.deep
def test_many_weeks_of_a_ledger_add_up(machine: type[LedgerMachine]):
    for turn in range(TURNS_MOST):
        # What is drawn goes by the name.
        run_state_machine_as_test(type(f"{machine.__name__}{turn}", (machine,), {}), settings=LONG)
        if turn + 1 >= TURNS and set(machine.seen) >= MET:
            break

    assert set(machine.seen) >= MET, machine.seen
