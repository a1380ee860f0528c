"""The rows of any table, drawn from what the table declares of itself: for whoever looks after the desk or audits it.

It only looks. Which columns are shown and searched, which are masked and who may look stands with each table
(``platform.tables``); here nothing is known of any of them.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from sqlalchemy import ColumnElement, MetaData, String, Table, cast, func, or_, select

from finops_core.kernel.errors import NotFound
from finops_core.kernel.masking import BULLETS, mask
from finops_core.kernel.permissions import Permission
from finops_core.platform.lookup import holds
from finops_core.platform.tables import DataClass, Retention, Scope, TableFacts, facts_of
from finops_core.platform.work import Reading

MOST, LONGEST = 50, 200
COUNTED = 10_000
"""As many rows are counted; one more says that there are more. A table of millions would have its reader wait."""
OPEN = frozenset({DataClass.PUBLIC, DataClass.INTERNAL})
Value = str | int | datetime | None


@dataclass(frozen=True, slots=True)
class TableView:
    """One table as it declares itself.

    Attributes:
        columns: those that are shown, in their order; ``masked``: those of them whose values are.
        searched: columns that are looked into.
        rows: how many this organisation has, up to ``COUNTED`` and one more; None where nobody counted.
    """

    name: str
    title: str
    retention: Retention
    append_only: bool
    columns: tuple[str, ...]
    masked: frozenset[str]
    searched: tuple[str, ...]
    rows: int | None = None


@dataclass(frozen=True, slots=True)
class TableRows:
    """Some rows of a table, the newest first: of each the values of ``table.columns``.

    Attributes:
        total: how many were found in all, up to ``COUNTED`` and one more.
        next: what to give as ``after`` for the rows that follow; "" at the end.
    """

    table: TableView
    as_of: datetime
    total: int
    rows: tuple[tuple[Value, ...], ...]
    next: str


def tables(reading: Reading, metadata: MetaData, *, counted: bool = False) -> tuple[TableView, ...]:
    """The tables this person may look into, by title; needs ``AUDIT_VIEW``. ``counted``: each with how many rows."""
    reading.require(Permission.AUDIT_VIEW)
    seen = (_view(reading, table, counted=counted) for table in _seen(reading, metadata.tables.values()))
    return tuple(sorted(seen, key=lambda view: view.title))


def table_rows(
    reading: Reading, metadata: MetaData, name: str, text: str = "", *, after: str = "", limit: int = MOST
) -> TableRows:
    """Rows of one table that hold the text, the newest first. ``TABLE_UNKNOWN``: none this person may look into.

    What is masked is found by its whole value alone: by its parts it could be spelled out, a letter at a time.
    """
    reading.require(Permission.AUDIT_VIEW)
    table = next(_seen(reading, (each for each in metadata.tables.values() if each.name == name)), None)
    if table is None:
        raise NotFound("TABLE_UNKNOWN", "There is no such table.", hint="Choose one from the list.")
    view, most = _view(reading, table), min(max(limit, 1), MOST)
    sought, past = _plain(text), _plain(after)
    wanted = [table.c.org_id == reading.org_id]
    if sought:
        wanted.append(_found(reading, table, view, sought))
    further = [table.c.id < past] if past else []
    columns = [table.c[column] for column in view.columns]
    found = reading.rows(
        select(table.c.id, *columns).where(*wanted, *further).order_by(table.c.id.desc()).limit(most + 1)
    )
    rows = tuple(tuple(map(partial(_value, view), view.columns, row[1:])) for row in found[:most])
    total = _many(reading, table, *wanted)
    return TableRows(view, reading.now, total, rows, found[most - 1].id if len(found) > most else "")


def _plain(typed: str) -> str:
    """As much as is looked for: no database takes every character, nor a pattern of any length."""
    return "".join(filter(str.isprintable, typed)).strip()[:LONGEST]


def _seen(reading: Reading, every: Iterable[Table]) -> Iterator[Table]:
    """Tables of one organisation that declare what is shown of them, and to whom."""
    for table in every:
        facts = facts_of(table)
        allowed = bool(facts.seen_by) and all(map(reading.may, facts.seen_by))
        if facts.scope is Scope.ORGANISATION and facts.listed and allowed:
            yield table


def _view(reading: Reading, table: Table, *, counted: bool = False) -> TableView:
    facts = facts_of(table)
    columns = tuple(_never_restricted(facts, facts.listed))
    return TableView(
        name=table.name,
        title=table.name.replace("_", " ").capitalize(),
        retention=facts.retention,
        append_only=facts.append_only,
        columns=columns,
        masked=frozenset(column for column in columns if facts.class_of(column) not in OPEN),
        searched=tuple(_never_restricted(facts, facts.searched)),
        rows=_many(reading, table, table.c.org_id == reading.org_id) if counted else None,
    )


def _many(reading: Reading, table: Table, *wanted: ColumnElement[bool]) -> int:
    some = select(table.c.id).where(*wanted).limit(COUNTED + 1).subquery()
    return int(reading.scalar(select(func.count()).select_from(some)))


def _never_restricted(facts: TableFacts, columns: Iterable[str]) -> Iterator[str]:
    return (column for column in columns if facts.class_of(column) is not DataClass.RESTRICTED)


def _found(reading: Reading, table: Table, view: TableView, text: str) -> ColumnElement[bool]:
    facts, small = facts_of(table), text.lower()
    # SQLite's LIKE knows no capitals but those of ASCII: what is typed as it is written is found there.
    part = text if reading.dialect == "sqlite" else small
    each: list[ColumnElement[bool]] = []
    for name in view.searched:
        column = cast(table.c[name], String)
        if facts.class_of(name) in OPEN:
            each.append(holds(reading.dialect, column, part))
        else:
            each += [column == text, func.lower(column) == small]
    # Not ``false()`` where nothing is searched: it swallows the organisation that the scope guard looks for.
    return or_(*each) if each else table.c.id.is_(None)


def _value(view: TableView, column: str, value: Value) -> Value:
    if column not in view.masked or value in {None, ""}:
        return value
    return mask(value) if isinstance(value, str) else BULLETS
