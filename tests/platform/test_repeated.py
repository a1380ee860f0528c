"""Statements that are run again and again store what the same statements store when SQLAlchemy runs them."""

from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from sqlalchemy import JSON, BigInteger, Column, MetaData, String, Table, bindparam, insert, select, update
from sqlalchemy.exc import IntegrityError

from finops_core.kernel.actor import Actor
from finops_core.ledger.models import ledger_posting
from finops_core.platform.db import open_owner_engine
from finops_core.platform.repeated import Asked, Repeated
from finops_core.platform.scope_guard import ScopeBreach
from finops_core.platform.tables import UtcInstant
from tests.desks import area_desk, person_actor

NOTE = Table(
    "repeated_note",
    MetaData(),
    Column("id", String, primary_key=True),
    Column("minor", BigInteger),
    Column("facts", JSON),
    Column("at", UtcInstant),
    Column("filled_in", String, default="by Python"),
)
NOON = datetime(2026, 11, 28, 12, 0, 0, 123456, tzinfo=UTC)
ROWS = [
    {"id": "a", "minor": 2**62, "facts": {"of": ["x", 1]}, "at": NOON, "filled_in": "ä 'quoted' %s ?"},
    {"id": "b", "minor": None, "facts": None, "at": NOON.astimezone(timezone(timedelta(hours=5))), "filled_in": ""},
    {"id": "c", "minor": -1, "facts": [], "at": None, "filled_in": "c"},
]
MOVED = update(NOTE).where(NOTE.c.id == bindparam("which")).values(minor=bindparam("to"), at=bindparam("then"))
MOVES = [{"which": "a", "to": 7, "then": NOON + timedelta(days=1)}, {"which": "nobody's", "to": 8, "then": NOON}]


@pytest.fixture
def connection(tmp_path: Path, database_url: str):
    desk = area_desk(tmp_path, database_url)
    engine = open_owner_engine(desk.settings)
    with engine.begin() as connection:
        NOTE.metadata.create_all(connection)
        yield connection
        connection.rollback()
    engine.dispose()
    desk.units.database.close()


def stored(connection) -> list[tuple[object, ...]]:
    return [tuple(row) for row in connection.execute(select(NOTE).order_by(NOTE.c.id))]


def test_what_is_stored_is_the_same(connection):
    connection.execute(insert(NOTE), ROWS)
    connection.execute(MOVED, MOVES)
    by_sqlalchemy = stored(connection)
    connection.execute(NOTE.delete())

    for statement, rows in ((insert(NOTE), ROWS), (MOVED, MOVES)):
        Repeated(statement).run(connection, rows)

    assert stored(connection) == by_sqlalchemy
    assert [row[1] for row in by_sqlalchemy] == [7, None, -1]


def test_nothing_is_filled_in(connection):
    repeated = Repeated(MOVED)

    with pytest.raises(ValueError, match="then"):
        repeated.sql(connection.dialect, [{"which": "a", "to": 7}])
    with pytest.raises(ValueError, match="filled_in"):
        Repeated(insert(NOTE)).sql(connection.dialect, [{"id": "a", "minor": 1, "facts": None, "at": None}])


@pytest.fixture
def clerk(tmp_path: Path, database_url: str):
    desk = area_desk(tmp_path, database_url)
    yield desk, person_actor("person_clerk", desk.org())
    desk.units.database.close()


@pytest.mark.parametrize("org", ["another's", ""])
def test_the_guard_looks_at_every_row(clerk: tuple[object, Actor], org: str):
    desk, actor = clerk
    row = {column.name: None for column in ledger_posting.c}
    rows = [{**row, "org_id": actor.org_id}, {**row, "org_id": org}]

    with pytest.raises(ScopeBreach), desk.work(actor) as work:
        work.write(Repeated(insert(ledger_posting)), rows)


# --- a select that is asked again and again


def test_what_is_read_is_the_same(connection):
    connection.execute(insert(NOTE), ROWS)
    asked = select(NOTE.c.id, NOTE.c.minor, NOTE.c.facts, NOTE.c.at.label("then"), NOTE.c.filled_in).where(
        NOTE.c.id == bindparam("which"), NOTE.c.filled_in != "nothing"
    )

    for which in ("a", "b", "c", "nobody's"):
        given = {"which": which}
        by_sqlalchemy = connection.execute(asked, given).all()
        found = Asked(asked).run(connection, given)
        assert [tuple(row) for row in found] == [tuple(row) for row in by_sqlalchemy]
        assert [row.then for row in found] == [row.then for row in by_sqlalchemy]


def test_what_is_asked_with_is_given_as_it_is_stored(connection):
    connection.execute(insert(NOTE), ROWS)
    since = select(NOTE.c.id).where(NOTE.c.at == bindparam("then"), NOTE.c.at >= NOON)
    for then in (NOON, NOON + timedelta(days=1)):
        by_sqlalchemy = connection.execute(since, {"then": then}).all()
        assert [tuple(row) for row in Asked(since).run(connection, {"then": then})] == [tuple(r) for r in by_sqlalchemy]


def test_a_list_of_any_length_can_be_asked_for(connection):
    connection.execute(insert(NOTE), ROWS)
    asked = Asked(select(NOTE.c.id).where(NOTE.c.id.in_(bindparam("ids", expanding=True))).order_by(NOTE.c.id))

    assert [row.id for row in asked.run(connection, {"ids": ["c", "a"]})] == ["a", "c"]
    assert asked.run(connection, {"ids": []}) == []


@pytest.mark.parametrize("again", [False, True], ids=["at first", "when it has passed before"])
def test_the_guard_looks_at_what_is_asked_for_each_time(clerk: tuple[object, Actor], again: bool):
    desk, actor = clerk
    asked = Asked(select(ledger_posting.c.line).where(ledger_posting.c.org_id == bindparam("org")))
    with desk.work(actor) as work:
        if again:
            assert work.ask(asked, {"org": actor.org_id}) == []
        with pytest.raises(ScopeBreach):
            work.ask(asked, {"org": "another's"})
        with work.across_orgs("for the test"):
            assert work.ask(asked, {"org": "another's"}) == []


def test_a_select_that_names_no_organisation_is_refused_each_time(clerk: tuple[object, Actor]):
    desk, actor = clerk
    asked = Asked(select(ledger_posting.c.line).where(ledger_posting.c.line == bindparam("line")))
    with desk.work(actor) as work:
        for _ in range(2):
            with pytest.raises(ScopeBreach):
                work.ask(asked, {"line": 1})


def test_what_a_statement_names_itself_is_looked_at_each_time(clerk: tuple[object, Actor]):
    desk, actor = clerk
    asked = Asked(select(ledger_posting.c.line).where(ledger_posting.c.org_id == actor.org_id))
    other = person_actor("person_clerk", "another's")
    with desk.work(actor) as work:
        assert work.ask(asked, {}) == []
    with desk.units.work(other) as work, pytest.raises(ScopeBreach):
        work.ask(asked, {})


def test_errors_are_told_as_sqlalchemy_tells_them(connection):
    with pytest.raises(IntegrityError) as refused:
        Repeated(insert(NOTE)).run(connection, [ROWS[0], ROWS[0]])

    assert "ä 'quoted'" not in str(refused.value)
