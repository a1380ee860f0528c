"""Approvals: what waits, what was said, and saying it."""

from enum import StrEnum
from typing import Annotated

from fastapi import APIRouter, Query, Request
from pydantic import Field
from starlette.responses import Response

from finops_core.answers import verbs
from finops_core.answers.others import ApprovalAnswer, ApprovalsAnswer
from finops_core.api.v1.asking import Ask, Asking, Changing, Name, Page, Text, listed, problems, told
from finops_core.approvals import Decision
from finops_core.security import Scope

router = APIRouter(tags=["approvals"])


class Which(StrEnum):
    """Which requests."""

    WAITING = "waiting"
    DECIDED = "decided"


class DecideAsk(Ask):
    """What is said, of exactly which content."""

    decision: Decision = Field(examples=["approved"])
    content_hash: str = Field(
        min_length=1,
        max_length=100,
        pattern="^[0-9a-z:]+$",
        description="Of the request as it was seen.",
        examples=["9f86d081884c7d65"],
    )
    comment: Text = Field(default="", description="Needed for a rejection.", examples=["as agreed"])
    seen: list[Annotated[str, Field(max_length=80)]] = Field(
        default=[],
        max_length=1000,
        description="To approve: each execution that the request names in `others`, or it is `MEANWHILE_UNSEEN`.",
        examples=[["EX-2026-0026"]],
    )


@router.get("/approvals", summary="Requests", response_model=ApprovalsAnswer, responses=problems(403))
def approvals(
    request: Request,
    caller: Asking,
    page: Page,
    which: Annotated[Which, Query(description="Those that wait, oldest first; or the others, newest first.")] = (
        Which.WAITING
    ),
) -> Response:
    """Requests for approval. `may_decide` says whether this token may decide one, `refusal` why not."""
    read = verbs.approvals_waiting if which is Which.WAITING else verbs.approvals_decided
    with caller.read() as reading:
        return listed(request, read(reading, page))


@router.get("/approvals/{name}", summary="One request", response_model=ApprovalAnswer, responses=problems(403, 404))
def approval(caller: Asking, name: Name) -> Response:
    """One request; the plan it is about is that of the execution `subject_id`."""
    with caller.read() as reading:
        return told(verbs.approval(reading, name))


@router.post(
    "/approvals/{name}/decide",
    summary="Decide",
    response_model=ApprovalAnswer,
    responses=problems(400, 403, 404, 409, 413),
)
def decide(change: Changing, name: Name, asked: DecideAsk) -> Response:
    """Approve or reject, as the person behind the token, exactly what was seen. Needs the scope `approve`."""
    return change.done(
        (Scope.APPROVE,),
        lambda work: verbs.decide(work, name, asked.decision, asked.comment, asked.content_hash, asked.seen),
        asked,
    )
