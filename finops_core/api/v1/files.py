"""Files: brought as a stream that is sealed as it comes, taken with their hash checked."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import anyio
import anyio.from_thread
import anyio.to_thread
from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from finops_core import files
from finops_core.answers import verbs
from finops_core.answers.caller import Caller
from finops_core.answers.others import FileAnswer
from finops_core.api.v1.asking import BINARY, BYTES, Asking, Key, Name, done_once, handed_out, problems
from finops_core.kernel.errors import Invalid, Unavailable
from finops_core.security import Scope

router = APIRouter(tags=["files"])
# Senders may be slow. They have threads of their own, so that nobody else waits for them.
UPLOADS_AT_ONCE, UPLOADS_OF_ONE = 8, 2
PIECE_WAIT_S, WHOLE_WAIT_S = 30.0, 900.0
_PLACES = anyio.CapacityLimiter(UPLOADS_AT_ONCE)
_THREADS = anyio.CapacityLimiter(UPLOADS_AT_ONCE)
_BY_TOKEN: Counter[str] = Counter()
_BODY = {"requestBody": {"required": True, "content": {"text/csv": BINARY, BYTES: BINARY}}}


@router.post(
    "/files",
    status_code=201,
    summary="Upload",
    response_model=FileAnswer,
    responses=problems(400, 403, 408, 413),
    openapi_extra=_BODY,
)
async def upload(
    request: Request,
    caller: Asking,
    name: Annotated[
        str,
        Query(
            min_length=1,
            max_length=200,
            pattern=r"^[^\x00-\x1f/\\]+$",
            description="Its name; the same name again is its next version.",
            examples=["payouts.csv"],
        ),
    ],
    key: Key = "",
) -> Response:
    """Bring a file: the body is its bytes, as they are. It is sealed as it comes and never held whole.

    Needs the scope `run` or `files`. Give its id to a draft, or to an identity as its evidence. What is of no kind that
    either takes, or not what its name says, is refused (`FILE_TYPE`).
    """
    pieces, ends_at = request.stream(), anyio.current_time() + WHOLE_WAIT_S

    async def next_piece() -> bytes | None:
        try:
            with anyio.fail_after(min(PIECE_WAIT_S, ends_at - anyio.current_time())):
                return await anext(pieces, None)
        except TimeoutError:
            raise Invalid("UPLOAD_SLOW", "The file came too slowly.", hint="Send it again.") from None

    def received() -> Response:
        return _received(request, caller, name, key, _pulled(next_piece))

    with _place(str(caller.actor.token_id)):
        return await anyio.to_thread.run_sync(received, limiter=_THREADS)


@router.get(
    "/files/{name}/content",
    summary="Download",
    response_class=Response,
    responses={200: {"content": {BYTES: BINARY}}, **problems(403, 404)},
)
def content(caller: Asking, name: Name) -> Response:
    """The bytes of a file, compared with its hash; the download stands in the log. Needs the scope `run` or `files`."""
    with caller.work(Scope.RUN, Scope.FILES) as work:
        found = files.download(work, name)
    return handed_out(found.name, found.content)


@contextmanager
def _place(token_id: str) -> Iterator[None]:
    """A place, or a refusal at once: nobody waits for one behind a slow sender, and no program takes them all."""
    if _BY_TOKEN[token_id] >= UPLOADS_OF_ONE:
        raise _many("This token sends files already.")
    try:
        _PLACES.acquire_nowait()
    except anyio.WouldBlock:
        raise _many("Too many files are coming in at once.") from None
    _BY_TOKEN[token_id] += 1
    try:
        yield
    finally:
        _PLACES.release()
        _BY_TOKEN[token_id] -= 1
        if not _BY_TOKEN[token_id]:
            del _BY_TOKEN[token_id]


def _many(told: str) -> Unavailable:
    return Unavailable("UPLOADS_MANY", told, hint="Try again in a moment.")


def _received(request: Request, caller: Caller, name: str, key: str, pieces: Iterator[bytes]) -> Response:
    with caller.read():
        pass  # a token that opens nothing is told so before its file is read
    sealed = files.take_in(caller.desk, caller.actor, name, pieces)
    with caller.work(Scope.RUN, Scope.FILES) as work:
        return done_once(
            work,
            request,
            key,
            [name, sealed.sha256],
            lambda unit: verbs.keep(unit, sealed),
            status=201,
        )


def _pulled(next_piece: Any) -> Iterator[bytes]:
    while (piece := anyio.from_thread.run(next_piece)) is not None:
        yield piece
