"""What happens meanwhile, told by many threads: clicks with what they took, calls, faults, and when a part was out."""

import threading
import time
from collections import Counter
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Click:
    """One click of a session; ``took_s`` to the end of the page's script."""

    at_s: float
    took_s: float


@dataclass
class Tally:
    """Seconds count from the beginning. While a part is out (``out``), faults are told apart: they are expected."""

    begun: float = field(default_factory=time.monotonic)
    clicks: list[Click] = field(default_factory=list)
    faults: list[tuple[float, str]] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    out: str = ""
    over: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def now_s(self) -> float:
        return time.monotonic() - self.begun

    def clicked(self, begun_s: float) -> None:
        with self._lock:
            self.counts["clicks"] += 1
            if not self.out:
                self.clicks.append(Click(begun_s, self.now_s() - begun_s))

    def count(self, what: str, many: int = 1) -> None:
        with self._lock:
            self.counts[what] += many

    def fault(self, what: str) -> None:
        """Something failed: expected while a part is out, else a fault of the desk."""
        with self._lock:
            self.counts[f"while {self.out} was out: {what}" if self.out else f"unexpected: {what}"] += 1
            if not self.out:
                self.faults.append((self.now_s(), what))

    def faults_since(self, at_s: float) -> int:
        with self._lock:
            return sum(at >= at_s for at, _ in self.faults)

    def clicks_since(self, at_s: float) -> list[float]:
        with self._lock:
            return [click.took_s for click in self.clicks if click.at_s >= at_s]
