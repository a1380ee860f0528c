"""Worlds for walks through payouts: with the machine's clock, or one that moves only when told or slept."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from finops_core.kernel.clock import ManualClock, SystemClock
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


@pytest.fixture
def timed(tmp_path: Path) -> Iterator[World]:
    """A world whose time stands still: ``advance`` moves desk and provider, a sleep moves the desk."""
    with running_world(tmp_path, clock=ManualClock(SystemClock().now() + timedelta(seconds=5))) as made:
        yield made


@pytest.fixture
def held_back(tmp_path: Path) -> Iterator[World]:
    """A world that waits five minutes between an approval and the first payout."""
    with running_world(tmp_path, hold_back_s=300) as made:
        yield made
