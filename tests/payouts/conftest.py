"""A world for walks through payouts."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.world import World, running_world


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with running_world(tmp_path) as made:
        yield made


@pytest.fixture
def both(tmp_path: Path, database_url: str) -> Iterator[World]:
    """The same on SQLite and on PostgreSQL."""
    with running_world(tmp_path, database_url) as made:
        yield made
