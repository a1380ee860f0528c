"""Schedules: when the desk looks after itself, switched and changed."""

from fastapi import APIRouter
from pydantic import Field
from starlette.responses import Response

from finops_core.answers import schedules as verbs
from finops_core.answers.schedules import ScheduleAnswer, SchedulesAnswer
from finops_core.api.v1.asking import Asking, Changing, Name, problems, told
from finops_core.api.v1.ledger import ReasonAsk
from finops_core.security import Scope

router = APIRouter(prefix="/schedules", tags=["upkeep"])
_SCHEDULES = (Scope.SCHEDULES,)


class ScheduleAsk(ReasonAsk):
    """What is to be another way than it is, and why."""

    calendar: str | None = Field(
        default=None, max_length=200, description="Left out: as it is.", examples=["30 1 * * *"]
    )
    enabled: bool | None = Field(default=None, description="Left out: as it is.", examples=[True])


@router.get("", summary="Schedules", response_model=SchedulesAnswer, responses=problems(403))
def schedules(caller: Asking) -> Response:
    """Each with its calendar in UTC and its next three times. Needs the scope `schedules`."""
    with caller.read() as reading:
        return told(verbs.schedules(reading))


@router.post(
    "/{name}", summary="Change a schedule", response_model=ScheduleAnswer, responses=problems(400, 403, 404, 409, 413)
)
def change(change: Changing, name: Name, asked: ScheduleAsk) -> Response:
    """Switch it, or give it another calendar. The worker goes by it within a minute. Needs the scope `schedules`."""
    return change.done(
        _SCHEDULES, lambda work: verbs.change(work, name, asked.reason, asked.calendar, asked.enabled), asked
    )
