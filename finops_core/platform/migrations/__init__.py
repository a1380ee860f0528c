"""Alembic migrations; run by ``desk.migrate()``, written by ``make migration``."""
