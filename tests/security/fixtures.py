"""Fixtures of the town, for every folder whose tests need people; a conftest imports them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.security.town import Town, postgres_template, sqlite_template, town


@pytest.fixture(scope="session")
def empty_sqlite(tmp_path_factory: pytest.TempPathFactory):
    return sqlite_template(tmp_path_factory.mktemp("sqlite-template"))


@pytest.fixture(scope="session")
def empty_postgres(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    return postgres_template(request.getfixturevalue("postgres"), tmp_path_factory.mktemp("postgres-template"))


@pytest.fixture(params=["sqlite", "postgresql"])
def here(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Town]:
    """The town on both databases, one after the other."""
    if request.param == "sqlite":
        yield from _opened(tmp_path, request.getfixturevalue("empty_sqlite")(tmp_path))
        return
    server = request.getfixturevalue("postgres")
    with server.database(request.getfixturevalue("empty_postgres")) as url:
        yield from _opened(tmp_path, url)


@pytest.fixture
def embedded(tmp_path: Path, empty_sqlite) -> Iterator[Town]:
    """The town on SQLite alone, where the database makes no difference."""
    yield from _opened(tmp_path, empty_sqlite(tmp_path))


def _opened(folder: Path, url: str) -> Iterator[Town]:
    made = town(folder, url)
    try:
        yield made
    finally:
        made.units.database.close()
