"""A worker goes by the schedules' rows as they are: a changed one counts without anybody starting it anew."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import func, select

from finops_core.catalog.schedules import SCHEDULES
from finops_core.kernel.actor import worker_actor
from finops_core.kernel.clock import ManualClock
from finops_core.ledger.reconciling import SCHEDULED_JOB
from finops_core.platform.queue import job
from finops_core.upkeep import scheduling
from finops_core.worker.main import SCHEDULES_EVERY_S, Worker
from tests.desks import START
from tests.tampering import tamper
from tests.world import World, running_world


@pytest.fixture
def both(tmp_path: Path, database_url: str) -> Iterator[World]:
    with running_world(tmp_path, database_url, ManualClock(START)) as made:
        yield made


def written(world: World) -> int:
    with world.desk.read(worker_actor("")) as reading:
        return int(reading.scalar(select(func.count()).where(job.c.kind == SCHEDULED_JOB)))


def test_a_row_that_was_changed_counts_at_the_workers_next_look(both: World):
    # Given two workers who are up to date on a Monday at half past five, and an hour that passes
    clock, workers = both.desk.ports.clock, [Worker(both.desk), Worker(both.desk)]
    assert isinstance(clock, ManualClock)
    monday = clock.now() + timedelta(days=7 - clock.now().weekday())
    clock.advance(monday.replace(hour=5, minute=30, second=0, microsecond=0) - clock.now())
    workers[0]._write_scheduled()
    both.work_off()
    before = written(both)
    clock.advance(timedelta(hours=1))

    # When both look, and an administrator has one look each minute instead
    for worker in workers:
        worker._write_scheduled()
    first = written(both) - before
    both.work_off()
    with both.desk.work(both.actor("adam")) as work:
        scheduling.change(work, SCHEDULES, "ledger.hourly", "a drill", calendar="* * * * *")
    clock.advance(timedelta(minutes=1))
    for worker in workers:
        worker._write_scheduled()

    # Then each organisation has one job for each time, though two looked
    assert (first, written(both) - before) == (len(both.orgs), len(both.orgs) + 1)
    assert SCHEDULES_EVERY_S < 60


def test_a_database_that_answers_badly_ends_no_worker(both: World):
    tamper(both.desk.settings, "DROP TABLE schedule")

    Worker(both.desk)._write_scheduled()

    assert written(both) == 0
