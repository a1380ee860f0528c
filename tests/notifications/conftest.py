"""A fresh desk on SQLite, then on PostgreSQL, for tests of notices and of their mail."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.desks import area_desk
from tests.mail_host import mail_settings, running_mail_host
from tests.notifications.post import Post
from tests.platform.conftest import area

__all__ = ["area"]


@pytest.fixture
def post(tmp_path: Path, database_url: str) -> Iterator[Post]:
    """Ana, Ben and Adam (who watches the desk) with a mail server that takes everything."""
    with running_mail_host() as host:
        desk = area_desk(tmp_path, database_url, **mail_settings(host))
        made = Post(desk, host)
        made.move_in()
        yield made
        desk.units.database.close()
