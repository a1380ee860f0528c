"""Databases laid out once in a test process and copied for each test: what all of them need costs milliseconds.

A template is a folder (SQLite and whatever lies beside it) and, for PostgreSQL, a database of the test's server too.
"""

import atexit
import shutil
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path

from sqlalchemy import Engine, create_engine, make_url, text

Make = Callable[[Path, str], None]


def fill(folder: Path, url: str, name: str, make: Make) -> None:
    """Make a folder, and the PostgreSQL database at ``url`` if it names one, a copy of a template.

    Args:
        folder: of the test.
        url: of a database on the test's server, replaced if it is there; "" for SQLite in the folder.
        name: of the template; lower case.
        make: lays it out, given its folder and address, when a process needs it for the first time. It must leave no
            connection open.
    """
    if not url:
        shutil.copytree(_made(name, "", make), folder, dirs_exist_ok=True)
        return
    target = make_url(url)
    server = target.set(database="postgres").render_as_string(hide_password=False)
    shutil.copytree(_made(name, server, make), folder, dirs_exist_ok=True)
    with _maker(server).connect() as connection:
        connection.execute(text(f'DROP DATABASE IF EXISTS "{target.database}"'))
        connection.execute(text(f'CREATE DATABASE "{target.database}" TEMPLATE "{_database(name)}"'))


@cache
def _made(name: str, server: str, make: Make) -> Path:
    folder = Path(tempfile.mkdtemp(prefix=f"tieout-{name}-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    if not server:
        make(folder, "")
        return folder
    with _maker(server).connect() as connection:
        connection.execute(text(f'CREATE DATABASE "{_database(name)}"'))
    make(folder, make_url(server).set(database=_database(name)).render_as_string(hide_password=False))
    return folder


@cache
def _maker(server: str) -> Engine:
    return create_engine(server, isolation_level="AUTOCOMMIT", pool_pre_ping=True)


def _database(name: str) -> str:
    return f"template_{name}"
