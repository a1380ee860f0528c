"""The walks' worlds, here too."""

from tests.payouts.conftest import both, world

__all__ = ["both", "world"]
