"""Inserting a row unless another one with the same key is there, the same on both databases."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Table
from sqlalchemy.dialects import postgresql, sqlite

from finops_core.platform.work import Work


def insert_unless_there(work: Work, table: Table, row: Mapping[str, Any]) -> bool:
    """Insert; False when a unique key of the row is taken already.

    Not "look, then insert": on PostgreSQL two units can both look before either inserts, and the second would fail
    with everything else it did.
    """
    dialect = sqlite if work.dialect == "sqlite" else postgresql
    added = dialect.insert(table).values(**row).on_conflict_do_nothing().returning(*table.primary_key.columns)
    return work.execute(added).first() is not None
