"""Engines: a writer and a reader, with every safety that must hold on each connection.

SQLite: WAL, synchronous=FULL (a payout's intent must survive a power cut), foreign keys, recursive triggers (else
INSERT OR REPLACE rewrites append-only rows), BEGIN IMMEDIATE for writers (a read-then-write upgrade fails at once
with "locked") and plain BEGIN for readers, which then never wait. PostgreSQL: READ COMMITTED for writers; readers are
REPEATABLE READ and read only.
"""

import sqlite3
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolEmpty
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.pool import ConnectionPoolEntry
from sqlalchemy.sql.expression import FunctionElement
from sqlalchemy.types import BigInteger

from finops_core.platform import driver
from finops_core.platform.scope_guard import ScopeBreach, check_statement
from finops_core.platform.settings import Settings

UNIT = "tieout_unit"
BUSY_TIMEOUT_MS = 20_000
TURN_S = 0.001
KEPT = 8
READ_ONLY = "25006"
_BEGINS = ("BEGIN", "BEGIN IMMEDIATE")
_PRAGMAS = (
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=FULL",
    "PRAGMA foreign_keys=ON",
    "PRAGMA recursive_triggers=ON",
    f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}",
    "PRAGMA cache_size=-16000",
)


@dataclass(slots=True)
class UnitScope:
    """What one unit may touch; hangs on its connection, where the guard finds it.

    Attributes:
        orgs: the organisations statements may name.
        across: the reason for looking across organisations; "" when not allowed.
    """

    orgs: frozenset[str]
    across: str = ""


class Lender:
    """Lends an engine's connections, one to each unit of work.

    To make SQLAlchemy's connection takes a tenth of a small unit's time. Those to SQLite are therefore kept open
    between units, the last one used first; over a network a pool must look whether they live, and makes them anew.
    """

    def __init__(self, engine: Engine, *, keeps: bool) -> None:
        self._engine, self._keeps = engine, keeps
        self._kept: deque[Connection] = deque()

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        """A connection of one's own until the block ends."""
        try:
            connection = self._kept.pop()
        except IndexError:
            connection = self._engine.connect()
        try:
            yield connection
        finally:
            self._take_back(connection)

    def _take_back(self, connection: Connection) -> None:
        # One that could not even be rolled back is closed, which ends whatever is left of its transaction.
        room = self._keeps and len(self._kept) < KEPT
        if room and not connection.invalidated and not driver.in_transaction(connection):
            self._kept.append(connection)
        else:
            connection.close()

    def close(self) -> None:
        """Close what is kept and pooled; units that are open keep theirs until they end."""
        while self._kept:
            self._kept.pop().close()
        self._engine.dispose()


class Database:
    """A writer and a reader engine over the same database, and what lends their connections to units."""

    def __init__(self, writer: Engine, reader: Engine, dialect: str) -> None:
        self.writer, self.reader, self.dialect = writer, reader, dialect
        keeps = dialect == driver.SQLITE
        self.writing, self.reading = Lender(writer, keeps=keeps), Lender(reader, keeps=keeps)

    def close(self) -> None:
        """Close pooled connections; units that are open keep theirs until they end."""
        self.writing.close()
        self.reading.close()


def open_database(settings: Settings) -> Database:
    """Engines for the application. Makes the folder of an embedded database; makes no tables."""
    url = settings.url
    dialect = make_url(url).get_backend_name()
    if dialect == "sqlite":
        settings.data_dir.mkdir(parents=True, exist_ok=True)
        writer, reader = _sqlite(url, read_only=False), _sqlite(url, read_only=True)
    else:
        writer, reader = _postgres(url, read_only=False), _postgres(url, read_only=True)
    for engine in (writer, reader):
        event.listen(engine, "before_execute", _guard)
        event.listen(engine, "before_cursor_execute", _guard_text)
    return Database(writer, reader, dialect)


def is_away(error: BaseException) -> bool:
    """Whether an error says that the database was not there, or had no turn for us: the same may work in a moment.

    Not one that a statement of ours is to blame for, though drivers call that "operational" too.
    """
    if isinstance(error, PoolEmpty):
        return True
    if not isinstance(error, DBAPIError):
        return False
    if isinstance(error.orig, sqlite3.Error):
        return _busy(error)
    # The connection broke, or none was to be had: then there is no statement.
    return error.connection_invalidated or (isinstance(error, OperationalError) and error.statement is None)


def is_read_only(error: BaseException) -> bool:
    """Whether PostgreSQL says that it may only be read now: a replica, or one whose keeper shut it before a full disk.

    psycopg calls that an internal error. Of SQLite it is an operational one, as is all that has to do with disks.
    """
    return isinstance(error, DBAPIError) and getattr(error.orig, "sqlstate", "") == READ_ONLY


def open_owner_engine(settings: Settings) -> Engine:
    """An unguarded engine as the database's owner: migrations, guards and health checks only."""
    url = settings.owner_url
    if make_url(url).get_backend_name() == "sqlite":
        settings.data_dir.mkdir(parents=True, exist_ok=True)
        return _sqlite(url, read_only=False)
    return _postgres(url, read_only=False)


def _sqlite(url: str, *, read_only: bool) -> Engine:
    engine = create_engine(url, pool_size=8, max_overflow=24, hide_parameters=True)
    queue = _WritersQueue()

    @event.listens_for(engine, "connect")
    def _connect(connection: Any, _record: ConnectionPoolEntry) -> None:
        connection.isolation_level = None  # the begin event below decides how a transaction starts
        for pragma in _PRAGMAS:
            connection.execute(pragma)
        # Writers wait in their own queue, and for nothing once it is their turn.
        connection.execute("PRAGMA query_only=ON" if read_only else "PRAGMA busy_timeout=0")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        if read_only:
            driver.run(connection, _BEGINS[0])
        else:
            queue.wait(connection)

    return engine


class _WritersQueue:
    """Where writers of this process wait for SQLite's one writing transaction.

    SQLite's own waiting sleeps ever longer, up to 100 ms a turn, so that under many small writes who came first goes
    last. Here one writer of the process asks every millisecond, and the others stand behind it.
    """

    def __init__(self) -> None:
        self._front = threading.Lock()

    def wait(self, connection: Connection) -> None:
        """Begin to write; "database is locked" when it was not to be had for ``BUSY_TIMEOUT_MS``."""
        end = time.monotonic() + BUSY_TIMEOUT_MS / 1000
        with self._front:
            while not _begun(connection, again=time.monotonic() < end):
                time.sleep(TURN_S)


def _begun(connection: Connection, *, again: bool) -> bool:
    try:
        driver.run(connection, _BEGINS[1])
    except OperationalError as error:
        if not _busy(error) or not again:
            raise
        return False
    return True


def _busy(error: DBAPIError) -> bool:
    return getattr(error.orig, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY


def _postgres(url: str, *, read_only: bool) -> Engine:
    # An error of the database is logged, and what a statement was given may be a name or an amount.
    alike: dict[str, Any] = {"pool_size": 8, "max_overflow": 24, "pool_pre_ping": True, "hide_parameters": True}
    if not read_only:
        return create_engine(url, **alike)
    # One snapshot for all statements of a reading, as SQLite's readers have; a transaction that only reads never
    # fails for it.
    engine = create_engine(url, **alike, isolation_level="REPEATABLE READ")
    return engine.execution_options(postgresql_readonly=True)


def _guard(
    connection: Connection,
    statement: object,
    multiparams: Sequence[Mapping[str, Any]],
    params: Mapping[str, Any],
    execution_options: Mapping[str, Any],
) -> None:
    del execution_options
    unit = connection.get_execution_options().get(UNIT)
    if not isinstance(unit, UnitScope):
        raise ScopeBreach("a statement outside any unit of work")
    if not unit.across:
        check_statement(statement, list(multiparams) or ([params] if params else []), unit.orgs)


def _guard_text(
    connection: Connection, _cursor: object, statement: str, _parameters: object, context: Any, _many: object
) -> None:
    # SQL handed straight to the driver passes ``before_execute`` by.
    if context.compiled is not None or statement in _BEGINS:
        return
    unit = connection.get_execution_options().get(UNIT)
    if not isinstance(unit, UnitScope) or not unit.across:
        raise ScopeBreach("text statements cannot be checked")


class now_ms(FunctionElement[int]):  # noqa: N801 - reads as a SQL function
    """Milliseconds since 1970 by the database's own clock: leases must not trust the clocks of many machines."""

    type = BigInteger()
    inherit_cache = True
    name = "now_ms"


@compiles(now_ms, "sqlite")
def _now_sqlite(_element: now_ms, _compiler: object, **_: object) -> str:
    return "CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)"


@compiles(now_ms, "postgresql")
def _now_postgres(_element: now_ms, _compiler: object, **_: object) -> str:
    return "CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT)"


class size_bytes(FunctionElement[int]):  # noqa: N801 - reads as a SQL function
    """How much room the database takes on its disk, in bytes; SQLite's journal beside it is left out."""

    type = BigInteger()
    inherit_cache = True
    name = "size_bytes"


@compiles(size_bytes, "sqlite")
def _size_sqlite(_element: size_bytes, _compiler: object, **_: object) -> str:
    return "(SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size())"


@compiles(size_bytes, "postgresql")
def _size_postgres(_element: size_bytes, _compiler: object, **_: object) -> str:
    return "pg_database_size(current_database())"


class deadlocks(FunctionElement[int]):  # noqa: N801 - reads as a SQL function
    """How many deadlocks the database has broken since it began to count; SQLite has none, with its one writer."""

    type = BigInteger()
    inherit_cache = True
    name = "deadlocks"


@compiles(deadlocks, "sqlite")
def _deadlocks_sqlite(_element: deadlocks, _compiler: object, **_: object) -> str:
    return "0"


@compiles(deadlocks, "postgresql")
def _deadlocks_postgres(_element: deadlocks, _compiler: object, **_: object) -> str:
    return "(SELECT deadlocks FROM pg_stat_database WHERE datname = current_database())"
