"""What a process tells of its own doings: a line a record, with the ids of whom and what it was about.

This is for whoever runs the machine. What people did to money stands in the audit log, which nobody can turn off.
Secrets stay out by habit; what slips into a message all the same, an error's text for instance, is blotted out here.
"""

import json
import logging
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import IO, Literal

LogFormat = Literal["text", "json"]
# Told under these names: request, session, actor, on_behalf_of, via, org, execution, job.
_about: ContextVar[Mapping[str, str]] = ContextVar("about", default={})  # noqa: B039 - never changed, only replaced
BLOT = "••••"
# Whole families of secrets by how they begin, then whatever a header, an address or a field calls one.
_NAMES = r"(?:tieout_session|secret|token|ticket|api[_\-]?key|access[_\-]?key|master[_\-]?key)"
_PHRASES = r"(?:password|passwort|passphrase|passwd)"
_SECRETS = (
    (re.compile(r"\b((?:sk|rk|pk|whsec)_(?:(?:test|live)_)?)[A-Za-z0-9_\-]{6,}"), rf"\1{BLOT}"),
    (re.compile(r"\b(tieout_(?:[a-z]{2,5}_)?)(?=[A-Za-z_\-]*[A-Z0-9])[A-Za-z0-9_\-]{16,}"), rf"\1{BLOT}"),
    (re.compile(r"(?i)\b(bearer|basic)\s+[A-Za-z0-9._~+/=\-]{8,}"), rf"\1 {BLOT}"),
    # A database's password may hold an @ or a slash that somebody forgot to encode.
    (re.compile(r"(\b(?:postgres|mysql|redis|smtp|amqp)[\w+]*://[^/\s:@]*:)\S+(@)"), rf"\1{BLOT}\2"),
    (re.compile(r"(://[^/\s:@]+:)[^/\s@]+(@)"), rf"\1{BLOT}\2"),
    (re.compile(rf"(?i)({_NAMES}[\"']?\s*[=:]\s*[\"']?)[^\s\"'&;,]{{4,}}"), rf"\1{BLOT}"),
    # What is called a password may be several words: to the closing quote, else to the end of its part of the line.
    (re.compile(rf"(?i)({_PHRASES}[\"']?\s*[=:]\s*\")[^\"\n]+"), rf"\1{BLOT}"),
    (re.compile(rf"(?i)({_PHRASES}[\"']?\s*[=:]\s*')[^'\n]+"), rf"\1{BLOT}"),
    (re.compile(rf"(?i)({_PHRASES}[\"']?\s*[=:]\s*)[^\s\"'&;,][^\"'&;,\n]*"), rf"\1{BLOT}"),
    # The links that make somebody a person here, or give them a new password.
    (re.compile(r"(?i)([?&](?:invite|setup|reset|code|key)=)[^\s&#\"']+"), rf"\1{BLOT}"),
    # Recovery codes, and whatever else comes in groups of four.
    (
        re.compile(
            r"(?<![\w\-])(?:(?:[A-Z0-9]{4}-){3,}[A-Z0-9]{4}|(?=[a-z\-]*\d)(?:[a-z0-9]{4}-){3,}[a-z0-9]{4})(?![\w\-])"
        ),
        BLOT,
    ),
    (re.compile(r"\b([A-Z]{2}\d{2})(?: [A-Z0-9]{4}){2,7}(?: [A-Z0-9]{1,4})?\b"), rf"\1{BLOT}"),
    (re.compile(r"\b([A-Z]{2}\d{2})[A-Z0-9]{7,26}(\d[A-Z0-9]{3})\b"), rf"\1{BLOT}\2"),
)
_QUIET = {
    "apscheduler": logging.WARNING,
    "stripe": logging.WARNING,
    "urllib3": logging.WARNING,
    "alembic": logging.WARNING,
}


@contextmanager
def about(**facts: str | None) -> Iterator[None]:
    """Whatever is logged inside is about this; what is said outside stays said."""
    token = _about.set({**_about.get(), **{name: fact for name, fact in facts.items() if fact}})
    try:
        yield
    finally:
        _about.reset(token)


def about_now(**facts: str | None) -> None:
    """The same for the rest of this thread's or task's present doings, where no block can be put around them."""
    _about.set({**_about.get(), **{name: fact for name, fact in facts.items() if fact}})


def present() -> Mapping[str, str]:
    """What the present doings are about."""
    return _about.get()


def configure(form: LogFormat, level: str, stream: IO[str] | None = None) -> None:
    """Set up a process's log once, at its start; calling it again replaces the first."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.set_name("tieout")
    handler.addFilter(_with_facts)
    handler.setFormatter(JsonLines() if form == "json" else TextLines())
    root = logging.getLogger()
    for old in [each for each in root.handlers if each.get_name() == "tieout"]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(level)
    for name, least in _QUIET.items():
        logging.getLogger(name).setLevel(least)


def blotted(text: str) -> str:
    """The text without what looks like a key, a password, a token or a bank account."""
    for pattern, instead in _SECRETS:
        text = pattern.sub(instead, text)
    return text


def _with_facts(record: logging.LogRecord) -> bool:
    record.about = {**_about.get(), **getattr(record, "about", {})}
    return True


class TextLines(logging.Formatter):
    """For a terminal: time, level, logger, message, then the ids."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
        """One line; what it is about at its end."""
        facts = " ".join(f"{name}={fact}" for name, fact in getattr(record, "about", {}).items())
        return " ".join(part for part in (super().formatMessage(record), facts) if part)

    def format(self, record: logging.LogRecord) -> str:
        """The record without secrets."""
        return blotted(super().format(record))


class JsonLines(logging.Formatter):
    """For a collector: one JSON object a line, the ids as fields of their own."""

    def format(self, record: logging.LogRecord) -> str:
        """The record without secrets."""
        told: dict[str, object] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **getattr(record, "about", {}),
        }
        if record.exc_info:
            told["error"] = self.formatException(record.exc_info)
        return json.dumps({key: blotted(str(each)) for key, each in told.items()}, ensure_ascii=False)
