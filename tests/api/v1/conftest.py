"""An office on SQLite for each file of tests, and one on both databases for each test that needs its own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.api.v1.programs import Office, open_office


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    with open_office(tmp_path_factory.mktemp("office")) as made:
        yield made


@pytest.fixture
def both_offices(tmp_path: Path, database_url: str) -> Iterator[Office]:
    with open_office(tmp_path, database_url) as made:
        yield made
