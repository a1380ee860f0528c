"""Bringing a database to the present schema: Alembic migrations, then the guards, in one transaction.

Imported by those who need it when they do: Alembic takes a tenth of a second, which no page and no job has to wait for.
"""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, MetaData

from finops_core.platform import guards

_PG_LOCK = 7_204_811


def migrate(engine: Engine, metadata: MetaData) -> None:
    """Upgrade to the newest revision and set the guards. Safe when two processes start at once: one waits.

    Where both are as they should be nothing is touched: a role that owns no table may start the application.
    """
    with engine.begin() as connection:
        if connection.dialect.name == "postgresql":
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_PG_LOCK})")
        if current(connection) == newest() and not guards.missing(connection, metadata):
            return
        upgrade(connection, metadata)
        guards.ensure(connection, metadata)


def upgrade(connection: Connection, metadata: MetaData, revision: str = "head") -> None:
    """Run the migrations alone, without the guards: what a new migration is compared with."""
    command.upgrade(_config(connection, metadata), revision)


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


def _config(connection: Connection, metadata: MetaData) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    config.attributes["metadata"] = metadata
    return config
