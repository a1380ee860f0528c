"""Executions: draft, plan, submit, watch, stop. What is done about their payouts stands in ``payouts``."""

import json
from typing import Annotated, Any

from fastapi import APIRouter, Body, Query, Request
from pydantic import AfterValidator, AwareDatetime, BeforeValidator, Field
from starlette.responses import Response

from finops_core.answers import verbs
from finops_core.answers.operations import ExecutionAnswer, ExecutionsAnswer, LogAnswer, PlanAnswer, ResultAnswer
from finops_core.answers.others import FilesAnswer
from finops_core.answers.verbs import Form
from finops_core.api.v1.asking import (
    BINARY,
    NAME_PATTERN,
    Ask,
    Asking,
    Changing,
    Name,
    Page,
    Text,
    handed_out,
    listed,
    problems,
    told,
)
from finops_core.operations import ExecutionFilter, PublicState
from finops_core.security import Scope

router = APIRouter(tags=["executions"])
_RUN = (Scope.RUN,)
_MOVES = problems(400, 403, 404, 409, 413)
LOG_MOST = 1_000
SEQ_MOST = 2**53 - 1


def _plain(value: dict[str, Any]) -> dict[str, Any]:
    json.dumps(value, ensure_ascii=False, allow_nan=False).encode()  # a ValueError for what is no JSON
    return value


def _written(value: object) -> object:
    if isinstance(value, str) and "T" not in value.upper():  # pydantic would take a number of seconds too
        raise ValueError("write it as 2026-11-26T09:00:00Z")
    return value


Instant = Annotated[AwareDatetime, BeforeValidator(_written)]


class DraftAsk(Ask):
    """What is to be run."""

    operation: str = Field(
        min_length=1, max_length=80, pattern=NAME_PATTERN, description="Its id.", examples=["payouts.stripe_balance"]
    )
    parameters: Annotated[dict[str, Any], AfterValidator(_plain)] = Field(
        default={}, description="As its JSON Schema says.", examples=[{}]
    )
    file: str | None = Field(
        default=None,
        max_length=80,
        pattern=NAME_PATTERN,
        description="The id of an uploaded file.",
        examples=["fr_0199b1c2d3e4"],
    )
    reason: Text = Field(
        default="", description="Why the same is to run again; needed only then.", examples=["both are meant"]
    )
    replaces: str = Field(
        default="",
        examples=["EX-2026-0042"],
        max_length=80,
        pattern=r"^[A-Za-z0-9_.-]*$",
        description="The id or number of an execution of your own that never ran, such as one you withdrew: this one "
        "takes its place, and each names the other. Without `file` its file is taken again.",
    )


class SubmitAsk(Ask):
    """Which plan was seen."""

    plan_hash: str = Field(
        default="",
        max_length=100,
        pattern="^[0-9a-z:]*$",
        description="The hash of the plan; empty for operations without one.",
        examples=["9f86d081884c7d65"],
    )


class CancelAsk(Ask):
    """Why it is stopped."""

    reason: Text = Field(default="", examples=["Wrong file"])


class WithdrawAsk(Ask):
    """Why it is taken back; the approvers read it."""

    reason: Text = Field(examples=["Wrong month"])


@router.post(
    "/executions",
    status_code=201,
    summary="Draft",
    response_model=ExecutionAnswer,
    responses=problems(400, 403, 404, 409, 413),
)
def draft(change: Changing, asked: DraftAsk) -> Response:
    """Take parameters and a file; both are checked whole. Needs the scope `run`.

    Every fault at once comes back as `DRAFT_REFUSED` (422). A good draft is planned by the worker: ask for its state
    until it is `ready`, look at its plan, then submit it. Reading a file of other scopes' needs `files` as well.
    """
    with change.caller.read() as reading:
        upload = verbs.upload_of(reading, asked.file)
    return change.done(
        _RUN,
        lambda work: verbs.draft(work, asked.operation, asked.parameters, upload, asked.reason, asked.replaces),
        asked,
        status=201,
    )


@router.get("/executions", summary="History", response_model=ExecutionsAnswer, responses=problems(403))
def executions(  # noqa: PLR0917 - query parameters
    request: Request,
    caller: Asking,
    page: Page,
    text: Annotated[Text, Query(description="Looks into number, title and file name.")] = "",
    state: Annotated[PublicState | None, Query(description="One of the five public states.")] = None,
    operation: Annotated[Text, Query(description="The id of an operation.")] = "",
    mine: Annotated[bool, Query(description="Only those of the person behind the token.")] = False,  # noqa: FBT002
    since: Annotated[Instant | None, Query(description="Created at or after.")] = None,
    until: Annotated[Instant | None, Query(description="Created before.")] = None,
) -> Response:
    """Executions the person may see, newest first."""
    wanted = ExecutionFilter(text, state, operation, mine, since, until)
    with caller.read() as reading:
        return listed(request, verbs.executions(reading, wanted, page))


@router.get("/executions/{name}", summary="Status", response_model=ExecutionAnswer, responses=problems(403, 404))
def execution(caller: Asking, name: Name) -> Response:
    """Where one stands. Ask every second at first, then slower; `final` says when there is nothing more to wait for."""
    with caller.read() as reading:
        return told(verbs.execution(reading, name))


@router.get("/executions/{name}/plan", summary="Plan", response_model=PlanAnswer, responses=problems(403, 404))
def plan(caller: Asking, name: Name) -> Response:
    """What it would do, row by row, and the hash that submitting it needs. `PLAN_MISSING` while it is being made."""
    with caller.read() as reading:
        return told(verbs.plan(reading, name))


@router.post("/executions/{name}/submit", summary="Submit", response_model=ExecutionAnswer, responses=_MOVES)
def submit(change: Changing, name: Name, asked: SubmitAsk) -> Response:
    """Ask for approval of exactly this plan, or run it when it needs none. Needs the scope `run`."""
    return change.done(_RUN, lambda work: verbs.submit(work, name, asked.plan_hash), asked)


@router.post("/executions/{name}/withdraw", summary="Withdraw", response_model=ExecutionAnswer, responses=_MOVES)
def withdraw(change: Changing, name: Name, asked: WithdrawAsk) -> Response:
    """Take back what waits for approval; it will not run. A new draft may replace it. Needs the scope `run`."""
    return change.done(_RUN, lambda work: verbs.withdraw(work, name, asked.reason), asked)


@router.post("/executions/{name}/cancel", summary="Cancel or stop", response_model=ExecutionAnswer, responses=_MOVES)
def cancel(change: Changing, name: Name, asked: Annotated[CancelAsk | None, Body()] = None) -> Response:
    """Call it off, or stop it while it runs: no further call is begun. Needs the scope `run`."""
    given = asked or CancelAsk()
    return change.done(_RUN, lambda work: verbs.cancel(work, name, given.reason), given)


@router.post("/executions/{name}/replan", summary="Plan anew", response_model=ExecutionAnswer, responses=_MOVES)
def replan(change: Changing, name: Name) -> Response:
    """Make a fresh plan while nothing was done; an approval of the old one no longer counts. Needs the scope `run`."""
    return change.done(_RUN, lambda work: verbs.replan(work, name))


@router.get("/executions/{name}/log", summary="Log", response_model=LogAnswer, responses=problems(403, 404))
def log(
    caller: Asking,
    name: Name,
    after: Annotated[int, Query(ge=0, le=SEQ_MOST, description="Only lines past this seq.")] = 0,
    limit: Annotated[int, Query(ge=1, le=LOG_MOST, description="How many lines.")] = 500,
) -> Response:
    """Lines of its log, oldest first. Ask again with `after` set to `last` while it runs."""
    with caller.read() as reading:
        return told(verbs.log(reading, name, after, limit))


@router.get("/executions/{name}/result", summary="Result", response_model=ResultAnswer, responses=problems(403, 404))
def result(caller: Asking, name: Name) -> Response:
    """What its last finished attempt gave back. `RESULT_MISSING` while there is none."""
    with caller.read() as reading:
        return told(verbs.result(reading, name))


@router.get("/executions/{name}/files", summary="Files", response_model=FilesAnswer, responses=problems(403, 404))
def files(caller: Asking, name: Name) -> Response:
    """Its input and its result files, as far as scope `files` or `run` lets them be seen."""
    with caller.read() as reading:
        return told(verbs.files_of(reading, name))


@router.get(
    "/executions/{name}/record",
    summary="Record",
    response_class=Response,
    responses={200: {"content": {"application/zip": BINARY, "text/html": BINARY}}, **problems(403, 404, 409)},
)
def record(
    caller: Asking,
    name: Name,
    form: Annotated[
        Form, Query(description="`zip`: with files, proofs and a program that checks them; `html`: a page.")
    ] = (Form.ZIP),
) -> Response:
    """Everything about it in one file to carry away; that it was taken stands in the log. Needs the scope `audit`."""
    pack = verbs.record(caller, name, form)
    return handed_out(pack.name, pack.content, pack.mime)
