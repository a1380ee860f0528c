"""Worlds for faults that need no process of their own."""

from tests.payouts.conftest import both, timed, world

__all__ = ["both", "timed", "world"]
