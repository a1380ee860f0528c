"""The town's fixtures."""

from tests.security.fixtures import embedded, here

__all__ = ["embedded", "here"]
