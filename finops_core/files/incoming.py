"""Files that come in as a stream: sealed piece by piece on their way to the store, never held whole.

Sealing happens outside any unit, since a sender may be slow; ``keep`` then makes it a file of something, in one. What
is never kept is an orphan and goes with ``sweep``.
"""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import insert, select, update

from finops_core import audit
from finops_core.files import rules
from finops_core.files.models import stored_file
from finops_core.files.queries import FileView, key_place
from finops_core.files.service import add_reference, inserted
from finops_core.kernel.actor import Actor
from finops_core.kernel.errors import Invalid
from finops_core.kernel.ids import new_id
from finops_core.kernel.permissions import Permission
from finops_core.platform.crypto import seal_chunks
from finops_core.platform.ports import FileStore
from finops_core.platform.work import Units, Work


@dataclass(frozen=True, slots=True)
class Sealed:
    """Content that lies sealed in the store, before any row knows it."""

    org_id: str
    file_id: str
    stored_name: str
    sha256: str
    size_bytes: int
    name: str
    mime: str
    data_key: bytes = field(repr=False)


def take_in(units: Units, actor: Actor, filename: str, chunks: Iterable[bytes]) -> Sealed:
    """Seal a stream into the store, a piece at a time. Needs FILES_UPLOAD; opens units of its own.

    ``FILE_TOO_LARGE`` as soon as more came than ``TIEOUT_UPLOAD_MAX_BYTES``; then nothing is kept but a line in the
    log. ``FILE_EMPTY`` when nothing came, ``FILE_TYPE`` for a kind that nothing takes, ``FILE_STORE_FAILED`` when the
    bytes cannot be written.
    """
    with units.read(actor) as reading:
        reading.require(Permission.FILES_UPLOAD)
    ports, file_id = units.ports, new_id("file")
    name = rules.streamed_name(actor.org_id, new_id(rules.SEALING))
    key, sealed_key = ports.vault.new_data_key(key_place(file_id))
    counted = _Counted(chunks, ports.settings.upload_max_bytes)
    try:
        ports.file_store.put(name, seal_chunks(key, counted, name))
        mime = _mime(ports.file_store, name, filename, counted)
    except Invalid as refusal:
        with units.work(actor) as work:
            audit.record(work, "upload.refused", "file:none", detail={"faults": 1, "codes": [refusal.code]})
        raise
    sha256 = counted.sha256.hexdigest()
    return Sealed(actor.org_id, file_id, name, sha256, counted.size_bytes, filename, mime, sealed_key)


def keep(
    work: Work,
    sealed: Sealed,
    *,
    owner_kind: str,
    owner_id: str,
    role: str,
    visible_to: str,
) -> FileView:
    """Make what was taken in a file of something; the caller has checked that the actor may.

    The same bytes twice are stored once: the second sealing is left to ``sweep``. Versions as with ``store``.
    """
    work.require(Permission.FILES_UPLOAD)
    file_id = _known_as(work, sealed)
    facts = {"owner_kind": owner_kind, "owner_id": owner_id, "role": role, "name": sealed.name, "mime": sealed.mime}
    return add_reference(work, file_id, sealed.sha256, sealed.size_bytes, {**facts, "visible_to": visible_to})


def _mime(store: FileStore, stored_name: str, filename: str, counted: "_Counted") -> str:
    """What the content is; what may not be kept is deleted again."""
    try:
        return rules.brought_mime(filename, counted.head)
    except Invalid:
        store.delete(stored_name)
        raise


class _Counted:
    """A stream that is hashed and counted as it passes, and cut off when it is too long."""

    def __init__(self, chunks: Iterable[bytes], most: int) -> None:
        self._chunks, self._most = chunks, most
        self.sha256 = hashlib.sha256()
        self.size_bytes = 0
        self.head = b""

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self._chunks:
            self.size_bytes += len(chunk)
            if self.size_bytes > self._most:
                raise Invalid(
                    "FILE_TOO_LARGE",
                    f"The file has more than {self._most:,} bytes.",
                    hint="Split it, or ask an administrator to raise the limit.",
                )
            self.sha256.update(chunk)
            self.head += chunk[: max(rules.HEAD_BYTES - len(self.head), 0)]
            yield chunk


def _known_as(work: Work, sealed: Sealed) -> str:
    """The id of the stored file with this content: the one there is, or a new one."""
    table = stored_file
    same = table.c.org_id == work.org_id, table.c.sha256 == sealed.sha256
    place: dict[str, Any] = {"stored_name": sealed.stored_name}
    found = select(table.c.id, table.c.data_key, table.c.stored_name).where(*same).with_for_update()
    there = work.first(found)
    if there is None:
        row = {"org_id": work.org_id, "id": sealed.file_id, "sha256": sealed.sha256, "size_bytes": sealed.size_bytes}
        if inserted(work, insert(table).values(**row, **place, data_key=sealed.data_key, created_at=work.now)):
            return sealed.file_id
        there = work.rows(found)[0]
    if there.data_key is None or not work.ports.file_store.exists(there.stored_name):
        # The data key is bound to the file's id, which is another one than the stream was sealed for.
        key = work.ports.vault.open(sealed.data_key, key_place(sealed.file_id))
        resealed = work.ports.vault.seal(key, key_place(str(there.id)))
        work.execute(update(table).where(*same).values(**place, data_key=resealed, shredded_at=None))
    return str(there.id)
