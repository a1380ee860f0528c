"""Fixtures shared by all tests: a real PostgreSQL and a real browser. What cannot be had fails; nothing is skipped."""

import io
import logging
from collections.abc import Iterator

import pytest
from hypothesis import settings
from playwright.sync_api import Browser, sync_playwright

from finops_core.platform import logs
from tests import statements
from tests.postgres import MortalServer, PostgresServer, mortal_server, running_server
from tests.tools.browser import browser_path

# No test is judged by its time: how long an example takes is the machine's affair.
settings.register_profile("tieout", deadline=None)
settings.load_profile("tieout")
statements.keep_together()

BROWSER_ARGUMENTS = (
    "--no-sandbox",  # containers; the pages are our own
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",  # containers give /dev/shm 64 MB
)


# Fixtures with a provider's sandbox, a server or a screen behind them.
SERVED = frozenset(
    {
        "postgres",
        "mortal_postgres",
        "world",
        "both",
        "timed",
        "told",
        "both_told",
        "held_back",
        "sandbox",
        "site",
        "secure_site",
        "at",
        "odd",
    }
)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep all browser tests in one process (`--dist loadgroup`): one server, one browser, a core left for it.

    What needs a server is slow, so that `make test-fast` is.
    """
    for item in items:
        if item.get_closest_marker("browser"):
            item.add_marker(pytest.mark.xdist_group("browser"))
        on = getattr(item, "callspec", None)
        if SERVED.intersection(getattr(item, "fixturenames", ())) or (on and "postgresql" in on.params.values()):
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A running PostgreSQL server, one per test process; it ends with the session."""
    with running_server() as server:
        yield server


@pytest.fixture
def mortal_postgres() -> Iterator[MortalServer]:
    """A server of this test alone, which it may kill and start anew."""
    with mortal_server() as mortal:
        yield mortal


@pytest.fixture(scope="session")
def postgres_url(postgres: PostgresServer) -> str:
    """The address of that server's own database, as its superuser."""
    return postgres.url()


@pytest.fixture
def postgres_database(postgres: PostgresServer) -> Iterator[str]:
    """The address of an empty database, made for this test and dropped after it."""
    with postgres.database() as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """Run the test on both databases, for ``templates.fill`` to make.

    "" (the embedded SQLite of the test's folder), then the address of a PostgreSQL database.
    """
    if request.param == "sqlite":
        yield ""
        return
    server: PostgresServer = request.getfixturevalue("postgres")
    name = server.new_name()
    yield server.url(name)
    server.drop(name)


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_database_url(request: pytest.FixtureRequest) -> str:
    """The same, but there already, without anything in it."""
    return "" if request.param == "sqlite" else str(request.getfixturevalue("postgres_database"))


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    """What this process's own log says meanwhile, a JSON object a line."""
    root = logging.getLogger()
    before, level = list(root.handlers), root.level
    stream = io.StringIO()
    logs.configure("json", "INFO", stream)
    yield stream
    root.handlers[:] = before
    root.setLevel(level)


@pytest.fixture(scope="session")
def chromium_path() -> str:
    """The path of a Chromium or Chrome that starts."""
    return browser_path()


@pytest.fixture(scope="session")
def browser(chromium_path: str) -> Iterator[Browser]:
    """One headless browser per test process; take a fresh `browser.new_context()` per test.

    Playwright keeps an event loop running in this thread: a test in the same process cannot call `asyncio.run`.
    """
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=chromium_path, args=list(BROWSER_ARGUMENTS))
        yield chromium
        chromium.close()
