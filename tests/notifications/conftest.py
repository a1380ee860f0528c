"""A fresh desk on SQLite, then on PostgreSQL, for tests of notices."""

from tests.platform.conftest import area

__all__ = ["area"]
