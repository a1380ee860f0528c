"""Reads of notices: everybody sees their own."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select

from finops_core.notifications.models import notice
from finops_core.platform.work import Reading


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


def unread(reading: Reading, limit: int = 20) -> tuple[NoticeView, ...]:
    """What the person who looks has not put away, newest first."""
    mine = notice.c.org_id == reading.org_id, notice.c.person_id == reading.actor.id, notice.c.read_at.is_(None)
    found = reading.rows(select(notice).where(*mine).order_by(notice.c.id.desc()).limit(limit))
    return tuple(
        NoticeView(row.id, row.kind, row.title, row.body, row.page, json.loads(row.query), row.created_at)
        for row in found
    )


def unread_count(reading: Reading) -> int:
    """How many there are."""
    mine = notice.c.org_id == reading.org_id, notice.c.person_id == reading.actor.id, notice.c.read_at.is_(None)
    return int(reading.scalar(select(func.count()).select_from(notice).where(*mine)) or 0)
