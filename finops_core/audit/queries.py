"""Reads of the log. The table is one for the installation, so every read here starts from ``own_records``."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar

from sqlalchemy import ColumnElement, Row, Select, and_, func, or_, select

from finops_core.audit.models import audit_leaf, audit_record
from finops_core.audit.rules import instant_of, instant_text
from finops_core.kernel.permissions import Permission
from finops_core.platform.json_text import JsonText
from finops_core.platform.work import Reading

PAGE_MOST = 1_000
CHUNK = 5_000
_KIND = re.compile(r"[a-z_]+", re.ASCII)
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Some rows of many, and how many there are."""

    rows: tuple[T, ...]
    total: int


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """Which records are wanted; an empty field wants all.

    Attributes:
        text: part of verb, object, actor, id or detail, upper or lower case.
        verb: a whole verb, or an area with its dot (``approval.``).
        object: a thing (``execution:ex_…``) and nothing else.
        about: a thing with all that belongs to it: an execution with its approvals, files and payouts.
        since: from this instant on.
        until: before this instant.
    """

    text: str = ""
    verb: str = ""
    actor: str = ""
    object: str = ""
    about: str = ""
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Thing:
    """Something with a trail: ``object`` as records name it, ``number`` as people do, "" when it has none."""

    object: str
    number: str


@dataclass(frozen=True, slots=True)
class AuditView:
    """One record as screens and exports show it.

    Attributes:
        position: its place in the sealed log; None until it is sealed, about a second.
        body: the record's exact bytes as text, whose hash is in the log.
    """

    id: str
    at: datetime
    org_id: str
    actor: str
    on_behalf_of: str | None
    via: str
    verb: str
    object: str
    before: str
    after: str
    detail: Mapping[str, Any]
    position: int | None
    body: str


@dataclass(frozen=True, slots=True)
class AuditFacets:
    """What can be filtered by: (value, how many records), by name."""

    verbs: tuple[tuple[str, int], ...]
    actors: tuple[tuple[str, int], ...]


def own_records(reading: Reading) -> ColumnElement[bool]:
    """The condition every read carries: records of the organisations this reading may name."""
    return audit_record.c.org.in_(sorted(reading.orgs))


def records(
    reading: Reading,
    wanted: AuditFilter = AuditFilter(),
    *,
    limit: int = 50,
    offset: int = 0,
    newest_first: bool = True,
) -> Page[AuditView]:
    """A page of records (at most 1,000) and how many match; needs ``AUDIT_VIEW``."""
    reading.require(Permission.AUDIT_VIEW)
    matching = matches(reading, wanted)
    total = reading.scalar(select(func.count()).select_from(audit_record).where(matching))
    found = _views(matching, newest_first=newest_first).limit(min(limit, PAGE_MOST)).offset(offset)
    return Page(tuple(_view(row) for row in reading.rows(found)), int(total))


def thing(reading: Reading, name: str) -> Thing | None:
    """What somebody calls by its number (EX-2026-0001) or its object; None for what has no record.

    Needs ``AUDIT_VIEW``.
    """
    reading.require(Permission.AUDIT_VIEW)
    name = name.strip()
    if not name:
        return None
    number = _detail("number")
    named = audit_record.c.object == name if ":" in name else number == name.upper()
    found = select(audit_record.c.object, number.label("number")).where(own_records(reading), named)
    # What has a number says it in its first record; an approval's subject is another thing, with its own.
    row = reading.first(found.order_by(audit_record.c.at, audit_record.c.id).limit(1))
    return Thing(row.object, row.number or "") if row is not None else None


def trail(reading: Reading, object_: str) -> tuple[AuditView, ...]:
    """Everything done to one thing (``execution:ex_…``), oldest first; at most 1,000. Needs ``AUDIT_VIEW``."""
    return records(reading, AuditFilter(object=object_), limit=PAGE_MOST, newest_first=False).rows


def facets(reading: Reading) -> AuditFacets:
    """The verbs and actors that occur, with counts; needs ``AUDIT_VIEW``."""
    reading.require(Permission.AUDIT_VIEW)
    return AuditFacets(_counted(reading, audit_record.c.verb), _counted(reading, audit_record.c.actor))


def every_match(reading: Reading, wanted: AuditFilter) -> Iterator[AuditView]:
    """All matching records, oldest first, a chunk at a time; ``service.export_rows`` guards and records it."""
    found = _views(matches(reading, wanted), newest_first=False).limit(CHUNK)
    chunk = reading.rows(found)
    while chunk:
        yield from (_view(row) for row in chunk)
        last = chunk[-1]
        after = or_(audit_record.c.at > last.at, and_(audit_record.c.at == last.at, audit_record.c.id > last.id))
        chunk = reading.rows(found.where(after))


def counts(reading: Reading, verb: str, objects: Sequence[str]) -> Mapping[str, int]:
    """How many records of a verb each of these objects has; for callers that may see the objects."""
    table = audit_record.c
    wanted = own_records(reading), table.verb == verb, table.object.in_(sorted(objects))
    rows = reading.rows(select(table.object, func.count().label("many")).where(*wanted).group_by(table.object))
    return {row.object: row.many for row in rows}


def of_object(reading: Reading, object_: str, limit: int = 200) -> tuple[AuditView, ...]:
    """The first records of a thing, oldest first; for callers that may see the thing."""
    found = _views(matches(reading, AuditFilter(object=object_)), newest_first=False).limit(min(limit, PAGE_MOST))
    return tuple(_view(row) for row in reading.rows(found))


def of_installation(reading: Reading, object_: str, limit: int = 100) -> tuple[AuditView, ...]:
    """The newest records of a thing that belongs to no organisation: the installation's own, and those made in here."""
    orgs = audit_record.c.org.in_(["", *sorted(reading.orgs)])
    return views(reading, and_(orgs, audit_record.c.object == object_), limit)


def views(reading: Reading, matching: ColumnElement[bool], limit: int) -> tuple[AuditView, ...]:
    """The newest records under a condition that holds ``own_records``; for this area's own reads."""
    found = _views(matching, newest_first=True).limit(limit)
    return tuple(_view(row) for row in reading.rows(found))


def steps(reading: Reading, area: str, since: datetime) -> Mapping[str, tuple[Mapping[str, Any], ...]]:
    """By object: the details of every record of an area (``payout.``) since then, in order. Needs ``WORKER_ACT``.

    For standing checks that hold an area's rows against what the log says of them.
    """
    reading.require(Permission.WORKER_ACT)
    found: dict[str, list[Mapping[str, Any]]] = {}
    for record in every_match(reading, AuditFilter(verb=area, since=since)):
        found.setdefault(record.object, []).append(record.detail)
    return {object_: tuple(details) for object_, details in found.items()}


def matches(reading: Reading, wanted: AuditFilter) -> ColumnElement[bool]:
    """The filter as a condition, the reading's organisations included."""
    table = audit_record.c
    parts = [own_records(reading)]
    if wanted.verb:
        is_area = wanted.verb.endswith(".")
        parts.append(table.verb.startswith(wanted.verb, autoescape=True) if is_area else table.verb == wanted.verb)
    if wanted.actor:
        parts.append(table.actor == wanted.actor)
    if wanted.object:
        parts.append(table.object == wanted.object)
    if wanted.about:
        parts.append(_about(reading, wanted.about))
    if wanted.since:
        parts.append(table.at >= instant_text(wanted.since))
    if wanted.until:
        parts.append(table.at < instant_text(wanted.until))
    if wanted.text:
        detail = JsonText(table.body, "detail")
        places = (table.verb, table.object, table.actor, table.id, detail)
        parts.append(or_(*(func.lower(place).contains(wanted.text.lower(), autoescape=True) for place in places)))
    return and_(*parts)


def _about(reading: Reading, object_: str) -> ColumnElement[bool]:
    """Records of a thing and of what belongs to it, as the records themselves say.

    By convention a record's detail names the thing it is about: as ``subject`` (an approval), as ``owner`` (a file), or
    by its id under its kind (``execution`` of a payout). A file is told apart once, when it is stored: whatever is
    recorded of it later belongs there as well. Nothing can be about a thing before its own first record.
    """
    table = audit_record.c
    kind, _, id_ = object_.partition(":")
    first = select(func.min(table.at)).where(own_records(reading), table.object == object_).scalar_subquery()
    # Looking for the id as text is ten times as quick as opening the record, which then says what it means there.
    named = and_(table.at >= func.coalesce(first, ""), table.body.contains(id_ or object_, autoescape=True))
    owned = select(table.object).where(own_records(reading), named, _detail("owner") == object_)
    says = [_detail("subject") == object_]
    if id_ and _KIND.fullmatch(kind):
        says.append(_detail(kind) == id_)
    return or_(table.object == object_, table.object.in_(owned), and_(named, or_(*says)))


def _detail(field: str) -> ColumnElement[str]:
    return JsonText(JsonText(audit_record.c.body, "detail"), field)


def _views(matching: ColumnElement[bool], *, newest_first: bool) -> Select[Any]:
    joined = audit_record.outerjoin(audit_leaf, audit_leaf.c.record_id == audit_record.c.id)
    found = select(audit_record.c.id, audit_record.c.at, audit_record.c.body, audit_leaf.c.position)
    order = (audit_record.c.at, audit_record.c.id)
    return (
        found.select_from(joined)
        .where(matching)
        .order_by(*(column.desc() if newest_first else column for column in order))
    )


def _view(row: Row[Any]) -> AuditView:
    body = json.loads(row.body)
    return AuditView(
        id=row.id,
        at=instant_of(body["at"]),
        org_id=body["org"],
        actor=body["actor"],
        on_behalf_of=body["on_behalf_of"],
        via=body["via"],
        verb=body["verb"],
        object=body["object"],
        before=body["before"],
        after=body["after"],
        detail=body["detail"],
        position=row.position,
        body=row.body,
    )


def _counted(reading: Reading, column: ColumnElement[str]) -> tuple[tuple[str, int], ...]:
    found = select(column.label("value"), func.count().label("times")).where(own_records(reading))
    rows = reading.rows(found.group_by(column).order_by(column))
    return tuple((row.value, row.times) for row in rows)
