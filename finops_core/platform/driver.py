"""Statements given straight to SQLite's driver: SQLAlchemy's way there takes many times as long as a small one.

For what is run again and again, compiled once by SQLAlchemy and looked at by the scope guard as any other. On
PostgreSQL, where a statement's way over the wire outweighs all else, SQLAlchemy runs them.
"""

import sqlite3
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

SQLITE = "sqlite"
Row = tuple[Any, ...]


def run(connection: Connection, sql: str, values: Row = ()) -> list[Row]:
    """Run one statement; its rows, as the driver gives them. Raises what SQLAlchemy would."""
    try:
        rows: list[Row] = _raw(connection).execute(sql, values).fetchall()
    except sqlite3.Error as error:
        raise _told(connection, sql, error) from error
    return rows


def run_many(connection: Connection, sql: str, values: Sequence[Row]) -> None:
    """Run a statement once for each of the values. Raises what SQLAlchemy would."""
    try:
        _raw(connection).executemany(sql, values)
    except sqlite3.Error as error:
        raise _told(connection, sql, error) from error


def in_transaction(connection: Connection) -> bool:
    """Whether a transaction is open, as the driver knows it."""
    return _raw(connection).in_transaction


def _raw(connection: Connection) -> sqlite3.Connection:
    raw: sqlite3.Connection = connection.connection.dbapi_connection  # type: ignore[assignment]
    return raw


def _told(connection: Connection, sql: str, error: sqlite3.Error) -> Exception:
    """The error as SQLAlchemy tells it; without the values, which may be names or amounts."""
    return DBAPIError.instance(sql, None, error, sqlite3.Error, hide_parameters=True, dialect=connection.dialect)
