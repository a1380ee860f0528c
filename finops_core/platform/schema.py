"""Bringing a database to the present schema: Alembic migrations, then the guards, in one transaction."""

from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.operations.ops import CreateTableOp, MigrationScript
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, MetaData
from sqlalchemy.schema import SchemaItem

from finops_core.platform import guards

_PG_LOCK = 7_204_811


def migrate(engine: Engine, metadata: MetaData) -> None:
    """Upgrade to the newest revision and set the guards. Safe when two processes start at once: one waits."""
    with engine.begin() as connection:
        if connection.dialect.name == "postgresql":
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_PG_LOCK})")
        upgrade(connection, metadata)
        guards.ensure(connection, metadata)


def upgrade(connection: Connection, metadata: MetaData) -> None:
    """Run the migrations alone, without the guards: what a new migration is compared with."""
    command.upgrade(_config(connection, metadata), "head")


def lay_out(engine: Engine, metadata: MetaData) -> None:
    """Tables and guards as the code has them, without migrations: for a database that is thrown away after use."""
    with engine.begin() as connection:
        metadata.create_all(connection)
        guards.ensure(connection, metadata)


def revision(engine: Engine, metadata: MetaData, message: str, rev_id: str) -> None:
    """Write a new migration from what differs (development only)."""
    with engine.begin() as connection:
        command.revision(_config(connection, metadata), message, autogenerate=True, rev_id=rev_id)


def check(connection: Connection, metadata: MetaData) -> None:
    """Raise when tables and migrations differ (``alembic check``)."""
    command.check(_config(connection, metadata))


def current(connection: Connection) -> str | None:
    """The revision the database stands at."""
    return MigrationContext.configure(connection).get_current_revision()


def newest() -> str | None:
    """The revision the code expects."""
    return ScriptDirectory(str(Path(__file__).parent / "migrations")).get_current_head()


def same_type(
    _context: MigrationContext, _inspected: Any, _column: Any, inspected_type: Any, declared_type: Any
) -> bool | None:
    """Whether types differ, told by the database's own name for them (both read TEXT on SQLite)."""
    dialect = _context.dialect
    if dialect.name == "sqlite":
        return bool(inspected_type.compile(dialect) != declared_type.compile(dialect))
    return None


def under_alembic(_item: SchemaItem, name: str | None, type_: str, _reflected: bool, _other: Any) -> bool:  # noqa: FBT001
    """Leave Alembic's own table out of comparisons."""
    return not (type_ == "table" and name == "alembic_version")


def without_facts(_context: MigrationContext, _revision: Any, scripts: list[MigrationScript]) -> None:
    """Leave what a table declares of itself (``tables.FACTS``) out of migrations: it is code, not schema."""
    for script in scripts:
        for upgrade in script.upgrade_ops_list:
            for made in upgrade.ops:
                if isinstance(made, CreateTableOp):
                    made.info = {}


def _config(connection: Connection, metadata: MetaData) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    config.attributes["metadata"] = metadata
    return config
