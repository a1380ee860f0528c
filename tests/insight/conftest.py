"""The walks' worlds, here too."""

from tests.payouts.conftest import both, timed, world

__all__ = ["both", "timed", "world"]
