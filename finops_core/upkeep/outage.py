"""A worker that is not there cannot say so: whoever looks at the desk meanwhile has it written down, once an outage.

The web process looks while somebody has a page open, and whenever ``/healthz`` is asked. What it writes can be read at
once; the mail about it leaves when a worker is back.
"""

import logging
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


def worker_is_gone(reading: Reading) -> bool:
    """Whether there was a worker whose lease ran out more than a lease time ago; one that never came is not gone."""
    age = queue.lease_age_s(reading, WORKER_LEASE)
    return age is not None and age > reading.ports.settings.scheduler_lease_s


def tell_of_outage(units: Units) -> bool:
    """Tell those who watch each organisation, once an outage, when the worker is gone; gives whether it is."""
    with units.read(system_actor()) as reading:
        if not worker_is_gone(reading):
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
    """Writes an outage down once a process, and then leaves the database alone until a worker was back."""

    def __init__(self, units: Callable[[], Units]) -> None:
        self._units = units
        self._told = False

    def saw(self, *, gone: bool) -> None:
        """What a look has found. A database that takes nothing now is tried again at the next look."""
        try:
            self._told = gone and (self._told or tell_of_outage(self._units()))
        except SQLAlchemyError:
            LOG.warning("the worker is gone, and nobody could be told", exc_info=True)
