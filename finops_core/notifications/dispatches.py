"""The outbox of what is forwarded: rows of the unit that makes the news, one for each endpoint that wants it."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Row, and_, case, delete, func, select, update

from finops_core import audit, reference
from finops_core.kernel.errors import Conflict, NotFound
from finops_core.kernel.ids import new_id
from finops_core.kernel.permissions import Permission
from finops_core.notifications import envelopes
from finops_core.notifications.addresses import DispatchState, EndpointState, cleaned, has_passed
from finops_core.notifications.envelopes import News
from finops_core.notifications.models import dispatch, endpoint
from finops_core.notifications.outbox import free
from finops_core.platform import queue
from finops_core.platform.inserts import insert_missing
from finops_core.platform.ports import PostAnswer, Posting
from finops_core.platform.queue import Claim
from finops_core.platform.work import Reading, Work

DISPATCH_JOB = "notifications.dispatch"
TEST = "endpoint.test"
KEPT = timedelta(days=90)
TRIES_KEPT = 30
GIVEN_UP = "The endpoint was switched off."
_TAKING = (EndpointState.ACTIVE, EndpointState.PAUSED)


@dataclass(frozen=True, slots=True)
class TryView:
    """One try: the answer's code (0 when none came) and its first words."""

    at: datetime
    status: int
    words: str

    @property
    def passed(self) -> bool:
        """Whether the other side has taken it."""
        return has_passed(self.status)


@dataclass(frozen=True, slots=True)
class DispatchView:
    """One notice on its way, as the log shows it: of what kind, never what it says.

    Attributes:
        id: the webhook-id of every try.
        next_at: when it is tried next; None when it is not.
    """

    id: str
    endpoint_id: str
    kind: str
    state: DispatchState
    attempts: int
    tries: tuple[TryView, ...]
    next_at: datetime | None
    created_at: datetime
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class DispatchPage:
    """Some of them, and how many there are in all."""

    rows: tuple[DispatchView, ...]
    total: int


@dataclass(frozen=True, slots=True)
class Sealed:
    """What is needed to post to an endpoint; nothing of it appears in a repr."""

    url: str
    signing: tuple[str, ...]

    def __repr__(self) -> str:
        return "Sealed()"


@dataclass(frozen=True, slots=True)
class Carried:
    """A notice this claim is sending; ``attempts`` counts this one."""

    id: str
    endpoint_id: str
    kind: str
    attempts: int
    tries: str
    posting: Posting


def put(work: Work, news: News, once: str) -> None:
    """Write a notice for every endpoint of the organisation that wants its kind, once for each."""
    taking = endpoint.c.org_id == work.org_id, endpoint.c.state.in_(_TAKING)
    found = work.rows(
        select(endpoint.c.id, endpoint.c.channel, endpoint.c.kinds).where(*taking).order_by(endpoint.c.id)
    )
    wanting = [row for row in found if news.kind in json.loads(row.kinds)]
    if not wanting:
        return
    own, base = reference.organisation(work), work.ports.settings.public_url
    bodies = {row.channel: envelopes.body_of(row.channel, news, own, base, work.now) for row in wanting}
    rows = [row_of(work, row.id, news.kind, once, bodies[row.channel]) for row in wanting]
    # Without a key, like mail's: units that tell at once must not wait for one row of the queue.
    if insert_missing(work, dispatch, rows) and not queue.is_due(work, (DISPATCH_JOB,)):
        queue.enqueue(work, DISPATCH_JOB, {}, org_id="")


def row_of(work: Work, endpoint_id: str, kind: str, once: str, body: str) -> dict[str, Any]:
    """A notice that waits."""
    return {
        "org_id": work.org_id,
        "id": new_id("msg"),
        "endpoint_id": endpoint_id,
        "kind": kind,
        "once": once,
        "body": body,
        "state": DispatchState.QUEUED,
        "attempts": 0,
        "next_at": work.now,
        "held_by": "",
        "held_fence": 0,
        "tries": "[]",
        "created_at": work.now,
        "ended_at": None,
    }


def take(work: Work, claim: Claim, endpoint_id: str) -> Carried | None:
    """The notice that has waited longest for an endpoint, held by this claim of the job; None when none may go now."""
    on = endpoint.c.org_id == work.org_id, endpoint.c.id == endpoint_id, *_called(work)
    to = work.first(select(endpoint).where(*on))
    if to is None:
        return None
    due = dispatch.c.org_id == work.org_id, dispatch.c.endpoint_id == endpoint_id, *_due(work)
    wanted = select(dispatch).where(*due).order_by(dispatch.c.next_at, dispatch.c.id).limit(1)
    row = work.first(wanted.with_for_update(skip_locked=True))
    if row is None:
        return None
    _set(work, row.id, held_by=claim.id, held_fence=claim.fence)
    posting = posting_of(work, to, row.id, row.body)
    return Carried(row.id, endpoint_id, row.kind, row.attempts + 1, row.tries, posting)


def keep(work: Work, claim: Claim, carried: Carried, answer: PostAnswer, pause: int | None, *, passed: bool) -> None:
    """What became of a try: sent, to be tried again after a pause, or failed for good.

    Whoever lost the lease meanwhile changes nothing.
    """
    mine = dispatch.c.held_by == claim.id, dispatch.c.held_fence == claim.fence
    ended = passed or pause is None
    state = DispatchState.SENT if passed else DispatchState.FAILED if ended else DispatchState.QUEUED
    over = {"ended_at": work.now} if ended else {"next_at": work.now + timedelta(seconds=pause or 0)}
    # Should the endpoint have been removed or switched off while this was on its way, what it came to still counts,
    # but nothing is tried again.
    stands = case((dispatch.c.state == DispatchState.QUEUED, state), else_=dispatch.c.state) if not passed else state
    tries = tried(carried.tries, work.now, answer, carried.posting.url)
    _set(
        work, carried.id, *mine, state=stands, attempts=carried.attempts, tries=tries, held_by="", held_fence=0, **over
    )


def posting_of(reading: Reading, to: Row[Any], dispatch_id: str, body: str) -> Posting:
    """One try: the stored body, signed now."""
    opened = opened_of(reading, to)
    headers = envelopes.headers_of(dispatch_id, body, opened.signing, reading.now)
    return Posting(opened.url, headers, body.encode())


def opened_of(reading: Reading, to: Row[Any]) -> Sealed:
    """The address, and the secrets that sign now, newest first."""
    vault, place = reading.ports.vault, sealed_at(to.id)
    counts = to.old_until_at is not None and to.old_until_at > reading.now
    signing = [sealed for sealed in (to.secret, to.old_secret if counts else b"") if sealed]
    url = vault.open(to.url, f"{place}|url").decode("ascii")
    return Sealed(url, tuple(vault.open(each, place).decode("ascii") for each in signing))


def sealed_at(endpoint_id: str) -> str:
    """The place a signing secret is bound to, the new one and the old; the address's own is below it."""
    return f"notice_endpoint|secret|{endpoint_id}"


def tried(before: str, at: datetime, answer: PostAnswer, url: str) -> str:
    """The log of tries with one more; of very many, the last ones."""
    one = {"at": at.isoformat(), "status": answer.status, "words": cleaned(answer.words, url)}
    return json.dumps([*json.loads(before), one][-TRIES_KEPT:])


def end_waiting(work: Work, endpoint_id: str, state: DispatchState) -> None:
    """What waits for an endpoint is not sent any more; what is on its way at this moment tells its own end."""
    waits = dispatch.c.endpoint_id == endpoint_id, dispatch.c.state == DispatchState.QUEUED
    mine = dispatch.c.org_id == work.org_id, *waits
    work.execute(update(dispatch).where(*mine).values(state=state, ended_at=work.now))


def send_again(work: Work, dispatch_id: str) -> None:
    """Send a notice once more, from the start of its schedule and under the same id; also one that has arrived.

    Needs CONNECTIONS_ADMINISTER. Raises NotFound DISPATCH_UNKNOWN, Conflict DISPATCH_WAITS, ENDPOINT_OFF.
    """
    seen = dispatch_view(work, dispatch_id)
    mine = endpoint.c.org_id == work.org_id, endpoint.c.id == seen.endpoint_id
    if work.scalar(select(endpoint.c.state).where(*mine)) not in _TAKING:
        raise Conflict("ENDPOINT_OFF", "Nothing is sent to this endpoint.", hint="Switch it on again first.")
    ended = dispatch.c.org_id == work.org_id, dispatch.c.id == seen.id, dispatch.c.state != DispatchState.QUEUED
    anew = {"state": DispatchState.QUEUED, "attempts": 0, "next_at": work.now, "ended_at": None}
    if work.execute(update(dispatch).where(*ended).values(**anew)).rowcount != 1:
        raise Conflict("DISPATCH_WAITS", "This notice is on its way already.", hint="Load the page again.")
    audit.record(work, "dispatch.sent_again", f"dispatch:{seen.id}", detail={"kind": seen.kind})
    queue.enqueue(work, DISPATCH_JOB, {}, org_id="")


def dispatch_log(
    reading: Reading, *, endpoint_id: str = "", state: str = "", limit: int = 25, offset: int = 0
) -> DispatchPage:
    """The log of what was forwarded, newest first; needs CONNECTIONS_ADMINISTER."""
    reading.require(Permission.CONNECTIONS_ADMINISTER)
    wanted = [dispatch.c.org_id == reading.org_id]
    wanted += [dispatch.c.endpoint_id == endpoint_id] if endpoint_id else []
    wanted += [dispatch.c.state == state] if state else []
    total = int(reading.scalar(select(func.count()).select_from(dispatch).where(*wanted)) or 0)
    rows = reading.rows(select(dispatch).where(*wanted).order_by(dispatch.c.id.desc()).limit(limit).offset(offset))
    return DispatchPage(tuple(_view(row) for row in rows), total)


def dispatch_view(reading: Reading, dispatch_id: str) -> DispatchView:
    """One of them, or ``DISPATCH_UNKNOWN``; needs CONNECTIONS_ADMINISTER."""
    reading.require(Permission.CONNECTIONS_ADMINISTER)
    row = reading.first(select(dispatch).where(dispatch.c.org_id == reading.org_id, dispatch.c.id == dispatch_id))
    if row is None:
        raise NotFound("DISPATCH_UNKNOWN", "There is no such notice.", hint="Open it from the list.")
    return _view(row)


def last_tests(reading: Reading, endpoint_ids: Iterable[str]) -> Mapping[str, TryView]:
    """What came of the newest test of each endpoint that was ever tested; needs CONNECTIONS_ADMINISTER."""
    reading.require(Permission.CONNECTIONS_ADMINISTER)
    tests = dispatch.c.org_id == reading.org_id, dispatch.c.kind == TEST, dispatch.c.endpoint_id.in_([*endpoint_ids])
    newest = select(func.max(dispatch.c.id)).where(*tests).group_by(dispatch.c.endpoint_id)
    rows = reading.rows(select(dispatch).where(dispatch.c.org_id == reading.org_id, dispatch.c.id.in_(newest)))
    return {row.endpoint_id: _view(row).tries[-1] for row in rows}


def waiting(reading: Reading) -> Sequence[tuple[str, str]]:
    """Organisation and id of every endpoint for which something may go now. For the worker's round."""
    to = and_(endpoint.c.org_id == dispatch.c.org_id, endpoint.c.id == dispatch.c.endpoint_id)
    longest = func.min(dispatch.c.next_at)
    wanted = select(dispatch.c.org_id, dispatch.c.endpoint_id).join(endpoint, to)
    wanted = wanted.where(*_due(reading), *_called(reading)).group_by(dispatch.c.org_id, dispatch.c.endpoint_id)
    with reading.across_orgs("what is forwarded of the installation is one round"):
        found = reading.rows(wanted.order_by(longest, dispatch.c.endpoint_id))
    return tuple((row.org_id, row.endpoint_id) for row in found)


def next_at(reading: Reading) -> datetime | None:
    """When something of the installation may go next; None when nothing waits."""
    to = and_(endpoint.c.org_id == dispatch.c.org_id, endpoint.c.id == dispatch.c.endpoint_id)
    later = case((dispatch.c.next_at > endpoint.c.rest_until_at, dispatch.c.next_at), else_=endpoint.c.rest_until_at)
    waits = dispatch.c.state == DispatchState.QUEUED, endpoint.c.state == EndpointState.ACTIVE, free(dispatch)
    with reading.across_orgs("what is forwarded of the installation is one round"):
        found: datetime | None = reading.scalar(select(func.min(later)).join_from(dispatch, endpoint, to).where(*waits))
    return found


def tidy(work: Work) -> None:
    """Forget what ended long ago, or waits for an endpoint that was left paused, and secrets that count no more."""
    old = work.now - KEPT
    ended = case((dispatch.c.ended_at.is_(None), dispatch.c.created_at), else_=dispatch.c.ended_at) < old
    work.execute(delete(dispatch).where(dispatch.c.org_id == work.org_id, ended))
    rolled = endpoint.c.org_id == work.org_id, endpoint.c.old_until_at <= work.now
    work.execute(update(endpoint).where(*rolled).values(old_secret=b"", old_until_at=None))


def _due(reading: Reading) -> tuple[ColumnElement[bool], ...]:
    return dispatch.c.state == DispatchState.QUEUED, dispatch.c.next_at <= reading.now, free(dispatch)


def _called(reading: Reading) -> tuple[ColumnElement[bool], ...]:
    return endpoint.c.state == EndpointState.ACTIVE, endpoint.c.rest_until_at <= reading.now


def _set(work: Work, dispatch_id: str, *conditions: ColumnElement[bool], **values: Any) -> None:
    one = dispatch.c.org_id == work.org_id, dispatch.c.id == dispatch_id, *conditions
    work.execute(update(dispatch).where(*one).values(**values))


def _view(row: Row[Any]) -> DispatchView:
    told: Sequence[Mapping[str, Any]] = json.loads(row.tries)
    tries = tuple(TryView(datetime.fromisoformat(one["at"]), one["status"], one["words"]) for one in told)
    state = DispatchState(row.state)
    next_at_ = row.next_at if state is DispatchState.QUEUED else None
    return DispatchView(
        row.id, row.endpoint_id, row.kind, state, row.attempts, tries, next_at_, row.created_at, row.ended_at
    )
