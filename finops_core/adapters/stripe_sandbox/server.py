"""The sandbox over HTTP, on loopback only: Stripe's v1 endpoints and its own control endpoints."""

import asyncio
import os
import socket
import struct
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from finops_core.adapters.stripe_sandbox import calls, control, faults
from finops_core.adapters.stripe_sandbox.calls import Incoming
from finops_core.adapters.stripe_sandbox.courier import LOOPBACK, Courier
from finops_core.adapters.stripe_sandbox.faults import Fault, FaultKind
from finops_core.adapters.stripe_sandbox.gate import Gate, answer_of, spoilt
from finops_core.adapters.stripe_sandbox.objects import API_VERSION
from finops_core.adapters.stripe_sandbox.refusals import Refusal
from finops_core.adapters.stripe_sandbox.store import Store
from finops_core.adapters.stripe_sandbox.wire import Answer, Params, parse_form
from finops_core.kernel.errors import Unavailable
from finops_core.kernel.ids import new_id

BODY_MAX_BYTES = 64 * 1024
JSON = "application/json"
_DROPPED = frozenset((FaultKind.RESET_BEFORE, FaultKind.RESET_AFTER, FaultKind.CUT_BODY))
_PARENT_CHECK_TICKS = 10  # uvicorn ticks ten times a second


def create_app(store: Store) -> Starlette:
    """The sandbox as an ASGI application. Dropped connections need ``LinkedProtocol`` below it.

    Payouts that move by themselves and webhooks need its lifespan to be on.
    """
    courier = Courier(store)
    sandbox = _Sandbox(store, courier)

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        async with courier.running():
            yield

    return Starlette(
        lifespan=lifespan,
        routes=[
            Route("/v1/{path:path}", sandbox.stripe, methods=["GET", "POST", "DELETE"]),
            Route("/_sandbox/{name:path}", sandbox.control, methods=["GET", "POST"]),
        ],
        middleware=[
            Middleware(_Dated, store=store),
            # Another name for this address would mean that a browser was tricked into coming here.
            Middleware(TrustedHostMiddleware, allowed_hosts=[LOOPBACK, "localhost"]),
        ],
    )


def serve(port: int, database: Path, parent_pid: int | None = None, *, moves_by_itself: bool = True) -> None:
    """Answer on loopback until SIGTERM or SIGINT, or until the given parent is gone. Blocks.

    Port 0 takes a free one. The address is written to standard output once it listens. Payouts move on as time
    passes, unless ``moves_by_itself`` is false or ``/_sandbox/settings`` said otherwise.
    ``SANDBOX_PORT_TAKEN`` when another program has the port.
    """
    listener = listen(port)
    store = Store(database, moves_by_itself=moves_by_itself)
    try:
        server = SandboxServer(store, parent_pid=parent_pid)
        sys.stdout.write(f"Stripe sandbox on http://{LOOPBACK}:{listener.getsockname()[1]}\n")
        sys.stdout.flush()
        server.run(sockets=[listener])
    finally:
        store.close()
        listener.close()


def listen(port: int) -> socket.socket:
    """A listening socket on loopback; ``SANDBOX_PORT_TAKEN`` when there is none to be had."""
    # Named as TCP, because asyncio switches Nagle's algorithm off only then: without it each answer takes 40 ms more.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((LOOPBACK, port))
        listener.listen(128)
    except OSError as error:
        listener.close()
        raise Unavailable(
            "SANDBOX_PORT_TAKEN",
            f"The Stripe sandbox cannot listen on port {port}.",
            hint="Stop the program that uses it, or set TIEOUT_STRIPE_SANDBOX_URL to another port.",
        ) from error
    return listener


class LinkedProtocol(H11Protocol):
    """HTTP/1.1 that shows each request its connection, so that a fault can drop it."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Put the connection where the application finds it: in the request's state."""
        self.app_state = {**self.app_state, "transport": transport}
        super().connection_made(transport)


class SandboxServer(uvicorn.Server):
    """uvicorn that leaves when the process that started it is gone.

    Args:
        store: closed by the caller, after the server has stopped.
        parent_pid: None to stay for as long as nobody stops it.
        app: what answers; the plain sandbox unless given (tests put a witness around it).
    """

    def __init__(self, store: Store, *, parent_pid: int | None = None, app: Any = None) -> None:
        config = uvicorn.Config(
            app or create_app(store),
            http=LinkedProtocol,
            ws="none",
            lifespan="on",
            log_level="warning",
            access_log=False,
            server_header=False,
            date_header=False,
            timeout_graceful_shutdown=2,
        )
        super().__init__(config)
        self._parent_pid = parent_pid

    async def on_tick(self, counter: int) -> bool:
        """Whether to stop now; asked ten times a second."""
        if counter % _PARENT_CHECK_TICKS == 0 and self._parent_pid not in (None, os.getppid()):
            return True
        return await super().on_tick(counter)


class _Sandbox:
    """The two families of endpoints over one store. All of it runs on one thread: the event loop's."""

    def __init__(self, store: Store, courier: Courier) -> None:
        self._store = store
        self._courier = courier
        self._gate = Gate(store)

    async def stripe(self, request: Request) -> Response:
        """Any of Stripe's endpoints."""
        try:
            body = await _body(request)
            params = parse_form(body.decode("utf-8") if request.method == "POST" else request.url.query)
        except (Refusal, UnicodeDecodeError) as error:
            refusal = error if isinstance(error, Refusal) else Refusal(400, "The request is not UTF-8.")
            return _response(_incoming(request, {}), answer_of(refusal), faults.NO_FAULT)
        incoming = _incoming(request, params)
        fault = faults.take(self._store, incoming.method, incoming.path, params)
        account, answer = await self._exchange(incoming, fault)
        calls.log(
            self._store,
            incoming,
            account,
            {
                "status": 0 if fault.kind in _DROPPED else answer.status,
                "replayed": "Idempotent-Replayed" in answer.headers,
                "fault": fault.kind.value,
            },
        )
        return _response(incoming, answer, fault)

    async def _exchange(self, incoming: Incoming, fault: Fault) -> tuple[str, Answer]:
        if fault.kind is FaultKind.RESET_BEFORE:
            return "", Answer(200, {})
        try:
            admitted = self._gate.admit(incoming, fault)
        except Refusal as refusal:
            if fault.kind in (FaultKind.DELAY, FaultKind.DELAY_BEFORE):
                await asyncio.sleep(fault.delay_s)
            return "", spoilt(answer_of(refusal), fault)
        try:
            if fault.kind is FaultKind.DELAY_BEFORE:
                await asyncio.sleep(fault.delay_s)
            answer = self._gate.execute(admitted, incoming, fault)
            # Before the answer: news of a payout may well arrive earlier than the answer that made it.
            self._courier.wake()
            if fault.kind is FaultKind.DELAY:
                await asyncio.sleep(fault.delay_s)
        finally:
            self._gate.leave(admitted)
        return admitted.account, answer

    async def control(self, request: Request) -> Response:
        """Any of the sandbox's own endpoints."""
        try:
            _refuse_browsers(request)
            body = await _body(request)
            name = request.path_params["name"]
            found = control.answer(self._store, request.method, name, body, request.query_params)
            self._courier.wake()
            if name == control.DELIVER:
                found = control.delivered(self._store, await self._courier.deliver_due())
            answer = Answer(200, found)
        except Refusal as refusal:
            answer = answer_of(refusal)
        return Response(answer.to_bytes(), status_code=answer.status, media_type=JSON)


class _Dated:
    """Tells the sandbox's clock with every answer, as Stripe's servers tell theirs (RFC 9110, section 6.6.1)."""

    def __init__(self, app: ASGIApp, store: Store) -> None:
        self._app = app
        self._store = store

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def dated(message: Message) -> None:
            if message["type"] == "http.response.start":
                now = format_datetime(self._store.now(), usegmt=True).encode("ascii")
                message = {**message, "headers": [*message["headers"], (b"date", now)]}
            await send(message)

        await self._app(scope, receive, dated)


def _refuse_browsers(request: Request) -> None:
    # A page in a browser can post a plain form here without asking; it cannot send JSON without a preflight, which
    # is never answered, and it cannot leave its Origin out.
    if "origin" in request.headers:
        raise Refusal(403, "The sandbox's control endpoints are not for web pages.")
    if request.method == "POST" and request.headers.get("content-type", "").partition(";")[0] != JSON:
        raise Refusal(415, "Send JSON.")


async def _body(request: Request) -> bytes:
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > BODY_MAX_BYTES:
            raise Refusal(413, f"A request may have {BODY_MAX_BYTES} bytes.")
    return bytes(body)


def _incoming(request: Request, params: Params) -> Incoming:
    kind, _, secret = request.headers.get("authorization", "").partition(" ")
    return Incoming(
        method=request.method,
        path=request.url.path,
        params=params,
        secret=secret.strip() if kind.lower() == "bearer" else "",
        connected=request.headers.get("stripe-account", ""),
        idempotency_key=request.headers.get("idempotency-key", ""),
        request_id=new_id("req_sbx"),
    )


def _response(incoming: Incoming, answer: Answer, fault: Fault) -> Response:
    headers = {"Request-Id": incoming.request_id, "Stripe-Version": API_VERSION, **answer.headers}
    if incoming.idempotency_key:
        headers["Idempotency-Key"] = incoming.idempotency_key[:255]
    body = answer.to_bytes()
    if fault.kind in (FaultKind.RESET_BEFORE, FaultKind.RESET_AFTER):
        return _Reset()
    if fault.kind is FaultKind.CUT_BODY:
        return _Cut(body, status_code=answer.status, headers=headers, media_type=JSON)
    if fault.kind is FaultKind.HALF_BODY:
        body = body[: len(body) // 2]
    elif fault.kind is FaultKind.BAD_JSON:
        body = b"<html><body>upstream said nothing useful</body></html>"
    return Response(body, status_code=answer.status, headers=headers, media_type=JSON)


class _Reset(Response):
    """No answer: the connection is reset under the client."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - ASGI's signature
        transport = scope["state"]["transport"]
        connection = transport.get_extra_info("socket")
        # Lingering for zero seconds makes the kernel send RST instead of a polite end.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()
        await _gone(receive)


class _Cut(Response):
    """Half of the announced body, then the end of the connection."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        half = bytes(self.body)[: len(self.body) // 2]
        await send({"type": "http.response.body", "body": half, "more_body": True})
        scope["state"]["transport"].close()
        await _gone(receive)


async def _gone(receive: Receive) -> None:
    # Returning before the server has seen the end would make it write a 500 of its own.
    while (await receive())["type"] != "http.disconnect":
        pass
