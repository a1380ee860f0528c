"""Statements that are run again and again: turned into SQL once, looked at by the scope guard once, run by the driver.

SQLAlchemy builds each row's parameters anew for every call; for the thousands of rows of a batch that takes longer than
the database needs to store them, and so does its way to a small statement. What the scope guard asks of a statement's
values is asked each time: ``Work.write`` and ``Reading.ask`` do.
"""

from collections import namedtuple
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from sqlalchemy import BindParameter, Connection, Dialect, Insert, Select, Update
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.visitors import iterate

from finops_core.platform import driver
from finops_core.platform.scope_guard import check_statement
from finops_core.platform.scope_memory import named_by
from finops_core.platform.tables import UtcInstant

Rows = Sequence[Mapping[str, Any]]
Values = list[tuple[Any, ...]] | list[dict[str, Any]]
REMEMBERED = 16
"""A batch has few instants, and to write one as text takes longer than all else of a row: so many are kept."""


@dataclass(frozen=True, slots=True)
class _Written:
    """SQL of a dialect, the names of its values in their order, and what the driver must be given instead of some."""

    sql: str
    names: tuple[str, ...]
    positional: bool
    becomes: Mapping[str, Callable[[Any], Any]]
    places: Sequence[tuple[int, Callable[[Any], Any]]]

    def values(self, rows: Rows) -> Values:
        if not self.positional:
            work = self.becomes.items()
            return [{**row, **{name: become(row[name]) for name, become in work}} for row in rows]
        found = []
        for row in rows:
            values = [row[name] for name in self.names]
            for place, become in self.places:
                values[place] = become(values[place])
            found.append(tuple(values))
        return found


@dataclass(frozen=True, slots=True)
class _Read:
    """SQL of a select for SQLite, the names of its values in their order, those it has itself; and what a row becomes.

    ``given_as``: what the driver must be given instead of some values. ``becomes``: by place: what a column's value is
    made of, where the driver gives another.
    """

    sql: str
    names: tuple[str, ...]
    own: Mapping[str, Any]
    given_as: Mapping[str, Callable[[Any], Any]]
    row: Callable[[Sequence[Any]], Any]
    becomes: Mapping[int, Callable[[Any], Any]]

    def rows(self, connection: Connection, given: Mapping[str, Any]) -> list[Any]:
        values = {**self.own, **given}
        for name, become in self.given_as.items():
            values[name] = become(values[name])
        found = driver.run(connection, self.sql, tuple([values[name] for name in self.names]))
        return [self.row(self._made(row) if self.becomes else row) for row in found]

    def _made(self, row: Sequence[Any]) -> list[Any]:
        values = list(row)
        for place, become in self.becomes.items():
            values[place] = become(values[place])
        return values


@dataclass(frozen=True, slots=True)
class _Looked:
    """What the scope guard has found of a statement, by the names it is given: which of them name organisations."""

    passed: dict[tuple[str, ...], tuple[str, ...]] = field(default_factory=dict)

    def check(self, statement: Insert | Update | Select[Any], rows: Rows, orgs: frozenset[str]) -> None:
        """Raise ``ScopeBreach`` unless the guard would let the statement pass with these values."""
        names = tuple(rows[0])
        given = self.passed.get(names)
        if given is None or not _all_of(orgs, rows, given):
            check_statement(statement, rows, orgs)
            found = named_by(statement, rows)
            if found is not None:
                self.passed[names] = found


def _all_of(orgs: frozenset[str], rows: Rows, names: tuple[str, ...]) -> bool:
    for row in rows:
        for name in names:
            if row[name] not in orgs:
                return False
    return True


@dataclass(frozen=True, slots=True)
class Repeated:
    """An insert, or an update with parameters of its own.

    Its rows give every value: nothing is filled in for them. All rows of a call have the same names.
    """

    statement: Insert | Update
    _written: dict[tuple[str, frozenset[str]], _Written] = field(default_factory=dict)
    _looked: _Looked = field(default_factory=_Looked)

    def check(self, rows: Rows, orgs: frozenset[str]) -> None:
        """Raise ``ScopeBreach`` for a row that is not of these organisations."""
        self._looked.check(self.statement, rows, orgs)

    def run(self, connection: Connection, rows: Rows) -> None:
        """Write the rows. Raises what SQLAlchemy would, and ``KeyError`` where one lacks a value that the first has."""
        sql, values = self.sql(connection.dialect, rows)
        if connection.dialect.name == driver.SQLITE:
            driver.run_many(connection, sql, values)
        else:
            connection.exec_driver_sql(sql, values)

    def sql(self, dialect: Dialect, rows: Rows) -> tuple[str, Any]:
        """SQL and values for the driver."""
        shape = dialect.name, frozenset(rows[0])
        if shape not in self._written:
            self._written[shape] = _write(self.statement, dialect, sorted(rows[0]))
        written = self._written[shape]
        return written.sql, written.values(rows)


@dataclass(slots=True)
class Asked:
    """A select with parameters of its own."""

    statement: Select[Any]
    _read: _Read | None = None
    _looked: _Looked = field(default_factory=_Looked)
    _lists: bool = field(init=False)

    def __post_init__(self) -> None:
        binds = (each for each in iterate(self.statement) if isinstance(each, BindParameter))
        self._lists = any(bind.expanding for bind in binds)

    def check(self, given: Mapping[str, Any], orgs: frozenset[str]) -> None:
        """Raise ``ScopeBreach`` when it asks for rows of other organisations."""
        self._looked.check(self.statement, [given], orgs)

    def run(self, connection: Connection, given: Mapping[str, Any]) -> Sequence[Any]:
        """Its rows, their values by the names of the columns. Raises what SQLAlchemy would."""
        # The SQL of a list is another for every length.
        if self._lists or connection.dialect.name != driver.SQLITE:
            return connection.execute(self.statement, given).all()
        if self._read is None:
            self._read = _reader(self.statement, connection.dialect)
        return self._read.rows(connection, given)


def _reader(statement: Select[Any], dialect: Dialect) -> _Read:
    compiled, columns = statement.compile(dialect=dialect), list(statement.selected_columns)
    becomes = {
        place: become
        for place, column in enumerate(columns)
        if (become := column.type.dialect_impl(dialect).result_processor(dialect, None)) is not None
    }
    row = namedtuple("Row", [column.key for column in columns])  # type: ignore[misc]  # noqa: PYI024 - of each statement
    names, given_as = tuple(compiled.positiontup or ()), _bound(compiled, dialect)
    return _Read(str(compiled), names, compiled.params, given_as, row._make, becomes)


def _bound(compiled: SQLCompiler, dialect: Dialect) -> dict[str, Callable[[Any], Any]]:
    """By name: what a value is given to the driver as, where that is another one."""
    kinds = {name: bind.type.dialect_impl(dialect) for bind, name in compiled.bind_names.items()}
    found = {name: kind.bind_processor(dialect) for name, kind in kinds.items()}
    return {name: become for name, become in found.items() if become is not None}


def _write(statement: Insert | Update, dialect: Dialect, names: list[str]) -> _Written:
    compiled = statement.compile(dialect=dialect, column_keys=names if isinstance(statement, Insert) else None)
    if missing := set(compiled.binds) - set(names):
        raise ValueError(f"values that are not given: {', '.join(sorted(missing))}")
    becomes = {
        name: lru_cache(REMEMBERED)(become) if isinstance(compiled.binds[name].type, UtcInstant) else become
        for name, become in _bound(compiled, dialect).items()
    }
    order = tuple(compiled.positiontup or names)
    places = [(order.index(name), become) for name, become in becomes.items()]
    return _Written(str(compiled), order, bool(compiled.positional), becomes, places)
