"""Statements that write many rows, or a few again and again: turned into SQL once, run with the driver's values.

SQLAlchemy builds each row's parameters anew for every call; for the thousands of rows of a batch that takes longer than
the database needs to store them. What the scope guard asks of a statement is asked here, too: ``Work.write`` does.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from sqlalchemy import Dialect, Insert, Update

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

    def values(self, rows: Rows) -> Values:
        work = self.becomes.items()
        if not self.positional:
            return [{**row, **{name: become(row[name]) for name, become in work}} for row in rows]
        places = [(self.names.index(name), become) for name, become in work]
        found = []
        for row in rows:
            values = [row[name] for name in self.names]
            for place, become in places:
                values[place] = become(values[place])
            found.append(tuple(values))
        return found


@dataclass(frozen=True, slots=True)
class Repeated:
    """An insert, or an update with parameters of its own.

    Its rows give every value: nothing is filled in for them. All rows of a call have the same names.
    """

    statement: Insert | Update
    _written: dict[tuple[str, frozenset[str]], _Written] = field(default_factory=dict)

    def sql(self, dialect: Dialect, rows: Rows) -> tuple[str, Values]:
        """SQL and values for the driver. Raises ``KeyError`` where a row lacks a value that the first one has."""
        shape = dialect.name, frozenset(rows[0])
        if shape not in self._written:
            self._written[shape] = _write(self.statement, dialect, sorted(rows[0]))
        written = self._written[shape]
        return written.sql, written.values(rows)


def _write(statement: Insert | Update, dialect: Dialect, names: list[str]) -> _Written:
    compiled = statement.compile(dialect=dialect, column_keys=names if isinstance(statement, Insert) else None)
    if missing := set(compiled.binds) - set(names):
        raise ValueError(f"values that are not given: {', '.join(sorted(missing))}")
    found = {name: bind.type.dialect_impl(dialect).bind_processor(dialect) for name, bind in compiled.binds.items()}
    becomes = {
        name: lru_cache(REMEMBERED)(become) if isinstance(compiled.binds[name].type, UtcInstant) else become
        for name, become in found.items()
        if become is not None
    }
    return _Written(str(compiled), tuple(compiled.positiontup or names), bool(compiled.positional), becomes)
