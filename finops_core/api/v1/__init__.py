"""``/api/v1``: what people do on the screens, for programs, by personal API tokens. Built at its first request.

Importing this is cheap; FastAPI is imported when somebody calls, or by the app a moment after its start.
"""

import re
import threading

from starlette.routing import Mount
from starlette.types import ASGIApp, Receive, Scope, Send

from finops_core.api.requests import DeskGetter

PREFIX = "/api/v1"


def mounted(desk: DeskGetter) -> Mount:
    """The API below its prefix: every address there is, with a line break in it too, which Starlette leaves out."""
    mount = Mount(PREFIX, Door(desk))
    mount.path_regex = re.compile(mount.path_regex.pattern, re.DOTALL)
    return mount


class Door:
    """The ASGI app that is hung into the server; makes the real one once."""

    def __init__(self, desk: DeskGetter) -> None:
        self._desk = desk
        self._app: ASGIApp | None = None
        self._making = threading.Lock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand the request on."""
        await self.app()(scope, receive, send)

    def app(self) -> ASGIApp:
        """The real one."""
        if self._app is None:
            with self._making:
                if self._app is None:
                    from finops_core.api.v1.app import build  # noqa: PLC0415 - FastAPI costs the start too much

                    self._app = build(self._desk)
        return self._app
