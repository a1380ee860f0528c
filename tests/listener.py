"""A real server on loopback, by HTTP or HTTPS, that keeps what is posted to it and answers well or badly, as told."""

import json
import socketserver
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

OK = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok"
REST_S = 0.02


@dataclass(frozen=True)
class Posted:
    """One request as it came in; ``name``: what the caller called the server by while the line was made secure."""

    path: str
    headers: dict[str, str]
    body: bytes
    name: str = ""

    @property
    def told(self) -> dict[str, Any]:
        return json.loads(self.body)

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]


Answer = Callable[[Any], None]
"""What is done with the line (a socket) once the request is in."""


def said(status: int, body: str = "", *lines: str, kind: str = "text/plain") -> Answer:
    """A whole answer."""
    head = [f"HTTP/1.1 {status} X", f"Content-Type: {kind}", f"Content-Length: {len(body)}", *lines]
    return lambda line: line.sendall(("\r\n".join(head) + f"\r\n\r\n{body}").encode())


def raw(content: bytes) -> Answer:
    """These bytes, then the end."""
    return lambda line: line.sendall(content)


def silent(seconds: float) -> Answer:
    """Nothing for so long."""
    return lambda _line: time.sleep(seconds)


def endless(piece: bytes, first: bytes = b"", pause_s: float = REST_S) -> Answer:
    """The same again and again, for as long as somebody takes it."""

    def drip(line: Any) -> None:
        line.sendall(first)
        while True:
            line.sendall(piece)
            time.sleep(pause_s)

    return drip


@dataclass
class Listener:
    """``answers`` are given in order, then ``always``."""

    port: int = 0
    secure: bool = False
    got: list[Posted] = field(default_factory=list)
    answers: list[Answer] = field(default_factory=list)
    always: Answer = field(default_factory=lambda: raw(OK))
    lines: int = 0
    names: list[str] = field(default_factory=list)

    def url(self, path: str = "/hook", host: str = "127.0.0.1") -> str:
        return f"{'https' if self.secure else 'http'}://{host}:{self.port}{path}"

    @property
    def ids(self) -> list[str]:
        return [each.id for each in self.got]


@contextmanager
def listening(context: ssl.SSLContext | None = None) -> Iterator[Listener]:
    """A server for the block; by TLS when it is given a context with a certificate."""
    listener = Listener(secure=context is not None)

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            listener.lines += 1
            with suppress(OSError):
                line = self.request
                if context is not None:
                    line = context.wrap_socket(line, server_side=True)
                _serve(listener, line)
                line.close()

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True
        allow_reuse_address = True

    if context is not None:
        context.sni_callback = lambda _line, name, _context: listener.names.append(name or "")
    with Server(("127.0.0.1", 0), Handler) as server:
        listener.port = int(server.server_address[1])
        thread = threading.Thread(target=lambda: server.serve_forever(0.02), daemon=True)
        thread.start()
        try:
            yield listener
        finally:
            server.shutdown()
            thread.join()


def _serve(listener: Listener, line: Any) -> None:
    reader = line.makefile("rb")
    first = reader.readline().decode().split(" ")
    headers: dict[str, str] = {}
    while (text := reader.readline().decode().strip()) != "":
        name, _, value = text.partition(": ")
        headers[name.lower()] = value
    body = reader.read(int(headers.get("content-length", "0")))
    if len(first) > 1:
        listener.got.append(Posted(first[1], headers, body, listener.names[-1] if listener.names else ""))
    (listener.answers.pop(0) if listener.answers else listener.always)(line)
