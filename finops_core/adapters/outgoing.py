"""Posting to addresses that people typed: what lies inside our own network is never called (SSRF).

A name is resolved once; if any of its addresses is not public, nothing is called; else the call goes to the very
address that was judged, by TLS for the name. No redirect is followed, no proxy of the environment is asked, the whole
call has one deadline, and the answer is read to 64 KB. Not for what is sent.
"""

import contextlib
import functools
import http.client
import queue
import socket
import ssl
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from finops_core.kernel.addresses import is_public
from finops_core.platform.ports import PostAnswer, Posting

PORTS = frozenset({443, 8443})
ANSWER_BYTES, WORDS_CHARS = 64 * 1024, 200
SPOKEN = ("text/", "application/json", "application/problem+json")
AGENT = "Tieout"
NOT_PUBLIC = "Nothing was sent: the address is not one of the open internet."
NO_NAME = "Nothing was sent: the name of the host is not known."
TOO_LATE = "No answer came in time."

Found = tuple[int, tuple[Any, ...]]
"""An address family, and an address as a socket wants it."""
Resolve = Callable[[str, int], Sequence[Found]]


def resolve(host: str, port: int) -> Sequence[Found]:
    """Every address of a name, as this machine knows them."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [(family, address) for family, _type, _proto, _name, address in found]


@functools.cache
def _secure() -> ssl.SSLContext:
    """Made once: the list of authorities takes a while to read."""
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


@dataclass(frozen=True, slots=True)
class GuardedPoster:
    """``inside``: hosts that may be called although they are not public, by http too and at any port."""

    inside: frozenset[str] = frozenset()
    timeout_s: float = 15.0
    resolver: Resolve = resolve
    context: ssl.SSLContext | None = None

    def __call__(self, posting: Posting) -> PostAnswer:
        """Send it once; a refusal, a broken line and a strange answer are all values."""
        until = time.monotonic() + self.timeout_s
        try:
            return self._post(posting, until)
        except _NotSentError as refused:
            return PostAnswer(0, str(refused))
        except (OSError, http.client.HTTPException, ValueError) as error:
            return PostAnswer(0, _why(error))

    def _post(self, posting: Posting, until: float) -> PostAnswer:
        parts = urlsplit(posting.url)
        secure, host = parts.scheme == "https", (parts.hostname or "").lower()
        port = parts.port or (443 if secure else 80)
        inside = host in self.inside
        if not host or parts.scheme not in {"http", "https"} or not (inside or (secure and port in PORTS)):
            raise _NotSentError(NOT_PUBLIC)
        found = _within(lambda: self.resolver(host, port), until)
        # One private address among public ones is refused too: which of them is called must not be a matter of luck.
        if not inside and not all(is_public(str(address[0])) for _family, address in found):
            raise _NotSentError(NOT_PUBLIC)
        line = _Pinned(host, port, found, until, (self.context or _secure()) if secure else None)
        try:
            target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
            line.request("POST", target, posting.body, {**posting.headers, "User-Agent": AGENT, "Connection": "close"})
            answer = line.getresponse()
            return PostAnswer(answer.status, _spoken(answer))
        finally:
            line.close()


class _NotSentError(Exception):
    """Nothing has left; the reason is for people."""


class _Pinned(http.client.HTTPConnection):
    """A line to an address that was judged, called by the name it was found under."""

    def __init__(
        self, host: str, port: int, found: Sequence[Found], until: float, context: ssl.SSLContext | None
    ) -> None:
        super().__init__(host, port)
        # What the header Host leaves out.
        self.default_port = 443 if context else 80
        self._found, self._until, self._context = found, until, context

    def connect(self) -> None:
        self.sock = _call(self._found, self._until)
        if self._context is not None:
            self.sock = _dress(self.sock, self._context, self.host, self._until)


class _Bounded(socket.socket):
    """Whatever is read or written ends at one instant, however slowly the other side drips."""

    until = 0.0

    def recv_into(self, *given: Any, **more: Any) -> int:
        self.settimeout(_left(self.until))
        return super().recv_into(*given, **more)

    def sendall(self, *given: Any, **more: Any) -> None:
        self.settimeout(_left(self.until))
        super().sendall(*given, **more)


class _BoundedTls(ssl.SSLSocket):
    until = 0.0

    def recv_into(self, *given: Any, **more: Any) -> int:
        self.settimeout(_left(self.until))
        return super().recv_into(*given, **more)

    def sendall(self, *given: Any, **more: Any) -> None:
        self.settimeout(_left(self.until))
        super().sendall(*given, **more)


def _call(found: Sequence[Found], until: float) -> socket.socket:
    """A line to the first address that takes it."""
    last: OSError = OSError("no address")
    for number, (family, address) in enumerate(found):
        line = _Bounded(family, socket.SOCK_STREAM)
        line.until = until
        line.settimeout(_left(until) / (len(found) - number))
        try:
            line.connect(address)
        except OSError as error:
            line.close()
            last = error
        else:
            return line
    raise last


def _dress(plain: socket.socket, context: ssl.SSLContext, host: str, until: float) -> socket.socket:
    plain.settimeout(_left(until))
    context.sslsocket_class = _BoundedTls
    secure = context.wrap_socket(plain, server_hostname=host)
    secure.until = until  # type: ignore[attr-defined]
    return secure


def _within(look: Callable[[], Sequence[Found]], until: float) -> Sequence[Found]:
    """What a look-up finds. It cannot be given a time, so after ours it is left to itself."""
    told: queue.SimpleQueue[Sequence[Found] | Exception] = queue.SimpleQueue()

    def ask() -> None:
        try:
            told.put(look())
        except (OSError, UnicodeError) as error:
            told.put(error)

    threading.Thread(target=ask, name="resolve", daemon=True).start()
    try:
        found = told.get(timeout=_left(until))
    except queue.Empty:
        raise _NotSentError(NO_NAME) from None
    if isinstance(found, Exception) or not found:
        raise _NotSentError(NO_NAME)
    return found


def _left(until: float) -> float:
    left = until - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


def _spoken(answer: http.client.HTTPResponse) -> str:
    """The first words of an answer; its code counts though the rest of it may be broken off, endless or unreadable."""
    body = b""
    with contextlib.suppress(OSError, http.client.HTTPException, ValueError):
        while len(body) < ANSWER_BYTES and (piece := answer.read1(ANSWER_BYTES - len(body))):
            body += piece
    kind = (answer.getheader("Content-Type") or "").lower()
    return body[: 4 * WORDS_CHARS].decode("utf-8", "replace")[:WORDS_CHARS] if kind.startswith(SPOKEN) else ""


_REASONS: Sequence[tuple[type[Exception], str]] = (
    (TimeoutError, TOO_LATE),
    (ssl.SSLError, "No secure connection could be made."),
    (ConnectionRefusedError, "Nobody takes calls at the address."),
    (ConnectionResetError, "The other side hung up without an answer."),
    (BrokenPipeError, "The other side hung up without an answer."),
    (http.client.HTTPException, "The answer was no HTTP."),
)


def _why(error: Exception) -> str:
    """Why there is no answer, without anything the other side or the address says."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"No secure connection: {error.verify_message}."
    return next((told for kind, told in _REASONS if isinstance(error, kind)), "The address could not be reached.")
