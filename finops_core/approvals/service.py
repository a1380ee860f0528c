"""Verbs on approvals. ``decide`` is the only door to an approved or rejected request.

Not for what happens after a decision: that is told as news, and ``catalog`` says who listens.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import Row, insert, select, update

from finops_core import audit, reference, security
from finops_core.approvals import notices, queries
from finops_core.approvals.models import (
    approval_decision,
    approval_excluded,
    approval_level,
    approval_request,
)
from finops_core.approvals.queries import RequestView
from finops_core.approvals.rules import (
    FIRST_LEVEL,
    REQUESTER_WHY,
    Decision,
    Said,
    State,
    behind,
    may_decide,
    not_pending,
    open_level,
    outcome,
    person_of,
)
from finops_core.kernel import currencies
from finops_core.kernel.canonical import content_hash as hash_of
from finops_core.kernel.errors import Conflict, Invalid, NotAllowed
from finops_core.kernel.ids import new_id
from finops_core.kernel.job import Event
from finops_core.kernel.money import MAX_MINOR, Money
from finops_core.kernel.permissions import Permission
from finops_core.notifications import expires_soon
from finops_core.platform.work import Work

COMMENT_MAX_CHARS = 2000


@dataclass(frozen=True, slots=True)
class _News(Event):
    org_id: str
    request_id: str
    subject_kind: str
    subject_id: str
    content_hash: str


class Approved(_News):
    """Enough people agreed to exactly this content."""

    __slots__ = ()


class Rejected(_News):
    """Somebody said no."""

    __slots__ = ()


class Withdrawn(_News):
    """The requester took the question back."""

    __slots__ = ()


class Expired(_News):
    """Nobody decided in time."""

    __slots__ = ()


_NEWS: Mapping[State, type[_News]] = {
    State.APPROVED: Approved,
    State.REJECTED: Rejected,
    State.WITHDRAWN: Withdrawn,
    State.EXPIRED: Expired,
}


def request(
    work: Work,
    *,
    subject_kind: str,
    subject_id: str,
    content_hash: str,
    item_type: str,
    title: str,
    summary: Mapping[str, Any],
    amounts: Mapping[str, int],
    excluded: Mapping[str, str],
) -> str:
    """Ask for an approval of exactly this content; gives the request's id (``ap_…``).

    The caller has checked that the actor may submit the subject. A pending request about the same subject is
    superseded. ``summary`` is JSON for the screen; ``amounts`` is currency -> minor units, zero or more; ``excluded``
    is person -> why ("uploaded its file"), to which the requester is added. It waits for
    ``Settings.approval_expires_s`` seconds.
    Raises Invalid APPROVAL_AMOUNT_BAD, CURRENCY_UNKNOWN.
    """
    if not (subject_kind and subject_id and content_hash and item_type):
        raise ValueError("a request binds a subject, its content and a kind of item")
    _check_amounts(amounts)
    # The number first: its row makes two requests of an organisation wait for each other, so that both see the same
    # pending one.
    number = reference.next_number(work, "AP")
    turn = _make_room(work, subject_kind, subject_id)
    request_id, asked_by = new_id("ap"), behind(work.actor)
    work.execute(
        insert(approval_request).values(
            org_id=work.org_id,
            id=request_id,
            number=number,
            round=turn,
            subject_kind=subject_kind,
            subject_id=subject_id,
            content_hash=content_hash,
            item_type=item_type,
            title=title,
            summary=json.dumps(dict(summary), sort_keys=True),
            amounts=json.dumps({currency: str(minor) for currency, minor in amounts.items()}, sort_keys=True),
            requested_by=asked_by,
            state=State.PENDING,
            closed_why="",
            version=1,
            created_at=work.now,
            expires_at=work.now + timedelta(seconds=work.ports.settings.approval_expires_s),
            decided_at=None,
        )
    )
    part = {"org_id": work.org_id, "request_id": request_id}
    work.execute(insert(approval_level).values(**part, id=new_id("apl"), level=FIRST_LEVEL, needed=1))
    for person_id, why in {**excluded, asked_by: REQUESTER_WHY}.items():
        work.execute(insert(approval_excluded).values(**part, id=new_id("apx"), person_id=person_id, why=why))
    plain = {currency: Money(minor, currency).plain() for currency, minor in amounts.items()}
    detail = {"item_type": item_type, "amounts": plain, "excluded": sorted({*excluded, asked_by})}
    view = _locked(work, request_id)[0]
    _record(work, "approval.requested", view, detail, after=content_hash)
    notices.tell_of_request(work, view)
    return request_id


def decide(work: Work, request_id: str, decision: Decision, comment: str, seen_hash: str) -> RequestView:
    """Approve or reject, as a person, exactly the content that was seen; gives the request as it then stands.

    One rejection ends it. Tells ``Approved`` or ``Rejected``.
    Raises NotAllowed NOT_ALLOWED, APPROVAL_NOT_PERMITTED, APPROVAL_EXCLUDED, APPROVAL_ALREADY_DECIDED,
    APPROVAL_NO_AUTHORITY, APPROVAL_OVER_LIMIT; Conflict APPROVAL_NOT_PENDING, APPROVAL_EXPIRED,
    APPROVAL_CONTENT_CHANGED; Invalid APPROVAL_COMMENT_NEEDED, APPROVAL_COMMENT_LONG; NotFound APPROVAL_UNKNOWN.
    """
    work.require(Permission.APPROVALS_DECIDE)
    decision = Decision(decision)
    view, version = _locked(work, request_id)
    refusal = may_decide(queries.matter_of(view), queries.standing_of(view), queries.candidate_of(work), work.now)
    if refusal is not None:
        raise refusal.error(request_id=request_id)
    if seen_hash != view.content_hash:
        raise Conflict(
            "APPROVAL_CONTENT_CHANGED",
            "What you saw is not what this request is about.",
            hint="Open it again and look at the plan as it stands.",
            request_id=request_id,
        )
    said = _say(work, view, decision, _checked_comment(decision, comment))
    state = outcome(view.levels, (*queries.said_of(view), said))
    _move(work, view, version, state)
    return _locked(work, request_id)[0]


def withdraw(work: Work, request_id: str) -> None:
    """Take one's own request back while it is pending. Tells ``Withdrawn``.

    Raises NotAllowed APPROVAL_NOT_YOURS, Conflict APPROVAL_NOT_PENDING, NotFound APPROVAL_UNKNOWN.
    """
    security.require_scope(work, security.Scope.RUN, security.Scope.LEDGER, security.Scope.PARTIES)
    view, version = _locked(work, request_id)
    if behind(work.actor) != view.requested_by:
        raise NotAllowed(
            "APPROVAL_NOT_YOURS",
            "Only the person who asked can withdraw a request.",
            hint="Reject it with a comment, or ask them.",
            request_id=request_id,
        )
    if view.state is not State.PENDING:
        raise not_pending(view.state).error(request_id=request_id)
    _move(work, view, version, State.WITHDRAWN, "the requester took it back")


def supersede(work: Work, subject_kind: str, subject_id: str, why: str, told: str = "") -> bool:
    """The content has moved on: the newest request about this thing, approved or pending, stands no more.

    ``why`` stands in the log, which is never erased; ``told`` is what people read in its place, where it names one.

    False when there was none to stand. Called by the area that owns the thing, which has checked the actor; not for
    an approval that was already used. Decisions are kept. Tells nothing: the caller is the one concerned.
    """
    newest = _newest(work, subject_kind, subject_id)
    if newest is None or newest.state not in {State.PENDING, State.APPROVED}:
        return False
    view, version = _locked(work, newest.id)
    _move(work, view, version, State.SUPERSEDED, why, told)
    return True


def expire_due(work: Work) -> int:
    """End every request of the organisation whose time has run out; gives how many. Tells ``Expired`` for each.

    Needs WORKER_ACT. A request that somebody is deciding at this moment is left to them.
    """
    work.require(Permission.WORKER_ACT)
    table = approval_request
    due = (table.c.org_id == work.org_id, table.c.state == State.PENDING, table.c.expires_at <= work.now)
    ids = [row.id for row in work.rows(select(table.c.id).where(*due).with_for_update(skip_locked=True))]
    for request_id in ids:
        view, version = _locked(work, request_id)
        _move(work, view, version, State.EXPIRED, "nobody decided in time")
    return len(ids)


def warn_of_expiry(work: Work) -> int:
    """Tell, once, of every open request of the organisation that ends soon; gives how many there are.

    Needs WORKER_ACT.
    """
    work.require(Permission.WORKER_ACT)
    soon = work.now + expires_soon(work.ports.settings.approval_expires_s)
    ending = queries.ending(work, soon)
    for view in ending:
        notices.tell_of_nearing_end(work, view)
    return len(ending)


def _check_amounts(amounts: Mapping[str, int]) -> None:
    for currency, minor in amounts.items():
        currencies.exponent(currency)
        if type(minor) is not int or not 0 <= minor <= MAX_MINOR:
            raise Invalid(
                "APPROVAL_AMOUNT_BAD",
                f"The amount in {currency} cannot be put up for approval.",
                hint="Amounts are whole minor units of zero or more.",
                currency=currency,
            )


def _newest(work: Work, subject_kind: str, subject_id: str) -> Row[Any] | None:
    table = approval_request
    about = (table.c.org_id == work.org_id, table.c.subject_kind == subject_kind, table.c.subject_id == subject_id)
    return work.first(select(table).where(*about).order_by(table.c.round.desc()).limit(1).with_for_update())


def _make_room(work: Work, subject_kind: str, subject_id: str) -> int:
    """The round of the next request about a thing, after closing one that is pending."""
    newest = _newest(work, subject_kind, subject_id)
    if newest is None:
        return 1
    if newest.state == State.PENDING:
        view, version = _locked(work, newest.id)
        _move(work, view, version, State.SUPERSEDED, "a newer request took its place")
    return int(newest.round) + 1


def _locked(work: Work, request_id: str) -> tuple[RequestView, int]:
    """The request as it stands, and its version; nobody else changes it until this unit ends."""
    table = approval_request
    one = (table.c.org_id == work.org_id, table.c.id == request_id)
    version = work.scalar(select(table.c.version).where(*one).with_for_update())
    view = queries.find(work, request_id)
    if version is None or view is None:
        raise queries.unknown()
    return view, int(version)


def _checked_comment(decision: Decision, comment: str) -> str:
    comment = comment.strip()
    if decision is Decision.REJECTED and not comment:
        raise Invalid(
            "APPROVAL_COMMENT_NEEDED",
            "A rejection needs a comment.",
            hint="Say what has to change, so that the preparer can mend it.",
        )
    if len(comment) > COMMENT_MAX_CHARS:
        raise Invalid(
            "APPROVAL_COMMENT_LONG",
            f"The comment has {len(comment)} characters; {COMMENT_MAX_CHARS} are kept.",
            hint="Shorten it.",
        )
    return comment


def _say(work: Work, view: RequestView, decision: Decision, comment: str) -> Said:
    """Keep one decision, for ever, and its line in the log."""
    level = open_level(view.levels, queries.said_of(view))
    person_id = person_of(work.actor)
    if level is None or person_id is None:
        raise AssertionError("a pending request has an open level, and only people decide")
    row = {
        "org_id": work.org_id,
        "id": new_id("apd"),
        "request_id": view.id,
        "level": level,
        "person_id": person_id,
        "decision": decision.value,
        "comment": comment,
        "content_hash": view.content_hash,
    }
    work.execute(insert(approval_decision).values(**row, at=work.now))
    # The log binds the whole decision by its hash: the comment may name people, and the row's random id, which the
    # log does not hold, keeps a short comment from being guessed.
    bound = hash_of({**row, "at": work.now.isoformat()})
    _record(work, f"approval.{decision}", view, {"level": level, "content_hash": view.content_hash}, after=bound)
    return Said(level, person_id, decision, view.content_hash)


def _move(work: Work, view: RequestView, version: int, state: State, why: str = "", told: str = "") -> None:
    """Set the request's state, provided nobody did in between; an end is told and stands in the log."""
    table = approval_request
    one = (table.c.org_id == work.org_id, table.c.id == view.id, table.c.version == version)
    ended = {} if state is State.PENDING else {"state": state, "closed_why": told or why, "decided_at": work.now}
    if work.execute(update(table).where(*one).values(version=version + 1, **ended)).rowcount != 1:
        raise not_pending(view.state).error(request_id=view.id)
    if state in {State.WITHDRAWN, State.EXPIRED, State.SUPERSEDED}:
        _record(work, f"approval.{state}", view, {"why": why, "content_hash": view.content_hash})
    if ended:
        notices.tell_of_end(work, view, state, told or why)
    news = _NEWS.get(state)
    if news is not None:
        work.tell(news(work.org_id, view.id, view.subject_kind, view.subject_id, view.content_hash))


def _record(work: Work, verb: str, view: RequestView, detail: Mapping[str, Any], *, after: str = "") -> None:
    about = {"number": view.number, "subject": f"{view.subject_kind}:{view.subject_id}"}
    audit.record(work, verb, f"approval:{view.id}", after=after, detail={**about, **detail})
