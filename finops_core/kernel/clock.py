"""Where "now" comes from, and how time is waited away. The only place of the core that reads the machine's clock."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """Gives the present instant, aware and in UTC."""

    def now(self) -> datetime:
        """The present instant."""
        ...

    def monotonic(self) -> float:
        """Seconds that only ever rise, for measuring how long something took; not a time of day."""
        ...

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """The present instant in UTC."""
        return datetime.now(UTC)  # noqa: TID251 - the one place that may

    def monotonic(self) -> float:
        """The machine's steady clock."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Really wait."""
        time.sleep(seconds)


class ManualClock:
    """A clock that stands still until told otherwise; for tests. Sleeping moves it and takes no time.

    Args:
        start: the first instant.
        on_sleep: called after each sleep, with its seconds: what happens elsewhere while somebody waits.
    """

    def __init__(self, start: datetime, on_sleep: Callable[[float], None] | None = None) -> None:
        self._now = start.astimezone(UTC)
        self._steady = 0.0
        self.on_sleep = on_sleep

    def now(self) -> datetime:
        """The instant it was set to."""
        return self._now

    def monotonic(self) -> float:
        """Seconds slept and moved forward so far."""
        return self._steady

    def sleep(self, seconds: float) -> None:
        """Move forward at once."""
        self.advance(timedelta(seconds=seconds))
        if self.on_sleep is not None:
            self.on_sleep(seconds)

    def advance(self, step: timedelta) -> None:
        """Move forward (or back, with a negative step, which a steady clock does not notice)."""
        self._now += step
        self._steady += max(step.total_seconds(), 0.0)
