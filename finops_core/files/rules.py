"""Names, hashes and kinds of files. Pure."""

import hashlib
import re
import unicodedata
from collections.abc import Collection, Mapping
from datetime import UTC, datetime

import filetype

from finops_core.kernel.errors import Invalid
from finops_core.kernel.permissions import Permission

NAME_CHARS = 200
INPUT, OUTPUT, STATUS, ATTACHMENT = "input", "output", "status", "attachment"
# An output that a bank carries out as it is; nothing else that is made here is XML.
PAYABLE = "application/xml"
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
# What may be attached: by the end of its name, its type, and what its first bytes must be taken for ("" for text).
ATTACHED = {
    "csv": ("text/csv", ""),
    "txt": ("text/plain", ""),
    "pdf": ("application/pdf", "application/pdf"),
    "png": ("image/png", "image/png"),
    "jpg": ("image/jpeg", "image/jpeg"),
    "jpeg": ("image/jpeg", "image/jpeg"),
    "xlsx": (XLSX, XLSX),
}
# What may be brought for an operation, or as evidence: these, and what operations read besides (a name without an end
# too). Programs bring a file before they say what for.
BROUGHT = {**ATTACHED, "tsv": ("text/tab-separated-values", ""), "": ("text/csv", "")}
_FORMS = {form for _, form in ATTACHED.values() if form}
HEAD_BYTES = 8192
"""As many of the first bytes tell what a file is."""
_CONTROL = re.compile(rb"[\x00-\x08\x0e-\x1f]")
SEALING = "seal"
_SEALED = re.compile(rf"-{SEALING}_([0-9a-f]{{12}})[0-9a-f]{{20}}$")


def may_take(permissions: Collection[Permission], person_id: str, role: str, mime: str, near: Collection[str]) -> bool:
    """Whether somebody who may see a file may take its content: what a bank pays by is for those who prepare it."""
    return (role, mime) != (OUTPUT, PAYABLE) or person_id in near or Permission.PAYOUTS_PREPARE in permissions


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


def attachment_mime(name: str, content: bytes, max_bytes: int) -> str:
    """The type of a file to attach, by name and content together.

    Raises Invalid ATTACHMENT_EMPTY, ATTACHMENT_LARGE, and ATTACHMENT_TYPE for what is none of the known kinds or not
    what its name says.
    """
    if not content:
        raise Invalid("ATTACHMENT_EMPTY", f"{shown_name(name)} is empty.", hint="Choose another file.")
    if len(content) > max_bytes:
        raise Invalid(
            "ATTACHMENT_LARGE",
            f"{shown_name(name)} is larger than {max_bytes // 2**20 or 1} MiB.",
            hint="Shrink it, or attach a part.",
        )
    mime = _kind(ATTACHED, name.rpartition(".")[2], content[:HEAD_BYTES])
    if not mime or (mime.startswith("text/") and not _is_text(content)):
        raise Invalid(
            "ATTACHMENT_TYPE",
            f"{shown_name(name)} cannot be attached: by name or content it is of another kind.",
            hint=f"Attach one of these: {', '.join(sorted(ATTACHED)).upper()}.",
        )
    return mime


def brought_mime(name: str, head: bytes) -> str:
    """The type of a file that is brought for a later draft, by name and first bytes.

    Raises Invalid FILE_EMPTY, and FILE_TYPE for what nothing here takes or is not what its name says. Text is not
    looked at to its end: whoever reads it tells every fault of it, by the byte.
    """
    if not head:
        raise Invalid("FILE_EMPTY", "The file is empty.", hint="Send its bytes as the body.")
    mime = _kind(BROUGHT, name.rpartition(".")[2] if "." in name else "", head)
    if not mime:
        raise Invalid(
            "FILE_TYPE",
            f"{shown_name(name)} is not taken: by name or content it is of another kind.",
            hint=f"Operations take CSV (UTF-8), evidence may be one of these: {', '.join(sorted(ATTACHED)).upper()}.",
        )
    return mime


def _kind(kinds: Mapping[str, tuple[str, str]], ending: str, head: bytes) -> str:
    """The type that the end of a name says, "" when it is none of these or the first bytes are something else."""
    mime, form = kinds.get(ending.lower(), ("", ""))
    told = _guessed(head)
    if form:
        return mime if told == form else ""
    # Only what has control characters is something else: text that starts with BM would be a bitmap, with MZ a program.
    foreign = told in _FORMS or b"\0" in head or (told and _CONTROL.search(head))
    return "" if foreign else mime


def _guessed(head: bytes) -> str:
    try:
        known = filetype.guess(head)
    except Exception:  # noqa: BLE001 - foreign code over hostile bytes; what it cannot name is of no known kind
        return ""
    return str(known.mime) if known is not None else ""


def _is_text(content: bytes) -> bool:
    try:
        return "\0" not in content.decode("utf-8")
    except UnicodeDecodeError:
        return False


def sealed_at(name: str) -> datetime | None:
    """When bytes were sealed, read from the UUIDv7 in their name; None for a name that is not ours."""
    found = _SEALED.search(name)
    return datetime.fromtimestamp(int(found[1], 16) / 1000, UTC) if found else None
