"""Sets and clears the session cookie: the one thing a script on a page must not be able to do or read.

The page gets a ticket at sign-in and posts it here; only this answer carries the cookie's secret, as HttpOnly.
"""

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from finops_core import security
from finops_core.api.requests import DeskGetter, same_origin, small_body

COOKIE = "tieout_session"
TICKET_BYTES_MAX = 256
SECRET_CHARS_MAX = 256
_NEVER_KEPT = {"cache-control": "no-store"}


class SessionDoor:
    """The two routes of the cookie."""

    def __init__(self, desk: DeskGetter) -> None:
        self._desk = desk

    async def begin(self, request: Request) -> Response:
        """204 and the cookie for a good ticket; 403 for another origin or ticket, 413 for a body that is none."""
        settings = (await run_in_threadpool(self._desk)).settings
        if not same_origin(request, https=settings.https):
            return _answer(403)
        body = await small_body(request, TICKET_BYTES_MAX)
        if body is None:
            return _answer(413)
        secret = await run_in_threadpool(self._redeem, body.decode("ascii", "replace"))
        if secret is None:
            return _answer(403)
        response = _answer(204)
        response.set_cookie(
            COOKIE,
            secret,
            max_age=settings.session_absolute_s,
            path="/",
            httponly=True,
            samesite="lax",
            secure=settings.https,
        )
        return response

    async def end(self, request: Request) -> Response:
        """204, the cookie gone and its session ended, if it had one; 403 for another origin."""
        settings = (await run_in_threadpool(self._desk)).settings
        if not same_origin(request, https=settings.https):
            return _answer(403)
        secret = request.cookies.get(COOKIE, "")
        if 0 < len(secret) <= SECRET_CHARS_MAX:
            await run_in_threadpool(self._end, secret)
        response = _answer(204)
        response.delete_cookie(COOKIE, path="/", httponly=True, samesite="lax", secure=settings.https)
        return response

    def _redeem(self, ticket: str) -> str | None:
        with self._desk().work(security.visitor()) as work:
            return security.redeem(work, ticket)

    def _end(self, secret: str) -> None:
        with self._desk().work(security.visitor()) as work:
            security.sign_out(work, secret=secret)


def _answer(status: int) -> Response:
    return Response(status_code=status, headers=_NEVER_KEPT)
