"""Reads of files: what somebody may see, and content with its hash checked."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, and_, func, or_, select

from finops_core import audit
from finops_core.files import rules
from finops_core.files.models import file_reference, stored_file
from finops_core.files.rules import ATTACHMENT, OUTPUT, PAYABLE, content_hash_of
from finops_core.kernel.errors import FinOpsError, NotFound, Unavailable
from finops_core.kernel.permissions import Permission
from finops_core.platform.crypto import open_chunks
from finops_core.platform.lookup import holds
from finops_core.platform.work import Reading

LISTED_MOST = 100


@dataclass(frozen=True, slots=True)
class FileView:
    """A file where it is used. ``id`` is the reference's; ``available`` is false once its content was shredded."""

    id: str
    name: str
    mime: str
    role: str
    version: int
    size_bytes: int
    sha256: str
    owner_kind: str
    owner_id: str
    uploaded_by: str
    created_at: datetime
    available: bool
    visible_to: str


@dataclass(frozen=True, slots=True)
class PayableView:
    """A file that a bank pays by, for people who may see what it belongs to but not the file: when, and how often."""

    name: str
    created_at: datetime
    downloads: int


def may_take(reading: Reading, seen: FileView) -> bool:
    """Whether the content of a file that was shown is for this person to take; ``download`` asks again."""
    near = {seen.visible_to, seen.uploaded_by}
    return rules.may_take(reading.permissions, reading.actor.id, seen.role, seen.mime, near)


def payable(reading: Reading, owner_kind: str, owner_id: str) -> tuple[PayableView, ...]:
    """What of a thing's files a bank pays by, oldest first; the caller has checked the thing itself."""
    table = file_reference.c
    of_it = table.owner_kind == owner_kind, table.owner_id == owner_id
    wanted = table.org_id == reading.org_id, *of_it, table.role == OUTPUT, table.mime == PAYABLE
    rows = reading.rows(select(table.id, table.name, table.created_at).where(*wanted).order_by(table.created_at))
    counts = downloads(reading, [row.id for row in rows])
    return tuple(PayableView(row.name, row.created_at, counts.get(row.id, 0)) for row in rows)


def of(reading: Reading, owner_kind: str, owner_id: str) -> tuple[FileView, ...]:
    """The files of a thing this person may see, inputs first, then by name. The caller has checked the thing itself.

    What was attached to it is not of it: see ``comments.attachments``.
    """
    table = file_reference
    wanted = table.c.owner_kind == owner_kind, table.c.owner_id == owner_id, table.c.role != ATTACHMENT
    rows = reading.rows(_both(reading).where(*wanted).order_by(table.c.role, table.c.name, table.c.version))
    return tuple(view(row) for row in rows)


@dataclass(frozen=True, slots=True)
class FileFilter:
    """Which files; empty fields do not filter. ``text`` looks into the name, ``role`` is one of those in ``rules``."""

    text: str = ""
    role: str = ""
    mine: bool = False
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class FilePage:
    """Some files, and how many there are in all."""

    rows: tuple[FileView, ...]
    total: int


def page(reading: Reading, wanted: FileFilter, limit: int = 50, offset: int = 0) -> FilePage:
    """Files this person may see, newest first, one page at a time; counted in SQL."""
    table = file_reference.c
    conditions = [table.org_id == reading.org_id, visible(reading), *_conditions(reading, wanted)]
    total = reading.scalar(select(func.count()).select_from(file_reference).where(*conditions))
    newest = table.created_at.desc(), table.id.desc()
    found = reading.rows(joined(reading).where(*conditions).order_by(*newest).limit(limit).offset(offset))
    return FilePage(tuple(view(row) for row in found), int(total or 0))


def one(reading: Reading, reference_id: str) -> FileView:
    """One file this person may see; ``FILE_UNKNOWN``."""
    return view(reference(reading, reference_id))


def versions(reading: Reading, seen: FileView) -> tuple[FileView, ...]:
    """Every version of a file that was shown: the same uploader's files of that name, newest first."""
    table = file_reference.c
    same = table.uploaded_by == seen.uploaded_by, table.name == seen.name
    rows = reading.rows(_both(reading).where(*same).order_by(table.version.desc()).limit(LISTED_MOST))
    return tuple(view(row) for row in rows)


def uses(reading: Reading, seen: FileView) -> tuple[FileView, ...]:
    """Every place where the very content of a file that was shown is used, newest first."""
    rows = _both(reading).where(stored_file.c.sha256 == seen.sha256).order_by(file_reference.c.created_at.desc())
    return tuple(view(row) for row in reading.rows(rows.limit(LISTED_MOST)))


def views_of(reading: Reading, reference_ids: Sequence[str]) -> tuple[FileView, ...]:
    """Those of these files that this person may see, in the order given."""
    wanted = _both(reading).where(file_reference.c.id.in_(sorted(reference_ids)))
    found = {row.id: view(row) for row in reading.rows(wanted)} if reference_ids else {}
    return tuple(found[each] for each in reference_ids if each in found)


def downloads(reading: Reading, reference_ids: Sequence[str]) -> Mapping[str, int]:
    """How often each file was downloaded, by the log; for files the caller has been shown."""
    counted = audit.counts(reading, "file.downloaded", [f"file:{each}" for each in reference_ids])
    return {object_.partition(":")[2]: count for object_, count in counted.items()}


def content(reading: Reading, reference_id: str) -> bytes:
    """The bytes, opened and compared with their hash; ``FILE_UNKNOWN``, ``FILE_SHREDDED``, ``FILE_CHANGED``."""
    return opened(reading, reference(reading, reference_id))


def reference(reading: Reading, reference_id: str) -> Row[Any]:
    """The joined row of a reference this person may see."""
    row = reading.first(_both(reading).where(visible(reading), file_reference.c.id == reference_id))
    if row is None:
        raise unknown()
    return row


def unknown() -> NotFound:
    """What is said of a file that is not there, or not for this person."""
    return NotFound("FILE_UNKNOWN", "There is no such file among those you may see.", hint="Ask its owner.")


def opened(reading: Reading, row: Row[Any]) -> bytes:
    """The content of a joined row."""
    if row.data_key is None:
        raise NotFound(
            "FILE_SHREDDED",
            f"{row.name} was removed after its time.",
            hint="Its hash and history are kept in the audit.",
        )
    return _opened(reading, row.file_id, row.sha256, row.stored_name, row.data_key, row.name)


def visible(reading: Reading) -> ColumnElement[bool]:
    """The condition that keeps a person to the files they may see (A13, A15)."""
    table = file_reference
    if reading.may(Permission.FILES_VIEW_ALL) or reading.may(Permission.WORKER_ACT):
        return table.c.org_id == reading.org_id
    if not reading.may(Permission.FILES_VIEW_OWN):
        # Not ``false()``: it swallows the whole condition, and then the scope guard finds no organisation in it.
        return table.c.id.is_(None)
    return or_(table.c.visible_to == reading.actor.id, table.c.uploaded_by == reading.actor.id)


def view(row: Row[Any]) -> FileView:
    """A joined row as a view."""
    return FileView(
        row.id,
        row.name,
        row.mime,
        row.role,
        row.version,
        row.size_bytes,
        row.sha256,
        row.owner_kind,
        row.owner_id,
        row.uploaded_by,
        row.created_at,
        row.data_key is not None,
        row.visible_to,
    )


def key_place(file_id: str) -> str:
    """What a file's data key is bound to."""
    return f"stored_file|data_key|{file_id}"


def check(reading: Reading) -> list[str]:
    """A sentence per file whose bytes are gone or do not open to what was stored; all of them are read.

    For one organisation: its own. Needs ``HEALTH_VIEW``.
    """
    reading.require(Permission.HEALTH_VIEW)
    table = stored_file
    kept = table.c.org_id == reading.org_id, table.c.data_key.is_not(None)
    found: list[str] = []
    for row in reading.rows(select(table).where(*kept).order_by(table.c.id)):
        try:
            _opened(reading, row.id, row.sha256, row.stored_name, row.data_key)
        except FinOpsError as error:
            found.append(f"Stored file {row.id}: {error.message}")
    return found


def known_names(reading: Reading) -> Iterable[str]:
    """Stored names of every organisation that can still be opened; inside ``across_orgs``."""
    can_open = stored_file.c.data_key.is_not(None)
    return [row.stored_name for row in reading.rows(select(stored_file.c.stored_name).where(can_open))]


def _opened(
    reading: Reading, file_id: str, sha256: str, stored_name: str, data_key: bytes, name: str = "The file"
) -> bytes:
    key = reading.ports.vault.open(data_key, key_place(file_id))
    found = b"".join(open_chunks(key, reading.ports.file_store.get(stored_name), stored_name))
    if content_hash_of(found) != sha256:
        raise Unavailable(
            "FILE_CHANGED",
            f"{name} is not what was stored.",
            hint="An administrator must restore it from a backup.",
        )
    return found


def joined(reading: Reading) -> Select[Any]:
    """References of the organisation with their content's row, whoever looks: the caller has checked that they may."""
    together = and_(stored_file.c.org_id == file_reference.c.org_id, stored_file.c.id == file_reference.c.file_id)
    kept = (stored_file.c.sha256, stored_file.c.size_bytes, stored_file.c.stored_name, stored_file.c.data_key)
    chosen = select(file_reference, *kept).join_from(file_reference, stored_file, together)
    return chosen.where(file_reference.c.org_id == reading.org_id)


def _conditions(reading: Reading, wanted: FileFilter) -> list[ColumnElement[bool]]:
    table = file_reference.c
    conditions: list[ColumnElement[bool]] = []
    if wanted.text:
        conditions.append(holds(reading.dialect, table.name, wanted.text.lower()))
    if wanted.role:
        conditions.append(table.role == wanted.role)
    if wanted.mine:
        conditions.append(table.uploaded_by == reading.actor.id)
    if wanted.since:
        conditions.append(table.created_at >= wanted.since)
    if wanted.until:
        conditions.append(table.created_at < wanted.until)
    return conditions


def _both(reading: Reading) -> Select[Any]:
    return joined(reading).where(visible(reading))
