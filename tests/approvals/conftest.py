"""A fresh office on SQLite, then on PostgreSQL."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.approvals.office import Office, open_office


@pytest.fixture
def office(tmp_path: Path, database_url: str) -> Iterator[Office]:
    office = open_office(tmp_path, database_url)
    yield office
    office.area.units.database.close()
