"""The town's fixtures."""

from tests.security.fixtures import embedded, empty_postgres, empty_sqlite, here

__all__ = ["embedded", "empty_postgres", "empty_sqlite", "here"]
