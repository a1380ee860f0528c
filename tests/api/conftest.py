"""The routes on a real server: uvicorn on loopback, over a real desk on SQLite and on PostgreSQL."""

import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import requests
import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import BaseRoute

from finops_core import api, reference, security
from finops_core.desk import Desk, open_desk
from finops_core.kernel.actor import system_actor, worker_actor
from finops_core.kernel.clock import ManualClock
from finops_core.platform.queue import acquire_lease
from finops_core.platform.settings import Settings
from tests import templates
from tests.desks import START, settings_for
from tests.security.town import PASSWORD

LONG_S = 600.0


@dataclass
class Site:
    """A server, its desk and a person, ``ana``."""

    url: str
    desk: Desk
    clock: ManualClock
    person_id: str
    org_id: str
    browser: requests.Session = field(default_factory=requests.Session)

    def post(self, path: str, body: bytes | str = "", **headers: str | None) -> requests.Response:
        """As a page of this site would; a header that is None is left out."""
        sent = {"Origin": self.url, **{name.replace("_", "-"): value for name, value in headers.items()}}
        kept = {name: value for name, value in sent.items() if value is not None}
        return self.browser.post(f"{self.url}{path}", data=body, headers=kept, timeout=20)

    def ticket(self) -> str:
        with self.desk.work(security.visitor()) as work:
            outcome = security.sign_in(work, "ana", PASSWORD)
        assert isinstance(outcome, security.SignedIn)
        return outcome.ticket

    def session(self, secret: str) -> security.SessionView | None:
        with self.desk.read(security.visitor()) as reading:
            return security.session_of(reading, secret=secret)

    def start_worker(self) -> None:
        """Holds the worker's lease, as a worker does while it lives."""
        with self.desk.work(worker_actor("")) as work:
            assert acquire_lease(work, "worker", "a worker", LONG_S)


def make(folder: Path, url: str = "") -> None:
    """The database of a site."""
    templates.fill(folder, url, "site", _make)


def _make(folder: Path, url: str) -> None:
    with open_desk(settings_for(folder, url), clock=ManualClock(START)) as desk:
        desk.migrate()
        with desk.work(system_actor()) as work:
            security.ensure_roles(work)
            org_id = reference.add_organisation(
                work, slug="harbour", name="Harbour", base_currency="USD", country="US", zone="UTC", locale="en_US"
            )
            person_id = security.add_person(work, "ana", "Ana", "", PASSWORD)
            security.grant_role(work, person_id, "preparer", org_id)


def served(settings: Settings) -> Iterator[Site]:
    """A site over a database that was made."""
    clock = ManualClock(START)
    with open_desk(settings, clock=clock) as desk:
        with desk.read(system_actor()) as reading:
            org_id = reference.ids_by_slug(reading)["harbour"]
        with desk.read(system_actor(org_id)) as reading:
            (person,) = security.people(reading)
        with listening(desk) as url:
            yield Site(url, desk, clock, person.id, org_id)


def listening(desk: Desk) -> "serving":
    """The routes of a desk, in the envelope the app puts around them."""
    return serving(api.routes(lambda: desk), https=desk.settings.https)


class serving:  # noqa: N801 - reads as a function in a with
    """Routes on a free port of loopback, in a thread."""

    def __init__(self, beside: list[BaseRoute], *, https: bool = False) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        around = [Middleware(api.Envelope, routes=beside, https=https)]
        app = Starlette(routes=beside, middleware=around)
        self._server = uvicorn.Server(uvicorn.Config(app, log_level="error", lifespan="off"))
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [self._socket]})

    def __enter__(self) -> str:
        self._thread.start()
        deadline = time.monotonic() + 20
        while not self._server.started:
            assert time.monotonic() < deadline, "the server does not start"
            time.sleep(0.01)
        return f"http://127.0.0.1:{self._socket.getsockname()[1]}"

    def __exit__(self, *_: object) -> None:
        self._server.should_exit = True
        self._thread.join(20)
        self._socket.close()


@pytest.fixture
def site(tmp_path: Path, database_url: str) -> Iterator[Site]:
    make(tmp_path, database_url)
    yield from served(settings_for(tmp_path, database_url))


@pytest.fixture
def secure_site(tmp_path: Path) -> Iterator[Site]:
    """A site whose pages are served by https (by a proxy in front)."""
    make(tmp_path)
    yield from served(settings_for(tmp_path, https=True))
