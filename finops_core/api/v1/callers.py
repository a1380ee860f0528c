"""Whose token a secret is: that never changes, so it is remembered for a minute."""

import threading
import time
from collections import OrderedDict

from finops_core import security
from finops_core.desk import Desk
from finops_core.kernel.actor import Actor, Via
from finops_core.security.passwords import digest

REMEMBERED_S = 60.0
REMEMBERED_MOST = 4_096


class Callers:
    """Knows callers by their secrets."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: OrderedDict[str, tuple[Actor, float]] = OrderedDict()

    def remembered(self, secret: str) -> Actor | None:
        """Whose it is, if that was asked within the last minute."""
        with self._lock:
            actor, until = self._known.get(digest(secret), (None, 0.0))
        return actor if time.monotonic() < until else None

    def forget(self, secret: str) -> None:
        """It opened nothing: ask the desk next time."""
        with self._lock:
            self._known.pop(digest(secret), None)

    def enter(self, desk: Desk, secret: str, *, noted: bool) -> Actor:
        """Ask the desk and note the use; ``TOKEN_NOT_VALID``."""
        actor = security.enter(desk, secret, Via.API, noted=noted).actor
        with self._lock:
            key = digest(secret)
            self._known[key] = (actor, time.monotonic() + REMEMBERED_S)
            self._known.move_to_end(key)
            if len(self._known) > REMEMBERED_MOST:
                self._known.popitem(last=False)
        return actor
