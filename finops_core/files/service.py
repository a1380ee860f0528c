"""Verbs on files: store, download, expire, sweep. Content goes to the file store sealed, before the rows commit."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import func, insert, select, update

from finops_core import audit
from finops_core.files import queries, rules
from finops_core.files.models import file_reference, stored_file
from finops_core.files.queries import FileView
from finops_core.kernel.ids import new_id
from finops_core.platform.crypto import seal_chunks
from finops_core.platform.work import Work

ORPHAN_AFTER = timedelta(days=1)


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
    ``FILE_STORE_FAILED`` when the bytes cannot be written; then nothing is kept.
    """
    file_id = _stored(work, content)
    name = rules.shown_name(filename)
    table = file_reference
    same_name = table.c.org_id == work.org_id, table.c.uploaded_by == work.actor.id, table.c.name == name
    version = int(work.scalar(select(func.max(table.c.version)).where(*same_name)) or 0) + 1
    reference_id = new_id("fr")
    facts: dict[str, Any] = {
        "id": reference_id,
        "owner_kind": owner_kind,
        "owner_id": owner_id,
        "role": role,
        "name": name,
        "mime": mime,
        "version": version,
        "uploaded_by": work.actor.id,
        "created_at": work.now,
    }
    work.execute(insert(table).values(org_id=work.org_id, file_id=file_id, visible_to=visible_to, **facts))
    sha256 = rules.content_hash_of(content)
    detail = {"owner": f"{owner_kind}:{owner_id}", "role": role, "version": version, "bytes": len(content)}
    audit.record(work, "file.stored", f"file:{reference_id}", after=sha256, detail=detail)
    return FileView(**facts, size_bytes=len(content), sha256=sha256, available=True)


def download(work: Work, reference_id: str) -> Download:
    """The content for a person, hash checked; who took it stands in the audit."""
    row = queries.reference(work, reference_id)
    content = queries.opened(work, row)
    audit.record(work, "file.downloaded", f"file:{reference_id}", after=row.sha256)
    return Download(row.name, row.mime, content)


def expire(work: Work, older_than_days: int) -> int:
    """Destroy the data keys of content stored before then: how many. Rows, hashes and audit stay (D07, L18)."""
    before = work.now - timedelta(days=older_than_days)
    table = stored_file
    due = table.c.org_id == work.org_id, table.c.created_at < before, table.c.data_key.is_not(None)
    rows = work.rows(select(table.c.id, table.c.stored_name, table.c.sha256).where(*due))
    for row in rows:
        one = table.c.org_id == work.org_id, table.c.id == row.id
        work.execute(update(table).where(*one).values(data_key=None, shredded_at=work.now))
        audit.record(work, "file.shredded", f"stored_file:{row.id}", before=row.sha256)
        work.ports.file_store.delete(row.stored_name)
    return len(rows)


def sweep(work: Work) -> int:
    """Remove stored bytes no row knows, left by units that never committed: how many. Inside ``across_orgs``.

    Bytes are put before their rows commit, so only those sealed more than a day ago are taken for orphans.
    """
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


def _stored(work: Work, content: bytes) -> str:
    sha256 = rules.content_hash_of(content)
    table = stored_file
    same = table.c.org_id == work.org_id, table.c.sha256 == sha256
    there = work.first(select(table.c.id, table.c.data_key).where(*same))
    if there is not None and there.data_key is not None:
        return str(there.id)
    file_id = str(there.id) if there is not None else new_id("file")
    # A name of its own for each sealing: another unit's bytes, sealed with another key, are never overwritten.
    name = rules.stored_name(work.org_id, sha256, new_id(rules.SEALING))
    key, sealed_key = work.ports.vault.new_data_key(queries.key_place(file_id))
    work.ports.file_store.put(name, seal_chunks(key, iter([content]), name))
    if there is not None:
        one = table.c.org_id == work.org_id, table.c.id == file_id
        work.execute(update(table).where(*one).values(stored_name=name, data_key=sealed_key, shredded_at=None))
        return file_id
    values = {"org_id": work.org_id, "id": file_id, "sha256": sha256, "size_bytes": len(content), "stored_name": name}
    work.execute(insert(table).values(**values, data_key=sealed_key, created_at=work.now, shredded_at=None))
    return file_id
