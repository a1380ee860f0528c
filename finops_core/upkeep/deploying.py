"""Which release of the desk runs, and since when: kept in the log whenever another one starts than did last."""

from dataclasses import dataclass
from datetime import datetime

from finops_core import VERSION, audit
from finops_core.kernel.permissions import Permission
from finops_core.platform.work import Reading, Work

OBJECT, DEPLOYED = "installation:desk", "desk.deployed"
SHOWN = 5


@dataclass(frozen=True, slots=True)
class Deployment:
    """A release that was started.

    Attributes:
        release: the version, and after a "+" what the installation calls it (``TIEOUT_RELEASE``).
        revision: the migration its database stood at.
        at: when it was started first.
    """

    release: str
    revision: str
    at: datetime


def note(work: Work, revision: str) -> bool:
    """Record the release that starts, unless it is the last one recorded: whether it was. Needs ``WORKER_ACT``."""
    work.require(Permission.WORKER_ACT)
    called = work.ports.settings.release
    now = {"release": f"{VERSION}+{called}" if called else VERSION, "revision": revision}
    last = deployments(work, 1)
    if last and (last[0].release, last[0].revision) == (now["release"], revision):
        return False
    audit.record(work, DEPLOYED, OBJECT, detail=now, org_id="")
    return True


def deployments(reading: Reading, limit: int = SHOWN) -> tuple[Deployment, ...]:
    """The last releases that were started, newest first. Needs ``LEDGER_VIEW`` or ``HEALTH_VIEW``.

    A starting process that does not see the one beside it may record the same release once more.
    """
    if not reading.may(Permission.HEALTH_VIEW):
        reading.require(Permission.LEDGER_VIEW)
    found = audit.of_installation(reading, OBJECT, limit)
    return tuple(
        Deployment(str(each.detail["release"]), str(each.detail["revision"]), each.at)
        for each in found
        if each.verb == DEPLOYED
    )
