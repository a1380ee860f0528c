"""Reads of approvals: who is asked what, what was said, who could say it. Looking never changes a state."""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, Table, func, or_, select

from finops_core import security
from finops_core.approvals.models import (
    approval_authority,
    approval_decision,
    approval_excluded,
    approval_level,
    approval_request,
)
from finops_core.approvals.rules import (
    Authority,
    Candidate,
    Decision,
    Level,
    Matter,
    Refusal,
    Said,
    Standing,
    State,
    behind,
    may_decide,
    person_of,
    stands,
)
from finops_core.approvals.rules import eligible as rule_eligible
from finops_core.kernel.errors import NotFound
from finops_core.kernel.money import Money
from finops_core.kernel.permissions import Permission
from finops_core.platform.work import Reading
from finops_core.security import PersonView


@dataclass(frozen=True, slots=True)
class DecisionView:
    """What one person said."""

    level: int
    person_id: str
    decision: Decision
    comment: str
    content_hash: str
    at: datetime


@dataclass(frozen=True, slots=True)
class RequestView:
    """A request as the person who looks sees it.

    Attributes:
        round: which request about its subject it is, from 1; only the highest counts.
        summary: what the requester's area put there for the screen.
        amounts: one per currency, in alphabetical order.
        excluded: person -> why; the requester is always among them.
        refusal: why the person who looks may not decide it now; None when they may.
    """

    id: str
    number: str
    round: int
    subject_kind: str
    subject_id: str
    content_hash: str
    item_type: str
    title: str
    summary: Mapping[str, Any]
    amounts: tuple[Money, ...]
    requested_by: str
    state: State
    closed_why: str
    created_at: datetime
    expires_at: datetime
    decided_at: datetime | None
    levels: tuple[Level, ...]
    decisions: tuple[DecisionView, ...]
    excluded: Mapping[str, str]
    refusal: Refusal | None


@dataclass(frozen=True, slots=True)
class RequestPage:
    """Some requests, and how many there are in all."""

    rows: tuple[RequestView, ...]
    total: int


@dataclass(frozen=True, slots=True)
class AuthorityView:
    """What somebody may approve, since when."""

    id: str
    person_id: str
    authority: Authority
    granted_by: str


def waiting(reading: Reading, limit: int = 500) -> tuple[RequestView, ...]:
    """Every open request of the organisation, oldest first; ``refusal`` tells those the person may not decide.

    Needs APPROVALS_VIEW.
    """
    reading.require(Permission.APPROVALS_VIEW)
    return found(reading, [approval_request.c.state == State.PENDING], newest_first=False, limit=limit)


def waiting_page(reading: Reading, limit: int = 50, offset: int = 0) -> RequestPage:
    """The open requests a page at a time, oldest first. Needs APPROVALS_VIEW."""
    reading.require(Permission.APPROVALS_VIEW)
    pending = [approval_request.c.state == State.PENDING]
    count = select(func.count()).select_from(approval_request).where(_mine(reading, approval_request), *pending)
    rows = found(reading, pending, newest_first=False, limit=limit, offset=offset)
    return RequestPage(rows, reading.scalar(count) or 0)


def decided(reading: Reading, limit: int = 50, offset: int = 0) -> RequestPage:
    """Requests that wait no more, whatever their end, newest first. Needs APPROVALS_VIEW."""
    reading.require(Permission.APPROVALS_VIEW)
    ended = [approval_request.c.state != State.PENDING]
    count = select(func.count()).select_from(approval_request).where(_mine(reading, approval_request), *ended)
    return RequestPage(found(reading, ended, limit=limit, offset=offset), reading.scalar(count) or 0)


def request_view(reading: Reading, request_id: str) -> RequestView:
    """One request, by id or number, for whoever may see approvals or asked for it; else ``APPROVAL_UNKNOWN``."""
    view = find(reading, request_id)
    if view is not None and reading.may(Permission.APPROVALS_VIEW):
        return view
    if view is None or view.requested_by != behind(reading.actor):
        raise unknown()
    security.require_scope(reading, security.Scope.READ, security.Scope.RUN, security.Scope.APPROVE)
    return view


def find(reading: Reading, request_id: str) -> RequestView | None:
    """One request, by id or number, for the verbs of this area, whoever looks."""
    named = or_(approval_request.c.id == request_id, approval_request.c.number == request_id)
    return next(iter(found(reading, [named])), None)


def all_found(reading: Reading, conditions: Sequence[ColumnElement[bool]]) -> tuple[RequestView, ...]:
    """Every request of the organisation that meets these, oldest first, whoever looks; for this area's own reads."""
    return found(reading, conditions, newest_first=False)


def ending(reading: Reading, before: datetime) -> tuple[RequestView, ...]:
    """Open requests that end before then, for the verbs of this area, whoever looks; oldest first."""
    table = approval_request
    soon = table.c.state == State.PENDING, table.c.expires_at <= before, table.c.expires_at > reading.now
    return found(reading, soon, newest_first=False)


def unknown() -> NotFound:
    """What is said of a request that is not there, or not for this person."""
    return NotFound("APPROVAL_UNKNOWN", "There is no such approval request.", hint="Open it from the list.")


def of_subject(reading: Reading, subject_kind: str, subject_id: str) -> tuple[RequestView, ...]:
    """Every request about one thing, newest first. The caller has checked that the person may see that thing."""
    about = (approval_request.c.subject_kind == subject_kind, approval_request.c.subject_id == subject_id)
    return tuple(sorted(found(reading, about), key=lambda view: -view.round))


@dataclass(frozen=True, slots=True)
class Approval:
    """An approval that stands: whose, since when, of which amounts (currency -> minor units)."""

    people: tuple[str, ...]
    decided_at: datetime
    amounts: Mapping[str, int]


def standing_approval(reading: Reading, subject_kind: str, subject_id: str, content_hash: str) -> Approval | None:
    """The approval of exactly this content; None when it does not stand. What an executor asks before it acts.

    Only the newest request about the thing counts, and its decisions must prove what its row says: the row can be
    changed by whoever holds the database, the decisions cannot.
    """
    view = next(iter(of_subject(reading, subject_kind, subject_id)), None)
    if view is None or view.state is not State.APPROVED or view.content_hash != content_hash:
        return None
    if not stands(matter_of(view), content_hash, view.levels, said_of(view)):
        return None
    people = tuple(decision.person_id for decision in view.decisions)
    decided_at = max(decision.at for decision in view.decisions)
    return Approval(people, decided_at, {money.currency: money.minor for money in view.amounts})


def asked_about(reading: Reading, subject_kind: str) -> Select[tuple[str]]:
    """The ids of every thing of a kind that was ever put up for approval here, as a statement to select from."""
    table = approval_request
    return select(table.c.subject_id).where(_mine(reading, table), table.c.subject_kind == subject_kind)


def eligible(
    reading: Reading, item_type: str, amounts: Mapping[str, int], excluded: Iterable[str]
) -> tuple[PersonView, ...]:
    """Who could approve such a matter now: active, permitted, with authority, and not among the excluded."""
    matter = Matter(item_type, amounts, requested_by="", excluded=dict.fromkeys(excluded, "stand too near"))
    people = security.people_with(reading, Permission.APPROVALS_DECIDE)
    held = _authorities(reading, [person.id for person in people])
    candidates = ((person, Candidate(person.id, permitted=True, authorities=held[person.id])) for person in people)
    return tuple(person for person, candidate in candidates if rule_eligible(matter, candidate, reading.now))


def deciders(reading: Reading, view: RequestView) -> tuple[PersonView, ...]:
    """Who could decide this very request now."""
    amounts = {money.currency: money.minor for money in view.amounts}
    return eligible(reading, view.item_type, amounts, view.excluded)


def authorities(reading: Reading, person_id: str) -> tuple[AuthorityView, ...]:
    """What a person may approve in this organisation, past grants included, newest first.

    People see their own; others need PEOPLE_ADMINISTER.
    """
    if person_id != person_of(reading.actor):
        reading.require(Permission.PEOPLE_ADMINISTER)
    mine = (_mine(reading, approval_authority), approval_authority.c.person_id == person_id)
    rows = reading.rows(select(approval_authority).where(*mine).order_by(approval_authority.c.id.desc()))
    return tuple(AuthorityView(row.id, row.person_id, _authority(row), row.granted_by) for row in rows)


def matter_of(view: RequestView) -> Matter:
    """The request as the rules see it."""
    amounts = {money.currency: money.minor for money in view.amounts}
    return Matter(view.item_type, amounts, view.requested_by, view.excluded)


def standing_of(view: RequestView) -> Standing:
    """Where the request stands, as the rules see it."""
    return Standing(view.state, view.expires_at, frozenset(one.person_id for one in view.decisions))


def said_of(view: RequestView) -> tuple[Said, ...]:
    """Its decisions as the rules see them."""
    return tuple(Said(one.level, one.person_id, one.decision, one.content_hash) for one in view.decisions)


def candidate_of(reading: Reading) -> Candidate:
    """The person who looks, as somebody who might decide. Services and links are nobody."""
    person_id = person_of(reading.actor)
    if person_id is None:
        return Candidate("", permitted=False)
    held = _authorities(reading, [person_id])[person_id]
    return Candidate(person_id, reading.may(Permission.APPROVALS_DECIDE), held)


def found(
    reading: Reading,
    conditions: Sequence[ColumnElement[bool]],
    *,
    newest_first: bool = True,
    limit: int | None = None,
    offset: int = 0,
) -> tuple[RequestView, ...]:
    """Requests of the organisation under these conditions, for this area's own reads, whoever looks."""
    order = approval_request.c.id.desc() if newest_first else approval_request.c.id
    wanted = select(approval_request).where(_mine(reading, approval_request), *conditions).order_by(order)
    rows = reading.rows(wanted.limit(limit).offset(offset))
    ids = [row.id for row in rows]
    levels, said, excluded = (
        _parts(reading, table, ids) for table in (approval_level, approval_decision, approval_excluded)
    )
    candidate = candidate_of(reading)
    return tuple(_view(row, levels[row.id], said[row.id], excluded[row.id], candidate, reading.now) for row in rows)


def _view(
    row: Row[Any],
    levels: Sequence[Row[Any]],
    said: Sequence[Row[Any]],
    excluded: Sequence[Row[Any]],
    candidate: Candidate,
    now: datetime,
) -> RequestView:
    amounts = {currency: int(minor) for currency, minor in json.loads(row.amounts).items()}
    too_near = {one.person_id: one.why for one in excluded}
    standing = Standing(State(row.state), row.expires_at, frozenset(one.person_id for one in said))
    matter = Matter(row.item_type, amounts, row.requested_by, too_near)
    return RequestView(
        id=row.id,
        number=row.number,
        round=row.round,
        subject_kind=row.subject_kind,
        subject_id=row.subject_id,
        content_hash=row.content_hash,
        item_type=row.item_type,
        title=row.title,
        summary=json.loads(row.summary),
        amounts=tuple(Money(minor, currency) for currency, minor in sorted(amounts.items())),
        requested_by=row.requested_by,
        state=standing.state,
        closed_why=row.closed_why,
        created_at=row.created_at,
        expires_at=row.expires_at,
        decided_at=row.decided_at,
        levels=tuple(Level(one.level, one.needed) for one in levels),
        decisions=tuple(
            DecisionView(one.level, one.person_id, Decision(one.decision), one.comment, one.content_hash, one.at)
            for one in said
        ),
        excluded=too_near,
        refusal=may_decide(matter, standing, candidate, now),
    )


def _parts(reading: Reading, table: Table, request_ids: Sequence[str]) -> Mapping[str, list[Row[Any]]]:
    found: dict[str, list[Row[Any]]] = defaultdict(list)
    if request_ids:
        mine = (_mine(reading, table), table.c.request_id.in_(request_ids))
        for row in reading.rows(select(table).where(*mine).order_by(table.c.id)):
            found[row.request_id].append(row)
    return found


def _authorities(reading: Reading, people: Sequence[str]) -> Mapping[str, tuple[Authority, ...]]:
    held: dict[str, tuple[Authority, ...]] = defaultdict(tuple)
    table = approval_authority
    ended = or_(table.c.until_at.is_(None), table.c.until_at > reading.now)
    live = (_mine(reading, table), table.c.person_id.in_(people), table.c.since_at <= reading.now, ended)
    for row in reading.rows(select(table).where(*live).order_by(table.c.id)) if people else ():
        held[row.person_id] += (_authority(row),)
    return held


def _authority(row: Row[Any]) -> Authority:
    return Authority(row.item_type, row.currency, row.limit_minor, row.since_at, row.until_at)


def _mine(reading: Reading, table: Table) -> ColumnElement[bool]:
    return table.c.org_id == reading.org_id
