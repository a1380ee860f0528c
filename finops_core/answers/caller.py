"""Who acts for a program: the person behind an API token, and the units that are opened for them.

Whether the token still opens anything is asked of the database in every unit.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from finops_core import security
from finops_core.desk import Desk
from finops_core.kernel.actor import Actor
from finops_core.kernel.errors import NotAllowed
from finops_core.platform.work import Reading, Work
from finops_core.security import Scope


class _OpensNothing(Exception):
    """The token gives no permission at all now."""


@dataclass(frozen=True, slots=True)
class Caller:
    """A person behind a token, for the length of one request or command."""

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
        security.enter(
            self.desk, self.secret, self.actor.via
        )  # refuses a token that is not valid, with its line in the log
        return NotAllowed(
            "NOT_ALLOWED",
            "You are not allowed to do this.",
            hint="The role or the scopes of your API token do not include it.",
        )


def _require_anything(reading: Reading) -> None:
    if not reading.permissions:
        raise _OpensNothing
