"""How long booking takes: the units that booked something, from their beginning until they are committed.

Counted in memory and written at most once a minute for each process and organisation, so that no booking pays for a
second commit of its own; what a process had not written when it ended is lost, and is no money.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from threading import Lock
from typing import Any

from sqlalchemy import delete, func, insert, select

from finops_core.kernel.ids import new_id
from finops_core.ledger.records import TIMES_MS, ledger_timing
from finops_core.platform.work import Reading, Work

EVERY_S = 60.0
KEPT = timedelta(days=90)


@dataclass(frozen=True, slots=True)
class Latency:
    """How long booking took in a period. ``median_ms`` and ``slow_ms`` (19 of 20 were faster): upper bounds, in ms.

    None past the longest time that is told apart, or when nothing was timed (``units`` 0).
    """

    units: int = 0
    median_ms: int | None = None
    slow_ms: int | None = None


@dataclass(slots=True)
class _Counted:
    since: datetime
    counts: dict[str, int]


@dataclass(slots=True)
class Timings:
    """What one process has timed and not written yet; safe to share between threads."""

    counted: dict[str, _Counted] = field(default_factory=dict)
    written: dict[str, float] = field(default_factory=dict)
    lock: Lock = field(default_factory=Lock)

    def note(self, org_id: str, took_s: float, at: datetime, clock_s: float) -> Mapping[str, Any] | None:
        """Count one unit; gives what is to be written when the last writing is a minute ago, by a steady clock."""
        with self.lock:
            mine = self.counted.setdefault(org_id, _Counted(at, dict.fromkeys(_COLUMNS, 0)))
            mine.counts[_column(took_s * 1000)] += 1
            if clock_s - self.written.get(org_id, -EVERY_S) < EVERY_S:
                return None
            self.written[org_id] = clock_s
            del self.counted[org_id]
        return {"since": mine.since, **mine.counts}


def keep_timings(work: Work, counted: Mapping[str, Any]) -> None:
    """Write what was counted."""
    work.execute(insert(ledger_timing), {"org_id": work.org_id, "id": new_id("time"), "until": work.now, **counted})


def latency(reading: Reading, since: datetime) -> Latency:
    """How long booking took since an instant; for whoever may see the ledger."""
    table = ledger_timing
    sums = [func.coalesce(func.sum(table.c[name]), 0).label(name) for name in _COLUMNS]
    row = reading.first(select(*sums).where(table.c.org_id == reading.org_id, table.c.until > since))
    counts = [int(getattr(row, name)) for name in _COLUMNS]
    return Latency(sum(counts), _within(counts, 0.5), _within(counts, 0.95))


def tidy(work: Work) -> None:
    """Forget times of long ago."""
    table = ledger_timing
    work.execute(delete(table).where(table.c.org_id == work.org_id, table.c.until < work.now - KEPT))


_COLUMNS = (*(f"within_{ms}" for ms in TIMES_MS), "longer")


def _column(took_ms: float) -> str:
    return next((f"within_{ms}" for ms in TIMES_MS if took_ms <= ms), "longer")


def _within(counts: list[int], part: float) -> int | None:
    """The shortest of the times told apart that so large a part of the units kept to."""
    seen, wanted = 0, sum(counts) * part
    for ms, many in zip(TIMES_MS, counts, strict=False):
        seen += many
        if many and seen >= wanted:
            return ms
    return None
