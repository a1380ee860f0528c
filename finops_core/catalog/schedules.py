"""What is due by a calendar that an administrator may change, as the desk ships it."""

from collections.abc import Mapping

from finops_core.kernel.job import Schedule
from finops_core.ledger.reconciling import SCHEDULED_JOB
from finops_core.ledger.rules import ReconcileWidth

_ALL = (
    Schedule(
        "ledger.hourly",
        SCHEDULED_JOB,
        "Hold each balance against its postings",
        "7 * * * *",
        {"width": ReconcileWidth.HOURLY.value},
        "A balance that was changed past the desk is not put back, and nobody is told.",
    ),
    Schedule(
        "ledger.nightly",
        SCHEDULED_JOB,
        "Go through the history of what moved lately",
        "30 1 * * *",
        {"width": ReconcileWidth.FULL.value, "moved": True},
        "A posting that was changed past the desk is found only once a week.",
    ),
    Schedule(
        "ledger.weekly",
        SCHEDULED_JOB,
        "Go through the whole history",
        "0 2 * * sun",
        {"width": ReconcileWidth.FULL.value},
        "A posting of long ago that was changed past the desk is found only by whoever looks for it.",
    ),
)

SCHEDULES: Mapping[str, Schedule] = {schedule.name: schedule for schedule in _ALL}
