"""Judging the log against its outside record: which leaf was really sealed at each position. Pure but for reading.

Three witnesses tell of a position: the record's own bytes, its leaf row, and the batch's line in ``heads.jsonl``.
Roots decide between them: whichever leaves give the root that a line (or the database's head) names were sealed.
Hashes are held as one run of 32 bytes per position, so a million positions are 32 MB per witness.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from finops_core.audit.heads import FILE_NAME, HeadLine, read_all
from finops_core.audit.rules import LATE, Frontier, instant_text

WIDTH = 32
NOTHING = bytes(WIDTH)
DOUBTFUL_LINES = 3


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not as it was sealed.

    Attributes:
        position: the place in the log, from 0; None for something without a place.
        record_id: the record, "" when it cannot be named any more.
        what: a sentence.
    """

    position: int | None
    record_id: str
    what: str


@dataclass(slots=True)
class Inside:
    """What the database says.

    Attributes:
        size: leaves under its last head.
        heads: size -> (root, at) of every head.
        rows: the hash in each leaf row; ``NOTHING`` where there is no row.
        records: the hash of each record's bytes; ``NOTHING`` where there is no record.
    """

    size: int
    heads: Mapping[int, tuple[str, str]]
    rows: bytearray
    records: bytearray


@dataclass(slots=True)
class Judgement:
    """What was sealed, and what contradicts it.

    Attributes:
        tree: the tree over what was believed so far.
        sealed: the true leaf of each position the database's last head covers.
        ahead: leaves the outside record has beyond it.
        roots: size -> root, wherever a batch ended.
        doubtful: numbered lines that give no known root; a later line tells whether only they are wrong.
        proven: False from the first positions on that no root confirms.
    """

    tree: Frontier = field(default_factory=Frontier)
    sealed: bytearray = field(default_factory=bytearray)
    ahead: list[bytes] = field(default_factory=list)
    roots: dict[int, str] = field(default_factory=dict)
    doubtful: list[tuple[int, HeadLine]] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    proven: bool = True

    def find(self, position: int | None, what: str) -> None:
        """Note a finding that concerns no single record."""
        self.findings.append(Finding(position, "", what))


def judge(inside: Inside, heads_dir: Path, now: datetime) -> Judgement:
    """Walk the outside record against the database, then whatever only the database has.

    Args:
        inside: read in a transaction that began at ``now``.
        heads_dir: the folder of the outside record.
        now: lines ahead of the database that were written since are left alone, for the transaction may not see
            the records they seal; but an instant in the future, more than ten minutes off, excuses no line.
    """
    newer = (instant_text(now), instant_text(now + LATE))
    found = Judgement()
    path = heads_dir / FILE_NAME
    if inside.size and not path.exists():
        found.find(None, "The outside record, heads.jsonl, is missing.")
    for number, line in enumerate(read_all(path), start=1):
        if line is None:
            found.find(None, f"Line {number} of heads.jsonl was edited: it cannot be read.")
            continue
        if line.size > inside.size and newer[0] < line.at <= newer[1]:
            break
        if line.size > inside.size:
            _take_rest(found, inside, outside=path.exists())
        if line.first < found.tree.size or (line.size > inside.size and line.first > found.tree.size):
            what = f"Line {number} of heads.jsonl does not follow the line before: lines were cut, added or edited."
            found.find(found.tree.size, what)
        elif line.size > inside.size:
            _take_ahead(found, number, line)
        else:
            _take_line(found, inside, number, line)
    _take_rest(found, inside, outside=path.exists())
    _compare_unknown(found, inside, outside=path.exists())
    return found


def _take_line(found: Judgement, inside: Inside, number: int, line: HeadLine) -> None:
    """A line the database should have too."""
    start = found.tree.size
    told = _told(found, inside, line)
    root, _ = inside.heads.get(line.size, ("", ""))
    sealed = _believe(found, inside, line.size, told, (line.root, root))
    if sealed is None:
        found.doubtful.append((number, line))
        if len(found.doubtful) > DOUBTFUL_LINES:
            _give_up(found, inside)
        return
    _clear_doubts(found, start, line.first)
    if sealed != told:
        found.find(line.first, f"Line {number} of heads.jsonl was edited: its leaves do not give the root.")
    if found.proven:
        _compare_heads(found, inside, number, line)


def _told(found: Judgement, inside: Inside, line: HeadLine) -> bytes:
    """What the line says of the positions since the last believed one; where it says nothing, the leaf rows."""
    gap = bytes(inside.rows[found.tree.size * WIDTH : line.first * WIDTH])
    return gap + b"".join(bytes.fromhex(leaf) for leaf in line.leaves)


def _believe(found: Judgement, inside: Inside, size: int, told: bytes, roots: tuple[str, ...]) -> bytes | None:
    """Take the leaves up to ``size`` that give one of the roots: as told, else by leaf rows, else by records."""
    cut = slice(found.tree.size * WIDTH, size * WIDTH)
    for leaves in dict.fromkeys((told, bytes(inside.rows[cut]), bytes(inside.records[cut]))):
        tree = _grown(found.tree, leaves)
        if not found.proven or tree.root().hex() in roots:
            _settle(found, tree, leaves)
            return leaves
    return None


def _settle(found: Judgement, tree: Frontier, leaves: bytes) -> None:
    found.tree = tree
    found.sealed += leaves
    found.roots[tree.size] = tree.root().hex()


def _clear_doubts(found: Judgement, start: int, first: int) -> None:
    """A line after the doubtful ones is confirmed by its root, so what lies between is, and only they are wrong."""
    for number, line in found.doubtful:
        found.find(line.first, f"Line {number} of heads.jsonl was edited: it gives no root of this log.")
    if first > start and not found.doubtful:
        found.find(start, f"heads.jsonl has no line for positions {start} to {first - 1}: it was cut or edited.")
    found.doubtful.clear()


def _give_up(found: Judgement, inside: Inside) -> None:
    """No root confirms anything any more: from here on leaves are compared one by one, as told outside."""
    what = "From here on nothing can be proven: neither the records nor the outside record give the roots."
    found.find(found.tree.size, what)
    found.proven = False
    for _, line in found.doubtful:
        if line.first >= found.tree.size:
            told = _told(found, inside, line)
            _settle(found, _grown(found.tree, told), told)
    found.doubtful.clear()


def _compare_heads(found: Judgement, inside: Inside, number: int, line: HeadLine) -> None:
    true_root = found.roots[line.size]
    root, at = inside.heads.get(line.size, ("", ""))
    if line.root != true_root:
        found.find(line.first, f"Line {number} of heads.jsonl was edited: its root is wrong.")
    if not root:
        found.find(line.first, f"The head of {line.size} records is gone from the database.")
    elif root != true_root:
        found.find(line.first, f"The database's head of {line.size} records was edited: its root is wrong.")
    elif at != line.at:
        what = f"The head of {line.size} records has another instant in the database than in heads.jsonl."
        found.find(line.first, what)


def _take_ahead(found: Judgement, number: int, line: HeadLine) -> None:
    """A line that a crash kept out of the database, or whose rows were cut from it: the unsealed records will tell."""
    leaves = [bytes.fromhex(leaf) for leaf in line.leaves]
    found.tree = _grown(found.tree, b"".join(leaves))
    found.ahead += leaves
    if found.proven and found.tree.root().hex() != line.root:
        found.find(line.first, f"Line {number} of heads.jsonl was edited: its leaves do not give the root.")


def _take_rest(found: Judgement, inside: Inside, *, outside: bool) -> None:
    """What the database has sealed and no line confirmed: its own heads must do."""
    start = found.tree.size
    if start >= inside.size:
        return
    if outside and not found.doubtful:
        what = f"heads.jsonl has no line for positions {start} to {inside.size - 1}: "
        found.find(start, what + "it was cut or edited, or these records were put in past the sealer.")
    # With doubtful lines only the last head can help: it covers them all.
    sizes = [inside.size] if found.doubtful else sorted(size for size in inside.heads if size > start)
    for size in sizes:
        told = bytes(inside.rows[found.tree.size * WIDTH : size * WIDTH])
        if _believe(found, inside, size, told, (inside.heads[size][0],)) is None:
            _give_up(found, inside)
            told = bytes(inside.rows[found.tree.size * WIDTH : size * WIDTH])
            _settle(found, _grown(found.tree, told), told)
    _clear_doubts(found, start, start)


def _compare_unknown(found: Judgement, inside: Inside, *, outside: bool) -> None:
    unknown = sorted(set(inside.heads) - set(found.roots))
    if unknown and outside and found.proven:
        found.find(None, f"The database has a head of {unknown[0]} records that heads.jsonl does not know.")


def _grown(tree: Frontier, leaves: bytes) -> Frontier:
    tree = tree.copy()
    for start in range(0, len(leaves), WIDTH):
        tree.push(leaves[start : start + WIDTH])
    return tree
