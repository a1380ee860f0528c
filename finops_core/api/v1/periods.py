"""Locked periods of the ledger: those there are, a new one, and the opening of one."""

from datetime import date

from fastapi import APIRouter
from pydantic import Field
from starlette.responses import Response

from finops_core.answers import periods as verbs
from finops_core.answers.periods import PeriodAnswer, PeriodsAnswer
from finops_core.api.v1.asking import Asking, Changing, Name, problems, told
from finops_core.api.v1.ledger import ReasonAsk
from finops_core.security import Scope

router = APIRouter(prefix="/ledger/periods", tags=["ledger"])
_LEDGER = (Scope.LEDGER,)
_CHANGES = problems(400, 403, 404, 409, 413)


class LockAsk(ReasonAsk):
    """Which days are locked, first and last included, and why."""

    from_on: date = Field(examples=["2026-10-01"])
    to_on: date = Field(examples=["2026-10-31"])


@router.get("", summary="Locked periods", response_model=PeriodsAnswer, responses=problems(403))
def periods(caller: Asking, locked: bool = True) -> Response:  # noqa: FBT001, FBT002 - a query parameter
    """Periods that are locked; with `locked=false` the last ones there were."""
    with caller.read() as reading:
        return told(verbs.periods(reading, locked=locked))


@router.post("", summary="Lock a period", response_model=PeriodAnswer, responses=_CHANGES)
def lock(change: Changing, asked: LockAsk) -> Response:
    """Nothing is posted into days that are over; entries being written end first. Needs the right to lock periods."""
    return change.done(_LEDGER, lambda work: verbs.lock(work, asked.from_on, asked.to_on, asked.reason), asked)


@router.post("/{name}/unlock", summary="Open a period again", response_model=PeriodAnswer, responses=_CHANGES)
def unlock(change: Changing, name: Name, asked: ReasonAsk) -> Response:
    """Its lock stays as a record."""
    return change.done(_LEDGER, lambda work: verbs.unlock(work, name, asked.reason), asked)
