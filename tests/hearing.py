"""Hearing a database's statements: those that SQLAlchemy runs, and those that go straight to SQLite's driver."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest.mock import patch

from sqlalchemy import Connection, Engine, event

from finops_core.platform import driver

Hear = Callable[[str, Any, bool], object]
"""Given the SQL, its values, and whether these are of many rows."""


@contextmanager
def heard(hear: Hear, *engines: Engine) -> Iterator[None]:
    """``hear`` is told of every statement before it runs; what it raises is raised instead."""

    def told(_connection: object, _cursor: object, sql: str, values: Any, _context: object, many: bool) -> None:
        hear(sql, values, many)

    with ExitStack() as until:
        for name, many in (("run", False), ("run_many", True)):
            until.enter_context(_before(name, hear, engines, many=many))
        for engine in engines:
            event.listen(engine, "before_cursor_execute", told)
            until.callback(event.remove, engine, "before_cursor_execute", told)
        yield


def _before(name: str, hear: Hear, engines: tuple[Engine, ...], *, many: bool) -> Any:
    real = getattr(driver, name)

    def run(connection: Connection, sql: str, values: Any = ()) -> Any:
        if connection.engine in engines and not sql.startswith("BEGIN"):
            hear(sql, values, many)
        return real(connection, sql, values)

    return patch.object(driver, name, run)
