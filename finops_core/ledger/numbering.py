"""Numbers that auditors expect, without gaps, per organisation and year: ``JE-2026-0001``.

Entries are numbered after they were booked, as the log is sealed after it was written: were the number a part of
posting, everybody who posts would wait for whoever counted last. An entry has its number within a minute, and keeps it.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Select, func, insert, select

from finops_core import audit, reference
from finops_core.kernel.actor import worker_actor
from finops_core.kernel.canonical import content_hash
from finops_core.kernel.permissions import Permission
from finops_core.ledger import guards
from finops_core.ledger.models import ledger_journal, ledger_number
from finops_core.platform.queue import Claim
from finops_core.platform.work import Reading, Units, Work

NUMBER_JOB = "ledger.number"
SERIES = "JE"
AT_ONCE = 5_000
PARTS = 500
# No unit of work lasts as long, so that what was booked before the last numbering, and is not in it, was booked since.
OVERLAP = timedelta(days=1)
# Of the rounds one an hour looks at every entry: whatever a clock that was set back may have hidden is numbered, too.
WHOLE_EVERY = 60
LEAST_DIGITS, MOST_DIGITS = 4, 9
_BEGUN = re.compile(rf"{SERIES}-([0-9]{{4}})-([0-9]{{0,8}})", re.ASCII)
_NUMBER = re.compile(rf"{SERIES}-([0-9]{{4}})-([0-9]{{1,12}})", re.ASCII | re.IGNORECASE)


def written(year: int, n: int) -> str:
    """A number as people write it."""
    return f"{SERIES}-{year}-{n:04d}"


def read(number: str) -> tuple[int, int] | None:
    """Year and place of a number that was typed, None for what is none."""
    found = _NUMBER.fullmatch(number.strip())
    return (int(found[1]), int(found[2])) if found else None


def number_entries(units: Units, claim: Claim | None) -> None:
    """Number what was booked since the last round, organisation by organisation, ``AT_ONCE`` in a unit."""
    slot = claim.payload.get("slot", 0) if claim else 0
    whole = not int(slot) % WHOLE_EVERY
    with units.read(worker_actor("")) as reading:
        org_ids = reference.all_ids(reading)
    for org_id in org_ids:
        # Looked at before anything is held: mostly there is nothing to do.
        with units.read(worker_actor(org_id)) as reading:
            waiting = reading.first(_waiting(reading, whole=whole).limit(1)) is not None
        while waiting:
            with units.work(worker_actor(org_id)) as work:
                waiting = number(work, whole=whole) == AT_ONCE


def number(work: Work, at_most: int = AT_ONCE, *, whole: bool = True) -> int:
    """Number entries that have none, in the order of their ids; how many. Needs ``WORKER_ACT``.

    Two at once do no harm: the second waits, and goes on where the first ended. ``whole``: look at every entry, not
    only at those since the last numbering.
    """
    work.require(Permission.WORKER_ACT)
    if work.dialect == "postgresql":
        # SQLite lets one writer in at a time by itself.
        work.execute(select(func.pg_advisory_xact_lock(guards.NUMBER_LOCK, func.hashtext(work.org_id))))
    found = work.rows(_waiting(work, whole=whole).limit(at_most))
    zone = reference.zone(work)
    last: dict[int, int] = {}
    rows = []
    for entry in sorted(found, key=lambda row: str(row.id)):
        year = entry.booked_at.astimezone(zone).year
        last[year] = (last[year] if year in last else _last(work, year)) + 1
        rows.append(
            {"org_id": work.org_id, "journal_id": entry.id, "year": year, "n": last[year], "numbered_at": work.now}
        )
    if rows:
        work.execute(insert(ledger_number), rows)
        _recorded(work, rows)
    return len(rows)


def numbers(reading: Reading, journal_ids: Iterable[str]) -> Mapping[str, str]:
    """Entry -> its number, of those that have one. Needs ``LEDGER_VIEW``."""
    reading.require(Permission.LEDGER_VIEW)
    wanted, found = sorted({each for each in journal_ids if each}), {}
    for start in range(0, len(wanted), PARTS):
        mine = ledger_number.c.org_id == reading.org_id, ledger_number.c.journal_id.in_(wanted[start : start + PARTS])
        for row in reading.rows(select(ledger_number).where(*mine)):
            found[row.journal_id] = written(row.year, row.n)
    return found


def entry_id(reading: Reading, name: str) -> str:
    """The id of the entry with this number; a name that is no number, or nobody's, as it was given."""
    place = read(name)
    if place is None:
        return name
    table = ledger_number
    mine = table.c.org_id == reading.org_id, table.c.year == place[0], table.c.n == place[1]
    return str(reading.scalar(select(table.c.journal_id).where(*mine)) or name)


def begun(reading: Reading, typed: Iterable[str], limit: int) -> set[str]:
    """Ids of entries whose number begins so, ``JE-2026-00`` say; of many the newest."""
    table, found = ledger_number, set()
    for text in typed:
        if (place := _BEGUN.fullmatch(text)) is None:
            continue
        year, digits = int(place[1]), place[2]
        wide = [_span(digits, more) for more in range(MOST_DIGITS - len(digits) + 1)]
        mine = table.c.org_id == reading.org_id, table.c.year == year
        for first, last in filter(None, wide):
            query = select(table.c.journal_id).where(*mine, table.c.n.between(first, last))
            found |= {row.journal_id for row in reading.rows(query.order_by(table.c.n.desc()).limit(limit))}
    return found


def _span(digits: str, more: int) -> tuple[int, int] | None:
    """The places that are written with these digits first and so many more behind; None where none is."""
    if len(digits) + more < LEAST_DIGITS:
        return None
    first, last = int(digits.ljust(len(digits) + more, "0")), int(digits.ljust(len(digits) + more, "9"))
    # A place of more than four digits has no zeros before it.
    if len(digits) + more > LEAST_DIGITS:
        first = max(first, 10 ** (len(digits) + more - 1))
    return (first, last) if first <= last else None


def unnumbered_before(reading: Reading, at: datetime) -> Select[int, Any]:
    """How many entries that were booked before an instant have no number, and the first of them."""
    head = ledger_journal
    mine = head.c.org_id == reading.org_id, head.c.booked_at < at, ~_has_number(reading)
    return select(func.count().label("many"), func.min(head.c.id).label("first")).where(*mine)


def _waiting(reading: Reading, *, whole: bool) -> Select[Any]:
    head = ledger_journal
    mine = [head.c.org_id == reading.org_id, ~_has_number(reading)]
    if not whole and (since := _numbered_at(reading)) is not None:
        mine.append(head.c.booked_at >= since - OVERLAP)
    # By the instant, which an index has; entries of one unit, which have one instant, come in the order of their ids.
    return select(head.c.id, head.c.booked_at).where(*mine).order_by(head.c.booked_at, head.c.id)


def _has_number(reading: Reading) -> Any:
    table = ledger_number
    return select(table.c.n).where(table.c.org_id == reading.org_id, table.c.journal_id == ledger_journal.c.id).exists()


def _numbered_at(reading: Reading) -> datetime | None:
    table = ledger_number
    newest = table.c.year.desc(), table.c.n.desc()
    query = select(table.c.numbered_at).where(table.c.org_id == reading.org_id).order_by(*newest).limit(1)
    found: datetime | None = reading.scalar(query)
    return found


def _last(work: Work, year: int) -> int:
    """The last number given in a year, 0 for none."""
    table = ledger_number
    mine = table.c.org_id == work.org_id, table.c.year == year
    return int(work.scalar(select(table.c.n).where(*mine).order_by(table.c.n.desc()).limit(1)) or 0)


def _recorded(work: Work, rows: Sequence[Mapping[str, Any]]) -> None:
    """One line for each year; its hash holds which entry has which number."""
    given: dict[int, list[tuple[int, str]]] = {}
    for row in rows:
        given.setdefault(row["year"], []).append((row["n"], row["journal_id"]))
    for year, each in given.items():
        told = {"first": written(year, each[0][0]), "last": written(year, each[-1][0]), "entries": len(each)}
        hashed = content_hash([[written(year, n), journal_id] for n, journal_id in each])
        audit.record(work, "ledger.numbered", f"organisation:{work.org_id}", after=hashed, detail=told)
