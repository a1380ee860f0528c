"""A real mail server on loopback, which takes, refuses, dawdles or hangs up as it is told."""

import asyncio
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from enum import StrEnum
from typing import Any, cast

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, Session


class Conduct(StrEnum):
    """What it does with a letter for an address."""

    TAKE = "take"
    LATER = "later"
    REFUSE = "refuse"
    REFUSE_CONTENT = "refuse the content"
    DAWDLE = "dawdle"
    HANG_UP_IN_DATA = "hang up in DATA"
    HANG_UP_AFTER_DATA = "hang up after DATA"


@dataclass(frozen=True, slots=True)
class Taken:
    """A letter the server has taken."""

    to: str
    message: EmailMessage
    raw: bytes
    line: int

    @property
    def id(self) -> str:
        return str(self.message["Message-ID"])

    @property
    def text(self) -> str:
        return str(self.message.get_content()).replace("\r\n", "\n")


@dataclass
class MailHost:
    """The server. ``conduct`` by address; ``times`` bounds it, then it takes again."""

    port: int
    user: str = ""
    password: str = ""
    tls: ssl.SSLContext | None = None
    taken: list[Taken] = field(default_factory=list)
    lines: int = 0
    dawdle_s: float = 2.0
    _conducts: dict[str, tuple[Conduct, int]] = field(default_factory=dict)
    _controller: Controller | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def start(self) -> None:
        self._controller = _Controller(self)
        self._controller.start()

    def stop(self) -> None:
        """Dead: nobody listens any more."""
        if self._controller is not None:
            self._controller.stop()
            self._controller = None

    def will(self, conduct: Conduct, address: str = "", times: int = 10**9) -> None:
        """From now on, for one address or for all."""
        with self._lock:
            self._conducts[address] = (conduct, times)

    def conduct(self, address: str, *moments: Conduct) -> Conduct:
        """What to do now, if it is one of these moments."""
        with self._lock:
            for key in (address, ""):
                conduct, times = self._conducts.get(key, (Conduct.TAKE, 0))
                if times > 0 and conduct in moments:
                    self._conducts[key] = (conduct, times - 1)
                    return conduct
        return Conduct.TAKE

    def ids(self, to: str = "") -> list[str]:
        return [each.id for each in self.taken if to in {"", each.to}]

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name for it
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        conduct = self.conduct(address, Conduct.LATER, Conduct.REFUSE)
        if conduct is Conduct.LATER:
            return "451 4.7.1 Greylisted, come again later"
        if conduct is Conduct.REFUSE:
            return f"550 5.1.1 No such mailbox; your password is {self.password}"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802
        raw, to = cast("bytes", envelope.content), envelope.rcpt_tos[0]
        conduct = self.conduct(to, Conduct.DAWDLE, Conduct.HANG_UP_AFTER_DATA, Conduct.REFUSE_CONTENT)
        if conduct is Conduct.REFUSE_CONTENT:
            return "554 5.7.1 Looks like spam"
        if conduct is Conduct.DAWDLE:
            await asyncio.sleep(self.dawdle_s)
        message = cast("EmailMessage", message_from_bytes(raw, policy=default))
        with self._lock:
            self.taken.append(Taken(to, message, raw, cast("Any", server).number))
        if conduct is Conduct.HANG_UP_AFTER_DATA:
            server.transport.close()
        return "250 2.0.0 OK, queued"


class _Server(SMTP):
    """Knows which line it is, and hangs up in the middle when it is told."""

    def __init__(self, host: MailHost, *given: Any, **more: Any) -> None:
        super().__init__(*given, **more)
        self._host = host
        host.lines += 1
        self.number = host.lines

    async def smtp_DATA(self, arg: str) -> None:  # noqa: N802
        to = self.envelope.rcpt_tos[0] if self.envelope and self.envelope.rcpt_tos else ""
        if self._host.conduct(to, Conduct.HANG_UP_IN_DATA) is Conduct.HANG_UP_IN_DATA:
            await self.push("354 Go on")
            self.transport.close()
            return
        await super().smtp_DATA(arg)


class _Controller(Controller):
    def __init__(self, host: MailHost) -> None:
        self._host = host
        super().__init__(host, hostname="127.0.0.1", port=host.port)

    def factory(self) -> SMTP:
        more: dict[str, Any] = {"tls_context": self._host.tls, "require_starttls": self._host.tls is not None}
        if self._host.user:
            more |= {"authenticator": self._known, "auth_required": True, "auth_require_tls": False}
        return _Server(self._host, self.handler, enable_SMTPUTF8=False, **more)

    def _known(self, _server: SMTP, _session: Session, _envelope: Envelope, _mechanism: str, data: Any) -> AuthResult:
        given = (data.login.decode(), data.password.decode())
        return AuthResult(success=given == (self._host.user, self._host.password), handled=False)


def free_port() -> int:
    """A port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running_mail_host(**given: Any) -> Iterator[MailHost]:
    """A server for the block."""
    host = MailHost(free_port(), **given)
    host.start()
    try:
        yield host
    finally:
        host.stop()


def mail_settings(host: MailHost, **more: object) -> dict[str, object]:
    """The settings of a desk that sends by this server."""
    return {
        "mail_host": "127.0.0.1",
        "mail_port": host.port,
        "mail_security": "none",
        "mail_user": host.user,
        "mail_password": host.password,
        "mail_sender": "desk@tieout.example",
        "mail_timeout_s": 5.0,
        "public_url": "https://tieout.example",
        **more,
    }
