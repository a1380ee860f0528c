"""A fresh desk on SQLite, then on PostgreSQL, for tests of notices, of their mail, and of what is forwarded."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.desks import area_desk
from tests.listener import listening
from tests.mail_host import mail_settings, running_mail_host
from tests.notifications.outpost import Outpost
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


@pytest.fixture
def outpost(tmp_path: Path, database_url: str) -> Iterator[Outpost]:
    """Adam, who administers, with a server on loopback that takes everything."""
    with listening() as listener:
        desk = area_desk(
            tmp_path,
            database_url,
            forwarding_inside="127.0.0.1",
            forwarding_timeout_s=30.0,
            public_url="https://tieout.example",
        )
        made = Outpost(desk, listener)
        made.move_in()
        yield made
        desk.units.database.close()
