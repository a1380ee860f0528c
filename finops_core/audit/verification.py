"""Verifying the log: every record, its place and every head against the outside record, by name of what differs.

It can run while others write: it looks at what the last head covers, which never changes, and at unsealed records.
What it cannot see is a log rewritten together with ``heads.jsonl``; for that, keep a verification's (size, root)
somewhere else and give it as ``noted`` later.
"""

import json
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime
from operator import attrgetter, itemgetter
from pathlib import Path
from typing import Any

from sqlalchemy import ColumnElement, Row, and_, func, or_, select

from finops_core.audit.models import audit_head, audit_leaf, audit_record
from finops_core.audit.naming import Difference, differences, differing, hash_at, told
from finops_core.audit.outside import NOTHING, WIDTH, Finding, Inside, Judgement, judge
from finops_core.audit.rules import Frontier, instant_of, instant_text, leaf_hash
from finops_core.audit.sealing import horizon, not_sealed_in
from finops_core.kernel.permissions import Permission
from finops_core.platform.work import Reading

CHUNK = 10_000
FINDINGS_SHOWN = 100
VERIFIED = "audit.verified"
_STRAYS_READ = 1_000
_UNSEALED_COUNTED = 1_000
_GENERATED = ("id", "at", "org", "actor", "verb", "object", "via")
_IN_BODY, _IN_ROW = itemgetter(*_GENERATED), attrgetter(*_GENERATED)
_RECORD = [audit_record.c[name] for name in ("body", *_GENERATED)]


@dataclass(frozen=True, slots=True)
class Verification:
    """What verifying gave.

    Attributes:
        ok: True when nothing is amiss.
        size: sealed records.
        root: root over them, 64 hex digits; note it elsewhere together with ``size``.
        records: records in the database, unsealed ones included.
        unsealed: records waiting for the sealer; not a fault, but not proven yet.
        findings: what differs, by position; the first 100.
        more: how many findings there are beside these.
    """

    ok: bool
    size: int
    root: str
    records: int
    unsealed: int
    findings: tuple[Finding, ...]
    more: int = 0


@dataclass(frozen=True, slots=True)
class Standing:
    """How far the log is sealed, and when it was last verified as a whole; what it says of itself, not a proof.

    Attributes:
        sealed: records in the tree.
        sealed_at: when the last of them were sealed; None while it is empty.
        unsealed: records that wait for the sealer, counted up to a thousand.
        verified_at: when somebody of this organisation, or the installation, last verified it; None when never.
        verified_ok: what that gave; ``verified_size``: how many records it covered.
    """

    sealed: int
    sealed_at: datetime | None
    unsealed: int
    verified_at: datetime | None = None
    verified_ok: bool | None = None
    verified_size: int = 0


@dataclass(slots=True)
class _Pass:
    """What one verification has gathered so far.

    Attributes:
        strays: leaf rows no head covers: (position, record id, hash of the record or ``NOTHING``).
        waiting: unsealed records that were looked for: leaf hash -> record id.
        sealed: records that have a leaf row under the last head.
        unsealed: records that have none.
        sealed_at: when the last batch was sealed.
        frontier_root: the root that the last head's frontier gives; "" when it cannot be read.
    """

    findings: list[Finding]
    strays: list[tuple[int, str, bytes]]
    waiting: dict[bytes, str]
    sealed: int = 0
    unsealed: int = 0
    sealed_at: datetime | None = None
    frontier_root: str = ""


def verify(reading: Reading, heads_dir: Path, *, noted: tuple[int, str] | None = None) -> Verification:
    """Check the whole log of the installation; needs ``AUDIT_VERIFY``. Never raises for what it finds.

    Args:
        reading: any reading; the log is one for all organisations, and findings hold ids only.
        heads_dir: the folder of ``heads.jsonl``.
        noted: (size, root) of an earlier verification, kept elsewhere: shows a log rewritten as a whole.
    """
    reading.require(Permission.AUDIT_VERIFY)
    seen = _Pass([], [], {})
    inside = _read_inside(reading, seen)
    judged = judge(inside, heads_dir, reading.now)
    positions = differing(inside, judged.sealed)
    lost = {hash_at(judged.sealed, position) for position in positions}
    _read_unsealed(reading, inside.size, seen, lost.union(judged.ahead))
    strayed = {leaf for _, _, leaf in seen.strays}
    found = differences(inside, judged.sealed, positions, seen.waiting, strayed)
    seen.findings += judged.findings
    seen.findings += _named(reading, found)
    seen.findings += _strays(seen, lost)
    seen.findings += _cut(judged, inside.size, seen)
    seen.findings += _heads(judged, inside, seen, noted)
    seen.findings.sort(key=lambda finding: (finding.position is None, finding.position or 0))
    return Verification(
        ok=not seen.findings,
        size=inside.size,
        root=judged.roots.get(inside.size, Frontier().root().hex()),
        records=seen.sealed + seen.unsealed,
        unsealed=seen.unsealed,
        findings=tuple(seen.findings[:FINDINGS_SHOWN]),
        more=max(0, len(seen.findings) - FINDINGS_SHOWN),
    )


def standing(reading: Reading) -> Standing:
    """How the log stands by its own word; needs ``HEALTH_VIEW``. Cheap, whatever the log's size."""
    reading.require(Permission.HEALTH_VIEW)
    head = reading.first(select(audit_head.c.size, audit_head.c.at).order_by(audit_head.c.size.desc()).limit(1))
    size, at = (head.size, head.at) if head is not None else (0, None)
    waiting = not_sealed_in(size).with_only_columns(audit_record.c.id)
    if at is not None:
        waiting = waiting.where(audit_record.c.at >= horizon(at, reading.now))
    unsealed = reading.scalar(select(func.count()).select_from(waiting.limit(_UNSEALED_COUNTED).subquery()))
    verified = audit_record.c.org.in_(("", reading.org_id)), audit_record.c.verb == VERIFIED
    last = reading.first(select(audit_record.c.body).where(*verified).order_by(audit_record.c.at.desc()).limit(1))
    if last is None:
        return Standing(size, at, int(unsealed))
    body = json.loads(last.body)
    found = body["detail"]
    return Standing(size, at, int(unsealed), instant_of(body["at"]), bool(found["ok"]), int(found["size"]))


def _read_inside(reading: Reading, seen: _Pass) -> Inside:
    leaf = audit_leaf.c.position
    # One statement, so that head and leaf rows are of one moment on PostgreSQL too.
    newest = select(func.max(audit_head.c.size)).scalar_subquery()
    counts = select(newest.label("top"), func.count(leaf).label("rows"), func.max(leaf).label("last"))
    found = reading.rows(counts)[0]
    top, rows, last = found.top, found.rows, found.last
    heads = _read_heads(reading, top or 0, rows, seen)
    size = max(heads, default=0)
    inside = Inside(size, heads, bytearray(size * WIDTH), bytearray(size * WIDTH))
    for row in _places(reading, and_(leaf >= 0, leaf < size)):
        at = slice(row.position * WIDTH, (row.position + 1) * WIDTH)
        inside.rows[at] = _hash_of(row.leaf_hash)
        if row.body is not None:
            inside.records[at] = leaf_hash(row.body.encode())
            seen.sealed += 1
            seen.findings += _columns(row, row.position)
    for row in _places(reading, or_(leaf < 0, and_(leaf >= size, leaf <= (last or 0)))):
        seen.strays.append((row.position, row.record_id, leaf_hash(row.body.encode()) if row.body else NOTHING))
        if len(seen.strays) == _STRAYS_READ:
            break
    return inside


def _read_heads(reading: Reading, top: int, leaf_rows: int, seen: _Pass) -> dict[int, tuple[str, str]]:
    """Size -> (root, at) of every head; a head far past the leaf rows is named, not believed."""
    bound = 2 * leaf_rows + _STRAYS_READ
    if top > bound:
        what = f"A head of {top} records was put in; there are {leaf_rows} leaf rows."
        seen.findings.append(Finding(None, "", what))
    heads: dict[int, tuple[str, str]] = {}
    wanted = select(audit_head).where(audit_head.c.size > 0, audit_head.c.size <= min(top, bound))
    for row in reading.rows(wanted.order_by(audit_head.c.size)):
        heads[row.size] = (row.root, instant_text(row.at))
        seen.sealed_at, seen.frontier_root = row.at, row.frontier
    seen.frontier_root = _root_of(max(heads, default=0), seen.frontier_root)
    return heads


def _root_of(size: int, frontier: str) -> str:
    try:
        return Frontier(size, [bytes.fromhex(peak) for peak in json.loads(frontier or "[]")]).root().hex()
    except (ValueError, TypeError):
        return ""


def _places(reading: Reading, which: ColumnElement[bool]) -> Iterator[Row[Any]]:
    """Leaf rows with their records, by position, a chunk at a time."""
    joined = audit_leaf.outerjoin(audit_record, audit_record.c.id == audit_leaf.c.record_id)
    wanted = select(*audit_leaf.c, *_RECORD).select_from(joined).where(which).order_by(audit_leaf.c.position)
    chunk = reading.rows(wanted.limit(CHUNK))
    while chunk:
        yield from chunk
        chunk = reading.rows(wanted.where(audit_leaf.c.position > chunk[-1].position).limit(CHUNK))


def _read_unsealed(reading: Reading, size: int, seen: _Pass, looked_for: Collection[bytes]) -> None:
    """Count the records without a place, keep those looked for, name those that came too late to be honest."""
    earliest = horizon(seen.sealed_at, reading.now) if seen.sealed_at else ""
    wanted = not_sealed_in(size).order_by(audit_record.c.id).limit(CHUNK)
    chunk = reading.rows(wanted)
    while chunk:
        for row in chunk:
            seen.unsealed += 1
            seen.findings += _columns(row, None)
            leaf = leaf_hash(row.body.encode())
            if leaf in looked_for:
                seen.waiting[leaf] = row.id
            elif row.at < earliest:
                what = f"The record was inserted: dated {row.at}, it came after the log was sealed past that."
                seen.findings.append(Finding(None, row.id, what))
        chunk = reading.rows(wanted.where(audit_record.c.id > chunk[-1].id))


def _columns(row: Row[Any], position: int | None) -> Iterator[Finding]:
    """A record whose columns do not say what its bytes say."""
    try:
        agrees = _IN_BODY(json.loads(row.body)) == _IN_ROW(row)
    except (ValueError, KeyError, TypeError):
        agrees = False
    if not agrees:
        yield Finding(position, row.id, "A column of the record was edited: it does not say what the record says.")


def _named(reading: Reading, found: list[Difference]) -> Iterator[Finding]:
    """The findings, the first hundred with their record ids."""
    positions = [difference.position for difference in found[:FINDINGS_SHOWN]]
    rows = reading.rows(select(audit_leaf).where(audit_leaf.c.position.in_(positions)))
    ids = {row.position: row.record_id for row in rows}
    return (told(difference, ids.get(difference.position, "")) for difference in found)


def _strays(seen: _Pass, lost: Collection[bytes]) -> Iterator[Finding]:
    for position, record_id, leaf in seen.strays:
        how = "moved here" if leaf in lost else "inserted"
        yield Finding(position, record_id, f"The record was {how}: its leaf row lies outside every head.")


def _cut(judged: Judgement, size: int, seen: _Pass) -> Iterator[Finding]:
    """Leaves sealed outside past the database's end: their records must be waiting to be sealed again."""
    gone = [size + index for index, leaf in enumerate(judged.ahead) if leaf not in seen.waiting]
    if gone:
        where = f"position {gone[0]}" if len(gone) == 1 else f"positions {gone[0]} to {gone[-1]}"
        yield Finding(gone[0], "", f"The end of the log was cut: {len(gone)} sealed at {where}, now gone.")


def _heads(judged: Judgement, inside: Inside, seen: _Pass, noted: tuple[int, str] | None) -> Iterator[Finding]:
    """The last head's own consistency, and the head somebody noted."""
    if inside.size and seen.frontier_root != inside.heads[inside.size][0]:
        yield Finding(None, "", "The last head was edited: its frontier does not give its root.")
    if noted is not None and judged.roots.get(noted[0]) != noted[1] and noted != (0, Frontier().root().hex()):
        yield Finding(None, "", f"The log is not the one that was noted: at {noted[0]} records its root differs.")


def _hash_of(text: str) -> bytes:
    try:
        leaf = bytes.fromhex(text)
    except ValueError:
        leaf = b""
    # A leaf row may hold anything after tampering; whatever is no hash must only differ from every hash.
    return leaf if len(leaf) == WIDTH else b"\xff" * WIDTH
