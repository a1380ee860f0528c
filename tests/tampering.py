"""The database as somebody with every right on it: counting rows, and changing what the guards protect."""

import sqlite3
from typing import Any

from sqlalchemy import Connection, Engine, event, text

from finops_core.catalog.tables import TABLES
from finops_core.platform.db import open_owner_engine
from finops_core.platform.settings import Settings


def row_counts(settings: Settings) -> dict[str, int]:
    """How many rows every table holds."""
    engine = open_owner_engine(settings)
    with engine.connect() as connection:
        counts = {
            name: int(connection.execute(text(f'SELECT count(*) FROM "{name}"')).scalar_one()) for name in TABLES.tables
        }
    engine.dispose()
    return counts


def grown(before: dict[str, int], after: dict[str, int]) -> dict[str, int]:
    """Only what differs: table -> rows more."""
    return {name: after[name] - before[name] for name in after if after[name] != before[name]}


def tamper(settings: Settings, statement: str, *, foreign_keys: bool = True, **values: object) -> int:
    """Run one statement with every guard taken down, foreign keys too if asked; gives how many rows it changed."""
    engine: Engine = open_owner_engine(settings)
    if not foreign_keys:
        event.listen(engine, "connect", _without_foreign_keys)
    with engine.begin() as connection:
        unguard(connection)
        changed = connection.execute(text(statement), values).rowcount
    engine.dispose()
    return changed


def _without_foreign_keys(connection: Any, _record: object) -> None:
    sqlite = isinstance(connection, sqlite3.Connection)
    connection.cursor().execute("PRAGMA foreign_keys=OFF" if sqlite else "SET session_replication_role = replica")


def unguard(connection: Connection) -> None:
    """Take every guard down, until the transaction is rolled back or a migration puts them up again."""
    if connection.dialect.name == "postgresql":
        for name in TABLES.tables:
            connection.execute(text(f'ALTER TABLE "{name}" DISABLE TRIGGER USER'))
        return
    for name in connection.execute(text("SELECT name FROM sqlite_master WHERE type = 'trigger'")).scalars().all():
        connection.execute(text(f"DROP TRIGGER {name}"))
