"""Who calls: the person behind a bearer token, and the units that are opened for them.

Whose token a secret is never changes, so that is remembered for a minute. Whether it still opens anything is asked of
the database in every unit.
"""

import threading
import time
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from finops_core import security
from finops_core.desk import Desk
from finops_core.kernel.actor import Actor, Via
from finops_core.kernel.errors import NotAllowed
from finops_core.platform.work import Reading, Work
from finops_core.security import Scope
from finops_core.security.passwords import digest

REMEMBERED_S = 60.0
REMEMBERED_MOST = 4_096


class _OpensNothing(Exception):
    """The token gives no permission at all now."""


@dataclass(frozen=True, slots=True)
class Caller:
    """A person behind a token, for the length of one request."""

    desk: Desk
    actor: Actor
    secret: str = field(repr=False)

    @contextmanager
    def read(self) -> Iterator[Reading]:
        """One look, as the person."""
        try:
            with self.desk.read(self.actor) as reading:
                _require_anything(reading)
                yield reading
        except _OpensNothing:
            raise self._why_not() from None

    @contextmanager
    def work(self, *scopes: Scope) -> Iterator[Work]:
        """One unit of work, as the person, through a token with one of the scopes."""
        try:
            with self.desk.work(self.actor) as work:
                _require_anything(work)
                security.require_scope(work, *scopes)
                yield work
        except _OpensNothing:
            raise self._why_not() from None

    def _why_not(self) -> NotAllowed:
        security.enter(self.desk, self.secret, Via.API)  # refuses a token that is not valid, with its line in the log
        return NotAllowed(
            "NOT_ALLOWED",
            "You are not allowed to do this.",
            hint="The role or the scopes of your API token do not include it.",
        )


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

    def enter(self, desk: Desk, secret: str) -> Actor:
        """Ask the desk and note the use; ``TOKEN_NOT_VALID``."""
        actor = security.enter(desk, secret, Via.API).actor
        with self._lock:
            key = digest(secret)
            self._known[key] = (actor, time.monotonic() + REMEMBERED_S)
            self._known.move_to_end(key)
            if len(self._known) > REMEMBERED_MOST:
                self._known.popitem(last=False)
        return actor


def _require_anything(reading: Reading) -> None:
    if not reading.permissions:
        raise _OpensNothing
