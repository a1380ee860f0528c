"""Connections to SQLite that a unit leaves for the next one: never half done, never shared, closed with the desk."""

import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress

import pytest
from sqlalchemy import event, select
from sqlalchemy.exc import OperationalError

from finops_core.kernel.actor import worker_actor
from finops_core.platform import db, queue
from finops_core.platform.db import Database
from finops_core.platform.queue import job
from tests.desks import AreaDesk, area_desk

ORG = "org_a"


@pytest.fixture
def desk(tmp_path) -> Iterator[AreaDesk]:
    made = area_desk(tmp_path)
    yield made
    made.units.database.close()


@pytest.fixture
def database(desk: AreaDesk) -> Database:
    return desk.units.database


def put(desk: AreaDesk, kind: str, *, fails: bool = False) -> int:
    """A row, written by one unit; the driver's connection by its id."""
    with desk.work(worker_actor(ORG)) as work:
        queue.enqueue(work, kind, {}, org_id=ORG)
        if fails:
            raise ZeroDivisionError
        return id(work._connection.connection.dbapi_connection)


def there(desk: AreaDesk, *kinds: str) -> list[bool]:
    with desk.read(worker_actor(ORG)) as reading:
        found = {row.kind for row in reading.rows(select(job.c.kind).where(job.c.org_id == ORG))}
    return [kind in found for kind in kinds]


def test_the_next_unit_gets_the_connection_of_the_last_one(desk: AreaDesk):
    assert put(desk, "a") == put(desk, "b")
    assert there(desk, "a", "b") == [True, True]


def test_what_a_failed_unit_did_is_undone_and_its_connection_goes_on(desk: AreaDesk):
    first = put(desk, "a")
    with suppress(ZeroDivisionError):
        put(desk, "b", fails=True)

    assert put(desk, "c") == first
    assert there(desk, "a", "b", "c") == [True, False, True]


def test_a_connection_whose_unit_could_not_be_undone_is_not_lent_again(desk: AreaDesk, database: Database):
    put(desk, "a")

    def breaks(_connection: object) -> None:
        raise OperationalError("ROLLBACK", {}, ValueError("disk I/O error"))

    event.listen(database.writer, "rollback", breaks)
    with suppress(OperationalError, ZeroDivisionError):
        put(desk, "b", fails=True)
    event.remove(database.writer, "rollback", breaks)

    put(desk, "c")
    assert there(desk, "a", "b", "c") == [True, False, True]


def test_units_at_the_same_time_have_each_their_own_and_few_are_kept(database: Database):
    with ExitStack() as stack:
        lent = [stack.enter_context(database.reading.connection()) for _ in range(db.KEPT + 2)]
        assert len({id(each.connection.dbapi_connection) for each in lent}) == db.KEPT + 2
    with ExitStack() as stack:
        again = [stack.enter_context(database.reading.connection()) for _ in range(db.KEPT)]
        assert {id(each) for each in again} <= {id(each) for each in lent}
    assert sum(each.closed for each in lent) == 2


def test_a_desk_that_is_closed_holds_no_connection(desk: AreaDesk, database: Database):
    with database.reading.connection() as kept:
        pass

    database.close()

    assert kept.closed
    assert put(desk, "a"), "and can be used again"


def test_a_writer_who_gets_no_turn_gives_up_and_has_one_later(
    desk: AreaDesk, database: Database, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(db, "BUSY_TIMEOUT_MS", 50)
    put(desk, "a")
    holds, done = threading.Event(), threading.Event()

    def hold() -> None:
        with database.writing.connection() as connection, connection.begin():
            holds.set()
            done.wait(20)

    holder = threading.Thread(target=hold)
    holder.start()
    holds.wait(20)
    began = time.monotonic()
    with pytest.raises(OperationalError, match="database is locked"):
        put(desk, "b")
    assert time.monotonic() - began >= 0.05
    done.set()
    holder.join()

    put(desk, "c")
    assert there(desk, "a", "b", "c") == [True, False, True]
