"""Names and hashes of files. Pure."""

import hashlib
import re
import unicodedata
from datetime import UTC, datetime

NAME_CHARS = 200
INPUT, OUTPUT, STATUS = "input", "output", "status"
SEALING = "seal"
_SEALED = re.compile(rf"-{SEALING}_([0-9a-f]{{12}})[0-9a-f]{{20}}$")


def content_hash_of(content: bytes) -> str:
    """SHA-256 of the content as 64 hex digits (D04)."""
    return hashlib.sha256(content).hexdigest()


def shown_name(name: str) -> str:
    """The name as given, without folders and without characters that print nothing or break a line."""
    last = name.replace("\\", "/").rsplit("/", 1)[-1]
    clean = "".join(char for char in last if unicodedata.category(char)[0] != "C").strip()
    return clean[:NAME_CHARS] or "file"


def stored_name(org_id: str, sha256: str, sealing: str) -> str:
    """Where the sealed bytes lie: never anything a person typed. ``sealing`` is an id of its own for each sealing."""
    return f"{org_id}/{sha256}-{sealing}"


def streamed_name(org_id: str, sealing: str) -> str:
    """The same for bytes whose hash is not known before the last of them has come."""
    return f"{org_id}/stream-{sealing}"


def sealed_at(name: str) -> datetime | None:
    """When bytes were sealed, read from the UUIDv7 in their name; None for a name that is not ours."""
    found = _SEALED.search(name)
    return datetime.fromtimestamp(int(found[1], 16) / 1000, UTC) if found else None
