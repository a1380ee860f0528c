"""The outside record of the log: ``heads.jsonl``, one line per sealed batch, kept apart from the database.

A line is ``{at, leaves, root, size}`` in RFC 8785 bytes: the tree's size and root after the batch, and the batch's
leaf hashes, so that whoever rewrites the database still has to answer to this file. Lines are only ever appended; a
line reaches the disk before the batch is committed, so the file may be ahead of the database, never behind it.
"""

import json
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from finops_core.kernel.errors import Unavailable

FILE_NAME = "heads.jsonl"
_FIRST_LOOK_BYTES = 1024 * 1024
_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", re.ASCII)
_HASH = re.compile(r"[0-9a-f]{64}", re.ASCII)


@dataclass(frozen=True, slots=True)
class HeadLine:
    """One line: a batch of leaves and the tree after it.

    Attributes:
        at: when the batch was sealed, RFC 3339.
        size: leaves in the tree after the batch.
        root: the root after the batch, 64 hex digits.
        leaves: the batch's leaf hashes in the order of their positions.
    """

    at: str
    size: int
    root: str
    leaves: tuple[str, ...]

    @property
    def first(self) -> int:
        """The position of the batch's first leaf."""
        return self.size - len(self.leaves)

    def to_bytes(self) -> bytes:
        """The line as it stands in the file."""
        fields = {"at": self.at, "leaves": self.leaves, "root": self.root, "size": self.size}
        # For ASCII text and small integers this is RFC 8785; verification does it for each of a million lines.
        return json.dumps(fields, sort_keys=True, separators=(",", ":")).encode() + b"\n"


@dataclass(frozen=True, slots=True)
class Tail:
    """The end of the file, seen from a database that holds so many leaves.

    Attributes:
        last: the last line the database has too; None when there is none.
        ahead: the lines after it, which a crash or a rollback kept out of the database.
        whole_bytes: the length of the file up to its last complete line; what follows is a torn write.
        readable: False when a complete line at the end cannot be read.
    """

    last: HeadLine | None
    ahead: tuple[HeadLine, ...]
    whole_bytes: int
    readable: bool


def parse(raw: bytes) -> HeadLine | None:
    """A complete line as written by ``to_bytes``; None for anything else, were it one space more."""
    try:
        found = json.loads(raw)
        line = HeadLine(found["at"], found["size"], found["root"], tuple(found["leaves"]))
        sound = (
            type(line.size) is int
            and line.first >= 0
            and line.leaves
            and _INSTANT.fullmatch(line.at)
            and all(_HASH.fullmatch(leaf) for leaf in (line.root, *line.leaves))
            and line.to_bytes() == raw
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    return line if sound else None


def read_all(path: Path) -> Iterator[HeadLine | None]:
    """Every complete line in order, None for one that cannot be read; nothing when there is no file."""
    try:
        stream = path.open("rb")
    except FileNotFoundError:
        return
    with stream:
        for raw in stream:
            if raw.endswith(b"\n"):
                yield parse(raw)


def read_tail(path: Path, size: int) -> Tail:
    """The end of the file back to the line of a tree of ``size`` leaves; reads no more of it than that takes."""
    try:
        stream = path.open("rb")
    except FileNotFoundError:
        return Tail(None, (), 0, readable=True)
    with stream:
        length = stream.seek(0, os.SEEK_END)
        look = _FIRST_LOOK_BYTES
        while True:
            tail = _tail(stream, max(0, length - look), length, size)
            if tail.last is not None or look >= length or not tail.readable:
                return tail
            look *= 8


def _tail(stream: BinaryIO, start: int, length: int, size: int) -> Tail:
    stream.seek(start)
    pieces = stream.read(length - start).split(b"\n")
    torn = pieces.pop()
    if start > 0:
        pieces = pieces[1:]  # the rest of a line that began before
    lines: list[HeadLine] = []
    for raw in reversed(pieces):
        line = parse(raw + b"\n")
        if line is None:
            return Tail(None, (), length - len(torn), readable=False)
        if line.size <= size:
            return Tail(line, tuple(reversed(lines)), length - len(torn), readable=True)
        lines.append(line)
    return Tail(None, tuple(reversed(lines)), length - len(torn), readable=True)


def append(path: Path, lines: Sequence[HeadLine], whole_bytes: int) -> None:
    """Write the lines behind the first ``whole_bytes`` bytes and wait for the disk: all of them or none.

    ``AUDIT_HEADS_UNWRITABLE`` when the disk is full or refuses; the file is then as it was before.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        is_new = not path.exists()
        handle = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
        with os.fdopen(handle, "wb", buffering=0) as stream:
            _write_through(stream, b"".join(line.to_bytes() for line in lines), whole_bytes)
        if is_new:
            _sync_folder(path.parent)
    except OSError as error:
        raise Unavailable(
            "AUDIT_HEADS_UNWRITABLE",
            "The audit log's outside record cannot be written, so nothing was sealed.",
            hint="Free some space in the folder of heads.jsonl, or mend its rights; sealing goes on by itself.",
            reason=type(error).__name__,
            errno=error.errno,
        ) from error


def _write_through(stream: BinaryIO, content: bytes, whole_bytes: int) -> None:
    try:
        stream.truncate(whole_bytes)
        stream.seek(whole_bytes)
        left = memoryview(content)
        while left:
            left = left[stream.write(left) :]
        os.fsync(stream.fileno())
    except OSError:
        # Should this fail as well, the next sealing finds a torn line, or lines ahead of the database.
        with suppress(OSError):
            stream.truncate(whole_bytes)
            os.fsync(stream.fileno())
        raise


def _sync_folder(folder: Path) -> None:
    # The new file's name survives a power cut only when the folder reached the disk too.
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
