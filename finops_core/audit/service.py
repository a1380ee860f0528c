"""Writing the log: records enter in the unit that does the thing, so neither exists without the other."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from itertools import islice
from typing import Any

from sqlalchemy import insert

from finops_core.audit.models import audit_record
from finops_core.audit.queries import AuditFilter, AuditView, every_match
from finops_core.audit.rules import record_body
from finops_core.audit.verification import VERIFIED, Verification
from finops_core.kernel.errors import Invalid
from finops_core.kernel.ids import new_id
from finops_core.kernel.permissions import Permission
from finops_core.platform.repeated import Repeated
from finops_core.platform.work import Work

EXPORT_MOST = 200_000
_ADD = Repeated(insert(audit_record))


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
    work.write(_ADD, [{"id": record_id, "body": body.decode()}])
    return record_id


def record_many(work: Work, verb: str, records: Sequence[tuple[str, Mapping[str, Any]]]) -> None:
    """Write a record for each object and its detail, as ``record`` does, in one statement."""
    rows = []
    for object_, detail in records:
        record_id = new_id("au")
        body = record_body(record_id, verb, object_, at=work.now, actor=work.actor, org_id=work.org_id, detail=detail)
        rows.append({"id": record_id, "body": body.decode()})
    if rows:
        work.write(_ADD, rows)


def export_rows(work: Work, wanted: AuditFilter) -> tuple[AuditView, ...]:
    """Every matching record, oldest first, and a record that they were exported. Needs ``AUDIT_EXPORT``.

    ``AUDIT_EXPORT_TOO_LARGE`` when more than 200,000 match: they are held in memory at once.
    """
    work.require(Permission.AUDIT_EXPORT)
    found = tuple(islice(every_match(work, wanted), EXPORT_MOST + 1))
    if len(found) > EXPORT_MOST:
        raise Invalid(
            "AUDIT_EXPORT_TOO_LARGE",
            f"More than {EXPORT_MOST:,} audit records match; so many cannot be exported at once.",
            hint="Choose a shorter period or a narrower filter.",
        )
    detail = {"count": len(found), **{name: value for name, value in asdict(wanted).items() if value}}
    record(work, "audit.exported", f"organisation:{work.org_id}", detail=detail)
    return found


def note_verified(work: Work, found: Verification) -> None:
    """Write that somebody had the whole log checked, and with what outcome."""
    detail = {"ok": found.ok, "size": found.size, "findings": len(found.findings) + found.more}
    record(work, VERIFIED, "audit:log", after=found.root, detail=detail)
