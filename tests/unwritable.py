"""A database that may only be read, for a while."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import event, text

from finops_core.desk import Desk
from finops_core.platform.db import open_owner_engine


@contextmanager
def read_only(desk: Desk) -> Iterator[None]:
    """As on a replica, or on a disk that takes nothing more; whoever was connected connects anew."""
    writer = desk.database.writer
    if desk.database.dialect == "postgresql":
        name = writer.url.database
        _run(desk, f'ALTER DATABASE "{name}" SET default_transaction_read_only = on')
        desk.database.close()
        yield
        _run(desk, "SET transaction_read_only = off", f'ALTER DATABASE "{name}" RESET default_transaction_read_only')
    else:

        def bound(connection: object, *_: object) -> None:
            connection.execute("PRAGMA query_only=ON")  # type: ignore[attr-defined]

        event.listen(writer, "connect", bound)
        desk.database.close()
        yield
        event.remove(writer, "connect", bound)
    desk.database.close()


def _run(desk: Desk, *statements: str) -> None:
    engine = open_owner_engine(desk.settings)
    with engine.begin() as connection:
        for statement in statements:
            connection.execute(text(statement))
    engine.dispose()
