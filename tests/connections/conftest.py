"""The town's fixtures, and the walks' world where a provider is needed."""

from tests.payouts.conftest import both, timed, world
from tests.security.fixtures import embedded, here

__all__ = ["both", "embedded", "here", "timed", "world"]
