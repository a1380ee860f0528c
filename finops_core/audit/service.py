"""Writing the log: records enter in the unit that does the thing, so neither exists without the other."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import insert

from finops_core.audit.models import audit_record
from finops_core.audit.rules import record_body
from finops_core.kernel.ids import new_id
from finops_core.platform.work import Work

_ADD = insert(audit_record)


def record(
    work: Work,
    verb: str,
    object_: str,
    *,
    before: str = "",
    after: str = "",
    detail: Mapping[str, Any] | None = None,
    org_id: str | None = None,
) -> str:
    """Write one record in this unit and give its id.

    Args:
        work: the unit that does the thing; it is undone together with the record.
        verb: what was done, ``area.past_tense``: ``execution.submitted``.
        object_: what it was done to, ``kind:id``: ``execution:ex_…``.
        before: content hash of the thing before, "" when there is none.
        after: content hash of the thing after.
        detail: facts for the reader: ids, codes, counts; amounts as text. Never names, addresses or secrets, since
            a record cannot be erased. A float raises ``TypeError``.
        org_id: the organisation, when it is not the unit's own; "" for the installation itself.
    """
    record_id = new_id("au")
    org = work.org_id if org_id is None else org_id
    body = record_body(
        record_id,
        verb,
        object_,
        at=work.now,
        actor=work.actor,
        org_id=org,
        before=before,
        after=after,
        detail=detail,
    )
    work.execute(_ADD, {"id": record_id, "body": body.decode()})
    return record_id
