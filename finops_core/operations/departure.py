"""Which runs would not start if somebody left: for administrators, before they do it. Needs PEOPLE_ADMINISTER.

A run starts only while whoever prepared and whoever approved it are active (``admission``). One that has begun goes on.
"""

from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import select

from finops_core import approvals
from finops_core.kernel.permissions import Permission
from finops_core.operations.admission import SUBJECT
from finops_core.operations.models import execution
from finops_core.operations.rules import State
from finops_core.platform.work import Reading

NOT_BEGUN = (State.PLANNING, State.READY, State.AWAITING_APPROVAL, State.QUEUED)


class Part(StrEnum):
    """What somebody had to do with a run."""

    PREPARED = "prepared"
    APPROVED = "approved"


@dataclass(frozen=True, slots=True)
class HeldRun:
    """A run that would not start, and because of which part of theirs."""

    number: str
    title: str
    part: Part


def held_without(reading: Reading, person_id: str) -> tuple[HeldRun, ...]:
    """Runs that wait and that this person prepared or approved, oldest first."""
    reading.require(Permission.PEOPLE_ADMINISTER)
    waiting = execution.c.org_id == reading.org_id, execution.c.state.in_(NOT_BEGUN)
    rows = reading.rows(select(execution).where(*waiting).order_by(execution.c.id))
    found = []
    for row in rows:
        if row.requested_by == person_id:
            found.append(HeldRun(row.number, row.title, Part.PREPARED))
        elif row.state == State.QUEUED and row.approval_required:
            approval = approvals.standing_approval(reading, SUBJECT, row.id, row.plan_hash)
            if approval is not None and person_id in approval.people:
                found.append(HeldRun(row.number, row.title, Part.APPROVED))
    return tuple(found)
