"""Token buckets: so many calls a second, and a burst after a quiet while. In memory, for this process alone."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable

KEPT = 10_000


class Buckets:
    """One bucket a key.

    Args:
        rate_per_s: how fast a bucket fills.
        burst: how much it holds.
        clock: seconds that only rise.
    """

    def __init__(self, rate_per_s: float, burst: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate, self._burst, self._clock = rate_per_s, burst, clock
        self._lock = threading.Lock()
        # key -> what was left, and when. Those that have not been asked for longest are full, and go first.
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, key: str) -> float:
        """Take one: 0 when it was there, else the seconds until there will be one."""
        with self._lock:
            now = self._clock()
            left, at = self._left.pop(key, (float(self._burst), now))
            left = min(float(self._burst), left + (now - at) * self._rate)
            wait = 0.0 if left >= 1 else (1 - left) / self._rate
            self._left[key] = (left - 1 if wait == 0 else left, now)
            if len(self._left) > KEPT:
                self._left.popitem(last=False)
            return wait
