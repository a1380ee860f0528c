"""Exchange rates: those that are stored, a new one, a file of them."""

from datetime import date
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import Field
from starlette.responses import Response

from finops_core.answers import rates as verbs
from finops_core.answers.rates import RatesAnswer, RatesTakenAnswer
from finops_core.api.v1.asking import Ask, Asking, Changing, problems, told
from finops_core.security import Scope

router = APIRouter(prefix="/rates", tags=["ledger"])
_LEDGER = (Scope.LEDGER,)
_CHANGES = problems(400, 403, 413)
Day = Annotated[date | None, Query(description="At the end of this day; the newest without.")]


class RateAsk(Ask):
    """What one unit of a currency cost in another."""

    currency: str = Field(min_length=3, max_length=3, pattern="^[A-Z]{3}$", examples=["EUR"])
    quote: str = Field(min_length=3, max_length=3, pattern="^[A-Z]{3}$", examples=["USD"])
    rate: str = Field(max_length=40, description="A decimal above zero.", examples=["1.0543"])
    on_day: date | None = Field(
        default=None, description="The day it was published for; today without.", examples=["2026-10-15"]
    )


class FileAsk(Ask):
    """A file of the European Central Bank's euro reference rates."""

    content: str = Field(
        max_length=1_000_000,
        description="The whole file, CSV or XML.",
        examples=["Date,USD,JPY\n2026-10-15,1.0543,162.1\n"],
    )


@router.get("", summary="Exchange rates", response_model=RatesAnswer, responses=problems(403))
def rates(caller: Asking, day: Day = None) -> Response:
    """The newest rate of each pair of currencies."""
    with caller.read() as reading:
        return told(verbs.rates(reading, day))


@router.post("", summary="Note a rate", response_model=RatesAnswer, responses=_CHANGES)
def note(change: Changing, asked: RateAsk) -> Response:
    """Of a day the rate noted last counts. Needs the scope `ledger`, and the right to adjust."""
    return change.done(
        _LEDGER, lambda work: verbs.note(work, asked.currency, asked.quote, asked.rate, asked.on_day), asked
    )


@router.post("/file", summary="Take in a file of rates", response_model=RatesTakenAnswer, responses=_CHANGES)
def take_in(change: Changing, asked: FileAsk) -> Response:
    """All or nothing; taken in again it changes nothing."""
    return change.done(_LEDGER, lambda work: verbs.take_in(work, asked.content.encode()), asked)
