"""Sealing: unsealed records get positions without gaps, in order of (at, id), and the head goes outside.

Order of things in one unit: rows are inserted, the line reaches the disk, the unit commits. A crash in between
leaves the file ahead; the next sealing then puts the same records into the same places, taken from the line itself,
because by then records with earlier instants may have been committed.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from pathlib import Path

from sqlalchemy import Select, func, insert, select
from sqlalchemy.exc import IntegrityError

from finops_core.audit.heads import FILE_NAME, HeadLine, Tail, append, read_tail
from finops_core.audit.models import audit_head, audit_leaf, audit_record
from finops_core.audit.rules import LATE, Frontier, instant_of, instant_text, leaf_hash
from finops_core.kernel.errors import Conflict, Unavailable
from finops_core.kernel.permissions import Permission
from finops_core.platform.work import Reading, Work

BATCH = 5_000
AT_ONCE = 100_000
_PG_LOCK = 7_204_812


@dataclass(frozen=True, slots=True)
class Head:
    """The tree as the database has it.

    Attributes:
        at: when its last batch was sealed; None while it is empty.
    """

    root: str
    tree: Frontier
    at: datetime | None


def seal(work: Work, heads_dir: Path, *, at_most: int = AT_ONCE) -> int:
    """Seal what is unsealed and give how many records that were; call again while it gives ``at_most``.

    Needs ``WORKER_ACT``. Harmless when two do it at once: the second waits, then finds nothing to do.
    Raises ``AUDIT_HEADS_MISSING`` when the outside record is not there, ``AUDIT_LOG_BROKEN`` when it contradicts the
    database, ``AUDIT_HEADS_UNWRITABLE`` when it cannot be written; nothing is sealed then, and nothing is lost.
    Records dated more than ten minutes before the last sealing stay unsealed: ``verify`` names them.
    """
    work.require(Permission.WORKER_ACT)
    if work.dialect == "postgresql":
        # SQLite lets one writer in at a time by itself. Here two could write the same positions to the file.
        work.execute(select(func.pg_advisory_xact_lock(_PG_LOCK)))
    head = last_head(work)
    path = heads_dir / FILE_NAME
    tail = read_tail(path, head.tree.size)
    _refuse_contradiction(head, tail)
    unsealed = _unsealed(work, head, None if tail.ahead else at_most)
    for line in tail.ahead:
        _put_back(work, head.tree, line, unsealed)
    lines = list(_seal_batches(work, head.tree, unsealed))
    if lines or tail.ahead:
        # Also when there is nothing to add: a line left by a killed process may not have reached the disk yet.
        append(path, lines, tail.whole_bytes)
    return sum(len(line.leaves) for line in (*tail.ahead, *lines))


def last_head(reading: Reading) -> Head:
    """The newest head in the database."""
    row = reading.first(select(audit_head).order_by(audit_head.c.size.desc()).limit(1))
    if row is None:
        empty = Frontier()
        return Head(empty.root().hex(), empty, None)
    try:
        tree = Frontier(row.size, [bytes.fromhex(peak) for peak in json.loads(row.frontier)])
    except (ValueError, TypeError) as error:
        raise _broken("the last head cannot be read") from error
    return Head(row.root, tree, row.at)


def horizon(last_sealed: datetime, now: datetime) -> str:
    """Records dated before this cannot honestly turn up any more: they would have been sealed with the others.

    When the machine's clock was set back behind the last sealing, it is ``now`` that counts.
    """
    return instant_text(min(last_sealed, now) - LATE)


def not_sealed_in(size: int) -> Select[tuple[str, ...]]:
    """The records without a place in a tree of so many leaves: id, body and the columns made from it."""
    place = select(audit_leaf.c.record_id).where(
        audit_leaf.c.record_id == audit_record.c.id, audit_leaf.c.position < size
    )
    return select(audit_record).where(~place.exists())


def _unsealed(work: Work, head: Head, at_most: int | None) -> dict[str, str]:
    """Leaf hash -> record id, in the order of sealing."""
    found = not_sealed_in(head.tree.size).order_by(audit_record.c.at, audit_record.c.id)
    if head.at is not None:
        found = found.where(audit_record.c.at >= horizon(head.at, work.now))
    if at_most is not None:
        found = found.limit(at_most)
    return {leaf_hash(row.body.encode()).hex(): row.id for row in work.rows(found)}


def _refuse_contradiction(head: Head, tail: Tail) -> None:
    size = head.tree.size
    if size and tail.whole_bytes == 0:
        raise Unavailable(
            "AUDIT_HEADS_MISSING",
            "The audit log's outside record, heads.jsonl, is not there, so nothing was sealed.",
            hint="Put heads.jsonl back from its copy. If there is none, verify the log and call an administrator.",
            size=size,
        )
    if head.tree.root().hex() != head.root:
        raise _broken("the last head is not the root of its own tree", size)
    if not tail.readable:
        raise _broken("the end of heads.jsonl cannot be read", size)
    known = (tail.last.size, tail.last.root) if tail.last else (0, head.root if size == 0 else "")
    if known != (size, head.root):
        raise _broken("heads.jsonl does not know the database's last head", size)


def _put_back(work: Work, tree: Frontier, line: HeadLine, unsealed: dict[str, str]) -> None:
    if line.first != tree.size or not all(leaf in unsealed for leaf in line.leaves):
        raise _broken("heads.jsonl is ahead of the database with records that are not there", tree.size)
    _insert(work, tree, line.leaves, [unsealed.pop(leaf) for leaf in line.leaves], instant_of(line.at))
    if tree.root().hex() != line.root:
        raise _broken("a line of heads.jsonl gives another root than its leaves", tree.size)


def _seal_batches(work: Work, tree: Frontier, unsealed: dict[str, str]) -> Iterator[HeadLine]:
    left = iter(unsealed.items())
    while batch := list(islice(left, BATCH)):
        leaves = tuple(leaf for leaf, _ in batch)
        _insert(work, tree, leaves, [record_id for _, record_id in batch], work.now)
        yield HeadLine(instant_text(work.now), tree.size, tree.root().hex(), leaves)


def _insert(work: Work, tree: Frontier, leaves: Sequence[str], record_ids: Sequence[str], at: datetime) -> None:
    rows = [
        {"position": tree.size + index, "record_id": record_id, "leaf_hash": leaf}
        for index, (leaf, record_id) in enumerate(zip(leaves, record_ids, strict=True))
    ]
    for leaf in leaves:
        tree.push(bytes.fromhex(leaf))
    frontier = json.dumps([peak.hex() for peak in tree.peaks])
    try:
        work.execute(insert(audit_leaf), rows)
        work.execute(insert(audit_head).values(size=tree.size, root=tree.root().hex(), frontier=frontier, at=at))
    except IntegrityError as error:
        raise _broken("rows lie where the next positions belong", tree.size) from error


def _broken(reason: str, size: int | None = None) -> Conflict:
    return Conflict(
        "AUDIT_LOG_BROKEN",
        "The audit log and its outside record contradict each other, so nothing more was sealed.",
        hint="Keep both as they are, run `python -m finops_core verify-audit` and call an administrator.",
        reason=reason,
        size=size,
    )
