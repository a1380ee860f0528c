"""A world whose desk knows the odd operations."""

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from finops_core import operations
from finops_core.kernel.actor import system_actor
from finops_core.worker.forking import forkserver
from tests.worker.odd import open_odd
from tests.world import World, running_world


@pytest.fixture
def odd(tmp_path: Path, database_url: str, warm: None) -> Iterator[World]:
    """On both databases, with a lease long enough for a slow machine."""
    with running_world(tmp_path, database_url) as world, open_odd(world.desk.settings) as desk:
        with desk.work(system_actor()) as work:
            operations.register(work)
        yield replace(world, desk=desk)


@pytest.fixture(scope="session")
def warm() -> None:
    """The forkserver with its imports done, so that a child's time is its own."""
    first = forkserver().Process(target=time.sleep, args=(0,))
    first.start()
    first.join()
