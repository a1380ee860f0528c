"""Schedules as rows: when work is due in an organisation, switched and changed by people, written by the worker.

The worker writes a job when a schedule's time has come, whichever worker looks first: the row remembers up to when its
times were written, and only who moves that on writes the job. What was missed while no worker ran is done once.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, select, update

from finops_core import audit, reference
from finops_core.kernel.actor import worker_actor
from finops_core.kernel.errors import Conflict, FinOpsError, Invalid, NotFound
from finops_core.kernel.ids import new_id
from finops_core.kernel.job import Schedule
from finops_core.kernel.permissions import Permission
from finops_core.platform import queue
from finops_core.platform.inserts import insert_missing
from finops_core.platform.work import Reading, Units, Work
from finops_core.upkeep import calendars
from finops_core.upkeep.models import schedule as table

REASON_MAX_CHARS = 500
Known = Mapping[str, Schedule]


@dataclass(frozen=True, slots=True)
class ScheduleView:
    """A schedule of an organisation.

    Attributes:
        shipped: the calendar it came with.
        off: what is missed while it is switched off.
        changed_by: "" while it is as it came.
        written_at: up to when its times were written as jobs; None before the first.
        next_at: the next three times, none while it is off.
    """

    name: str
    kind: str
    title: str
    off: str
    calendar: str
    shipped: str
    enabled: bool
    changed_by: str
    changed_at: datetime
    written_at: datetime | None
    next_at: tuple[datetime, ...]


def lay_out(work: Work, known: Known) -> int:
    """Write the schedules this version ships that the organisation has not; how many. Needs ``WORKER_ACT``."""
    work.require(Permission.WORKER_ACT)
    rows = [
        {
            "org_id": work.org_id,
            "id": new_id("sch"),
            "name": each.name,
            "kind": each.kind,
            "calendar": each.calendar,
            "enabled": True,
            "changed_by": "",
            "changed_at": work.now,
            "written_at": None,
        }
        for each in known.values()
    ]
    return len(insert_missing(work, table, rows))


def lay_out_all(units: Units, known: Known) -> None:
    """``lay_out`` for every organisation: at each start, so that Health shows them before a worker has been there."""
    with units.read(worker_actor("")) as reading:
        org_ids = reference.all_ids(reading)
    for org_id in org_ids:
        with units.work(worker_actor(org_id)) as work:
            lay_out(work, known)


def schedules(reading: Reading, known: Known) -> tuple[ScheduleView, ...]:
    """The organisation's schedules, in the catalogue's order. Needs ``HEALTH_VIEW``."""
    reading.require(Permission.HEALTH_VIEW)
    rows = {row.name: row for row in reading.rows(select(table).where(table.c.org_id == reading.org_id))}
    return tuple(_view(rows[name], each, reading.now) for name, each in known.items() if name in rows)


def one(reading: Reading, known: Known, name: str) -> ScheduleView:
    """One of them; ``SCHEDULE_UNKNOWN``. Needs ``HEALTH_VIEW``."""
    found = next((each for each in schedules(reading, known) if each.name == name), None)
    if found is None:
        raise NotFound("SCHEDULE_UNKNOWN", "There is no such schedule here.", hint="Look at them on the Health page.")
    return found


def change(
    work: Work, known: Known, name: str, reason: str, *, calendar: str | None = None, enabled: bool | None = None
) -> ScheduleView:
    """Give a schedule another calendar, switch it, or both; what it is then. Needs ``SCHEDULES_ADMINISTER``.

    ``SCHEDULE_UNKNOWN``, ``SCHEDULE_REASON_NEEDED``, ``SCHEDULE_CALENDAR_BAD``, several of them at once as
    ``SCHEDULE_BAD``; ``SCHEDULE_SAME`` where nothing would change. It counts from the worker's next look on, within
    a minute; times that have passed are not made up for.
    """
    work.require(Permission.SCHEDULES_ADMINISTER)
    before = one(work, known, name)
    wanted, faults = _wanted(before, reason, calendar=calendar, enabled=enabled)
    if len(faults) == 1:
        raise faults[0]
    if faults:
        told = " ".join(fault.message for fault in faults)
        raise Invalid("SCHEDULE_BAD", told, hint=" ".join(fault.hint for fault in faults))
    if wanted == (before.calendar, before.enabled):
        raise Conflict("SCHEDULE_SAME", "The schedule stands so already.", hint="Look at it again.")
    mine = table.c.org_id == work.org_id, table.c.name == name
    values = {"calendar": wanted[0], "enabled": wanted[1], "changed_by": work.actor.id, "changed_at": work.now}
    work.execute(update(table).where(*mine).values(**values))
    detail = {
        "calendar": wanted[0],
        "calendar_before": before.calendar,
        "enabled": wanted[1],
        "enabled_before": before.enabled,
        "reason": reason.strip(),
    }
    audit.record(work, "schedule.changed", f"schedule:{name}", detail=detail)
    return one(work, known, name)


def write_due(units: Units, known: Known) -> int:
    """Write a job for each schedule whose time has come, in every organisation; how many.

    The look before costs no writer anything; mostly nothing is due.
    """
    with units.read(worker_actor("")) as reading:
        org_ids = reference.all_ids(reading)
    written = 0
    for org_id in org_ids:
        actor = worker_actor(org_id)
        with units.read(actor) as reading:
            rows = reading.rows(select(table).where(table.c.org_id == org_id))
            ripe = known.keys() - {row.name for row in rows} or any(_due(row, known, reading.now) for row in rows)
        if ripe:
            with units.work(actor) as work:
                written += _write(work, known)
    return written


def _write(work: Work, known: Known) -> int:
    lay_out(work, known)
    written = 0
    for row in work.rows(select(table).where(table.c.org_id == work.org_id)):
        slot = _due(row, known, work.now)
        if slot is None:
            continue
        seen = table.c.written_at.is_(None) if row.written_at is None else table.c.written_at == row.written_at
        mine = table.c.org_id == work.org_id, table.c.id == row.id, table.c.changed_at == row.changed_at, seen
        # Two that look at once: one of them moves it on, and only that one writes.
        if not work.execute(update(table).where(*mine).values(written_at=work.now)).rowcount:
            continue
        payload = {**known[row.name].payload, "org": work.org_id, "schedule": row.name, "slot": slot.isoformat()}
        # None while the last one is open: that is still at it.
        if queue.enqueue(work, known[row.name].kind, payload, key=f"schedule:{row.id}") is not None:
            written += 1
    return written


def _due(row: Row[Any], known: Known, now: datetime) -> datetime | None:
    """The first of its times that has passed and was not written; None for none, or while it is off."""
    if not row.enabled or row.name not in known:
        return None
    since = max(row.changed_at, row.written_at or row.changed_at)
    try:
        slot = calendars.next_after(row.calendar, since)
    except Invalid:
        # Somebody wrote past the desk; Health shows the calendar, and the other schedules must not wait for it.
        return None
    return slot if slot is not None and slot <= now else None


def _wanted(
    before: ScheduleView, reason: str, *, calendar: str | None, enabled: bool | None
) -> tuple[tuple[str, bool], list[FinOpsError]]:
    faults = list(_reason_faults(reason))
    wanted = before.calendar
    if calendar is not None:
        try:
            wanted = calendars.checked(calendar)
        except Invalid as bad:
            faults.append(bad)
    return (wanted, before.enabled if enabled is None else enabled), faults


def _reason_faults(reason: str) -> Iterator[FinOpsError]:
    if not reason.strip() or len(reason) > REASON_MAX_CHARS:
        yield Invalid(
            "SCHEDULE_REASON_NEEDED",
            f"A change of a schedule needs a reason of at most {REASON_MAX_CHARS} characters.",
            hint="Say why; it stands in its trail.",
        )


def _view(row: Row[Any], shipped: Schedule, now: datetime) -> ScheduleView:
    return ScheduleView(
        row.name,
        shipped.kind,
        shipped.title,
        shipped.off,
        row.calendar,
        shipped.calendar,
        row.enabled,
        row.changed_by,
        row.changed_at,
        row.written_at,
        _next(row.calendar, now) if row.enabled else (),
    )


def _next(calendar: str, now: datetime) -> tuple[datetime, ...]:
    try:
        return calendars.next_times(calendar, now)
    except Invalid:
        return ()
