"""What the routes share: who asks, page and key parameters, and how an answer is written."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Annotated, Any, cast
from urllib.parse import quote, urlencode

from fastapi import Depends, Header, Path, Query, Request
from pydantic import BaseModel, ConfigDict, StringConstraints
from starlette.responses import Response

from finops_core.answers.caller import Caller
from finops_core.answers.common import Answer, Paged, Problem
from finops_core.answers.verbs import Paging
from finops_core.api.v1.gate import PROBLEM
from finops_core.platform.repeats import Kept, asked_hash, once
from finops_core.platform.work import Work
from finops_core.security import Scope

Do = Callable[[Work], Answer]
JSON, BYTES = "application/json", "application/octet-stream"
BINARY: dict[str, Any] = {"schema": {"type": "string", "format": "binary"}}
PAGE_MOST, OFFSET_MOST, TEXT_MOST = 200, 1_000_000, 2_000
NAME_PATTERN = r"^[A-Za-z0-9_.-]+$"


class Ask(BaseModel):
    """Base of bodies: nothing that is not described."""

    model_config = ConfigDict(extra="forbid")


async def _caller(request: Request) -> Caller:
    return cast("Caller", request.state.caller)


async def _paging(
    limit: Annotated[int, Query(ge=1, le=PAGE_MOST, description="How many.")] = 50,
    offset: Annotated[int, Query(ge=0, le=OFFSET_MOST, description="How many to leave out before.")] = 0,
) -> Paging:
    return Paging(limit, offset)


Asking = Annotated[Caller, Depends(_caller)]
Page = Annotated[Paging, Depends(_paging)]
Name = Annotated[str, Path(min_length=1, max_length=80, pattern=NAME_PATTERN, description="Its id, or its number.")]
# NUL is no text for PostgreSQL, and of no use to people.
Text = Annotated[str, StringConstraints(max_length=TEXT_MOST, pattern=r"^[^\x00]*$")]
Key = Annotated[
    str,
    Header(
        alias="Idempotency-Key",
        max_length=200,
        pattern="^[!-~]*$",
        description="A key of your own choice: the same call again within a day, with the same key, gives the first "
        "answer again and does nothing twice.",
    ),
]


def told(answer: Answer, status: int = 200) -> Response:
    """An answer."""
    return Response(answer.text(), status, media_type=JSON)


def listed(request: Request, answer: Paged) -> Response:
    """A page, with a Link to the next one (RFC 8288)."""
    response = told(answer)
    if answer.next is not None:
        others = [(name, value) for name, value in request.query_params.multi_items() if name != "offset"]
        query = urlencode([*others, ("offset", str(answer.next))])
        response.headers["link"] = f'<{request.url.path}?{query}>; rel="next"'
    return response


def done_once(work: Work, request: Request, key: str, content: Iterable[str], do: Do, status: int = 200) -> Response:
    """Do it unless it was done under this key, in one unit with keeping the answer."""

    def made() -> Kept:
        answer = do(work)
        if isinstance(answer, Problem):
            return Kept(answer.status, answer.during(request.state.request_id).text())
        return Kept(status, answer.text())

    kept = once(work, key, asked_hash([request.method, request.url.path, *content]), made)
    headers = {"idempotency-replayed": "true"} if kept.repeated else {}
    return Response(kept.text, kept.status, headers, PROBLEM if kept.status >= 400 else JSON)  # noqa: PLR2004


@dataclass(frozen=True, slots=True)
class Change:
    """A request that changes something: who asks, and the key under which it is done once."""

    request: Request
    caller: Caller
    key: str

    def done(self, scopes: tuple[Scope, ...], do: Do, asked: BaseModel | None = None, status: int = 200) -> Response:
        """Do it in a unit of the caller's, by a token with one of the scopes; ``asked``: the body, where it has one."""
        content = [] if asked is None else [asked.model_dump_json()]
        with self.caller.work(*scopes) as work:
            return done_once(work, self.request, self.key, content, do, status)


async def _change(request: Request, key: Key = "") -> Change:
    return Change(request, cast("Caller", request.state.caller), key)


Changing = Annotated[Change, Depends(_change)]


def handed_out(name: str, content: bytes, mime: str = BYTES) -> Response:
    """A file to be saved under its name; browsers show none of it."""
    shown = f"attachment; filename*=UTF-8''{quote(name)}"
    return Response(content, headers={"content-disposition": shown}, media_type=mime)


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """What a route may refuse with, for the OpenAPI document; every route refuses with 401, 422, 429 and 503."""
    words = {
        400: "What was given cannot be accepted.",
        401: "No token, or one that is not valid any more.",
        403: "The role, or the scopes of the token, do not include this.",
        404: "No such thing, or none you may see.",
        408: "The body came too slowly.",
        409: "The thing has moved on; look again.",
        413: "The body is too large.",
        422: "The request is not as described here; or `DRAFT_REFUSED`, with every fault of a file.",
        429: "Too many calls; wait as long as Retry-After says.",
        500: "An unexpected error; its id stands in `instance` and in the log.",
        503: "Busy or gone; the same call may succeed later.",
    }
    told_as = {"content": {PROBLEM: {"schema": {"$ref": "#/components/schemas/Problem"}}}}
    return {
        status: {"description": words[status], **told_as} for status in sorted({*statuses, 401, 422, 429, 500, 503})
    }
