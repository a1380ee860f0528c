"""Records by what they are about or who made them: each way to ask is one statement that an index answers.

Never by a part of their text: that is ``queries.records``, which reads every record there is.
"""

from collections.abc import Sequence

from sqlalchemy import ColumnElement

from finops_core.audit.models import audit_record
from finops_core.audit.queries import AuditView, own_records, views
from finops_core.kernel.permissions import Permission
from finops_core.platform.work import Reading


def find(
    reading: Reading, *, objects: Sequence[str] = (), actors: Sequence[str] = (), exact: str = "", limit: int = 6
) -> tuple[AuditView, ...]:
    """The newest records about these things or by these people; needs ``AUDIT_VIEW``.

    Args:
        reading: the person's look.
        objects: things as records name them (``execution:ex_…``).
        actors: ids of people or services.
        exact: a whole verb (``approval.approved``), the id of one record, or "".
        limit: how many at most.
    """
    reading.require(Permission.AUDIT_VIEW)
    table = audit_record.c
    # One statement each: the newest of a single object or actor stand together in an index, those of several do not.
    ways: list[ColumnElement[bool]] = [table.object == each for each in objects]
    ways += [table.actor == each for each in actors]
    if exact:
        ways += [table.verb == exact, table.id == exact]
    found = {record.id: record for way in ways for record in views(reading, own_records(reading) & way, limit)}
    return tuple(sorted(found.values(), key=lambda record: (record.at, record.id), reverse=True)[:limit])
