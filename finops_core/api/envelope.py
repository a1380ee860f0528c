"""Around every HTTP request: its id, what the log knows of it, headers browsers obey, counts, a number for errors."""

import logging
import re
import time
from collections.abc import Iterable

from starlette.datastructures import MutableHeaders
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from finops_core.answers.common import occurrence
from finops_core.kernel.ids import new_id
from finops_core.platform import logs, metrics

LOG = logging.getLogger("tieout.http")
REQUEST_ID = "x-request-id"
_GIVEN_ID = re.compile(r"[A-Za-z0-9._\-]{8,64}", re.ASCII)
# Streamlit draws by scripts and styles of its own in the page, and charts compile theirs; nothing comes from elsewhere.
_CONTENT = {
    "default-src": "'self'",
    "script-src": "'self' 'unsafe-inline' 'unsafe-eval' blob:",
    "style-src": "'self' 'unsafe-inline'",
    "img-src": "'self' data: blob:",
    "font-src": "'self' data:",
    "connect-src": "'self'",
    "worker-src": "'self' blob:",
    "object-src": "'none'",
    "base-uri": "'self'",
    "form-action": "'self'",
    "frame-ancestors": "'none'",
}
_ALWAYS = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=(), payment=()",
    "content-security-policy": "; ".join(f"{part} {allowed}" for part, allowed in _CONTENT.items()),
}
_YEAR_S = 365 * 24 * 3600
SCREENS = "screens"
_ASKED_ALL_DAY = {"/healthz", "/metrics"}
_FAULTY = 400
# Anybody may send any word as a method; each one counted would be memory that never comes back.
_METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}


class Envelope:
    """The outermost of our own layers: only what tells whom a proxy speaks for lies around it.

    ``routes``: those of ours, by which requests are counted; everything else is the screens' own. ``https``: the desk
    is reached by https alone, so browsers may be told never to try anything else.
    """

    def __init__(self, app: ASGIApp, routes: Iterable[BaseRoute] = (), *, https: bool = False) -> None:
        self._app, self._routes = app, tuple(routes)
        self._headers = {**_ALWAYS, **({"strict-transport-security": f"max-age={_YEAR_S}"} if https else {})}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request; sockets of screens pass through."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun, route, answered = time.perf_counter(), self._route(scope), 0
        request_id = _request_id(scope)

        async def sending(message: Message) -> None:
            nonlocal answered
            if message["type"] == "http.response.start":
                answered = message["status"]
                headers = MutableHeaders(scope=message)
                headers[REQUEST_ID] = request_id
                for name, value in self._headers.items():
                    headers.setdefault(name, value)
            await send(message)

        with logs.about(request=request_id):
            try:
                await self._app(scope, receive, sending)
            except Exception:
                LOG.exception("unexpected error %s", number := new_id("err"))
                if answered:  # half of it is on its way: only the end of the line can tell that it is no whole
                    raise
                await _broken(number, request_id)(scope, receive, sending)
            finally:
                _count(scope, route, answered or 500, time.perf_counter() - begun)

    def _route(self, scope: Scope) -> str:
        for route in self._routes:
            if route.matches(scope)[0] is not Match.NONE:
                return str(getattr(route, "path", SCREENS))
        return SCREENS


def _broken(number: str, request_id: str) -> Response:
    """The answer to what no route expected: a number that the log knows, and nothing else."""
    metrics.ERRORS.labels("http").inc()
    told = {"title": "Something went wrong on our side.", "status": 500, "error": number}
    told["instance"] = occurrence(request_id)
    return JSONResponse(told, 500, media_type="application/problem+json")


def _count(scope: Scope, route: str, status: int, took_s: float) -> None:
    method = scope["method"] if scope["method"] in _METHODS else "other"
    metrics.REQUESTS.labels(route, method, status).inc()
    metrics.REQUEST_SECONDS.labels(route).observe(took_s)
    if route != SCREENS:
        level = logging.DEBUG if route in _ASKED_ALL_DAY and status < _FAULTY else logging.INFO
        LOG.log(level, "%s %s %s in %.0f ms", scope["method"], route, status, took_s * 1000)


def _request_id(scope: Scope) -> str:
    """The one a proxy gave, so that its log and ours tell of the same request; else a new one."""
    given = dict(scope["headers"]).get(REQUEST_ID.encode(), b"").decode("latin-1")
    return given if _GIVEN_ID.fullmatch(given) else new_id("rq")
