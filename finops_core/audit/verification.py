"""Verifying the log: every record, its place and every head against the outside record, by name of what differs.

It can run while others write: it looks at what the last head covers, which never changes, and at unsealed records.
What it cannot see is a log rewritten together with ``heads.jsonl``; for that, keep a verification's (size, root)
somewhere else and give it as ``noted`` later.
"""

import json
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Row, and_, func, or_, select

from finops_core.audit.models import audit_head, audit_leaf, audit_record
from finops_core.audit.naming import Difference, Kind, differences, differing, hash_at, told
from finops_core.audit.outside import NOTHING, WIDTH, Finding, Inside, Judgement, judge
from finops_core.audit.rules import Frontier, instant_text, leaf_hash
from finops_core.audit.sealing import horizon, not_sealed_in
from finops_core.kernel.permissions import Permission
from finops_core.platform.work import Reading

CHUNK = 10_000
FINDINGS_SHOWN = 100
_STRAYS_READ = 1_000
_GENERATED = ("id", "at", "org", "actor", "verb", "object", "via")
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


@dataclass(slots=True)
class _Pass:
    """What one verification has gathered so far.

    Attributes:
        strays: leaf rows no head covers: the record's hash (``NOTHING`` without one) -> (position, record id).
        waiting: unsealed records that were looked for: leaf hash -> record id.
        sealed_at: when the last batch was sealed.
        frontier_root: the root that the last head's frontier gives; "" when it cannot be read.
    """

    findings: list[Finding]
    strays: dict[bytes, tuple[int, str]]
    waiting: dict[bytes, str]
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
    seen = _Pass([], {}, {})
    inside = _read_inside(reading, seen)
    judged = judge(inside, heads_dir)
    positions = differing(inside, judged.sealed)
    _read_unsealed(reading, inside.size, seen, {hash_at(judged.sealed, p) for p in positions} | set(judged.ahead))
    found = differences(inside, judged.sealed, positions, seen.waiting, seen.strays)
    seen.findings += judged.findings
    seen.findings += _named(reading, found)
    seen.findings += _strayed(seen, {hash_at(judged.sealed, position) for position in positions})
    seen.findings += _cut(judged, inside.size, seen)
    seen.findings += _heads(judged, inside, seen, noted)
    seen.findings.sort(key=lambda finding: (finding.position is None, finding.position or 0))
    return Verification(
        ok=not seen.findings,
        size=inside.size,
        root=judged.roots.get(inside.size, Frontier().root().hex()),
        records=seen.unsealed + sum(1 for p in range(inside.size) if hash_at(inside.records, p) != NOTHING),
        unsealed=seen.unsealed,
        findings=tuple(seen.findings[:FINDINGS_SHOWN]),
        more=max(0, len(seen.findings) - FINDINGS_SHOWN),
    )


def _read_inside(reading: Reading, seen: _Pass) -> Inside:
    # One statement, so that the head and the leaf rows are of one moment on PostgreSQL too.
    count, last = reading.rows(select(func.count(), func.max(audit_leaf.c.position)).select_from(audit_leaf))[0]
    inside = Inside(0, {}, bytearray(), bytearray())
    inside.heads = _read_heads(reading, inside, seen, count)
    return inside
