"""Adjustments of the ledger that somebody else must agree to; what is decided, is decided at `/approvals`."""

from datetime import date
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import Field
from starlette.responses import Response

from finops_core.answers import ledger_verbs
from finops_core.answers.ledger import ProposalAnswer, ProposalsAnswer
from finops_core.answers.ledger_verbs import Move
from finops_core.api.v1.asking import Ask, Asking, Changing, Name, Text, problems, told
from finops_core.api.v1.ledger import Given, Here, Id, Key
from finops_core.ledger import EntryType, Terms
from finops_core.security import Scope

router = APIRouter(prefix="/ledger", tags=["ledger"])
_LEDGER = (Scope.LEDGER,)
_CHANGES = problems(400, 403, 404, 409, 413)
Waiting = Annotated[bool, Query(description="Only those that wait for a decision.")]


class ProposeAsk(Ask):
    """An adjustment, up or down."""

    amount: str = Field(
        max_length=40, description="Decimals of the currency; below zero to take away.", examples=["-12.50"]
    )
    currency: str = Field(min_length=3, max_length=3, pattern="^[A-Z]{3}$", examples=["USD"])
    reason: Text = Field(examples=["a fee was charged twice"])
    effective_on: date | None = Field(
        default=None, description="The business day it counts for; that of its approval.", examples=["2026-10-15"]
    )
    source_kind: Given = Field(default="", description="What kind of document it belongs to.")
    source_id: Given = ""
    key: Key = ""


@router.get("/proposals", summary="Proposed adjustments", response_model=ProposalsAnswer, responses=problems(403))
def proposals(caller: Asking, part: Here, wallet: Id = "", waiting: Waiting = False) -> Response:  # noqa: FBT002
    """Newest first."""
    with caller.read() as reading:
        return told(ledger_verbs.proposals(reading, wallet, part, waiting=waiting))


@router.post(
    "/wallets/{name}/proposals", summary="Propose an adjustment", response_model=ProposalAnswer, responses=_CHANGES
)
def propose(change: Changing, name: Name, asked: ProposeAsk) -> Response:
    """Booked once somebody with the authority approves the request that it names."""
    terms = Terms(asked.key, asked.reason, asked.effective_on, (asked.source_kind, asked.source_id))
    wanted = Move(EntryType.ADJUSTMENT, name, asked.amount, asked.currency, "", terms)
    return change.done(_LEDGER, lambda work: ledger_verbs.propose(work, wanted), asked)


@router.post(
    "/proposals/{name}/withdraw", summary="Take a proposal back", response_model=ProposalAnswer, responses=_CHANGES
)
def take_back(change: Changing, name: Name) -> Response:
    """One's own, while it waits."""
    return change.done(_LEDGER, lambda work: ledger_verbs.take_back(work, name))
