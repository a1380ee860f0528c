"""What every request passes first: an id for the log, a token, the rate limit, and one shape for all errors.

A plain ASGI layer around the FastAPI app, so that nothing inside can be reached, or fail, past it.
"""

import logging
import math

from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolEmpty
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from finops_core.answers.caller import Caller
from finops_core.answers.common import problem
from finops_core.api.requests import DeskGetter
from finops_core.api.v1.buckets import Buckets
from finops_core.api.v1.callers import Callers
from finops_core.desk import Desk
from finops_core.kernel.actor import Actor
from finops_core.kernel.errors import FinOpsError, Invalid, NotAllowed, Unavailable
from finops_core.kernel.ids import new_id
from finops_core.platform import logs
from finops_core.platform.db import is_read_only
from finops_core.security.tokens import MARK, SECRET_CHARS_MAX

# A route that is not named here needs a token. A test holds this list against what the routes do.
OPEN_PATHS = frozenset({"/openapi.json", "/docs"})
PROBLEM = "application/problem+json"
BODY_BYTES_MAX = 1024 * 1024
STREAMED = frozenset({"/files"})  # bodies that are never held whole, with a limit of their own
STRANGERS_PER_S, STRANGERS_BURST = 1.0, 20
UNAUTHENTICATED = 401
PATH_CHARS = 200
BUSY = (OperationalError, InterfaceError, PoolEmpty)
_LOG = logging.getLogger(__name__)


class Gate:
    """The layer."""

    def __init__(self, app: ASGIApp, desk: DeskGetter) -> None:
        self._app, self._desk = app, desk
        self._callers = Callers()
        self._strangers = Buckets(STRANGERS_PER_S, STRANGERS_BURST)
        self._limits: Buckets | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the request in, or answer it with a problem."""
        if scope["type"] != "http":
            return
        request_id, started = logs.present().get("request") or new_id("rq"), False
        path = scope["path"].removeprefix(scope.get("root_path", ""))
        state = scope.setdefault("state", {})
        state["request_id"] = request_id

        async def marked(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                if message["status"] == UNAUTHENTICATED:
                    self._callers.forget(_bearer(scope))
                _note(request_id, scope, message["status"])
                message["headers"] = [*message["headers"], *_always(request_id)]
            await send(message)

        try:
            if path not in OPEN_PATHS:
                state["caller"] = await self._caller(scope)
            inner = receive if path in STREAMED else _bounded(receive)
            await self._app(scope, inner, marked)
        except ClientDisconnect:
            _LOG.info("%s: the caller is gone", request_id)
        except Exception as error:
            if started:
                raise
            await answer_to(error, request_id)(scope, receive, marked)

    async def _caller(self, scope: Scope) -> Caller:
        secret = _bearer(scope)
        actor = self._callers.remembered(secret) if secret else None
        desk = await run_in_threadpool(self._desk)
        if actor is None and not secret.startswith(MARK):
            raise _no_token()
        if actor is None:
            actor = await run_in_threadpool(self._stranger, desk, scope, secret)
        if self._limits is None:
            self._limits = Buckets(desk.settings.api_rate_per_s, desk.settings.api_burst)
        _limited(self._limits.take(actor.token_id or ""))
        return Caller(desk, actor, secret)

    def _stranger(self, desk: Desk, scope: Scope, secret: str) -> Actor:
        """Whoever is not remembered. A token that is good is let in, however many others are refused meanwhile."""
        address = scope["client"][0] if scope.get("client") else ""
        wait_s = self._strangers.wait_s(address)
        try:
            return self._callers.enter(desk, secret, noted=wait_s == 0)
        except NotAllowed:
            # Secrets cannot be guessed. But each refusal is a line in the log, which must not be flooded.
            _limited(wait_s)
            self._strangers.take(address)
            raise


def _note(request_id: str, scope: Scope, status: int) -> None:
    """One line a call: which token did what, by ids alone. Addresses of things carry no secret and no name."""
    caller = scope["state"].get("caller")
    who = f"{caller.actor.id} by {caller.actor.token_id}" if caller else "nobody"
    path = scope.get("raw_path", b"")[:PATH_CHARS].decode("latin-1")  # as it was sent: without line breaks
    _LOG.info("%s: %s %s %d, %s", request_id, scope["method"], path, status, who)


def answer_to(error: Exception, request_id: str) -> Response:
    """The problem that tells an error; what is not expected goes to the log with the request's id."""
    known = error if isinstance(error, FinOpsError) else _unexpected(error, request_id)
    told = problem(known, request_id=request_id)
    headers = {}
    if "retry_after_s" in known.context:
        headers["retry-after"] = str(known.context["retry_after_s"])
    if told.status == UNAUTHENTICATED:  # RFC 9110, 15.5.2
        headers["www-authenticate"] = 'Bearer realm="tieout"'
    _LOG.info("%s: %s %s", request_id, told.status, known.code)
    return Response(told.text(), told.status, headers, PROBLEM)


def _unexpected(error: Exception, request_id: str) -> FinOpsError:
    if isinstance(error, BUSY) or is_read_only(error):
        _LOG.warning("%s: the database is busy or gone: %s", request_id, type(error).__name__)
        return Unavailable("DATABASE_BUSY", "The database does not answer now.", hint="Try again in a moment.")
    _LOG.error("%s: unexpected error", request_id, exc_info=error)
    return Unavailable(
        "UNEXPECTED",
        "Something went wrong that should not.",
        hint=f"Tell an administrator this id: {request_id}. The log has the rest.",
    )


def _limited(wait_s: float) -> None:
    if wait_s:
        raise Unavailable(
            "RATE_LIMITED",
            "Too many calls.",
            hint="Wait as long as Retry-After says.",
            retry_after_s=math.ceil(wait_s),
        )


def _bearer(scope: Scope) -> str:
    """The bearer token of a request, "" for none; a cookie is never looked at."""
    for name, value in scope["headers"]:
        if name == b"authorization":
            kind, _, secret = value.decode("latin-1").strip().partition(" ")
            secret = secret.strip()
            return secret if kind.lower() == "bearer" and len(secret) <= SECRET_CHARS_MAX else ""
    return ""


def _no_token() -> NotAllowed:
    return NotAllowed(
        "TOKEN_NOT_VALID",
        "This needs an API token.",
        hint="Make one on the page Me, and send it as Authorization: Bearer tieout_….",
    )


def _bounded(receive: Receive) -> Receive:
    count = 0

    async def bounded() -> Message:
        nonlocal count
        message = await receive()
        count += len(message.get("body", b""))
        if count > BODY_BYTES_MAX:
            raise HTTPException(413)  # of this kind, since FastAPI makes a 400 of any other
        return message

    return bounded


def too_large() -> Invalid:
    """A body past the limit."""
    return Invalid("BODY_TOO_LARGE", f"The body has more than {BODY_BYTES_MAX:,} bytes.", hint="Send files to /files.")


def _always(request_id: str) -> list[tuple[bytes, bytes]]:
    return [
        (b"x-request-id", request_id.encode()),
        (b"cache-control", b"no-store"),
        (b"x-content-type-options", b"nosniff"),
    ]
