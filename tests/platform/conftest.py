"""A fresh desk on SQLite, then on PostgreSQL, for tests of the platform."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.desks import AreaDesk, area_desk


@pytest.fixture
def area(tmp_path: Path, database_url: str) -> Iterator[AreaDesk]:
    desk = area_desk(tmp_path, database_url)
    yield desk
    desk.units.database.close()
