"""Disks that are full or may not be written, and a PostgreSQL stopped at once, under writers of the ledger.

Each waits until every writer is told that it cannot be done, then lets them go on. A full disk is SQLite's by the
writers' limit on file sizes; PostgreSQL refuses a statement with the error it has for one (53100), as in
``test_full_disk.py``. Read only is the files' permissions, or the database's own setting.
"""

import resource
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from multiprocessing.context import ForkServerProcess
from pathlib import Path

import pytest
from sqlalchemy import make_url, text

from finops_core.platform.db import open_owner_engine
from tests.faults.hall import Hall, booked, open_hall
from tests.faults.ledger_writer import AWAY
from tests.postgres import MortalServer

pytestmark = [pytest.mark.deep, pytest.mark.timeout(900)]
WRITERS, SEVERAL, STOPS = 3, 10, 3
LITTLE_BYTES = 32 * 1024  # the writers' notes fit, and next to nothing of a database does
REFUSE = "BEGIN RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = '53100'; END"
FULL_DISK = (
    f"CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $$ {REFUSE} $$",
    # Once the postings are written: what was begun has to go as well.
    "CREATE TRIGGER full_disk BEFORE INSERT ON ledger_journal FOR EACH ROW EXECUTE FUNCTION full_disk()",
)


@pytest.fixture
def hall(tmp_path: Path, database_url: str) -> Iterator[Hall]:
    with open_hall(tmp_path, database_url) as made:
        yield made


@contextmanager
def full_disk(hall: Hall, writers: list[ForkServerProcess]) -> Iterator[None]:
    if hall.wanted.url:
        as_owner(hall, *FULL_DISK)
        yield
        as_owner(hall, "DROP TRIGGER full_disk ON ledger_journal", "DROP FUNCTION full_disk")
        return
    limit_files(writers, LITTLE_BYTES)
    yield
    limit_files(writers, resource.RLIM_INFINITY)


def limit_files(writers: list[ForkServerProcess], most: int) -> None:
    for each in writers:
        assert each.pid is not None
        resource.prlimit(each.pid, resource.RLIMIT_FSIZE, (most, resource.RLIM_INFINITY))


@contextmanager
def read_only(hall: Hall) -> Iterator[None]:
    if hall.wanted.url:
        name = hall.desk.units.database.writer.url.database
        as_owner(hall, f'ALTER DATABASE "{name}" SET default_transaction_read_only = on')
        # As when a replica takes over: who was connected has to connect anew.
        others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() "
        as_owner(hall, others + "AND pid <> pg_backend_pid()")
        yield
        as_owner(
            hall, "SET transaction_read_only = off", f'ALTER DATABASE "{name}" RESET default_transaction_read_only'
        )
        return
    hall.desk.units.database.close()
    file = Path(make_url(hall.desk.settings.url).database or "")
    rights = {each: each.stat().st_mode for each in (file, *file.parent.glob(f"{file.name}-*"), file.parent)}
    assert len(rights) > 1
    for each, mode in rights.items():
        each.chmod(mode & ~0o222)
    yield
    for each, mode in rights.items():
        with suppress(FileNotFoundError):
            each.chmod(mode)


def as_owner(hall: Hall, *statements: str) -> None:
    engine = open_owner_engine(hall.desk.settings)
    with engine.begin() as connection:
        for statement in statements:
            connection.execute(text(statement))
    engine.dispose()


def faults(hall: Hall) -> set[str]:
    """What writers were told instead of an answer."""
    return {note.told for note in hall.notes() if not note.answered}


def test_a_full_disk_books_nothing_by_halves_and_loses_nothing(hall: Hall):
    # Given writers, and a disk that is full from then on
    with hall.writers(WRITERS) as writers:
        hall.until_answered(SEVERAL)
        with full_disk(hall, writers):
            hall.until_failing(WRITERS)
            stood = booked(hall.notes())
            # Then what was answered can be read, and nothing else is there
            assert hall.wrong() == {}
            assert booked(hall.notes()) == stood
        # and once there is room the same writers go on
        hall.until_answered(SEVERAL)
        assert all(each.is_alive() for each in writers)
    assert hall.wrong() == {}
    assert faults(hall) <= ({"!DiskFull"} if hall.wanted.url else {"!OperationalError", AWAY})
    assert faults(hall) != {AWAY}


def test_a_read_only_database_is_told_and_gone_on_with_once_it_is_writable(hall: Hall):
    refused = "!ReadOnlySqlTransaction" if hall.wanted.url else "!OperationalError"
    with ExitStack() as stack:
        writers = stack.enter_context(hall.writers(WRITERS))
        hall.until_answered(SEVERAL)
        # When the database can be read only; an open file of SQLite's goes on, so that writers are started anew
        if not hall.wanted.url:
            stack.close()
        with read_only(hall):
            if not hall.wanted.url:
                writers = stack.enter_context(hall.writers(WRITERS, bound=True))
            hall.until_failing(WRITERS, refused)
        # Then the same writers go on when it can be written
        hall.until_answered(SEVERAL)
        assert all(each.is_alive() for each in writers)
    assert hall.wrong() == {}
    assert faults(hall) <= {refused, AWAY}


def test_a_postgresql_stopped_at_once_under_writers_loses_nothing_that_was_acknowledged(
    tmp_path: Path, mortal_postgres: MortalServer
):
    url = mortal_postgres.server.url(mortal_postgres.server.new_name())
    with open_hall(tmp_path, url) as hall:
        with hall.writers(WRITERS) as writers:
            for _ in range(STOPS):
                hall.until_answered(SEVERAL)
                # When the server is stopped as by `pg_ctl stop -m immediate`
                mortal_postgres.stop_at_once()
                # Then each writer is told that the database is away
                hall.until_failing(WRITERS)
                mortal_postgres.start()
                # and each goes on by itself when it is back
            hall.until_answered(SEVERAL)
            assert all(each.is_alive() for each in writers)
        assert hall.wrong() == {}
        assert faults(hall) == {AWAY}
        assert mortal_postgres.lives == STOPS + 1
