"""What an audit record is, byte for byte, and the tree over the records. Pure; reads nothing, stores nothing.

The tree is the Merkle tree of RFC 6962, section 2.1: a leaf is SHA-256(0x00 ‖ record bytes), a node is
SHA-256(0x01 ‖ left ‖ right). ``Frontier`` keeps only the roots of the perfect subtrees, so a leaf costs one hash
and a node on average, and the root of n leaves at most log2(n) more.
"""

import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any

from finops_core.kernel.actor import Actor
from finops_core.kernel.canonical import plain_bytes

RECORD_VERSION = 1
LATE = timedelta(minutes=10)
"""How long a unit of work may take from its instant to its commit. A record that turns up later than this after the
log was sealed past its instant was put in by other means (or a machine's clock was set back)."""
TEXT_CHARS = 2_000
_EXACT_INTEGER = 2**53 - 1

Json = None | bool | int | str | list["Json"] | dict[str, "Json"]


@lru_cache(64)
def instant_text(at: datetime) -> str:
    """RFC 3339 in UTC with six decimals and ``Z``: the order of the texts is the order of the instants."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def instant_of(text: str) -> datetime:
    """The instant such a text names."""
    return datetime.fromisoformat(text)


def record_body(
    record_id: str,
    verb: str,
    object_: str,
    *,
    at: datetime,
    actor: Actor,
    org_id: str,
    before: str = "",
    after: str = "",
    detail: Mapping[str, Any] | None = None,
) -> bytes:
    """The record as RFC 8785 bytes (decision 11). Every field is there in every record."""
    return plain_bytes(
        {
            "v": RECORD_VERSION,
            "id": record_id,
            "at": instant_text(at),
            "org": org_id,
            "actor": actor.id,
            "on_behalf_of": actor.on_behalf_of,
            "via": actor.via.value,
            "verb": verb,
            "object": object_,
            "before": before,
            "after": after,
            "detail": plain({**(detail or {}), **_through(actor)}),
        }
    )


def _through(actor: Actor) -> dict[str, str]:
    """The API token somebody acted by, by its id: they were not there themselves.

    It stands in the detail, so that records of version 1 keep their fields, and each is about the token as well.
    """
    return {} if actor.token_id is None else {"token": actor.token_id}


def plain(value: object) -> Json:
    """A JSON value that every database takes and that has one spelling: amounts and instants become text.

    Text is cut to 2,000 characters and loses what PostgreSQL's JSON or UTF-8 cannot hold (NUL, lone surrogates).
    A float raises ``TypeError``: money must never pass through one.
    """
    # What records are made of comes first: to ask whether something is a Mapping takes longer than all else.
    kind = type(value)
    if kind is str:
        return _storable(value)  # type: ignore[arg-type]
    if kind is dict or (kind is not list and isinstance(value, Mapping)):
        return {_storable(str(key)): plain(item) for key, item in value.items()}  # type: ignore[attr-defined]
    if isinstance(value, set | frozenset):
        return [plain(item) for item in sorted(value)]
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return _scalar(value)


def _scalar(value: object) -> bool | int | str | None:
    if value is None or (isinstance(value, int) and abs(value) <= _EXACT_INTEGER):
        return value
    if isinstance(value, datetime):
        return instant_text(value)
    if isinstance(value, str | int | Decimal):
        return _storable(str(value))
    raise TypeError(f"an audit record cannot hold a {type(value).__name__}")


def _storable(text: str) -> str:
    if text.isascii() and "\x00" not in text and len(text) <= TEXT_CHARS:
        return text
    clean = text.replace("\x00", "\ufffd")
    if not clean.isascii():
        clean = clean.encode("utf-8", "replace").decode("utf-8")
    return clean if len(clean) <= TEXT_CHARS else clean[: TEXT_CHARS - 1] + "…"


def leaf_hash(body: bytes) -> bytes:
    """The leaf of one record."""
    return hashlib.sha256(b"\x00" + body).digest()


class Frontier:
    """A growing Merkle tree, as the roots of its perfect subtrees, the largest first.

    Args:
        size: how many leaves it holds.
        peaks: one root per 1 bit of ``size``.
    """

    def __init__(self, size: int = 0, peaks: Sequence[bytes] = ()) -> None:
        if len(peaks) != size.bit_count():
            raise ValueError(f"{len(peaks)} peaks cannot hold {size} leaves")
        self.size = size
        self.peaks = list(peaks)

    def push(self, leaf: bytes) -> None:
        """Add a leaf."""
        node, filled = leaf, self.size
        while filled & 1:
            node = hashlib.sha256(b"\x01" + self.peaks.pop() + node).digest()
            filled >>= 1
        self.peaks.append(node)
        self.size += 1

    def root(self) -> bytes:
        """The root over all leaves; of none it is SHA-256 of nothing."""
        if not self.peaks:
            return hashlib.sha256(b"").digest()
        node = self.peaks[-1]
        for peak in reversed(self.peaks[:-1]):
            node = hashlib.sha256(b"\x01" + peak + node).digest()
        return node

    def copy(self) -> "Frontier":
        """The same tree, to try leaves on."""
        return Frontier(self.size, self.peaks)
