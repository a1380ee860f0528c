"""Housekeeping the worker does on schedule: requests that aged out, finished jobs, orphaned files, old sessions."""

import logging
from collections.abc import Iterable
from datetime import timedelta

from sqlalchemy import delete

from finops_core import approvals, files, notifications, reference, security
from finops_core.kernel.actor import worker_actor
from finops_core.ledger import activity, reconciling, timing
from finops_core.platform import repeats
from finops_core.platform.queue import Claim, job
from finops_core.platform.work import Units
from finops_core.upkeep import checking

JOBS_KEPT = timedelta(days=7)
LOG = logging.getLogger("tieout.upkeep")


def expire_requests(units: Units, claim: Claim) -> None:
    """Approval requests nobody decided in time, and a word before that about those that end soon."""
    del claim
    troubles = []
    for org_id in _organisations(units):
        try:
            with units.work(worker_actor(org_id)) as work:
                approvals.expire_due(work)
                approvals.warn_of_expiry(work)
        except Exception as error:
            # What one organisation's requests do must not keep the others' from ending.
            LOG.exception("the requests of %s could not be ended", org_id)
            troubles.append(error)
    if troubles:
        raise troubles[0]


def clean_up(units: Units, claim: Claim) -> None:
    """Finished jobs past a week, answers past a day, ended sessions, used tickets, files past their time or unknown."""
    del claim
    for org_id in _organisations(units):
        with units.work(worker_actor(org_id)) as work:
            files.expire(work, work.ports.settings.files_kept_days)
            checking.tidy(work)
            reconciling.tidy(work)
            activity.tidy(work)
            timing.tidy(work)
            repeats.tidy(work)
            notifications.tidy(work)
    with units.work(worker_actor("")) as work:
        work.execute(delete(job).where(job.c.ended_at < work.now - JOBS_KEPT))
        security.tidy(work)
    with units.work(worker_actor("")) as work, work.across_orgs("stored names of all organisations are compared"):
        files.sweep(work)


def _organisations(units: Units) -> Iterable[str]:
    with units.read(worker_actor("")) as reading:
        return reference.all_ids(reading)
