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

    def wait_s(self, key: str) -> float:
        """0 when there is one to take, else the seconds until there will be; takes none."""
        with self._lock:
            return self._wait(self._filled(key, self._clock()))

    def take(self, key: str) -> float:
        """Take one if there is one; gives what ``wait_s`` gave before."""
        with self._lock:
            now = self._clock()
            left = self._filled(key, now)
            wait = self._wait(left)
            self._left.pop(key, None)
            self._left[key] = (left if wait else left - 1, now)
            if len(self._left) > KEPT:
                self._left.popitem(last=False)
            return wait

    def _filled(self, key: str, now: float) -> float:
        left, at = self._left.get(key, (float(self._burst), now))
        return min(float(self._burst), left + (now - at) * self._rate)

    def _wait(self, left: float) -> float:
        return 0.0 if left >= 1 else (1 - left) / self._rate
