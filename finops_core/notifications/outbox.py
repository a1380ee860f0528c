"""The outbox: mails are rows, written in the unit that makes the news; the worker takes them by the handful."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Table, and_, delete, func, not_, or_, select, update

from finops_core import reference, security
from finops_core.kernel.ids import new_id
from finops_core.notifications.letters import letter_of
from finops_core.notifications.models import mail
from finops_core.notifications.rules import ANSWER_CHARS, MailState, one_line, pause_s
from finops_core.platform import queue
from finops_core.platform.db import now_ms
from finops_core.platform.inserts import insert_missing
from finops_core.platform.ports import Delivery, Letter, MailAnswer
from finops_core.platform.queue import Claim, JobState, job
from finops_core.platform.work import Reading, Work

DELIVER_JOB = "notifications.deliver"
LATER_KEY = "notifications.deliver:later"
LEFT, NOWHERE, SETTLED = "The person is not active here.", "The person has no mail address.", "It was settled before."
KEPT = timedelta(days=90)


@dataclass(frozen=True, slots=True)
class Held:
    """A mail this claim is sending; ``attempts`` counts this one."""

    id: str
    person_id: str
    kind: str
    attempts: int
    letter: Letter


def put(work: Work, mails: Sequence[Mapping[str, Any]]) -> None:
    """Write mails into this unit: person_id, kind, once, notice_id, title, body, page, query of each."""
    rows = [
        {
            "org_id": work.org_id,
            "id": new_id("ml"),
            **each,
            "state": MailState.QUEUED,
            "attempts": 0,
            "next_at": work.now,
            "held_by": "",
            "held_fence": 0,
            "last_answer": "",
            "created_at": work.now,
        }
        for each in mails
    ]
    # A job without a key: one row that two units wish for would make them wait for each other, and lock each other out
    # when they do other things in another order. One that is about to run sees these mails too, or else the next round.
    if insert_missing(work, mail, rows) and not queue.is_due(work, (DELIVER_JOB,)):
        queue.enqueue(work, DELIVER_JOB, {}, org_id="")


def take(work: Work, claim: Claim, most: int) -> list[Held]:
    """The mails that have waited longest, held by this claim of the job; none when none is due here.

    Whoever is not there to get one any more gets none; what was settled while another claim held it stays here.
    """
    held: list[Held] = []
    own = reference.organisation(work)
    while not held:
        due = mail.c.org_id == work.org_id, *_due(work)
        wanted = select(mail).where(*due).order_by(mail.c.next_at, mail.c.id).limit(most)
        rows = work.rows(wanted.with_for_update(skip_locked=True))
        if not rows:
            break
        found = {person_id: security.mail_address(work, person_id) for person_id in {row.person_id for row in rows}}
        for row in rows:
            to = found[row.person_id]
            if row.last_answer == SETTLED:
                _set(work, [row.id], state=MailState.DROPPED, ended_at=work.now)
            elif to is None or not to.address:
                gone = {"state": MailState.DROPPED, "last_answer": NOWHERE if to else LEFT, "ended_at": work.now}
                _set(work, [row.id], **gone)
            else:
                letter = letter_of(work.ports.settings.public_url, own, row, to)
                held.append(Held(row.id, row.person_id, row.kind, row.attempts + 1, letter))
    _set(work, [each.id for each in held], held_by=claim.id, held_fence=claim.fence)
    return held


def give_back(work: Work, claim: Claim, held: Sequence[Held]) -> None:
    """Mails that were not tried are free again, as if nobody had taken them."""
    mine = mail.c.held_by == claim.id, mail.c.held_fence == claim.fence
    _set(work, [each.id for each in held], *mine, held_by="", held_fence=0)


def keep(work: Work, claim: Claim, held: Held, answer: MailAnswer) -> MailState:
    """What became of a mail: sent, failed for good, or queued for its next try.

    One that was settled while it was tried has no next try; that it left, or never will, is told all the same.
    """
    mine = mail.c.held_by == claim.id, mail.c.held_fence == claim.fence, mail.c.state == MailState.QUEUED
    state, next_at = _after(work.now, held, answer)
    changes = {"state": state, "attempts": held.attempts, "last_answer": one_line(answer.words, ANSWER_CHARS)}
    over = {"ended_at": work.now} if state is not MailState.QUEUED else {"next_at": next_at}
    if state is MailState.QUEUED:
        free = {"attempts": held.attempts, "held_by": "", "held_fence": 0, "ended_at": work.now}
        if _set(work, [held.id], *mine, mail.c.last_answer == SETTLED, state=MailState.DROPPED, **free):
            return MailState.DROPPED
    _set(work, [held.id], *mine, **changes, **over, held_by="", held_fence=0)
    return state


def settle(work: Work, onces: Sequence[str]) -> None:
    """Mails that wait with news nobody needs any more stay here."""
    table = mail.c.org_id == work.org_id, mail.c.once.in_(onces), mail.c.state == MailState.QUEUED
    gone = {"state": MailState.DROPPED, "last_answer": SETTLED, "ended_at": work.now}
    # Not the one that is on its way at this moment: its end is told by whoever sends it, who finds it marked. Marked is
    # whatever is queued still, not only what is held: it may have come free since the line above looked.
    work.execute(update(mail).where(*table, free(mail)).values(**gone))
    work.execute(update(mail).where(*table).values(last_answer=SETTLED))


def organisations_with_mail(reading: Reading) -> tuple[str, ...]:
    """Those with mail that is due. Of all organisations: for the worker's round."""
    with reading.across_orgs("the outbox of the installation is one"):
        found = reading.rows(select(mail.c.org_id).where(*_due(reading)).distinct().order_by(mail.c.org_id))
    return tuple(row.org_id for row in found)


def next_at(reading: Reading) -> datetime | None:
    """When the next mail of the installation is due; None when none waits."""
    with reading.across_orgs("the outbox of the installation is one"):
        found: datetime | None = reading.scalar(
            select(func.min(mail.c.next_at)).where(mail.c.state == MailState.QUEUED, free(mail))
        )
    return found


def tidy(work: Work) -> None:
    """Forget mails that ended long ago."""
    work.execute(delete(mail).where(mail.c.org_id == work.org_id, mail.c.ended_at < work.now - KEPT))


def _due(reading: Reading) -> tuple[ColumnElement[bool], ...]:
    return mail.c.state == MailState.QUEUED, mail.c.next_at <= reading.now, free(mail)


def free(table: Table) -> ColumnElement[bool]:
    """Not in the hands of a job whose claim still holds: after a crash a row is free with the job's own lease."""
    lives = and_(
        job.c.id == table.c.held_by,
        job.c.fence == table.c.held_fence,
        job.c.state == JobState.LEASED,
        job.c.lease_until_ms >= now_ms(),
    )
    return or_(table.c.held_by == "", not_(select(job.c.id).where(lives).exists()))


def _set(work: Work, ids: Sequence[str], *conditions: ColumnElement[bool], **values: Any) -> int:
    """How many of these mails met the conditions and were changed."""
    if not ids:
        return 0
    mine = mail.c.org_id == work.org_id, mail.c.id.in_(ids), *conditions
    return work.execute(update(mail).where(*mine).values(**values)).rowcount


def _after(now: datetime, held: Held, answer: MailAnswer) -> tuple[MailState, datetime]:
    if answer.delivery is Delivery.SENT:
        return MailState.SENT, now
    pause = None if answer.delivery is Delivery.REFUSED else pause_s(held.attempts)
    return (MailState.FAILED, now) if pause is None else (MailState.QUEUED, now + timedelta(seconds=pause))
