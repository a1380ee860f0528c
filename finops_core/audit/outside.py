"""Judging the log against its outside record: which leaf was really sealed at each position. Pure but for reading.

Three witnesses tell of a position: the record's own bytes, its leaf row, and the batch's line in ``heads.jsonl``.
Roots decide between them: whichever leaves give the root that a line (or the database's head) names were sealed.
Hashes are held as one run of 32 bytes per position, so a million positions are 32 MB per witness.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from finops_core.audit.heads import FILE_NAME, HeadLine, read_all
from finops_core.audit.rules import Frontier

WIDTH = 32
NOTHING = bytes(WIDTH)


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
        places: how far leaf rows go; ``size`` in a sound log.
        heads: size -> (root, at) of every head.
        rows: the hash in each leaf row; ``NOTHING`` where there is no row.
        records: the hash of each record's bytes; ``NOTHING`` where there is no record.
    """

    size: int
    places: int
    heads: Mapping[int, tuple[str, str]]
    rows: bytearray
    records: bytearray


@dataclass(slots=True)
class Judgement:
    """What was sealed, and what contradicts it.

    Attributes:
        tree: the tree over ``sealed``.
        sealed: the true leaf of each position the database's last head covers.
        ahead: leaves the outside record has beyond it.
        roots: size -> root, wherever a batch ended.
        proven: False from the first batch on whose root nothing gives.
    """

    tree: Frontier = field(default_factory=Frontier)
    sealed: bytearray = field(default_factory=bytearray)
    ahead: list[bytes] = field(default_factory=list)
    roots: dict[int, str] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    proven: bool = True


def judge(inside: Inside, heads_dir: Path) -> Judgement:
    """Walk the outside record against the database, then whatever only the database has."""
    found = Judgement()
    path = heads_dir / FILE_NAME
    if not path.exists() and inside.size:
        found.findings.append(Finding(None, "", "The outside record, heads.jsonl, is missing."))
    for number, line in enumerate(read_all(path), start=1):
        if line is None:
            found.findings.append(Finding(None, "", f"Line {number} of heads.jsonl was edited: it cannot be read."))
        elif line.first < found.tree.size or (line.first > found.tree.size and line.size > inside.size):
            what = f"Line {number} of heads.jsonl does not follow the line before: lines were cut, added or edited."
            found.findings.append(Finding(found.tree.size, "", what))
        elif line.size <= inside.size:
            _take_line(found, inside, number, line)
        else:
            _take_ahead(found, inside, number, line)
    _take_rest(found, inside, heads_exist=path.exists())
    return found


def _take_line(found: Judgement, inside: Inside, number: int, line: HeadLine) -> None:
    """A line the database should have too."""
    start = found.tree.size
    if line.first > start:
        what = f"heads.jsonl has no line for positions {start} to {line.first - 1}: it was cut or edited."
        found.findings.append(Finding(start, "", what))
    gap = bytes(inside.rows[start * WIDTH : line.first * WIDTH])
    told = gap + b"".join(bytes.fromhex(leaf) for leaf in line.leaves)
    root, _ = inside.heads.get(line.size, ("", ""))
    sealed = _believe(found, inside, line.size, told, (line.root, root))
    if sealed != told:
        what = f"Line {number} of heads.jsonl was edited: its leaves do not give the root."
        found.findings.append(Finding(line.first, "", what))
    if found.proven:
        _compare_heads(found, inside, number, line)


def _believe(found: Judgement, inside: Inside, size: int, told: bytes, roots: tuple[str, ...]) -> bytes:
    """The leaves up to ``size`` that give one of the roots: as told outside, else by leaf rows, else by records."""
    cut = slice(found.tree.size * WIDTH, size * WIDTH)
    start = found.tree.size
    for leaves in dict.fromkeys((told, bytes(inside.rows[cut]), bytes(inside.records[cut]))):
        tree = found.tree.copy()
        for leaf in _each(leaves):
            tree.push(leaf)
        if not found.proven or tree.root().hex() in roots:
            return _settle(found, tree, leaves)
    found.proven = False
    what = (
        f"Positions {start} to {size - 1} and all after them cannot be proven: "
        "neither the records nor the outside record give the root."
    )
    found.findings.append(Finding(start, "", what))
    tree = found.tree.copy()
    for leaf in _each(told):
        tree.push(leaf)
    return _settle(found, tree, told)


def _settle(found: Judgement, tree: Frontier, leaves: bytes) -> bytes:
    found.tree = tree
    found.sealed += leaves
    found.roots[tree.size] = tree.root().hex()
    return leaves


def _compare_heads(found: Judgement, inside: Inside, number: int, line: HeadLine) -> None:
    true_root = found.roots[line.size]
    if line.root != true_root:
        found.findings.append(Finding(line.first, "", f"Line {number} of heads.jsonl was edited: its root is wrong."))
    root, at = inside.heads.get(line.size, ("", ""))
    if not root:
        what = f"The head of {line.size} records is gone from the database."
        found.findings.append(Finding(line.first, "", what))
    elif root != true_root:
        what = f"The database's head of {line.size} records was edited: its root is wrong."
        found.findings.append(Finding(line.first, "", what))
    elif at != line.at:
        what = f"The head of {line.size} records has another instant in the database than in heads.jsonl."
        found.findings.append(Finding(line.first, "", what))


def _take_ahead(found: Judgement, inside: Inside, number: int, line: HeadLine) -> None:
    """A line that a crash kept out of the database, or whose rows were cut from it: the unsealed records will tell."""
    leaves = [bytes.fromhex(leaf) for leaf in line.leaves]
    tree = found.tree.copy()
    for leaf in leaves:
        tree.push(leaf)
    if found.proven and tree.root().hex() != line.root:
        what = f"Line {number} of heads.jsonl was edited: its leaves do not give the root."
        found.findings.append(Finding(line.first, "", what))
    covered = inside.size - found.tree.size  # more than 0 when the database's head lies within the line
    found.sealed += b"".join(leaves[:covered])
    found.ahead += leaves[covered:]
    found.tree = tree


def _take_rest(found: Judgement, inside: Inside, *, heads_exist: bool) -> None:
    """What the database has sealed past the end of the file, and heads the file does not know."""
    start = found.tree.size
    if start < inside.size:
        if heads_exist:
            what = (
                f"heads.jsonl ends at {start} records, the database says {inside.size}: "
                "the file was cut, or these records were put in past the sealer."
            )
            found.findings.append(Finding(start, "", what))
        for size in sorted(size for size in inside.heads if size > start):
            told = bytes(inside.rows[found.tree.size * WIDTH : size * WIDTH])
            _believe(found, inside, size, told, (inside.heads[size][0],))
    unknown = sorted(set(inside.heads) - set(found.roots))
    if unknown and heads_exist:
        what = f"The database has a head of {unknown[0]} records that heads.jsonl does not know."
        found.findings.append(Finding(None, "", what))


def _each(leaves: bytes) -> Iterator[bytes]:
    for start in range(0, len(leaves), WIDTH):
        yield leaves[start : start + WIDTH]
