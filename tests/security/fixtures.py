"""Fixtures of the town, for every folder whose tests need people; a conftest imports them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.security.town import Town, town


@pytest.fixture
def here(tmp_path: Path, database_url: str) -> Iterator[Town]:
    """The town on both databases, one after the other."""
    yield from _opened(tmp_path, database_url)


@pytest.fixture
def embedded(tmp_path: Path) -> Iterator[Town]:
    """The town on SQLite alone, where the database makes no difference."""
    yield from _opened(tmp_path, "")


def _opened(folder: Path, url: str) -> Iterator[Town]:
    made = town(folder, url)
    try:
        yield made
    finally:
        made.units.database.close()
