"""A worker that is not there cannot say so: whoever looks at the desk meanwhile has it written down, once an outage.

The web process looks while somebody has a page open, and whenever ``/healthz`` is asked. What it writes can be read at
once; the mail about it leaves when a worker is back.
"""

import logging
import time
from collections.abc import Callable

from sqlalchemy.exc import SQLAlchemyError

from finops_core import notifications, reference, security
from finops_core.kernel.actor import system_actor
from finops_core.kernel.permissions import Permission
from finops_core.notifications import Kind
from finops_core.platform import queue
from finops_core.platform.work import Reading, Units
from finops_core.upkeep.queries import WORKER_LEASE

LOG = logging.getLogger("tieout.upkeep")
PATIENCE_S = 30.0
# The lease of a worker that left in good order has ended at the beginning of time.
LEFT_S = 20 * 366 * 24 * 3600


def absence_s(reading: Reading) -> float | None:
    """How long ago the last worker's lease ran out; None while one is there, or was there less than a lease time ago.

    None too before the first: who was never there is not gone.
    """
    age = queue.lease_age_s(reading, WORKER_LEASE)
    return age if age is not None and age > reading.ports.settings.scheduler_lease_s else None


def tell_of_outage(units: Units) -> bool:
    """Tell those who watch each organisation, once an outage, when the worker is gone; gives whether it is."""
    with units.read(system_actor()) as reading:
        if absence_s(reading) is None:
            return False
        outage, org_ids = queue.outage_of(reading, WORKER_LEASE), reference.all_ids(reading)
    for org_id in org_ids:
        with units.work(system_actor(org_id)) as work:
            watchers = [person.id for person in security.people_with(work, Permission.HEALTH_VIEW)]
            notifications.notify(
                work,
                watchers,
                Kind.WORKER_DEAD,
                once=f"worker:{outage}",
                title="The worker is not there",
                body="Nothing is planned, sent or followed until one is started.",
                page="health",
            )
    return True


class OutageWatch:
    """What one process makes of its looks: an outage once it has lasted, written down once."""

    def __init__(self, units: Callable[[], Units], seconds: Callable[[], float] = time.monotonic) -> None:
        self._units, self._seconds = units, seconds
        self._since: float | None = None
        self._told = False

    def saw(self, gone_s: float | None) -> bool:
        """What a look has found (``absence_s``); gives whether to say so.

        Not told before it has lasted: the desk itself may just have been started, its worker a moment after it. Said at
        once of a worker that died, not of one that left: another one may be on its way. A database that takes nothing
        now is tried again at the next look.
        """
        if gone_s is None:
            self._since, self._told = None, False
            return False
        now = self._seconds()
        self._since = now if self._since is None else self._since
        lasted = now - self._since >= PATIENCE_S
        if lasted and not self._told:
            try:
                self._told = tell_of_outage(self._units())
            except SQLAlchemyError:
                LOG.warning("the worker is gone, and nobody could be told", exc_info=True)
        return lasted or gone_s < LEFT_S
