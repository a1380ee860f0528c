"""Naming what differs between the records and what was sealed: edited, deleted, inserted or moved. Pure."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from finops_core.audit.outside import NOTHING, WIDTH, Finding, Inside


class Kind(StrEnum):
    """What happened at a position, as the sentence for the reader."""

    EDITED = "The record was edited: it is not what was sealed here."
    DELETED = "The record sealed here was deleted."
    UNPLACED = "The record sealed here is there, but its leaf row was deleted or leads elsewhere."
    LEAF_EDITED = "The leaf row was edited; the record is what was sealed."
    INSERTED = "The record was inserted: it was never sealed here."
    MOVED = "The record was moved here."


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that happened, before the record is looked up.

    Attributes:
        record_id: known already for a record that has lost its leaf row.
        in_leaf_row: whether the leaf row at the position still names the record.
        last: the last of several positions in a row that moved by the same distance.
        sealed_at: where a moved record was sealed.
    """

    position: int
    kind: Kind
    record_id: str = ""
    in_leaf_row: bool = True
    last: int = 0
    sealed_at: int = 0


def differing(inside: Inside, sealed: bytes | bytearray) -> list[int]:
    """Positions where a record or a leaf row is not what was sealed."""
    step = 1_000 * WIDTH
    found: list[int] = []
    for start in range(0, inside.size * WIDTH, step):
        chunk = slice(start, start + step)
        truth, rows, records = sealed[chunk], inside.rows[chunk], inside.records[chunk]
        if truth == rows == records:
            continue
        for at in range(0, len(truth), WIDTH):
            piece = slice(at, at + WIDTH)
            if not truth[piece] == rows[piece] == records[piece]:
                found.append((start + at) // WIDTH)
    return found


def hash_at(run: bytes | bytearray, position: int) -> bytes:
    """The hash of one position."""
    return bytes(run[position * WIDTH : (position + 1) * WIDTH])


def differences(
    inside: Inside,
    sealed: bytes | bytearray,
    positions: Sequence[int],
    waiting: Mapping[bytes, str],
    past_the_head: Iterable[bytes],
) -> list[Difference]:
    """What happened at each of these positions.

    Args:
        inside: what the database says.
        sealed: what was sealed.
        positions: from ``differing``.
        waiting: leaf hash -> record id of unsealed records.
        past_the_head: hashes of records whose leaf rows lie past the last head.
    """
    wanted = {hash_at(sealed, position): position for position in positions}
    have = {hash_at(inside.records, position) for position in positions} | set(past_the_head)
    found: list[Difference] = []
    for position in positions:
        found += _at(inside, sealed, position, wanted, have, waiting)
    return list(_gather(found))


def _at(
    inside: Inside,
    sealed: bytes | bytearray,
    position: int,
    wanted: Mapping[bytes, int],
    have: set[bytes],
    waiting: Mapping[bytes, str],
) -> Iterator[Difference]:
    truth, stands = hash_at(sealed, position), hash_at(inside.records, position)
    if stands == truth:
        yield Difference(position, Kind.LEAF_EDITED)
        return
    is_lost = truth not in have and truth not in waiting
    is_foreign = stands not in {NOTHING, truth} and stands not in wanted
    if is_lost:
        kind = Kind.EDITED if is_foreign else Kind.DELETED
        yield Difference(position, kind, in_leaf_row=is_foreign or stands == NOTHING)
    elif truth not in have:
        yield Difference(position, Kind.UNPLACED, waiting[truth])
    if is_foreign and not is_lost:
        yield Difference(position, Kind.INSERTED)
    if stands in wanted:
        yield Difference(position, Kind.MOVED, last=position, sealed_at=wanted[stands])


def _gather(found: Iterable[Difference]) -> Iterator[Difference]:
    """One difference for a run of records that moved together: an insertion moves all that follow."""
    run: Difference | None = None
    for one in found:
        if one.kind is not Kind.MOVED:
            yield one
        elif run and one.position == run.last + 1 and one.sealed_at - one.position == run.sealed_at - run.position:
            run = Difference(run.position, Kind.MOVED, last=one.position, sealed_at=run.sealed_at)
        else:
            if run:
                yield run
            run = one
    if run:
        yield run


def told(difference: Difference, record_id: str) -> Finding:
    """The finding for a reader."""
    what = difference.kind.value
    if difference.kind is Kind.MOVED:
        first, sealed_at, several = difference.position, difference.sealed_at, difference.last - difference.position
        what = f"The record was sealed at position {sealed_at} and moved here."
        if several:
            what = f"The records at positions {first} to {difference.last} were moved; sealed from {sealed_at} on."
    known = difference.record_id or (record_id if difference.in_leaf_row else "")
    return Finding(difference.position, known, what)
