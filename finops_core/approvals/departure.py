"""What would wait for nobody if somebody left: for administrators, before they do it. Needs PEOPLE_ADMINISTER.

It tells numbers and titles alone: who keeps people need not see approvals.
"""

from dataclasses import dataclass

from finops_core.approvals.models import approval_request
from finops_core.approvals.queries import RequestView, all_found, authorities, eligible
from finops_core.approvals.rules import Decision, State
from finops_core.kernel.permissions import Permission
from finops_core.platform.work import Reading


@dataclass(frozen=True, slots=True)
class StuckRequest:
    """An open request that could not be approved any more: ``wanting`` must still agree, ``left`` others could."""

    number: str
    title: str
    wanting: int
    left: int


def stuck_without(reading: Reading, person_id: str) -> tuple[StuckRequest, ...]:
    """Open requests that too few people could decide if this one may not, oldest first."""
    reading.require(Permission.PEOPLE_ADMINISTER)
    pending = all_found(
        reading, [approval_request.c.state == State.PENDING, approval_request.c.expires_at > reading.now]
    )
    found = (_stuck(reading, view, person_id) for view in pending)
    return tuple(stuck for stuck in found if stuck is not None)


def nobody_else_approves(reading: Reading, person_id: str) -> tuple[str, ...]:
    """The kinds of item that this person may approve now and nobody else here may."""
    reading.require(Permission.PEOPLE_ADMINISTER)
    held = {view.authority.item_type for view in authorities(reading, person_id) if view.authority.lives(reading.now)}
    able = {kind: {person.id for person in eligible(reading, kind, {}, ())} for kind in sorted(held)}
    return tuple(kind for kind, people in able.items() if people == {person_id})


def _stuck(reading: Reading, view: RequestView, person_id: str) -> StuckRequest | None:
    said = {each.person_id for each in view.decisions}
    near = {view.requested_by, *view.excluded, *said}
    amounts = {money.currency: money.minor for money in view.amounts}
    able = {person.id for person in eligible(reading, view.item_type, amounts, near)}
    agreed = sum(each.decision is Decision.APPROVED for each in view.decisions)
    wanting = sum(level.needed for level in view.levels) - agreed
    if person_id not in able or len(able) - 1 >= wanting:
        return None
    return StuckRequest(view.number, view.title, wanting, len(able) - 1)
