"""A sandbox and the adapter that speaks to it."""

from collections.abc import Iterator

import pytest

from finops_core.adapters.stripe_payouts import StripePayouts
from tests.sandbox import RunningSandbox, start_sandbox


@pytest.fixture(scope="session")
def sandbox_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSandbox]:
    """One sandbox per test process: starting one takes longer than most tests."""
    running = start_sandbox(tmp_path_factory.mktemp("sandbox"))
    yield running
    running.stop()


@pytest.fixture
def sandbox(sandbox_server: RunningSandbox) -> Iterator[RunningSandbox]:
    """An empty sandbox but for the usual account with 1,000.00 USD and 500.00 EUR; its answers are judged after."""
    sandbox_server.control.post("reset", {})
    sandbox_server.control.open()
    sandbox_server.control.fund(100_000, "usd")
    sandbox_server.control.fund(50_000, "eur")
    yield sandbox_server
    sandbox_server.judge()


@pytest.fixture
def provider(sandbox: RunningSandbox) -> StripePayouts:
    """The real adapter with the real SDK; it waits at most two seconds for an answer."""
    return StripePayouts(sandbox.credentials(), 2.0)
