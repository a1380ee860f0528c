"""Database triggers that make append-only tables append-only, and the check that they stand.

On SQLite, Alembic's batch operations drop triggers and INSERT OR REPLACE passes plain ones by; so there is a trigger
against inserting over a row, and ``missing`` compares what stands with what should. On PostgreSQL a TRUNCATE trigger
stands beside them and rights are revoked from everyone but the owner.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import Connection, MetaData, Table

from finops_core.platform.tables import facts_of

_PG_FUNCTION = "tieout_refuse_change"
_PG_BODY = " BEGIN RAISE EXCEPTION '% is append-only', TG_TABLE_NAME; END "


@dataclass(frozen=True, slots=True)
class Trigger:
    """One guard: its name, its table and the statement that makes it."""

    name: str
    table: str
    sql: str


def expected(metadata: MetaData, dialect: str) -> tuple[Trigger, ...]:
    """Every trigger that must stand for these tables."""
    tables = sorted((t for t in metadata.tables.values() if facts_of(t).append_only), key=lambda t: t.name)
    make = _for_sqlite if dialect == "sqlite" else _for_postgres
    return tuple(trigger for table in tables for trigger in make(table))


def ensure(connection: Connection, metadata: MetaData) -> None:
    """Make every guard that is absent, switched off or different; part of each migration run."""
    postgres = connection.dialect.name == "postgresql"
    if postgres:
        body = _PG_BODY.replace("%", "%%")  # the driver reads a single one as a place for a parameter
        connection.exec_driver_sql(
            f"CREATE OR REPLACE FUNCTION {_PG_FUNCTION}() RETURNS trigger LANGUAGE plpgsql AS $${body}$$"
        )
    standing = _standing(connection)
    for trigger in expected(metadata, connection.dialect.name):
        if standing.get(trigger.name) == trigger.sql:
            continue
        where = f' ON "{trigger.table}"' if postgres else ""
        connection.exec_driver_sql(f"DROP TRIGGER IF EXISTS {trigger.name}{where}")
        connection.exec_driver_sql(trigger.sql)
    if postgres:
        for table, role in _may_change(connection, metadata):
            connection.exec_driver_sql(f'REVOKE UPDATE, DELETE, TRUNCATE ON "{table}" FROM {role}')


def missing(connection: Connection, metadata: MetaData) -> list[str]:
    """Names of guards that do not stand, are switched off or say something else; for the health check."""
    standing = _standing(connection)
    wrong = [t.name for t in expected(metadata, connection.dialect.name) if standing.get(t.name) != t.sql]
    if connection.dialect.name == "postgresql" and not _refuses(connection):
        wrong.append(_PG_FUNCTION)
    if connection.dialect.name == "postgresql":
        wrong += [f"{table}: rights of {role}" for table, role in _may_change(connection, metadata)]
    return wrong


def _for_sqlite(table: Table) -> Iterator[Trigger]:
    key = " AND ".join(f'"{column.name}" IS NEW."{column.name}"' for column in table.primary_key.columns)
    refuse = f"BEGIN SELECT RAISE(ABORT, '{table.name} is append-only'); END"
    for name, what in (
        ("update", f'BEFORE UPDATE ON "{table.name}"'),
        ("delete", f'BEFORE DELETE ON "{table.name}"'),
        (
            "replace",
            f'BEFORE INSERT ON "{table.name}" WHEN EXISTS (SELECT 1 FROM "{table.name}" WHERE {key})',
        ),
    ):
        trigger = f"ao_{table.name}_{name}"
        yield Trigger(trigger, table.name, f"CREATE TRIGGER {trigger} {what} {refuse}")


def _for_postgres(table: Table) -> Iterator[Trigger]:
    # Written word for word as PostgreSQL gives it back, so that what stands can be compared.
    for name, what in (
        ("change", f"BEFORE DELETE OR UPDATE ON {table.name} FOR EACH ROW"),
        ("truncate", f"BEFORE TRUNCATE ON {table.name} FOR EACH STATEMENT"),
    ):
        trigger = f"ao_{table.name}_{name}"
        yield Trigger(trigger, table.name, f"CREATE TRIGGER {trigger} {what} EXECUTE FUNCTION {_PG_FUNCTION}()")


def _standing(connection: Connection) -> dict[str, str]:
    if connection.dialect.name == "sqlite":
        found = connection.exec_driver_sql("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'")
    else:
        # One that is disabled, or fires in replicas only, does not stand.
        found = connection.exec_driver_sql(
            "SELECT tgname, pg_get_triggerdef(oid, true) FROM pg_trigger "
            "WHERE NOT tgisinternal AND tgenabled IN ('O', 'A')"
        )
    return {str(row[0]): str(row[1]) for row in found}


def _refuses(connection: Connection) -> bool:
    found = connection.exec_driver_sql(f"SELECT prosrc FROM pg_proc WHERE proname = '{_PG_FUNCTION}'")
    return [str(row[0]) for row in found] == [_PG_BODY]


def _may_change(connection: Connection, metadata: MetaData) -> list[tuple[str, str]]:
    """Append-only tables with the roles that may change them all the same, besides their owner; as SQL writes them."""
    names = sorted(table.name for table in metadata.tables.values() if facts_of(table).append_only)
    if not names:
        return []
    found = connection.exec_driver_sql(
        "SELECT DISTINCT c.relname, coalesce(quote_ident(r.rolname), 'PUBLIC') FROM pg_class c "
        "CROSS JOIN aclexplode(c.relacl) a LEFT JOIN pg_roles r ON r.oid = a.grantee "
        "WHERE pg_table_is_visible(c.oid) AND a.privilege_type IN ('UPDATE', 'DELETE', 'TRUNCATE') "
        f"AND a.grantee <> c.relowner AND c.relname IN ({', '.join(repr(name) for name in names)}) ORDER BY 1, 2"
    )
    return [(str(row[0]), str(row[1])) for row in found]
