"""A database that is away: told apart from a statement that is wrong, and used again without opening anything anew."""

import sqlite3

import pytest
from sqlalchemy.exc import DBAPIError, OperationalError, ProgrammingError
from sqlalchemy.exc import TimeoutError as PoolEmpty

from finops_core import reference
from finops_core.kernel.actor import system_actor
from finops_core.platform.db import is_away
from tests.desks import area_desk
from tests.postgres import MortalServer


def test_a_desk_whose_postgresql_was_killed_says_so_and_goes_on_when_it_is_back(
    tmp_path, mortal_postgres: MortalServer
):
    # Given a desk with connections in both of its pools
    server = mortal_postgres.server
    desk = area_desk(tmp_path, server.url(server.create()))
    org_id = desk.org()
    with desk.read(system_actor()) as reading:
        assert reference.all_ids(reading) == (org_id,)

    # When the server is killed, within a unit and before one
    def killed_within() -> None:
        with desk.read(system_actor()) as reading:
            reference.all_ids(reading)
            mortal_postgres.kill()
            reference.all_ids(reading)

    with pytest.raises(DBAPIError) as within:
        killed_within()
    with pytest.raises(DBAPIError) as before:
        desk.org("norrland")

    # Then both say that it is away
    assert is_away(within.value)
    assert is_away(before.value)
    # and once it is back the same desk reads and writes
    mortal_postgres.start()
    with desk.read(system_actor()) as reading:
        assert reference.all_ids(reading) == (org_id,)
    other = desk.org("norrland")
    with desk.read(system_actor()) as reading:
        assert set(reference.all_ids(reading)) == {org_id, other}
    desk.units.database.close()


def test_what_a_statement_is_to_blame_for_is_no_database_that_is_away():
    missing = sqlite3.OperationalError("no such table: approval_request")
    busy = sqlite3.OperationalError("database is locked")
    busy.sqlite_errorcode = sqlite3.SQLITE_BUSY

    assert not is_away(OperationalError("SELECT 1", {}, missing))
    assert not is_away(ProgrammingError("SELECT 1", {}, ValueError("no such column")))
    assert not is_away(ValueError("something else"))
    assert is_away(OperationalError("BEGIN IMMEDIATE", {}, busy)), "a writer who waited in vain may try again"
    assert is_away(PoolEmpty("all connections are in use"))
