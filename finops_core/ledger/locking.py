"""Locking periods: business days into which nothing is posted any more, until somebody opens them again.

A lock holds whatever program writes: the database refuses a posting into one, and the lock waits for entries on their
way.
Only days that are over can be locked: payouts book themselves on the day they move. To halt money today, stop it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import Row, insert, select, update
from sqlalchemy.exc import DBAPIError

from finops_core import audit, reference
from finops_core.kernel.errors import Conflict, FinOpsError, Invalid, NotFound
from finops_core.kernel.ids import new_id
from finops_core.kernel.permissions import Permission
from finops_core.ledger import queries, rules
from finops_core.ledger.models import ledger_period as table
from finops_core.platform.work import Reading, Work

_LOOK = "Look at the periods that are locked."


@dataclass(frozen=True, slots=True)
class PeriodView:
    """Business days that are or were locked, first and last included; ``unlocked_at`` None while they are."""

    id: str
    from_on: date
    to_on: date
    reason: str
    locked_by: str
    locked_at: datetime
    unlocked_by: str
    unlocked_at: datetime | None
    unlocked_reason: str


def lock_period(work: Work, from_on: date, to_on: date, reason: str) -> str:
    """Lock business days, both included; the lock's id. Needs ``LEDGER_LOCK``. Entries being written end first.

    ``REASON_MISSING``, ``PERIOD_BACKWARDS``, ``PERIOD_NOT_OVER`` for a span that is not past where the organisation
    is, ``PERIOD_LOCKED_BEFORE`` for days that are locked; several of them at once as ``PERIOD_BAD``.
    """
    work.require(Permission.LEDGER_LOCK)
    _refuse_all(list(_faults(work, from_on, to_on, reason)))
    period_id = new_id("period")
    row = {
        "org_id": work.org_id,
        "id": period_id,
        "from_on": from_on.isoformat(),
        "to_on": to_on.isoformat(),
        "locked_at": work.now,
        "locked_by": work.actor.id,
        "reason": reason.strip(),
        "unlocked_by": "",
        "unlocked_at": None,
        "unlocked_reason": "",
    }
    try:
        work.execute(insert(table).values(row))
    except DBAPIError as error:
        if "PERIOD_OVERLAPS" not in str(error.orig):
            raise
        # Somebody locked it while this one waited for entries on their way; which days, is seen once it is looked at.
        raise _locked_before(from_on, to_on) from error
    _recorded(work, "period.locked", period_id, from_on, to_on, reason)
    return period_id


def unlock_period(work: Work, period_id: str, reason: str) -> None:
    """Open a locked period again; its lock stays as a record. Needs ``LEDGER_LOCK``.

    ``REASON_MISSING``, ``PERIOD_UNKNOWN`` and, for one that was opened before, ``PERIOD_OPEN``.
    """
    work.require(Permission.LEDGER_LOCK)
    rules.check_reason(reason, "Opening a period again")
    mine = table.c.org_id == work.org_id, table.c.id == period_id
    found = work.first(select(table).where(*mine))
    if found is None:
        raise _unknown()
    opened = {"unlocked_by": work.actor.id, "unlocked_at": work.now, "unlocked_reason": reason.strip()}
    changed = work.execute(update(table).where(*mine, table.c.unlocked_at.is_(None)).values(**opened))
    if not changed.rowcount:
        raise Conflict("PERIOD_OPEN", "This period was opened before.", hint=_LOOK)
    days = date.fromisoformat(found.from_on), date.fromisoformat(found.to_on)
    _recorded(work, "period.unlocked", period_id, *days, reason)


def periods(reading: Reading, limit: int = queries.PAGE, *, locked: bool = True) -> tuple[PeriodView, ...]:
    """Periods that are locked, or all that ever were; the latest days first. Needs ``LEDGER_VIEW``."""
    reading.require(Permission.LEDGER_VIEW)
    wanted = select(table).where(table.c.org_id == reading.org_id, table.c.locked_at.is_not(None))
    if locked:
        wanted = wanted.where(table.c.unlocked_at.is_(None))
    latest = table.c.to_on.desc(), table.c.locked_at.desc(), table.c.id.desc()
    return tuple(_view(row) for row in reading.rows(wanted.order_by(*latest).limit(limit)))


def period(reading: Reading, period_id: str) -> PeriodView:
    """One lock; ``PERIOD_UNKNOWN``. Needs ``LEDGER_VIEW``."""
    reading.require(Permission.LEDGER_VIEW)
    mine = table.c.org_id == reading.org_id, table.c.id == period_id, table.c.locked_at.is_not(None)
    row = reading.first(select(table).where(*mine))
    if row is None:
        raise _unknown()
    return _view(row)


def _faults(work: Work, from_on: date, to_on: date, reason: str) -> Iterator[FinOpsError]:
    try:
        rules.check_reason(reason, "Locking a period")
    except Invalid as missing:
        yield missing
    if from_on > to_on:
        yield Invalid(
            "PERIOD_BACKWARDS",
            f"The period begins on {from_on.isoformat()}, after its last day, {to_on.isoformat()}.",
            hint="Give the first day first.",
        )
    today = reference.today(work)
    if max(from_on, to_on) >= today:
        yield Invalid(
            "PERIOD_NOT_OVER",
            f"{max(from_on, to_on).isoformat()} is not over; today is {today.isoformat()}.",
            hint="Lock days that are past. To halt money from now on, stop it.",
        )
    first, last = sorted((from_on, to_on))
    standing = work.first(
        select(table)
        .where(table.c.org_id == work.org_id, table.c.locked_at.is_not(None), table.c.unlocked_at.is_(None))
        .where(table.c.from_on <= last.isoformat(), table.c.to_on >= first.isoformat())
        .order_by(table.c.from_on)
        .limit(1)
    )
    if standing is not None:
        yield _locked_before(date.fromisoformat(standing.from_on), date.fromisoformat(standing.to_on))


def _refuse_all(faults: list[FinOpsError]) -> None:
    if len(faults) == 1:
        raise faults[0]
    if faults:
        raise Invalid(
            "PERIOD_BAD",
            " ".join(fault.message for fault in faults),
            hint=" ".join(fault.hint for fault in faults),
            faults=[fault.code for fault in faults],
        )


def _locked_before(from_on: date, to_on: date) -> Conflict:
    return Conflict(
        "PERIOD_LOCKED_BEFORE",
        f"Days of {from_on.isoformat()} to {to_on.isoformat()} are locked already.",
        hint=f"Lock the days beside them, or open that period first. {_LOOK}",
    )


def _unknown() -> NotFound:
    return NotFound("PERIOD_UNKNOWN", "There is no such period here.", hint=_LOOK)


def _recorded(work: Work, verb: str, period_id: str, from_on: date, to_on: date, reason: str) -> None:
    detail = {"from_on": from_on.isoformat(), "to_on": to_on.isoformat(), "reason": reason.strip()}
    audit.record(work, verb, f"period:{period_id}", detail=detail)


def _view(row: Row[Any]) -> PeriodView:
    return PeriodView(
        row.id,
        date.fromisoformat(row.from_on),
        date.fromisoformat(row.to_on),
        row.reason,
        row.locked_by,
        row.locked_at,
        row.unlocked_by,
        row.unlocked_at,
        row.unlocked_reason,
    )
