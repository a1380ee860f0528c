"""Verbs on notices. Writing one is part of the unit that makes the news: neither exists without the other."""

import json
from collections.abc import Iterable, Mapping

from sqlalchemy import ColumnElement, update

from finops_core.kernel.ids import new_id
from finops_core.notifications.models import notice
from finops_core.platform.inserts import insert_unless_there
from finops_core.platform.work import Work


def notify(
    work: Work,
    people: Iterable[str],
    kind: str,
    *,
    once: str,
    title: str,
    body: str = "",
    page: str = "",
    query: Mapping[str, str] | None = None,
) -> None:
    """Tell each of these people once: the same ``once`` again is no news. The caller decides who must know."""
    # In one order whoever tells: two units that tell the same people crosswise would wait for each other for ever.
    for person_id in sorted(set(people)):
        insert_unless_there(
            work,
            notice,
            {
                "org_id": work.org_id,
                "id": new_id("nt"),
                "person_id": person_id,
                "kind": kind,
                "once": once,
                "title": title,
                "body": body,
                "page": page,
                "query": json.dumps(dict(query or {}), sort_keys=True),
                "created_at": work.now,
            },
        )


def read_one(work: Work, notice_id: str) -> None:
    """Put one of one's own notices away; nothing happens to anybody else's."""
    work.execute(update(notice).where(*_mine(work), notice.c.id == notice_id).values(read_at=work.now))


def read_all(work: Work) -> None:
    """Put all of one's own notices away."""
    work.execute(update(notice).where(*_mine(work)).values(read_at=work.now))


def _mine(work: Work) -> tuple[ColumnElement[bool], ...]:
    return notice.c.org_id == work.org_id, notice.c.person_id == work.actor.id, notice.c.read_at.is_(None)
