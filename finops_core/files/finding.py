"""Files by what somebody remembers of them: name, id or the beginning of the hash."""

from datetime import datetime

from sqlalchemy import ColumnElement, Select, select

from finops_core.files.models import file_reference, stored_file
from finops_core.files.queries import FileView, views_of, visible
from finops_core.kernel.sought import Sought
from finops_core.platform.lookup import hash_begins, holds, newest_of
from finops_core.platform.work import Reading

SAME_HASH, ENOUGH = 20, 200


def find(reading: Reading, sought: Sought, limit: int = 6) -> tuple[FileView, ...]:
    """Files this person may see, newest first."""
    return views_of(reading, newest_of(reading, _ways(reading, sought, limit), limit)) if sought else ()


def _ways(reading: Reading, sought: Sought, limit: int) -> list[Select[tuple[str, datetime]]]:
    table = file_reference.c
    ways = []
    if sought.may_be_name:
        named = _mine(reading, holds(reading.dialect, table.name, sought.text))
        ways.append(named.order_by(table.created_at.desc(), table.id.desc()).limit(limit))
    if sought.id:
        ways.append(_mine(reading, table.id == sought.id))
    if sought.hash:
        same = stored_file.c.org_id == reading.org_id, hash_begins(stored_file.c.sha256, sought.hash)
        kept = [row.id for row in reading.rows(select(stored_file.c.id).where(*same).limit(SAME_HASH))]
        ways += [_mine(reading, table.file_id.in_(kept)).limit(ENOUGH)] if kept else []
    return ways


def _mine(reading: Reading, condition: ColumnElement[bool]) -> Select[tuple[str, datetime]]:
    table = file_reference.c
    return select(table.id, table.created_at).where(table.org_id == reading.org_id, condition, visible(reading))
