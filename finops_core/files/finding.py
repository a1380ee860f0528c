"""Files by what somebody remembers of them: name, id or the beginning of the hash."""

from sqlalchemy import ColumnElement, Select, select

from finops_core.files.models import file_reference, stored_file
from finops_core.files.queries import FileView, views_of, visible
from finops_core.kernel.sought import Sought
from finops_core.platform.lookup import hash_begins, holds
from finops_core.platform.work import Reading

SAME_HASH = 20


def find(reading: Reading, sought: Sought, limit: int = 6) -> tuple[FileView, ...]:
    """Files this person may see, newest first."""
    if not sought:
        return ()
    ids = {row.id: row.created_at for wanted in _ways(reading, sought, limit) for row in reading.rows(wanted)}
    newest = sorted(ids, key=lambda id_: (ids[id_], id_), reverse=True)[:limit]
    return views_of(reading, newest)


def _ways(reading: Reading, sought: Sought, limit: int) -> list[Select[tuple[str]]]:
    ways = [_by(reading, holds(file_reference.c.name, sought.text), limit)]
    if sought.id:
        ways.append(_by(reading, file_reference.c.id == sought.id, limit))
    if sought.hash:
        table = stored_file
        same = table.c.org_id == reading.org_id, hash_begins(table.c.sha256, sought.hash)
        kept = [row.id for row in reading.rows(select(table.c.id).where(*same).limit(SAME_HASH))]
        ways += [_by(reading, file_reference.c.file_id.in_(kept), limit)] if kept else []
    return ways


def _by(reading: Reading, condition: ColumnElement[bool], limit: int) -> Select[tuple[str]]:
    table = file_reference.c
    mine = table.org_id == reading.org_id, visible(reading), condition
    newest = table.created_at.desc(), table.id.desc()
    return select(table.id, table.created_at).where(*mine).order_by(*newest).limit(limit)
