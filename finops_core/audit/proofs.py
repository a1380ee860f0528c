"""Proofs that single records are in the log: who has only them can check it, without the other records.

The tree and its inclusion proofs are those of RFC 6962, section 2.1.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import select

from finops_core.audit.models import audit_leaf
from finops_core.audit.sealing import last_head
from finops_core.kernel.permissions import Permission
from finops_core.platform.work import Reading

CHUNK = 50_000
_HASH_BYTES = 32


@dataclass(frozen=True, slots=True)
class Inclusion:
    """What proves that records are in a log of this ``size`` and ``root``.

    Attributes:
        paths: position -> the hashes beside the way from its leaf up to the root, lowest first, as hex.
    """

    size: int
    root: str
    paths: Mapping[int, tuple[str, ...]]


def inclusion(reading: Reading, positions: Iterable[int]) -> Inclusion:
    """Proofs for the records at these places of the sealed log; those not sealed yet are left out.

    Reads every leaf's hash, so it takes a second for a million records. Needs ``AUDIT_EXPORT``.
    """
    reading.require(Permission.AUDIT_EXPORT)
    head = last_head(reading)
    size = head.tree.size
    wanted = sorted({position for position in positions if position < size})
    return Inclusion(size, head.root, paths(_leaves(reading, size) if wanted else (), wanted))


def paths(leaves: Iterable[bytes], positions: Sequence[int]) -> dict[int, tuple[str, ...]]:
    """The inclusion proof of each position in a tree of these leaf hashes."""
    found: dict[int, list[str]] = {position: [] for position in positions}
    level = bytearray().join(leaves)
    shift = 0
    while len(level) > _HASH_BYTES:
        for position, path in found.items():
            beside = ((position >> shift) ^ 1) * _HASH_BYTES
            # The last node of an odd level goes up as it is: nothing stands beside it.
            if beside < len(level):
                path.append(level[beside : beside + _HASH_BYTES].hex())
        level, shift = _above(level), shift + 1
    return {position: tuple(path) for position, path in found.items()}


def _above(level: bytearray) -> bytearray:
    pair = 2 * _HASH_BYTES
    whole = len(level) - len(level) % pair
    nodes = (hashlib.sha256(b"\x01" + level[at : at + pair]).digest() for at in range(0, whole, pair))
    return bytearray().join((*nodes, bytes(level[whole:])))


def _leaves(reading: Reading, size: int) -> Iterator[bytes]:
    columns = select(audit_leaf.c.position, audit_leaf.c.leaf_hash).order_by(audit_leaf.c.position).limit(CHUNK)
    after = -1
    while after < size - 1:
        rows = reading.rows(columns.where(audit_leaf.c.position > after, audit_leaf.c.position < size))
        if not rows:
            return
        yield from (bytes.fromhex(row.leaf_hash) for row in rows)
        after = rows[-1].position
