"""Descriptors of background work, standing checks and upward news; ``catalog`` lists the instances."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Waits(StrEnum):
    """For whom a job can wait long, so that each sort has places of its own at the worker.

    DESK: for nobody but the desk itself. PROVIDER: rounds that ask providers. PERSON: what a person asked for, which a
    provider may keep waiting. MAIL: the mail server.
    POST: addresses that notices are forwarded to.
    """

    DESK = "desk"
    PROVIDER = "provider"
    PERSON = "person"
    MAIL = "mail"
    POST = "post"


@dataclass(frozen=True, slots=True)
class Job:
    """A kind of queued work.

    Attributes:
        kind: ``area.verb``.
        run: called by the worker with ``(desk, claim)``; owns its units of work.
        every_s: when set, the scheduler enqueues one per period; None for work that is asked for.
        retries: how often a failed job is tried again before it is given up; None for one that somebody waits for,
            which is tried ever more rarely until it finds nothing to do any more.
        title: what it does, for people who watch the queue.
        waits: which places it takes at the worker.
    """

    kind: str
    run: Callable[..., None]
    every_s: int | None = None
    retries: int | None = 3
    title: str = ""
    waits: Waits = Waits.DESK


@dataclass(frozen=True, slots=True)
class Check:
    """A standing truth: gives one sentence per violation, nothing when all is well.

    Attributes:
        hint: what a violation means, and what to do about one, for whoever watches the desk.
    """

    id: str
    title: str
    find: Callable[..., list[str]]
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Schedule:
    """When a kind of queued work is due in each organisation, as the desk ships it; what people changed are rows.

    Attributes:
        name: what people call it, ``area.word``.
        kind: of the job that is written when it is due, and ``payload`` what the job is given beside its organisation.
        title: what it does.
        calendar: minute, hour, day, month, day of the week, in UTC.
        off: what is missed while it is switched off.
    """

    name: str
    kind: str
    title: str
    calendar: str
    payload: Mapping[str, Any] = field(default_factory=dict)
    off: str = ""


class Event:
    """Upward news: told by a verb with ``work.tell``, heard by the verbs in ``catalog.LISTENERS`` before commit."""


Listener = Callable[[Any, Any], None]
