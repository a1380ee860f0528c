"""Verbs on notices. Writing one is part of the unit that makes the news: neither exists without the other."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import ColumnElement, delete, insert, select, update

from finops_core import audit
from finops_core.kernel.errors import Conflict, Invalid
from finops_core.kernel.ids import new_id
from finops_core.kernel.permissions import Permission
from finops_core.notifications import dispatches, outbox, queries
from finops_core.notifications.envelopes import News
from finops_core.notifications.models import digest, mail, notice, preference
from finops_core.notifications.rules import (
    BODY_CHARS,
    DIGEST,
    DIGEST_HOUR,
    HOURS,
    Kind,
    MailState,
    Way,
    facts_of,
    one_line,
    way_of,
)
from finops_core.platform import queue
from finops_core.platform.inserts import insert_unless_there
from finops_core.platform.work import Work

NEVER = -1
AT_ONCE = 1000


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
    """Tell each of these people once, the way they want: the same ``once`` again is no news.

    The caller decides who must know; ``kind`` is a ``rules.Kind``. Mail, and what is forwarded to the organisation's
    endpoints whoever must know, is written here and leaves after the commit.
    """
    told = sorted(set(people))
    chosen = queries.chosen_ways(work, told, kind)
    said = {
        "kind": kind,
        "once": once,
        "title": one_line(title),
        "body": one_line(body, BODY_CHARS),
        "page": page,
        "query": json.dumps(dict(query or {}), sort_keys=True),
    }
    mails: list[Mapping[str, Any]] = []
    off = new = 0
    # In one order whoever tells: two units that tell the same people crosswise would wait for each other for ever.
    for person_id in told:
        way, notice_id = way_of(kind, chosen.get(person_id)), new_id("nt")
        row = {"org_id": work.org_id, "id": notice_id, "person_id": person_id, **said, "created_at": work.now}
        if way is Way.OFF:
            off += 1
            continue
        if not insert_unless_there(work, notice, row):
            continue
        new += 1
        if way is Way.MAIL and work.ports.mail is not None:
            mails.append({"person_id": person_id, "notice_id": notice_id, **said})
    if mails:
        outbox.put(work, mails)
    # What somebody has heard before is no news to an endpoint either, not even to one that was added meanwhile.
    if new or off == len(told):
        dispatches.put(work, News(kind, said["title"], said["body"], page, query or {}), once)


def read_one(work: Work, notice_id: str) -> None:
    """Put one of one's own notices away; nothing happens to anybody else's."""
    work.execute(update(notice).where(*_mine(work), notice.c.id == notice_id).values(read_at=work.now))


def read_all(work: Work) -> None:
    """Put all of one's own notices away."""
    _put_away(work, *_mine(work))


def settle(work: Work, *onces: str) -> None:
    """What these told of needs nobody any more: put away for everybody, and mail that has not left stays here.

    For the area that told it, which knows that the matter is over.
    """
    _put_away(work, notice.c.org_id == work.org_id, notice.c.once.in_(onces), notice.c.read_at.is_(None))
    outbox.settle(work, onces)


def choose(work: Work, ways: Mapping[str, str], digest_hour: int | None) -> None:
    """How the person wants to be told, by kind, and at which hour their daily mail comes; None: never.

    The hour is one of the organisation's zone. Needs HOME_VIEW. Raises Invalid NOTICE_KIND_UNKNOWN, NOTICE_WAY_BAD and
    DIGEST_HOUR_BAD, and then changes nothing.
    """
    work.require(Permission.HOME_VIEW)
    for kind, way in ways.items():
        _check(kind, way)
    if digest_hour is not None and digest_hour not in range(HOURS):
        raise Invalid("DIGEST_HOUR_BAD", "The daily mail has no such hour.", hint="Choose one from 0 to 23.")
    before = queries.choices(work)
    changed = {kind: str(way) for kind, way in ways.items() if before.ways.get(Kind(kind)) != way}
    for kind in sorted(changed):
        mine = preference.c.org_id == work.org_id, preference.c.person_id == work.actor.id, preference.c.kind == kind
        work.execute(delete(preference).where(*mine))
        row = {"person_id": work.actor.id, "kind": kind, "way": changed[kind], "changed_at": work.now}
        work.execute(insert(preference).values(org_id=work.org_id, id=new_id("np"), **row))
    if digest_hour != before.digest_hour:
        _set_hour(work, NEVER if digest_hour is None else digest_hour)
        changed[DIGEST] = "never" if digest_hour is None else str(digest_hour)
    if changed:
        audit.record(work, "notices.chosen", f"person:{work.actor.id}", detail=changed)


def send_again(work: Work, mail_id: str) -> None:
    """Have a mail that failed tried again, from the start and under the same id.

    For whom it is for, and those with HEALTH_VIEW. Raises NotFound MAIL_UNKNOWN, Conflict MAIL_NOT_FAILED, MAIL_OFF.
    """
    work.require(Permission.HOME_VIEW)
    seen = queries.mail_view(work, mail_id)
    if work.ports.mail is None:
        raise Conflict("MAIL_OFF", "No mail server is set.", hint="Ask whoever runs the desk to set TIEOUT_MAIL_HOST.")
    failed = mail.c.org_id == work.org_id, mail.c.id == seen.id, mail.c.state == MailState.FAILED
    anew = {"state": MailState.QUEUED, "attempts": 0, "next_at": work.now, "ended_at": None}
    if work.execute(update(mail).where(*failed).values(**anew)).rowcount != 1:
        raise Conflict("MAIL_NOT_FAILED", "This mail has not failed.", hint="Load the page again.")
    audit.record(work, "mail.sent_again", f"mail:{seen.id}", detail={"kind": seen.kind})
    queue.enqueue(work, outbox.DELIVER_JOB, {}, org_id="")


def put_digest(work: Work, person_id: str, day: str, title: str, lines: Iterable[str]) -> None:
    """Write the daily mail, once a day and person whoever writes it; without lines the day is only ticked off.

    Needs WORKER_ACT.
    """
    work.require(Permission.WORKER_ACT)
    row = {"id": new_id("nd"), "org_id": work.org_id, "person_id": person_id, "hour": DIGEST_HOUR}
    insert_unless_there(work, digest, {**row, "done_on": ""})
    due = digest.c.org_id == work.org_id, digest.c.person_id == person_id, digest.c.done_on < day
    if work.execute(update(digest).where(*due).values(done_on=day)).rowcount != 1:
        return
    body = "\n".join(one_line(line) for line in lines)
    if body and work.ports.mail is not None:
        said = {"kind": DIGEST, "once": f"digest:{day}", "title": one_line(title), "body": body}
        outbox.put(work, [{"person_id": person_id, "notice_id": "", "page": "", "query": "{}", **said}])


def tidy(work: Work) -> None:
    """Forget mails and forwarded notices that ended long ago, and secrets that count no more. Needs WORKER_ACT."""
    work.require(Permission.WORKER_ACT)
    outbox.tidy(work)
    dispatches.tidy(work)


def _put_away(work: Work, *conditions: ColumnElement[bool]) -> None:
    # Locked in one order: somebody who puts theirs away and a matter that is over would else lock each other out.
    ids = [row.id for row in work.rows(select(notice.c.id).where(*conditions).order_by(notice.c.id).with_for_update())]
    for start in range(0, len(ids), AT_ONCE):
        these = notice.c.org_id == work.org_id, notice.c.id.in_(ids[start : start + AT_ONCE])
        work.execute(update(notice).where(*these).values(read_at=work.now))


def _check(kind: str, way: str) -> None:
    if kind not in set(Kind):
        raise Invalid("NOTICE_KIND_UNKNOWN", "There is no such kind of notice.", hint="Load the page again.")
    if way not in facts_of(kind).ways:
        raise Invalid(
            "NOTICE_WAY_BAD",
            f"“{facts_of(kind).title}” cannot be told like that.",
            hint="Choose one of the ways offered: what somebody must know cannot be put out.",
        )


def _set_hour(work: Work, hour: int) -> None:
    row = {"id": new_id("nd"), "org_id": work.org_id, "person_id": work.actor.id, "hour": hour, "done_on": ""}
    if not insert_unless_there(work, digest, row):
        mine = digest.c.org_id == work.org_id, digest.c.person_id == work.actor.id
        work.execute(update(digest).where(*mine).values(hour=hour))


def _mine(work: Work) -> tuple[ColumnElement[bool], ...]:
    return notice.c.org_id == work.org_id, notice.c.person_id == work.actor.id, notice.c.read_at.is_(None)
