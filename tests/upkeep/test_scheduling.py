"""Schedules as rows: laid out once, written when they are due by one of many, switched and changed with a trail."""

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from finops_core import audit
from finops_core.audit import AuditFilter
from finops_core.catalog.jobs import JOBS
from finops_core.catalog.schedules import SCHEDULES
from finops_core.kernel.actor import Actor, worker_actor
from finops_core.kernel.errors import FinOpsError
from finops_core.kernel.job import Schedule
from finops_core.kernel.permissions import Permission
from finops_core.platform import queue
from finops_core.platform.queue import job
from finops_core.upkeep import scheduling
from finops_core.upkeep.scheduling import ScheduleView
from tests.desks import AreaDesk, area_desk, person_actor
from tests.tampering import tamper

TEN = {"test.ten": Schedule("test.ten", "ledger.reconcile", "Look", "10 * * * *", {"width": "hourly"}, "Nothing.")}


@dataclass
class House:
    """A desk with one organisation, its clock at nine o'clock, and its administrator."""

    desk: AreaDesk
    org_id: str
    adam: Actor

    def views(self, known=SCHEDULES) -> dict[str, ScheduleView]:
        with self.desk.read(self.adam) as reading:
            return {each.name: each for each in scheduling.schedules(reading, known)}

    def change(self, name: str = "test.ten", reason: str = "why", known=TEN, **how) -> str:
        """The code of its refusal, "" for none."""
        try:
            with self.desk.work(self.adam) as work:
                scheduling.change(work, known, name, reason, **how)
        except FinOpsError as error:
            return error.code
        return ""

    def write(self, known=TEN) -> int:
        return scheduling.write_due(self.desk.units, known)

    def pass_(self, **time: float) -> None:
        self.desk.clock.advance(timedelta(**time))

    def jobs(self) -> list[dict[str, object]]:
        """What was written, oldest first."""
        with self.desk.read(worker_actor("")) as reading:
            rows = reading.rows(select(job.c.payload).where(job.c.kind == "ledger.reconcile").order_by(job.c.id))
            return [json.loads(row.payload) for row in rows]

    def slots(self) -> list[str]:
        return [str(payload["slot"])[11:16] for payload in self.jobs()]

    def done(self) -> None:
        """A worker does what is due."""
        with self.desk.work(worker_actor("")) as work:
            while (claim := queue.claim(work, "somebody", 60, ("ledger.reconcile",))) is not None:
                assert queue.complete(work, claim)


@pytest.fixture
def house(tmp_path: Path, database_url: str) -> Iterator[House]:
    desk = area_desk(tmp_path, database_url)
    org_id = desk.org()
    yield House(desk, org_id, person_actor("person_adam", org_id))
    desk.units.database.close()


def test_every_schedule_is_laid_out_once_in_every_organisation(house: House):
    other = house.desk.org("other")

    for _ in range(2):
        scheduling.lay_out_all(house.desk.units, SCHEDULES)

    told = {name: (each.calendar, each.enabled, each.changed_by) for name, each in house.views().items()}
    assert told == {
        "ledger.hourly": ("7 * * * *", True, ""),
        "ledger.nightly": ("30 1 * * *", True, ""),
        "ledger.weekly": ("0 2 * * sun", True, ""),
    }
    with house.desk.read(person_actor("person_other", other)) as reading:
        assert len(scheduling.schedules(reading, SCHEDULES)) == 3
    assert {each.kind for each in SCHEDULES.values()} <= set(JOBS)


def test_an_organisation_that_is_new_is_given_its_schedules_by_the_worker(house: House):
    assert house.views() == {}

    assert house.write(SCHEDULES) == 0

    assert set(house.views()) == set(SCHEDULES)


def test_a_schedule_writes_the_job_that_the_catalogue_names_whatever_its_row_says(house: House):
    house.write()
    assert tamper(house.desk.settings, "UPDATE schedule SET kind = 'ledger.of_an_earlier_version'") == 1
    house.pass_(hours=1)

    assert house.write() == 1

    assert house.slots() == ["09:10"]


def test_the_next_three_times_are_told(house: House):
    house.write()

    (view,) = house.views(TEN).values()

    assert [f"{at:%H:%M}" for at in view.next_at] == ["09:10", "10:10", "11:10"]


def test_a_job_is_written_for_each_time_and_once(house: House):
    house.write()
    early = house.write()
    house.pass_(minutes=10)
    first, again = house.write(), house.write()
    house.done()
    house.pass_(hours=1)
    second = house.write()

    assert (early, first, again, second) == (0, 1, 0, 1)
    assert house.slots() == ["09:10", "10:10"]
    assert house.jobs()[0] == {
        "org": house.org_id,
        "schedule": "test.ten",
        "slot": "2026-11-20T09:10:00+00:00",
        "width": "hourly",
    }


def test_while_the_last_one_is_open_no_other_is_written(house: House):
    house.write()
    house.pass_(minutes=10)
    house.write()
    house.pass_(hours=1)

    assert house.write() == 0
    house.done()
    assert house.write() == 0
    house.pass_(hours=1)
    assert house.write() == 1


def test_what_was_missed_is_done_once(house: House):
    house.write()
    house.pass_(days=3)

    assert house.write() == 1
    house.done()
    assert house.write() == 0
    assert house.slots() == ["09:10"]


def test_many_workers_that_look_at_once_write_one_job(house: House):
    """Each ends the job it finds at once, so that nothing but the row stands in the way of a second one."""
    house.write()
    house.pass_(minutes=10)
    start, written, failed = threading.Barrier(4), [], []

    def look() -> None:
        try:
            start.wait(20)
            written.append(house.write())
            house.done()
        except BaseException as error:  # noqa: BLE001 - told below
            failed.append(error)

    threads = [threading.Thread(target=look) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert failed == []
    assert sorted(written) == [0, 0, 0, 1]
    assert house.slots() == ["09:10"]


def test_one_that_has_seen_it_due_before_another_wrote_it_writes_nothing(house: House, monkeypatch):
    """PostgreSQL lets the second one through between a look and its write; SQLite has it wait for its turn."""
    house.write()
    house.pass_(minutes=10)
    told: list[int] = []
    due = scheduling._due

    def second() -> None:
        told.append(house.write())
        house.done()

    other = threading.Thread(target=second)

    def seen(row, known, now):
        slot = due(row, known, now)
        if threading.current_thread() is not other and not other.ident:
            other.start()
            other.join(2)
        return slot

    with house.desk.work(worker_actor(house.org_id)) as work:
        monkeypatch.setattr(scheduling, "_due", seen)
        told.append(scheduling._write(work, TEN))
    other.join(20)

    assert sorted(told) == [0, 1]
    assert house.slots() == ["09:10"]


def test_one_that_is_off_is_not_due_and_what_it_missed_is_not_made_up_for(house: House):
    house.write()
    assert house.change(enabled=False) == ""
    (off,) = house.views(TEN).values()
    house.pass_(hours=5)
    while_off = house.write()
    assert house.change(enabled=True) == ""
    at_once = house.write()
    house.pass_(hours=1)

    assert (off.enabled, off.next_at, while_off, at_once, house.write()) == (False, (), 0, 0, 1)
    assert house.slots() == ["14:10"]


def test_another_calendar_counts_from_the_next_look_on(house: House):
    house.write()
    house.pass_(minutes=5)
    assert house.change(calendar="6 * * * *") == ""
    house.pass_(minutes=1)

    assert house.write() == 1
    assert house.slots() == ["09:06"]


def test_who_changed_what_and_why_is_kept(house: House):
    house.write()
    assert house.change(reason=" at night ", calendar="0 3 * * SUN", enabled=False) == ""

    (view,) = house.views(TEN).values()
    with house.desk.read(house.adam) as reading:
        (record,) = audit.records(reading, AuditFilter(verb="schedule.changed"), limit=5).rows
    assert (view.calendar, view.shipped, view.enabled, view.changed_by) == (
        "0 3 * * sun",
        "10 * * * *",
        False,
        "person_adam",
    )
    assert record.object == "schedule:test.ten"
    assert record.detail == {
        "calendar": "0 3 * * sun",
        "calendar_before": "10 * * * *",
        "enabled": False,
        "enabled_before": True,
        "reason": "at night",
    }


@pytest.mark.parametrize(
    ("name", "reason", "how", "wanted"),
    [
        ("test.none", "why", {"enabled": False}, "SCHEDULE_UNKNOWN"),
        ("test.ten", " ", {"enabled": False}, "SCHEDULE_REASON_NEEDED"),
        ("test.ten", "x" * 501, {"enabled": False}, "SCHEDULE_REASON_NEEDED"),
        ("test.ten", "why", {"calendar": "now and then"}, "SCHEDULE_CALENDAR_BAD"),
        ("test.ten", "", {"calendar": "0 2 * * 0"}, "SCHEDULE_BAD"),
        ("test.ten", "why", {}, "SCHEDULE_SAME"),
        ("test.ten", "why", {"calendar": "10  * * * *", "enabled": True}, "SCHEDULE_SAME"),
    ],
)
def test_what_cannot_be_is_refused_and_every_fault_is_told(house: House, name, reason, how, wanted):
    house.write()
    before = house.views(TEN)

    assert house.change(name, reason, **how) == wanted
    assert house.views(TEN) == before


def test_it_takes_rights_to_see_and_to_change_them(house: House):
    house.write()
    refused = []

    for missing, act in (
        (Permission.HEALTH_VIEW, lambda work: scheduling.schedules(work, TEN)),
        (Permission.SCHEDULES_ADMINISTER, lambda work: scheduling.change(work, TEN, "test.ten", "why", enabled=False)),
        (Permission.WORKER_ACT, lambda work: scheduling.lay_out(work, TEN)),
    ):
        with house.desk.work(house.adam) as work:
            work.permissions = frozenset(Permission) - {missing}
            with pytest.raises(FinOpsError) as caught:
                act(work)
            refused.append(caught.value.code)

    assert refused == ["NOT_ALLOWED"] * 3


def test_a_change_reaches_no_other_organisation(house: House):
    other = house.desk.org("other")
    house.write()

    assert house.change(enabled=False) == ""

    with house.desk.read(person_actor("person_other", other)) as reading:
        (theirs,) = scheduling.schedules(reading, TEN)
    assert theirs.enabled


def test_a_calendar_that_somebody_broke_past_the_desk_holds_up_no_other(house: House):
    two = {**TEN, "test.two": Schedule("test.two", "ledger.reconcile", "Look", "20 * * * *")}
    house.write(two)
    assert tamper(house.desk.settings, "UPDATE schedule SET calendar = 'never' WHERE name = 'test.ten'")
    house.pass_(hours=1)

    assert house.write(two) == 1
    assert house.views(two)["test.ten"].next_at == ()


def test_the_shipped_calendar_is_hourly_nightly_and_weekly_in_utc(house: House):
    house.desk.clock.advance(datetime(2026, 11, 28, 23, 30, tzinfo=UTC) - house.desk.clock.now())
    house.write(SCHEDULES)
    for _ in range(4 * 24):
        house.pass_(minutes=15)
        house.write(SCHEDULES)
        house.done()
    found = [(str(payload["schedule"]), str(payload["slot"])) for payload in house.jobs()]

    assert [slot for name, slot in found if name == "ledger.nightly"] == ["2026-11-29T01:30:00+00:00"]
    assert [slot for name, slot in found if name == "ledger.weekly"] == ["2026-11-29T02:00:00+00:00"]
    hourly = [slot for name, slot in found if name == "ledger.hourly"]
    assert (hourly[0], hourly[-1], len(hourly)) == ("2026-11-29T00:07:00+00:00", "2026-11-29T23:07:00+00:00", 24)
