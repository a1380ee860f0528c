"""Reads of notices, mails and choices: everybody sees their own."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Row, func, select

from finops_core.kernel.errors import NotFound
from finops_core.kernel.permissions import Permission
from finops_core.notifications.models import digest, mail, notice, preference
from finops_core.notifications.rules import DIGEST_HOUR, HOURS, Kind, MailState, Way, way_of
from finops_core.platform.work import Reading

DIGEST_MOST = 20


@dataclass(frozen=True, slots=True)
class NoticeView:
    """A notice: what happened, and the page (with its address's query) where it can be seen."""

    id: str
    kind: str
    title: str
    body: str
    page: str
    query: Mapping[str, str]
    created_at: datetime
    read_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class NoticePage:
    """Some notices, and how many there are in all."""

    rows: tuple[NoticeView, ...]
    total: int


@dataclass(frozen=True, slots=True)
class MailView:
    """A mail as the delivery log shows it.

    Attributes:
        title: "" for somebody else's: who watches the delivery need not know what others are told.
        next_at: when it is tried next; None when it is not.
    """

    id: str
    person_id: str
    kind: str
    title: str
    state: MailState
    attempts: int
    last_answer: str
    next_at: datetime | None
    created_at: datetime
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class MailPage:
    """Some mails, and how many there are in all."""

    rows: tuple[MailView, ...]
    total: int


@dataclass(frozen=True, slots=True)
class Choices:
    """How a person is told; ``digest_hour`` None: no daily mail."""

    ways: Mapping[Kind, Way]
    digest_hour: int | None


@dataclass(frozen=True, slots=True)
class DigestDue:
    """When a person's daily mail is due; ``done_on``: the last day it was looked after, as ISO date."""

    hour: int
    done_on: str


def unread(reading: Reading, limit: int = 20) -> tuple[NoticeView, ...]:
    """What the person who looks has not put away, newest first."""
    return notices(reading, unread_only=True, limit=limit).rows


def unread_since(reading: Reading, since: str, limit: int = 20) -> tuple[NoticeView, ...]:
    """What the person who looks has not put away of what was told after the notice of this id, newest first."""
    wanted = *_own(reading), notice.c.read_at.is_(None), notice.c.id > since
    rows = reading.rows(select(notice).where(*wanted).order_by(notice.c.id.desc()).limit(limit))
    return tuple(_notice(row) for row in rows)


def newest_id(reading: Reading) -> str:
    """The id of what the person who looks was told last; "" when there is nothing. Ids are in the order of time."""
    return str(reading.scalar(select(func.max(notice.c.id)).where(*_own(reading))) or "")


def unread_count(reading: Reading) -> int:
    """How many there are."""
    mine = *_own(reading), notice.c.read_at.is_(None)
    return int(reading.scalar(select(func.count()).select_from(notice).where(*mine)) or 0)


def notices(
    reading: Reading, *, kind: str = "", unread_only: bool = False, limit: int = 25, offset: int = 0
) -> NoticePage:
    """What the person who looks was told, newest first."""
    wanted = [*_own(reading)]
    if kind:
        wanted.append(notice.c.kind == kind)
    if unread_only:
        wanted.append(notice.c.read_at.is_(None))
    total = int(reading.scalar(select(func.count()).select_from(notice).where(*wanted)) or 0)
    rows = reading.rows(select(notice).where(*wanted).order_by(notice.c.id.desc()).limit(limit).offset(offset))
    return NoticePage(tuple(_notice(row) for row in rows), total)


def choices(reading: Reading) -> Choices:
    """How the person who looks is told of each kind."""
    rows = reading.rows(
        select(preference).where(preference.c.org_id == reading.org_id, preference.c.person_id == reading.actor.id)
    )
    said = {row.kind: row.way for row in rows}
    hour = digest_due(reading, reading.actor.id).hour
    return Choices({kind: way_of(kind, said.get(kind)) for kind in Kind}, hour if hour in range(HOURS) else None)


def chosen_ways(reading: Reading, people: Sequence[str], kind: str) -> Mapping[str, str]:
    """Person -> what they chose for a kind, where they did. For whoever tells them."""
    if not people:
        return {}
    mine = preference.c.org_id == reading.org_id, preference.c.kind == kind, preference.c.person_id.in_(people)
    return {row.person_id: row.way for row in reading.rows(select(preference).where(*mine))}


def mails(reading: Reading, *, everybody: bool = False, state: str = "", limit: int = 25, offset: int = 0) -> MailPage:
    """The delivery log, newest first: one's own mails, or (with HEALTH_VIEW) all of the organisation."""
    if everybody:
        reading.require(Permission.HEALTH_VIEW)
    wanted = [mail.c.org_id == reading.org_id]
    if not everybody:
        wanted.append(mail.c.person_id == reading.actor.id)
    if state:
        wanted.append(mail.c.state == state)
    total = int(reading.scalar(select(func.count()).select_from(mail).where(*wanted)) or 0)
    rows = reading.rows(select(mail).where(*wanted).order_by(mail.c.id.desc()).limit(limit).offset(offset))
    return MailPage(tuple(_mail(reading, row) for row in rows), total)


def mail_view(reading: Reading, mail_id: str) -> MailView:
    """One mail, for whom it is for and those with HEALTH_VIEW; else ``MAIL_UNKNOWN``."""
    row = reading.first(select(mail).where(mail.c.org_id == reading.org_id, mail.c.id == mail_id))
    if row is None or not (row.person_id == reading.actor.id or reading.may(Permission.HEALTH_VIEW)):
        raise NotFound("MAIL_UNKNOWN", "There is no such mail.", hint="Open it from the list.")
    return _mail(reading, row)


def digest_due(reading: Reading, person_id: str) -> DigestDue:
    """When somebody's daily mail comes. For the worker, and for their own choices."""
    row = reading.first(select(digest).where(digest.c.org_id == reading.org_id, digest.c.person_id == person_id))
    return DigestDue(DIGEST_HOUR, "") if row is None else DigestDue(row.hour, row.done_on)


def for_digest(reading: Reading, since: timedelta) -> tuple[NoticeView, ...]:
    """What the person who looks has not read of late, of the kinds they want mail about; newest first."""
    ways = choices(reading).ways
    heard = [kind.value for kind, way in ways.items() if way in {Way.MAIL, Way.DIGEST}]
    mine = *_own(reading), notice.c.read_at.is_(None), notice.c.created_at > reading.now - since
    wanted = select(notice).where(*mine, notice.c.kind.in_(heard))
    rows = reading.rows(wanted.order_by(notice.c.id.desc()).limit(DIGEST_MOST))
    return tuple(_notice(row) for row in rows)


def _own(reading: Reading) -> tuple[ColumnElement[bool], ...]:
    return notice.c.org_id == reading.org_id, notice.c.person_id == reading.actor.id


def _notice(row: Row[Any]) -> NoticeView:
    query = json.loads(row.query)
    return NoticeView(row.id, row.kind, row.title, row.body, row.page, query, row.created_at, row.read_at)


def _mail(reading: Reading, row: Row[Any]) -> MailView:
    state = MailState(row.state)
    return MailView(
        id=row.id,
        person_id=row.person_id,
        kind=row.kind,
        title=row.title if row.person_id == reading.actor.id else "",
        state=state,
        attempts=row.attempts,
        last_answer=row.last_answer,
        next_at=row.next_at if state is MailState.QUEUED else None,
        created_at=row.created_at,
        ended_at=row.ended_at,
    )
