"""Database triggers: those that keep append-only tables so, those that tables declare, and the check that they stand.

On SQLite, Alembic's batch operations drop triggers and INSERT OR REPLACE passes plain ones by; so there is a trigger
against inserting over a row, by whichever unique key, also where rows may change but stay; and ``missing`` compares
what stands with what should. On PostgreSQL a TRUNCATE trigger stands beside them and rights are revoked from everyone
but the owner.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, MetaData, PrimaryKeyConstraint, Table, UniqueConstraint

from finops_core.platform.tables import Guard, facts_of

_PG_FUNCTION = "tieout_refuse_change"
_PG_REFUSE = " BEGIN RAISE EXCEPTION '% is append-only', TG_TABLE_NAME; END "
# Temporary tables come last, or a role could lay one of its own over a table that a function looks at.
_PG_PATH = "search_path=public, pg_temp"


@dataclass(frozen=True, slots=True)
class Trigger:
    """One guard: its name, its table, the statement that makes it; on PostgreSQL its function, and what that does."""

    name: str
    table: str
    sql: str
    function: str = ""
    body: str = ""


def expected(metadata: MetaData, dialect: str) -> tuple[Trigger, ...]:
    """Every trigger that must stand for these tables."""
    tables = sorted(metadata.tables.values(), key=lambda table: table.name)
    append_only, declared = (_kept_sqlite, _own_sqlite) if dialect == "sqlite" else (_kept_postgres, _own_postgres)
    found: list[Trigger] = []
    for table in tables:
        found += append_only(table) if facts_of(table).append_only else ()
        found += [declared(table, guard) for guard in facts_of(table).guards]
        if dialect == "sqlite" and any(guard.when == "BEFORE DELETE" for guard in facts_of(table).guards):
            found.append(_not_replaced(table, f"BEGIN SELECT RAISE(ABORT, 'a unique row of {table.name} stands'); END"))
    return tuple(found)


def ensure(connection: Connection, metadata: MetaData) -> None:
    """Make every guard that is absent, switched off or different; part of each migration run."""
    postgres = connection.dialect.name == "postgresql"
    wanted = expected(metadata, connection.dialect.name)
    for name, body in _functions(wanted).items():
        text = body.replace("%", "%%")  # the driver reads a single one as a place for a parameter
        connection.exec_driver_sql(
            f"CREATE OR REPLACE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql SET {_PG_PATH} AS $${text}$$"
        )
    standing = _standing(connection)
    for trigger in wanted:
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
    wanted = expected(metadata, connection.dialect.name)
    wrong = [trigger.name for trigger in wanted if standing.get(trigger.name) != trigger.sql]
    if connection.dialect.name == "postgresql":
        wrong += _wrong_functions(connection, _functions(wanted))
        wrong += [f"{table}: rights of {role}" for table, role in _may_change(connection, metadata)]
    return wrong


def _kept_sqlite(table: Table) -> Iterator[Trigger]:
    refuse = f"BEGIN SELECT RAISE(ABORT, '{table.name} is append-only'); END"
    for name, what in (("update", "BEFORE UPDATE"), ("delete", "BEFORE DELETE")):
        trigger = f"ao_{table.name}_{name}"
        yield Trigger(trigger, table.name, f'CREATE TRIGGER {trigger} {what} ON "{table.name}" {refuse}')
    yield _not_replaced(table, refuse)


def _not_replaced(table: Table, refuse: str) -> Trigger:
    """Against INSERT OR REPLACE: rows it removes pass triggers by where a program has not asked for recursive ones."""
    taken = " OR ".join(f'EXISTS (SELECT 1 FROM "{table.name}" WHERE {same})' for same in _same_by_a_key(table))
    trigger = f"ao_{table.name}_replace"
    made = f'CREATE TRIGGER {trigger} BEFORE INSERT ON "{table.name}" WHEN {taken} {refuse}'
    return Trigger(trigger, table.name, made)


def _same_by_a_key(table: Table) -> Iterator[str]:
    """For each unique key of a table the condition that a row of it has that of NEW."""
    keys = [(key.columns, "") for key in table.constraints if isinstance(key, PrimaryKeyConstraint | UniqueConstraint)]
    for index in (each for each in table.indexes if each.unique):
        where = index.dialect_options["sqlite"]["where"]
        keys.append((index.columns, "" if where is None else str(where)))
    for columns, some in sorted((sorted(column.name for column in columns), some) for columns, some in keys):
        same = " AND ".join(f'"{name}" = NEW."{name}"' for name in columns)
        # Of an index of some rows, which its condition begins with the column of.
        yield f"{same} AND {some} AND NEW.{some}" if some else same


def _kept_postgres(table: Table) -> Iterator[Trigger]:
    # Written word for word as PostgreSQL gives it back, so that what stands can be compared.
    for name, what in (
        ("change", f"BEFORE DELETE OR UPDATE ON {table.name} FOR EACH ROW"),
        ("truncate", f"BEFORE TRUNCATE ON {table.name} FOR EACH STATEMENT"),
    ):
        trigger = f"ao_{table.name}_{name}"
        made = f"CREATE TRIGGER {trigger} {what} EXECUTE FUNCTION {_PG_FUNCTION}()"
        yield Trigger(trigger, table.name, made, _PG_FUNCTION, _PG_REFUSE)


def _own_sqlite(table: Table, guard: Guard) -> Trigger:
    made = f'CREATE TRIGGER {guard.name} {guard.when} ON "{table.name}" BEGIN {guard.sqlite} END'
    return Trigger(guard.name, table.name, made)


def _own_postgres(table: Table, guard: Guard) -> Trigger:
    what = f"{guard.when} ON {table.name} FOR EACH ROW EXECUTE FUNCTION {guard.name}()"
    return Trigger(guard.name, table.name, f"CREATE TRIGGER {guard.name} {what}", guard.name, guard.postgresql)


def _functions(triggers: tuple[Trigger, ...]) -> Mapping[str, str]:
    return {trigger.function: trigger.body for trigger in triggers if trigger.function}


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


def _wrong_functions(connection: Connection, wanted: Mapping[str, str]) -> list[str]:
    """Functions that are gone, say something else, or look for tables elsewhere."""
    found = connection.exec_driver_sql("SELECT proname, prosrc, proconfig FROM pg_proc WHERE proconfig IS NOT NULL")
    standing = {str(row[0]): (str(row[1]), list(row[2])) for row in found}
    return [name for name, body in wanted.items() if standing.get(name) != (body, [_PG_PATH])]


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
