"""Payouts: where each stands, and what people ask for about them: rehearse, retry, send on, take back, settle."""

from enum import StrEnum
from typing import Annotated

from fastapi import APIRouter, Body, Query, Request
from pydantic import Field
from starlette.responses import Response

from finops_core.answers import payout_verbs
from finops_core.answers.operations import ExecutionAnswer
from finops_core.answers.payouts import (
    PayoutAnswer,
    PayoutsAnswer,
    RehearsalAnswer,
    RehearsalsAnswer,
    TakenBackAnswer,
)
from finops_core.api.v1.asking import NAME_PATTERN, Ask, Asking, Changing, Name, Page, Text, listed, problems, told
from finops_core.payouts import Order, PayoutFilter, PayoutState, Standing, Trouble, Verdict
from finops_core.security import Scope

router = APIRouter(tags=["payouts"])
_RUN, _REHEARSE, _SETTLE = (Scope.RUN,), (Scope.RUN, Scope.APPROVE), (Scope.SETTLE,)
_MOVES = problems(400, 403, 404, 409, 413)
TroubleWord = StrEnum("TroubleWord", {each.name: word for word, each in payout_verbs.TROUBLES.items()})  # type: ignore[misc]


class RehearseAsk(Ask):
    """What is to go wrong."""

    troubles: list[TroubleWord] = Field(
        default=[],
        max_length=len(Trouble),
        description="Each strikes a row of its own; a plan with fewer rows meets the first ones only.",
        examples=[["answer_lost", "worker_dies"]],
    )


class TakeBackAsk(Ask):
    """Which payouts, and why."""

    payout: str = Field(
        default="",
        max_length=80,
        pattern=r"^[A-Za-z0-9_.-]*$",
        description="The id of one; empty for all that have not left.",
        examples=["pay_0199b1c2d3e4"],
    )
    reason: Text = Field(default="", examples=["Wrong month"])


class SettleAsk(Ask):
    """What a look at the provider showed."""

    verdict: Verdict = Field(
        examples=["exists"],
        description="`exists` or `never_made` of a payout that waits for a person; `paid_twice` of one that paid its "
        "row again: so it is, and it is dealt with.",
    )
    provider_id: str = Field(
        default="",
        max_length=80,
        pattern=NAME_PATTERN.replace("+", "*"),
        description="Its id at the provider; needed with `exists`.",
        examples=["po_1Sbx"],
    )
    comment: Text = Field(
        description="Where it was looked for, and what was seen.", examples=["Seen in their list, paid"]
    )


@router.get("/payouts", summary="Money in flight", response_model=PayoutsAnswer, responses=problems(403))
def payouts(
    request: Request,
    caller: Asking,
    page: Page,
    standing: Annotated[Standing | None, Query(description="What people look for among payouts.")] = None,
    state: Annotated[list[PayoutState] | None, Query(description="One of these states; give it once for each.")] = None,
    currency: Annotated[str, Query(max_length=3, pattern="^[A-Z]*$", description="ISO 4217.")] = "",
    text: Annotated[Text, Query(description="Looks into provider id, bank reference, bank and execution.")] = "",
    order: Annotated[Order, Query(description="`plan`: executions, newest first, each in the order of its plan.")] = (
        Order.TROUBLE
    ),
) -> Response:
    """Payouts the person may see, of every execution: of each row the attempt that counts."""
    wanted = PayoutFilter(standing=standing, states=frozenset(state or ()), currency=currency, text=text)
    with caller.read() as reading:
        return listed(request, payout_verbs.listed(reading, wanted, page, order))


@router.get("/payouts/{name}", summary="One payout", response_model=PayoutAnswer, responses=problems(403, 404))
def payout(caller: Asking, name: Name) -> Response:
    """One payout, by our id or the provider's."""
    with caller.read() as reading:
        return told(payout_verbs.payout(reading, name))


@router.post("/payouts/{name}/settle", summary="Settle", response_model=PayoutAnswer, responses=_MOVES)
def settle(change: Changing, name: Name, asked: SettleAsk) -> Response:
    """Say what became of a payout that waits for a person; for somebody who did not prepare it.

    The desk looks at the provider for itself before it counts. Needs the scope `settle`.
    """
    return change.done(
        _SETTLE,
        lambda work: payout_verbs.settle(work, name, asked.verdict, asked.provider_id, asked.comment),
        asked,
    )


@router.get(
    "/executions/{name}/payouts", summary="Its payouts", response_model=PayoutsAnswer, responses=problems(403, 404)
)
def payouts_of(request: Request, caller: Asking, name: Name, page: Page) -> Response:
    """Every payout of an execution, of all attempts, in the order of its plan. `counts` says which ones count."""
    with caller.read() as reading:
        return listed(request, payout_verbs.payouts_of(reading, name, page))


@router.get(
    "/executions/{name}/rehearsals",
    summary="Rehearsals",
    response_model=RehearsalsAnswer,
    responses=problems(403, 404),
)
def rehearsals(caller: Asking, name: Name) -> Response:
    """What became of each rehearsal of its plans, newest first."""
    with caller.read() as reading:
        return told(payout_verbs.rehearsals(reading, name))


@router.post(
    "/executions/{name}/rehearse",
    status_code=201,
    summary="Rehearse",
    response_model=RehearsalAnswer,
    responses=_MOVES,
)
def rehearse(change: Changing, name: Name, asked: Annotated[RehearseAsk | None, Body()] = None) -> Response:
    """Have the present plan carried out against a sandbox of its own; moves no money.

    While it is ready or waits for approval. Ask for its rehearsals until this one is not running. Needs the scope `run`
    or `approve`.
    """
    given = asked or RehearseAsk()
    return change.done(_REHEARSE, lambda work: payout_verbs.rehearse(work, name, given.troubles), given, status=201)


@router.post("/executions/{name}/retry", summary="Retry", response_model=ExecutionAnswer, responses=_MOVES)
def retry(change: Changing, name: Name) -> Response:
    """Plan again what definitely failed, as a new attempt with an approval of its own. Needs the scope `run`.

    A row that another payout may pay is left out: whether it still may, the provider is asked first.
    """
    payout_verbs.look_first(change.caller, name)
    return change.done(_RUN, lambda work: payout_verbs.retry(work, name))


@router.post("/executions/{name}/send-on", summary="Send on", response_model=ExecutionAnswer, responses=_MOVES)
def send_on(change: Changing, name: Name) -> Response:
    """Have payouts in doubt looked up and, where the provider knows nothing, sent again with the same key.

    Needs the scope `run`.
    """
    return change.done(_RUN, lambda work: payout_verbs.send_on(work, name))


@router.post("/executions/{name}/take-back", summary="Take back", response_model=TakenBackAnswer, responses=_MOVES)
def take_back(change: Changing, name: Name, asked: Annotated[TakeBackAsk | None, Body()] = None) -> Response:
    """Ask the provider to take payouts back that have not left yet: one, or all. Needs the scope `run`."""
    given = asked or TakeBackAsk()
    return change.done(_RUN, lambda work: payout_verbs.take_back(work, name, given.payout, given.reason), given)
