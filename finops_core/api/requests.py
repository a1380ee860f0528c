"""What routes need to know of a request before they trust it: where it came from, and not more body than asked for."""

from collections.abc import Callable
from urllib.parse import urlsplit

from starlette.requests import Request

from finops_core.desk import Desk

DeskGetter = Callable[[], Desk]
_DEFAULT_PORTS = {"http": 80, "https": 443}


def same_origin(request: Request, *, https: bool) -> bool:
    """Whether a page of this very site sent it, by the browser's Origin header (RFC 6454) against Host.

    A missing or "null" origin is refused. With ``https`` only pages served by https count.
    """
    origin, host = request.headers.get("origin", ""), request.headers.get("host", "")
    try:
        parts = urlsplit(origin)
        asked = urlsplit(f"{parts.scheme}://{host}")
        port = _DEFAULT_PORTS.get(parts.scheme)
        same = (parts.hostname, parts.port or port) == (asked.hostname, asked.port or port)
    except ValueError:
        return False
    return same and bool(parts.hostname) and parts.scheme in ({"https"} if https else _DEFAULT_PORTS.keys())


async def small_body(request: Request, limit: int) -> bytes | None:
    """The body, or None as soon as it is longer than ``limit`` bytes, whatever its headers claim."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > limit:
            return None
    return bytes(body)
