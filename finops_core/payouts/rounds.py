"""Rounds over many payouts, connections and organisations: what hangs in one of them takes no time from the others."""

import logging
import secrets
from collections.abc import Callable, Sequence
from typing import TypeVar

from finops_core import reference
from finops_core.kernel.actor import worker_actor
from finops_core.kernel.errors import FinOpsError
from finops_core.payouts import notices
from finops_core.platform.work import Units

LOG = logging.getLogger("tieout.payouts")
LASTS_S = 60.0
# Between two payouts a round rests for as long as the last one took, at most this long: SQLite has one writer, and
# whoever takes in news or clicks through pages meanwhile should not find it always taken.
REST_MOST_S = 0.01
# What needs no provider waits for none.
NO_CONNECTION = ""
KEY_REFUSED = "PROVIDER_KEY_REFUSED"
T = TypeVar("T")


class Round:
    """One round of asking providers; it begins as it is made.

    A connection whose provider said nothing, or does not accept its key, is not asked again in the same round, and
    after ``LASTS_S`` seconds nothing new is begun: the rest is the next round's. Not safe to use from several threads.

    Attributes:
        refused: connections whose key was not accepted, or may not do what was asked.
    """

    def __init__(self, units: Units) -> None:
        self._clock = units.ports.clock
        self._ends_s = self._clock.monotonic() + LASTS_S
        self._silent: set[str] = set()
        self.refused: set[str] = set()

    def over(self) -> bool:
        """Whether its time is up."""
        return self._clock.monotonic() >= self._ends_s

    def ask(self, connection_id: str, act: Callable[[], T]) -> T | None:
        """What ``act`` gives; None when it was refused, or when it was left for a later round."""
        if connection_id in self._silent or self.over():
            return None
        begun_s = self._clock.monotonic()
        try:
            return self._asked(connection_id, act)
        finally:
            self._clock.sleep(min(self._clock.monotonic() - begun_s, REST_MOST_S))

    def _asked(self, connection_id: str, act: Callable[[], T]) -> T | None:
        try:
            return act()
        except FinOpsError as error:
            if error.code == KEY_REFUSED:
                self.refused.add(connection_id)
            if concerns_all(error):
                self._silent.add(connection_id)
            LOG.warning("of connection %s something stays open: %s", connection_id, error.code)
            return None


def concerns_all(error: FinOpsError) -> bool:
    """Nothing came back at all, or the key was refused. Any other answer may be about this one payout."""
    silent = error.code == "PROVIDER_UNAVAILABLE" and error.context.get("status") is None
    return silent or error.code == KEY_REFUSED


def tell_refused(units: Units, org_id: str, asked: Round) -> None:
    """Administrators learn of an organisation's connections whose key was refused in this round; once a day."""
    if asked.refused:
        with units.work(worker_actor(org_id)) as work:
            notices.tell_of_refused_keys(work, asked.refused)


def organisations(units: Units) -> Sequence[str]:
    """All of them, in another order each time: a round whose time is up must not always leave out the same ones."""
    with units.read(worker_actor("")) as reading:
        org_ids = list(reference.all_ids(reading))
    secrets.SystemRandom().shuffle(org_ids)
    return org_ids
