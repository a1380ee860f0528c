"""Inserting rows unless others with the same key are there, the same on both databases."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Insert, Table
from sqlalchemy.dialects import postgresql, sqlite

from finops_core.platform.work import Work


def insert_unless_there(work: Work, table: Table, row: Mapping[str, Any]) -> bool:
    """Insert, values or expressions; False when a unique key of the row is taken already.

    Not "look, then insert": on PostgreSQL two units can both look before either inserts, and the second would fail
    with everything else it did.
    """
    return work.execute(_adding(work, table).values(**row)).first() is not None


def insert_missing(work: Work, table: Table, rows: Sequence[Mapping[str, Any]]) -> list[tuple[Any, ...]]:
    """Insert rows of plain values, in as few statements as the database allows; gives the keys of those it inserted.

    Left out are those whose unique keys are taken, by each other too. All rows must have the same columns.
    """
    if any(row.keys() != rows[0].keys() for row in rows):
        raise ValueError("rows with different columns")
    return [tuple(row) for row in work.execute(_adding(work, table), rows)] if rows else []


def _adding(work: Work, table: Table) -> Insert:
    dialect = sqlite if work.dialect == "sqlite" else postgresql
    added: Insert = dialect.insert(table).on_conflict_do_nothing().returning(*table.primary_key.columns)
    return added
