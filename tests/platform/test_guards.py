"""Append-only tables stay so by triggers on both databases, and a guard that is gone is named."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Column, Engine, Index, Integer, MetaData, Table, Text, UniqueConstraint, text
from sqlalchemy.exc import DBAPIError

from finops_core.platform import guards, schema
from finops_core.platform.db import open_owner_engine
from finops_core.platform.tables import FACTS, Retention, Scope, TableFacts, refusing
from tests.desks import settings_for

METADATA = MetaData()
KEPT = {FACTS: TableFacts(Scope.INSTALLATION, Retention.RECORD, append_only=True)}
LOOSE = {FACTS: TableFacts(Scope.INSTALLATION, Retention.WORKING)}
Table(
    "chronicle",
    METADATA,
    Column("org_id", Text, primary_key=True),
    Column("id", Integer, primary_key=True),
    Column("body", Text),
    Column("serial", Integer),
    UniqueConstraint("serial"),
    info=KEPT,
)
Table(
    "pledge",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("to", Text),
    Column("state", Text),
    Index("uq_pledge_open", "to", unique=True, sqlite_where=text("state = 'open'")),
    info={
        FACTS: TableFacts(
            Scope.INSTALLATION, Retention.RECORD, guards=(refusing("pl_stays", "PLEDGE_STAYS", "BEFORE DELETE"),)
        )
    },
)
Table("scribble", METADATA, Column("id", Integer, primary_key=True), Column("body", Text), info=LOOSE)

CHANGES = {
    "update": "UPDATE chronicle SET body = 'changed'",
    "update of the key": "UPDATE chronicle SET id = 9",
    "update to the same": "UPDATE chronicle SET body = body",
    "delete": "DELETE FROM chronicle",
    "upsert": "INSERT INTO chronicle VALUES ('a', 1, 'changed', 1) "
    "ON CONFLICT (org_id, id) DO UPDATE SET body = 'changed'",
}
ONLY_SQLITE = {
    "replace by the key": "INSERT OR REPLACE INTO chronicle VALUES ('a', 1, 'changed', 2)",
    "replace by another unique column": "INSERT OR REPLACE INTO chronicle VALUES ('b', 5, 'changed', 1)",
    "replace, in short": "REPLACE INTO chronicle VALUES ('a', 1, 'changed', 1)",
    "update or replace": "UPDATE OR REPLACE chronicle SET serial = 1",
}
ONLY_POSTGRES = {
    "truncate": "TRUNCATE chronicle",
    "truncate with others": "TRUNCATE scribble, chronicle CASCADE",
    "merge": "MERGE INTO chronicle c USING (SELECT 1 AS n) s ON c.id = s.n WHEN MATCHED THEN DELETE",
}


@pytest.fixture
def engine(tmp_path: Path, empty_database_url: str) -> Iterator[Engine]:
    """The owner's engine, which no guard on statements checks: only the triggers stand in the way."""
    engine = open_owner_engine(settings_for(tmp_path, empty_database_url))
    schema.lay_out(engine, METADATA)
    with engine.begin() as connection:
        connection.exec_driver_sql("INSERT INTO chronicle VALUES ('a', 1, 'first', 1)")
    yield engine
    engine.dispose()


def changes_for(engine: Engine) -> dict[str, str]:
    return CHANGES | (ONLY_SQLITE if engine.dialect.name == "sqlite" else ONLY_POSTGRES)


def run(engine: Engine, *statements: str) -> None:
    with engine.begin() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)


def missing(engine: Engine) -> list[str]:
    with engine.begin() as connection:
        return guards.missing(connection, METADATA)


def test_no_kind_of_change_reaches_an_append_only_row(engine: Engine):
    for statement in changes_for(engine).values():
        with pytest.raises(DBAPIError, match="chronicle is append-only"):
            run(engine, statement)

    with engine.begin() as connection:
        rows = connection.exec_driver_sql("SELECT * FROM chronicle").all()
    assert [tuple(row) for row in rows] == [("a", 1, "first", 1)]


def test_nor_does_a_program_that_knows_nothing_of_the_desks_settings(tmp_path: Path):
    """SQLite's own: triggers on what REPLACE removes do not run, and foreign keys are not looked at."""
    engine = open_owner_engine(settings_for(tmp_path))
    schema.lay_out(engine, METADATA)
    run(engine, "INSERT INTO chronicle VALUES ('a', 1, 'first', 1)", "INSERT INTO pledge VALUES (1, 'x', 'open')")
    stranger = sqlite3.connect(str(engine.url.database))
    replaced = {
        "a pledge by its key": "REPLACE INTO pledge VALUES (1, 'y', '')",
        "a pledge by what is unique of some": "REPLACE INTO pledge VALUES (2, 'x', 'open')",
    }
    for what, statement in (ONLY_SQLITE | replaced).items():
        with pytest.raises(sqlite3.IntegrityError) as caught:
            stranger.execute(statement)
        assert str(caught.value) in ("chronicle is append-only", "a unique row of pledge stands"), what
    stranger.execute("INSERT INTO pledge VALUES (2, 'x', ''), (3, 'x', ''), (4, 'y', 'open')")
    stranger.execute("INSERT INTO chronicle VALUES ('a', 2, 'no serial', NULL), ('a', 3, 'nor this', NULL)")

    assert stranger.execute("SELECT * FROM chronicle WHERE id = 1").fetchall() == [("a", 1, "first", 1)]
    assert stranger.execute("SELECT id FROM pledge").fetchall() == [(1,), (2,), (3,), (4,)]
    stranger.close()
    engine.dispose()


def test_adding_is_free_and_other_tables_are_not_touched(engine: Engine):
    run(
        engine,
        "INSERT INTO chronicle VALUES ('a', 2, 'second', 2), ('b', 1, 'third', 3)",
        "INSERT INTO scribble VALUES (1, 'x')",
        "UPDATE scribble SET body = 'y'",
        "DELETE FROM scribble",
    )

    with engine.begin() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM chronicle").scalar() == 3


def test_a_refused_change_undoes_what_its_transaction_did_before(engine: Engine):
    with pytest.raises(DBAPIError):
        run(engine, "INSERT INTO chronicle VALUES ('a', 2, 'second', 2)", "DELETE FROM chronicle WHERE id = 1")

    with engine.begin() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM chronicle").scalar() == 1


def test_every_guard_stands_once_it_was_ensured_and_ensuring_again_changes_nothing(engine: Engine):
    with engine.begin() as connection:
        before = guards._standing(connection)
        guards.ensure(connection, METADATA)
        after = guards._standing(connection)

    assert missing(engine) == []
    assert before == after
    assert len(before) == len(guards.expected(METADATA, engine.dialect.name))


def test_a_dropped_guard_is_named_and_made_again(engine: Engine):
    for trigger in guards.expected(METADATA, engine.dialect.name):
        on = f" ON {trigger.table}" if engine.dialect.name == "postgresql" else ""
        run(engine, f"DROP TRIGGER {trigger.name}{on}")

        named = missing(engine)
        with engine.begin() as connection:
            guards.ensure(connection, METADATA)

        assert named == [trigger.name]
        assert missing(engine) == []


def hollow_out(engine: Engine) -> tuple[str, list[str]]:
    """Ways to keep a guard's name but not what it does: the first guard's name and the statements of each way."""
    first = guards.expected(METADATA, engine.dialect.name)[0].name
    if engine.dialect.name == "sqlite":
        hollow = f"CREATE TRIGGER {first} BEFORE UPDATE ON chronicle WHEN 0 BEGIN SELECT RAISE(ABORT, 'no'); END"
        return first, [f"DROP TRIGGER {first}; {hollow}"]
    function = "EXECUTE FUNCTION tieout_refuse_change()"
    return first, [
        f"ALTER TABLE chronicle DISABLE TRIGGER {first}",
        f"ALTER TABLE chronicle ENABLE REPLICA TRIGGER {first}",
        f"CREATE OR REPLACE TRIGGER {first} BEFORE UPDATE ON chronicle FOR EACH ROW {function}",
        f"CREATE OR REPLACE TRIGGER {first} BEFORE UPDATE OR DELETE ON chronicle FOR EACH ROW WHEN (false) {function}",
    ]


def test_a_guard_switched_off_or_hollowed_out_is_named_and_mended(engine: Engine):
    first, ways = hollow_out(engine)
    for way in ways:
        run(engine, *way.split("; ", 1))

        named = missing(engine)
        with engine.begin() as connection:
            guards.ensure(connection, METADATA)

        assert named == [first], way
        assert missing(engine) == []
        with pytest.raises(DBAPIError, match="append-only"):
            run(engine, CHANGES["delete"])


def test_a_function_that_no_longer_refuses_is_named_and_mended(engine: Engine):
    if engine.dialect.name == "sqlite":
        return  # triggers hold their own text there
    run(
        engine,
        "CREATE OR REPLACE FUNCTION tieout_refuse_change() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RETURN NULL; END $$",
    )

    named = missing(engine)
    with engine.begin() as connection:
        guards.ensure(connection, METADATA)

    assert named == ["tieout_refuse_change"]
    assert missing(engine) == []
    with pytest.raises(DBAPIError, match="append-only"):
        run(engine, CHANGES["delete"])


def test_on_postgres_nobody_but_the_owner_may_even_try(engine: Engine, request: pytest.FixtureRequest):
    if engine.dialect.name == "sqlite":
        return  # no roles there
    server = request.getfixturevalue("postgres")
    server.execute("DROP ROLE IF EXISTS tieout_plain_reader")
    server.execute("CREATE ROLE tieout_plain_reader LOGIN")
    run(
        engine,
        "GRANT SELECT, INSERT ON chronicle TO PUBLIC",
        "GRANT UPDATE, DELETE, TRUNCATE ON chronicle TO PUBLIC",
        "GRANT UPDATE, DELETE, TRUNCATE ON chronicle TO tieout_plain_reader",
    )
    assert missing(engine) == ["chronicle: rights of PUBLIC", "chronicle: rights of tieout_plain_reader"]
    with engine.begin() as connection:
        guards.ensure(connection, METADATA)

    for statement in (CHANGES["update"], CHANGES["delete"], ONLY_POSTGRES["truncate"]):
        with pytest.raises(DBAPIError, match="permission denied"):
            run(engine, "SET LOCAL ROLE tieout_plain_reader", statement)
    run(engine, "SET LOCAL ROLE tieout_plain_reader", "INSERT INTO chronicle VALUES ('b', 7, 'new', 7)")
