"""Verbs on files: store, download, expire, sweep. Content goes to the file store sealed, before the rows commit."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import Insert, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from finops_core import audit
from finops_core.files import queries, rules
from finops_core.files.models import file_reference, stored_file
from finops_core.files.queries import FileView
from finops_core.kernel.errors import Conflict
from finops_core.kernel.ids import new_id
from finops_core.kernel.permissions import Permission
from finops_core.platform.crypto import seal_chunks
from finops_core.platform.work import Work

ORPHAN_AFTER = timedelta(days=1)
VERSION_TRIES = 20


@dataclass(frozen=True, slots=True)
class Download:
    """A file on its way out."""

    name: str
    mime: str
    content: bytes


def store(
    work: Work,
    content: bytes,
    *,
    filename: str,
    mime: str,
    owner_kind: str,
    owner_id: str,
    role: str,
    visible_to: str,
) -> FileView:
    """Keep content as a file of something; the caller has checked that the actor may.

    The same bytes twice are stored once; the same uploader's same name with another use is the next version.
    ``FILE_STORE_FAILED`` when the bytes cannot be written; then nothing is kept. ``FILE_VERSION_BUSY`` when other
    units keep taking the next version.
    """
    sha256 = rules.content_hash_of(content)
    file_id = _stored(work, content, sha256)
    facts = {"owner_kind": owner_kind, "owner_id": owner_id, "role": role, "name": filename, "mime": mime}
    return add_reference(work, file_id, sha256, len(content), {**facts, "visible_to": visible_to})


def add_reference(work: Work, file_id: str, sha256: str, size_bytes: int, use: Mapping[str, str]) -> FileView:
    """Make stored content a file of something, with its line in the log; for this area's verbs."""
    facts: dict[str, Any] = {
        "id": new_id("fr"),
        "owner_kind": use["owner_kind"],
        "owner_id": use["owner_id"],
        "role": use["role"],
        "name": rules.shown_name(use["name"]),
        "mime": use["mime"],
        "uploaded_by": work.actor.id,
        "created_at": work.now,
    }
    version = _next_version(work, {**facts, "file_id": file_id, "visible_to": use["visible_to"]})
    owner = f"{use['owner_kind']}:{use['owner_id']}"
    detail = {"owner": owner, "role": use["role"], "version": version, "bytes": size_bytes}
    audit.record(work, "file.stored", f"file:{facts['id']}", after=sha256, detail=detail)
    return FileView(
        **facts, version=version, size_bytes=size_bytes, sha256=sha256, available=True, visible_to=use["visible_to"]
    )


def download(work: Work, reference_id: str) -> Download:
    """The content for a person, hash checked; who took it stands in the audit.

    What a bank pays by is for whoever prepared it, and for those with PAYOUTS_PREPARE.
    """
    row = queries.reference(work, reference_id)
    if not queries.may_take(work, queries.view(row)):
        work.require(Permission.PAYOUTS_PREPARE)
    content = queries.opened(work, row)
    audit.record(work, "file.downloaded", f"file:{reference_id}", after=row.sha256)
    return Download(row.name, row.mime, content)


def note_download(work: Work, seen: FileView, within: str) -> None:
    """Write that a file's content goes out as a part of something larger, ``within`` its name: it counts like any."""
    row = queries.reference(work, seen.id)
    audit.record(work, "file.downloaded", f"file:{seen.id}", after=row.sha256, detail={"within": within})


def expire(work: Work, older_than_days: int) -> int:
    """Destroy the data keys of content nobody has stored again since then: how many. Needs ``WORKER_ACT``.

    Without its key content cannot be read by anyone (crypto-shredding). Rows, hashes and audit stay (D07). The
    sealed bytes go with the next ``sweep``, not here: should this unit not commit, they must still be there.
    """
    work.require(Permission.WORKER_ACT)
    before = work.now - timedelta(days=older_than_days)
    table = stored_file
    due = table.c.org_id == work.org_id, table.c.created_at < before, table.c.data_key.is_not(None)
    # Locked first, then asked for references: whoever stores the same bytes meanwhile waits here or is seen below.
    locked = work.rows(select(table.c.id, table.c.sha256).where(*due).order_by(table.c.id).with_for_update())
    in_use = file_reference.c.org_id == work.org_id, file_reference.c.created_at >= before
    used = {row.file_id for row in work.rows(select(file_reference.c.file_id).where(*in_use).distinct())}
    expired = [row for row in locked if row.id not in used]
    for row in expired:
        one = table.c.org_id == work.org_id, table.c.id == row.id
        work.execute(update(table).where(*one).values(data_key=None, shredded_at=work.now))
        audit.record(work, "file.shredded", f"stored_file:{row.id}", before=row.sha256)
    return len(expired)


def sweep(work: Work) -> int:
    """Remove stored bytes no row can open: how many. Inside ``across_orgs``. Needs ``WORKER_ACT``.

    They were left by units that never committed, or their key was destroyed. Bytes are put before their rows
    commit, so only those sealed more than a day ago are taken for orphans.
    """
    work.require(Permission.WORKER_ACT)
    known = set(queries.known_names(work))
    before = work.now - ORPHAN_AFTER
    orphans = [
        name
        for name in work.ports.file_store.names()
        if name not in known and (rules.sealed_at(name) or work.now) < before
    ]
    for name in orphans:
        work.ports.file_store.delete(name)
    return len(orphans)


def _stored(work: Work, content: bytes, sha256: str) -> str:
    """The id of the stored file with this content; its bytes are sealed and written unless they are there."""
    table = stored_file
    same = table.c.org_id == work.org_id, table.c.sha256 == sha256
    found = select(table.c.id, table.c.data_key, table.c.stored_name).where(*same).with_for_update()
    there = work.first(found)
    if there is None:
        file_id = new_id("file")
        row = {"org_id": work.org_id, "id": file_id, "sha256": sha256, "size_bytes": len(content)}
        sealed = _sealed(work, content, sha256, file_id)
        if inserted(work, insert(table).values(**row, **sealed, created_at=work.now)):
            return file_id
        # Another unit has just stored the same bytes; the ones written here are left to ``sweep``.
        there = work.rows(found)[0]
    if there.data_key is None or not work.ports.file_store.exists(there.stored_name):
        work.execute(update(table).where(*same).values(**_sealed(work, content, sha256, str(there.id))))
    return str(there.id)


def _sealed(work: Work, content: bytes, sha256: str, file_id: str) -> dict[str, Any]:
    """Seal and write; the columns that tell how to open it again."""
    # A name of its own for each sealing: another unit's bytes, sealed with another key, are never overwritten.
    name = rules.stored_name(work.org_id, sha256, new_id(rules.SEALING))
    key, sealed_key = work.ports.vault.new_data_key(queries.key_place(file_id))
    work.ports.file_store.put(name, seal_chunks(key, iter([content]), name))
    return {"stored_name": name, "data_key": sealed_key, "shredded_at": None}


def _next_version(work: Work, facts: dict[str, Any]) -> int:
    """Insert the reference as the uploader's next version of that name; the version."""
    table = file_reference
    same_name = (
        table.c.org_id == work.org_id,
        table.c.uploaded_by == facts["uploaded_by"],
        table.c.name == facts["name"],
    )
    newest = select(func.max(table.c.version)).where(*same_name)
    for _ in range(VERSION_TRIES):
        version = int(work.scalar(newest) or 0) + 1
        if inserted(work, insert(table).values(org_id=work.org_id, version=version, **facts)):
            return version
    raise Conflict(
        "FILE_VERSION_BUSY",
        f"{facts['name']} is being stored many times at once.",
        hint="Try again in a moment, or give the file another name.",
    )


def inserted(work: Work, statement: Insert) -> bool:
    """Insert, unless another unit was there first with the same unique values."""
    try:
        with work.savepoint():
            work.execute(statement)
    except IntegrityError:
        return False
    return True
