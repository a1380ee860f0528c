"""The database as somebody with every right on it: counting rows, and changing what the guards protect."""

from sqlalchemy import Connection, Engine, text

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


def tamper(settings: Settings, statement: str, **values: object) -> int:
    """Run one statement with every guard taken down; gives how many rows it changed."""
    engine: Engine = open_owner_engine(settings)
    with engine.begin() as connection:
        unguard(connection)
        changed = connection.execute(text(statement), values).rowcount
    engine.dispose()
    return changed


def unguard(connection: Connection) -> None:
    """Take every guard down, until the transaction is rolled back or a migration puts them up again."""
    if connection.dialect.name == "postgresql":
        for name in TABLES.tables:
            connection.execute(text(f'ALTER TABLE "{name}" DISABLE TRIGGER USER'))
        return
    for name in connection.execute(text("SELECT name FROM sqlite_master WHERE type = 'trigger'")).scalars().all():
        connection.execute(text(f"DROP TRIGGER {name}"))
