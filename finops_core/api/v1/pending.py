"""Money moved in two steps: set aside first, then posted or given back."""

from datetime import date, timedelta
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import Field
from starlette.responses import Response

from finops_core.answers import pending as verbs
from finops_core.answers.ledger import PostedAnswer
from finops_core.answers.ledger_verbs import Move
from finops_core.answers.pending import PendingAnswer, PendingMovesAnswer, Share
from finops_core.api.v1.asking import Ask, Asking, Changing, Name, Text, problems, told
from finops_core.api.v1.ledger import Given, Here, Id, Key, ReasonAsk
from finops_core.ledger import EntryType, Terms
from finops_core.security import Scope

router = APIRouter(prefix="/ledger", tags=["ledger"])
_LEDGER = (Scope.LEDGER,)
_CHANGES, _LOOKS = problems(400, 403, 404, 409, 413), problems(403, 404)
MINUTES_MOST = 90 * 24 * 60
Waiting = Annotated[bool, Query(description="Only those that wait to be posted.")]
Currency = Annotated[str, Field(min_length=3, max_length=3, pattern="^[A-Z]{3}$", examples=["USD"])]


class BeginAsk(Ask):
    """A move in two steps."""

    type: EntryType = Field(
        description="WITHDRAWAL, PAYOUT, FEE, REFUND or TRANSFER: what it becomes.", examples=["TRANSFER"]
    )
    amount: str = Field(max_length=40, description="Decimals of the currency.", examples=["12.50"])
    currency: Currency
    to_wallet: Given = Field(default="", description="Where money goes to another wallet.")
    minutes: int = Field(default=7 * 24 * 60, ge=1, le=MINUTES_MOST, description="How long it waits to be posted.")
    reason: Text = ""
    source_kind: Given = Field(default="", description="What kind of document it belongs to.")
    source_id: Given = ""
    key: Key = ""


class PostAsk(Ask):
    """How much of it is posted; all of it without an amount."""

    amount: str = Field(default="", max_length=40, description="Decimals of the currency.", examples=["12.50"])
    currency: str = Field(
        default="", max_length=3, pattern="^([A-Z]{3})?$", description="With an amount.", examples=["USD"]
    )
    reason: Text = ""
    effective_on: date | None = Field(
        default=None, description="The business day it counts for; today without.", examples=["2026-10-15"]
    )


@router.get("/pending", summary="Moves in two steps", response_model=PendingMovesAnswer, responses=problems(403))
def several(caller: Asking, part: Here, wallet: Id = "", waiting: Waiting = False) -> Response:  # noqa: FBT002
    """Newest first."""
    with caller.read() as reading:
        return told(verbs.several(reading, wallet, part, waiting=waiting))


@router.get("/pending/{name}", summary="One move in two steps", response_model=PendingAnswer, responses=_LOOKS)
def one(caller: Asking, name: Name) -> Response:
    """What is set aside, until when, and what became of it."""
    with caller.read() as reading:
        return told(verbs.one(reading, name))


@router.post("/wallets/{name}/pending", summary="Set money aside", response_model=PendingAnswer, responses=_CHANGES)
def begin(change: Changing, name: Name, asked: BeginAsk) -> Response:
    """The money is there until it is posted, given back, or its time is over."""
    terms = Terms(asked.key, asked.reason, None, (asked.source_kind, asked.source_id))
    move = Move(asked.type, name, asked.amount, asked.currency, asked.to_wallet, terms)
    lasts = timedelta(minutes=asked.minutes)
    return change.done(_LEDGER, lambda work: verbs.set_aside(work, move, lasts), asked)


@router.post("/pending/{name}/post", summary="Post", response_model=PostedAnswer, responses=_CHANGES)
def post(change: Changing, name: Name, asked: PostAsk) -> Response:
    """In whole or in part; what is left is given back."""
    terms, share = Terms("", asked.reason, asked.effective_on), Share(asked.amount, asked.currency)
    return change.done(_LEDGER, lambda work: verbs.post(work, name, share, terms), asked)


@router.post("/pending/{name}/void", summary="Give back", response_model=PendingAnswer, responses=_CHANGES)
def void(change: Changing, name: Name, asked: ReasonAsk) -> Response:
    """What was set aside is the holder's to use again."""
    return change.done(_LEDGER, lambda work: verbs.void(work, name, asked.reason), asked)
