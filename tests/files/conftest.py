"""The walks' worlds, here too; and one that takes small files only."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.payouts.conftest import both, world
from tests.world import World, running_world

__all__ = ["both", "small", "world"]


@pytest.fixture
def small(tmp_path: Path) -> Iterator[World]:
    """A world whose files are at most two megabytes."""
    with running_world(tmp_path, upload_max_bytes=2_000_000) as made:
        yield made
