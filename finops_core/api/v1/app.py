"""The FastAPI app of ``/api/v1``: its routes, its description, and how what it refuses becomes a problem."""

import re
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.utils import get_openapi
from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, Response
from starlette.types import ASGIApp

from finops_core.answers.common import Problem, problem
from finops_core.api.requests import DeskGetter
from finops_core.api.v1 import (
    PREFIX,
    approvals,
    description,
    executions,
    files,
    ledger,
    operations,
    parties,
    payouts,
    pending,
    periods,
    proposals,
    rates,
    schedules,
    search,
)
from finops_core.api.v1.gate import PROBLEM, Gate, answer_to, too_large
from finops_core.kernel.errors import FinOpsError, Invalid, NotFound
from finops_core.kernel.faults import Fault

_VALUE_CHARS = 80


def build(desk: DeskGetter) -> ASGIApp:
    """The app behind its gate.

    The gate is a middleware of the app, and not around it: past FastAPI's own outermost layer an unexpected error would
    have been answered already, in its words.
    """
    app = bare()
    app.add_middleware(Gate, desk=desk)
    return app


def bare() -> FastAPI:
    """The app alone, for its routes and its description."""
    app = FastAPI(
        title="Tieout API",
        version="1",
        summary="What people do on the screens, for programs.",
        description=description.ABOUT,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    for part in (
        operations,
        files,
        executions,
        payouts,
        approvals,
        ledger,
        parties,
        pending,
        periods,
        proposals,
        rates,
        schedules,
        search,
    ):
        app.include_router(part.router)
    app.add_api_route("/docs", _docs, include_in_schema=False, methods=["GET"])
    app.add_exception_handler(FinOpsError, _refused)
    app.add_exception_handler(HTTPException, _by_status)
    app.add_exception_handler(RequestValidationError, _not_as_described)
    description.add_webhooks(app)
    app.openapi = lambda: _openapi(app)  # type: ignore[method-assign]
    return app


async def _docs(request: Request) -> Response:
    return HTMLResponse(description.page(request.app.openapi()), headers={"content-security-policy": description.CSP})


async def _refused(request: Request, error: Exception) -> Response:
    return answer_to(error, request.state.request_id)


async def _by_status(request: Request, error: Exception) -> Response:
    status = getattr(error, "status_code", 500)
    known: FinOpsError
    if status == 404:  # noqa: PLR2004 - the plain HTTP numbers
        known = NotFound("ROUTE_UNKNOWN", "There is nothing at this address.", hint=f"See {PREFIX}/docs.")
    elif status == 405:  # noqa: PLR2004
        known = Invalid("METHOD_NOT_ALLOWED", "This address does not take this method.", hint=f"See {PREFIX}/docs.")
    elif status == 413:  # noqa: PLR2004
        known = too_large()
    else:
        known = _bad()
    answer = answer_to(known, request.state.request_id)
    if status == 405:  # noqa: PLR2004
        answer.headers["allow"] = _allowed(request)
    return answer


def _allowed(request: Request) -> str:
    """Every method of an address: Starlette names those of the first route alone."""
    path = request.url.path.removeprefix(PREFIX)
    found = [
        method.upper()
        for template, methods in request.app.openapi()["paths"].items()
        if re.fullmatch(re.sub(r"{\w+}", "[^/]+", template), path)
        for method in methods
    ]
    return ", ".join(sorted(found)) or "GET"


async def _not_as_described(request: Request, error: Exception) -> Response:
    found = error.errors() if isinstance(error, RequestValidationError) else ()
    told = problem(_bad(), [_fault(item) for item in found], request.state.request_id)
    return Response(told.text(), told.status, media_type=PROBLEM)


def _bad() -> FinOpsError:
    return Invalid("REQUEST_BAD", "The request is not as described.", hint=f"See {PREFIX}/docs.")


def _fault(item: Any) -> Fault:
    where = ".".join(str(part) for part in item["loc"])
    given = item.get("input")
    # Bodies may hold anything; only what was given for one plain field is told back.
    value = str(given)[:_VALUE_CHARS] if isinstance(given, str | int | float | bool) else ""
    return Fault("PARAMETER_BAD", f"{item['msg']}.", column=where, value=value.encode("utf-8", "replace").decode())


def _openapi(app: FastAPI) -> dict[str, Any]:
    if app.openapi_schema is None:
        made = get_openapi(
            title=app.title,
            version=app.version,
            summary=app.summary,
            description=app.description,
            routes=app.routes,
            webhooks=app.webhooks.routes,
            tags=description.TAGS,
            servers=[{"url": PREFIX}],
        )
        parts = made.setdefault("components", {})
        parts.setdefault("schemas", {}).update(_problem_schemas())
        parts["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer", "description": description.TOKEN}}
        made["security"] = [{"token": []}]
        app.openapi_schema = made
    return app.openapi_schema


def _problem_schemas() -> dict[str, Any]:
    schema = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    return {**schema.pop("$defs", {}), "Problem": schema}
