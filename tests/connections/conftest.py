"""The town's fixtures, and the walks' world where a provider is needed."""

from tests.payouts.conftest import both, timed, world
from tests.security.fixtures import embedded, empty_postgres, empty_sqlite, here

__all__ = ["both", "embedded", "empty_postgres", "empty_sqlite", "here", "timed", "world"]
