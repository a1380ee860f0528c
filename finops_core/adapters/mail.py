"""Mail by SMTP (RFC 5321): one connection for many letters, every answer a value. Not for what is written."""

import contextlib
import smtplib
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from typing import Any, Literal

from finops_core.platform.ports import Delivery, Letter, MailAnswer

PERMANENT = 500
PRODUCT = "Tieout"
# A server may want a connection ended after some letters; RFC 5321 lets it, and many do at a hundred.
LETTERS_A_CONNECTION = 100


@dataclass(frozen=True, slots=True)
class SmtpServer:
    """The mail server an installation was given. ``password`` never appears in a repr."""

    host: str
    port: int
    security: Literal["starttls", "tls", "none"]
    user: str
    password: str = field(repr=False)
    sender: str
    timeout_s: float

    @contextmanager
    def connection(self) -> Iterator["SmtpConnection"]:
        """For some letters; it hangs up at the end."""
        made = SmtpConnection(self)
        try:
            yield made
        finally:
            made.hang_up()


class SmtpConnection:
    """One line to the server: opened for the first letter, and anew for the next one after it broke."""

    def __init__(self, server: SmtpServer) -> None:
        self._server = server
        self._line: smtplib.SMTP | None = None
        self._sent = 0

    def send(self, letter: Letter) -> MailAnswer:
        """Hand one letter over; a server's answer, a broken line and an impossible address are all values."""
        try:
            letter.address.encode("ascii")  # others need SMTPUTF8 (RFC 6531) all the way, which few servers have
            content = _message(letter, self._server.sender).as_bytes()
        except (MessageError, ValueError, IndexError):
            return MailAnswer(Delivery.REFUSED, "The address cannot be written to.")
        try:
            line = self._call()
        except (OSError, smtplib.SMTPException, ValueError) as error:
            self.hang_up(broken=True)
            return MailAnswer(Delivery.NO_SERVER, self._words(error))
        return self._hand_over(line, letter, content)

    def hang_up(self, *, broken: bool = False) -> None:
        """End the line; of a broken one no goodbye is waited for."""
        line, self._line, self._sent = self._line, None, 0
        if line is not None:
            if not broken:
                with contextlib.suppress(OSError, smtplib.SMTPException):
                    line.quit()
            line.close()

    def _call(self) -> smtplib.SMTP:
        if self._line is not None and self._sent < LETTERS_A_CONNECTION:
            return self._line
        self.hang_up()
        server = self._server
        # The name for EHLO is given: found out by itself it may wait for a name server.
        given: dict[str, Any] = {
            "host": server.host,
            "port": server.port,
            "timeout": server.timeout_s,
            "local_hostname": server.sender.rpartition("@")[2],
        }
        if server.security == "tls":
            self._line = smtplib.SMTP_SSL(**given, context=ssl.create_default_context())
        else:
            self._line = smtplib.SMTP(**given)
        self._line.ehlo_or_helo_if_needed()
        if server.security == "starttls":
            self._line.starttls(context=ssl.create_default_context())
            self._line.ehlo_or_helo_if_needed()
        if server.user:
            self._line.login(server.user, server.password)
        return self._line

    def _hand_over(self, line: smtplib.SMTP, letter: Letter, content: bytes) -> MailAnswer:
        # Step by step, not by sendmail(): its answer to the whole is thrown away, and a log without it is worth little.
        try:
            for step, permanent in ((line.mail(self._server.sender), False), (line.rcpt(letter.address), True)):
                code, words = step
                if code not in {250, 251}:
                    return self._said(code, words, permanent=permanent)
            code, words = line.data(content)
        except smtplib.SMTPDataError as error:
            return self._said(error.smtp_code, error.smtp_error, permanent=True)
        except (OSError, smtplib.SMTPException, ValueError) as error:
            self.hang_up(broken=True)
            return MailAnswer(Delivery.NO_SERVER, self._words(error))
        if code != 250:  # noqa: PLR2004 - RFC 5321, 4.2.3: completed
            return self._said(code, words, permanent=True)
        self._sent += 1
        return MailAnswer(Delivery.SENT, self._clean(f"{code} {_text(words)}"))

    def _said(self, code: int, words: bytes | str, *, permanent: bool) -> MailAnswer:
        """What a refusal means: for ever only when it is about this letter or its recipient, not about the sender."""
        told = self._clean(f"{code} {_text(words)}")
        if not self._reset():
            return MailAnswer(Delivery.REFUSED if permanent and code >= PERMANENT else Delivery.NO_SERVER, told)
        if code >= PERMANENT:
            return MailAnswer(Delivery.REFUSED if permanent else Delivery.NO_SERVER, told)
        return MailAnswer(Delivery.LATER, told)

    def _reset(self) -> bool:
        """Ready for the next letter; False when the line is gone (a server may hang up after a refusal: 421)."""
        try:
            if self._line is not None and self._line.rset()[0] == 250:  # noqa: PLR2004
                return True
        except (OSError, smtplib.SMTPException):
            pass
        self.hang_up(broken=True)
        return False

    def _words(self, error: Exception) -> str:
        if isinstance(error, smtplib.SMTPAuthenticationError):
            return f"{error.smtp_code} The mail server did not accept user and password."
        if isinstance(error, smtplib.SMTPResponseException):
            return self._clean(f"{error.smtp_code} {_text(error.smtp_error)}")
        # smtplib tells a time-out as a line that was closed.
        if isinstance(error, TimeoutError) or isinstance(error.__context__, TimeoutError):
            return "The mail server did not answer in time."
        if isinstance(error, ssl.SSLError):
            return self._clean(f"No secure connection: {error.reason or 'it failed'}")
        if isinstance(error, smtplib.SMTPServerDisconnected):
            return "The mail server hung up."
        return self._clean(f"The mail server could not be reached ({type(error).__name__}).")

    def _clean(self, told: str) -> str:
        """Without the password, should a server repeat it."""
        return told.replace(self._server.password, "…") if self._server.password else told


def _message(letter: Letter, sender: str) -> EmailMessage:
    """The letter as RFC 5322 has it. A header cannot be broken out of: the policy refuses line ends in its values."""
    message = EmailMessage(policy=SMTP)
    message["From"] = Address(PRODUCT, addr_spec=sender)
    message["To"] = Address(letter.name, addr_spec=letter.address)
    message["Subject"] = letter.subject
    message["Date"] = format_datetime(letter.at)
    message["Message-ID"] = f"<{letter.id}@{sender.rpartition('@')[2]}>"
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834: no answer by a machine
    message.set_content(letter.text, cte="quoted-printable")
    return message


def _text(words: bytes | str) -> str:
    text = words.decode("utf-8", "replace") if isinstance(words, bytes) else words
    return " ".join(text.split())
