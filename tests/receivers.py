"""A receiver of webhooks on loopback that keeps what it gets and answers as it is told."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.sandbox import faults_of


@dataclass(frozen=True)
class Received:
    """One request as it came in."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def event(self) -> dict[str, Any]:
        return json.loads(self.body)

    @property
    def signature(self) -> str:
        return self.headers["stripe-signature"]

    @property
    def signed_at_s(self) -> int:
        return int(self.signature.split(",")[0].removeprefix("t="))


@dataclass
class Receiver:
    """``statuses`` are answered in order, then 200; each answer comes after ``delay_s``."""

    url: str = ""
    got: list[Received] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    delay_s: float = 0.0
    most_at_once: int = 0

    @property
    def events(self) -> list[dict[str, Any]]:
        return [received.event for received in self.got]

    @property
    def kinds(self) -> list[str]:
        return [event["type"] for event in self.events]

    def judge(self) -> None:
        """Raise when an event was not one of Stripe's."""
        for event in self.events:
            wrong = faults_of(event)
            assert not wrong, wrong


@contextmanager
def receiving(port: int = 0) -> Iterator[Receiver]:
    """A receiver that listens inside the block."""
    receiver = Receiver()
    busy: set[object] = set()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            busy.add(self)
            receiver.most_at_once = max(receiver.most_at_once, len(busy))
            receiver.got.append(Received(self.path, headers, body))
            status = receiver.statuses.pop(0) if receiver.statuses else 200
            time.sleep(receiver.delay_s)
            busy.discard(self)
            self.send_response(status)
            for name, value in receiver.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"ok")

        def log_message(self, *_: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: object) -> None:
            # The sender gave up waiting, as tests of slow receivers want it to.
            pass

    server = Server(("127.0.0.1", port), Handler)
    receiver.url = f"http://127.0.0.1:{server.server_address[1]}/webhooks/stripe/conn_1"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
