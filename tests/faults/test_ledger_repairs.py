"""Reconciliations that are killed at moments nobody chose: each drift is put back once, and kept once."""

import signal
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from random import Random  # noqa: TID251 - seeded: the same moments in every run

import pytest
from sqlalchemy import select

from finops_core import audit, ledger
from finops_core.audit import AuditFilter
from finops_core.catalog.tables import TABLES
from finops_core.ledger import reconciling
from finops_core.ledger.models import ledger_balance
from finops_core.platform import guards
from finops_core.platform.db import open_owner_engine
from finops_core.platform.queue import Claim
from tests.faults.hall import FORKS, PATIENCE_S, Hall, open_hall
from tests.faults.ledger_writer import reconcile, write
from tests.processes import until
from tests.tampering import tamper

pytestmark = [pytest.mark.deep, pytest.mark.timeout(900)]
ROUNDS, LOOKERS, LONGEST_S, SEED = 4, 3, 0.05, 11
OFF = "UPDATE ledger_balance SET posted_minor = posted_minor + 7 WHERE version > 0"


@pytest.fixture
def hall(tmp_path: Path, database_url: str) -> Iterator[Hall]:
    with open_hall(tmp_path, database_url) as made:
        yield made


def put_off(hall: Hall) -> int:
    """Every balance is off by seven cents, and the guards stand again; how many."""
    hall.desk.units.database.close()
    changed = tamper(hall.desk.settings, OFF)
    engine = open_owner_engine(hall.desk.settings)
    with engine.begin() as connection:
        guards.ensure(connection, TABLES)
    engine.dispose()
    return changed


def run_to_its_end(hall: Hall) -> None:
    """Those that were begun and not ended are gone on with, then one more looks at everything."""
    with hall.desk.read(hall.clerk) as reading:
        begun = [run.id for run in ledger.reconciliations(reading, 10_000) if run.ended_at is None]
    with hall.desk.work(hall.clerk) as work:
        begun.append(ledger.ask_to_reconcile(work, "at the end"))
    for run_id in begun:
        reconciling.reconcile_asked(
            hall.desk.units, Claim("job_1", "", "", {"run": run_id, "org": hall.clerk.org_id}, 1, 1)
        )


def test_reconciliations_that_are_killed_put_each_balance_back_once(hall: Hall):
    # Given a ledger with some history, and balances that are put off again and again
    print(f"seed {SEED}")
    write(hall.wanted, 1, 20)
    with hall.desk.read(hall.clerk) as reading:
        table = ledger_balance
        moved = reading.rows(select(table.c.id).where(table.c.org_id == reading.org_id, table.c.version > 0))
    chance, planted = Random(SEED), 0
    for _ in range(ROUNDS):
        planted += put_off(hall)
        # When processes look at all of them, one balance a batch, and are killed
        lookers = [FORKS.Process(target=reconcile, args=(hall.wanted,)) for _ in range(LOOKERS)]
        for each in lookers:
            each.start()
        before = put_back(hall)
        until(lambda before=before: put_back(hall) > before, PATIENCE_S, "one was put back")
        time.sleep(chance.random() * LONGEST_S)
        for each in lookers:
            each.kill()
            each.join(PATIENCE_S)
            assert each.exitcode == -signal.SIGKILL
        run_to_its_end(hall)
        assert hall.checks() == {}

    # Then each that was put off was put back, and is kept and recorded, once
    assert planted == ROUNDS * len(moved)
    with hall.desk.read(hall.clerk) as reading:
        drifts = ledger.drifts(reading, limit=10_000)
        recorded = Counter(
            record.object for record in audit.records(reading, AuditFilter(verb="ledger.repaired"), limit=1_000).rows
        )
        runs = ledger.reconciliations(reading, 10_000)
    assert {drift.shown.minor - drift.should.minor for drift in drifts} == {7}
    assert all(drift.repaired and not drift.broken for drift in drifts)
    assert Counter(drift.account_id for drift in drifts) == {row.id: ROUNDS for row in moved}
    assert recorded == {f"account:{row.id}": ROUNDS for row in moved}
    assert all(run.ended_at for run in runs)
    reasons = {run.id: run.reason for run in runs}
    assert "a look" in {reasons[drift.reconciliation_id] for drift in drifts}, "some were put back before a kill"
    # and money goes on from there
    write(hall.wanted, 2, 20)
    assert {name: told for name, told in hall.wrong().items() if name != "drifted"} == {}


def put_back(hall: Hall) -> int:
    with hall.desk.read(hall.clerk) as reading:
        return len(ledger.drifts(reading, limit=10_000))
