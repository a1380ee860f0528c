"""Clocks for tests that run in real time but do not want to wait for politeness."""

import time
from datetime import datetime, timedelta

from finops_core.kernel.clock import SystemClock


class HurriedClock(SystemClock):
    """The machine's clock, some way ahead; whoever sleeps by it sleeps a fraction. Time-outs of calls stay real."""

    def __init__(self, ahead_s: float = 0.0, hurry: float = 50.0) -> None:
        self.ahead = timedelta(seconds=ahead_s)
        self.hurry = hurry

    def now(self) -> datetime:
        return super().now() + self.ahead

    def advance(self, seconds: float) -> None:
        self.ahead += timedelta(seconds=seconds)

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds / self.hurry)
