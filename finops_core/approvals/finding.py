"""Requests by what somebody remembers of them: their number or id, or what they are about."""

from collections.abc import Sequence

from sqlalchemy import ColumnElement

from finops_core.approvals.models import approval_request
from finops_core.approvals.queries import RequestView, found
from finops_core.approvals.rules import behind
from finops_core.kernel.permissions import Permission
from finops_core.kernel.sought import Sought
from finops_core.platform.lookup import number_begins
from finops_core.platform.work import Reading


def find(
    reading: Reading, sought: Sought, subject_kind: str, subject_ids: Sequence[str], limit: int = 6
) -> tuple[RequestView, ...]:
    """Requests this person may see, newest first: by number or id, or about one of these things.

    The caller has checked that the person may see the things.
    """
    table = approval_request
    ways: list[ColumnElement[bool]] = [number_begins(table.c.number, number) for number in sought.numbers]
    if sought.id:
        ways.append(table.c.id == sought.id)
    whose = [] if reading.may(Permission.APPROVALS_VIEW) else [table.c.requested_by == behind(reading.actor)]
    about = table.c.subject_kind == subject_kind, table.c.subject_id.in_(sorted(subject_ids))
    asked = [[way] for way in ways] + ([list(about)] if subject_ids else [])
    views = {view.id: view for way in asked for view in found(reading, [*way, *whose], limit=limit)}
    return tuple(sorted(views.values(), key=lambda view: view.id, reverse=True)[:limit])
