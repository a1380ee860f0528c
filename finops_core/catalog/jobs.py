"""Every kind of background work beside runs themselves."""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial

from finops_core.catalog.checks import CHECKS
from finops_core.kernel.job import Job, Waits
from finops_core.ledger import numbering, pending, reconciling
from finops_core.notifications import DELIVER_JOB, DISPATCH_JOB, OLD_ADDRESS_JOB, deliver, forward, tell_old_address
from finops_core.operations import outcome
from finops_core.payouts import bookkeeping, fees, following, repairing, returns, settlement
from finops_core.payouts.look_up import look_up_unsettled
from finops_core.payouts.news import FOLLOW_JOB
from finops_core.payouts.rehearsal import REHEARSE_JOB
from finops_core.payouts.rehearsing import run_rehearsal
from finops_core.payouts.repair import CANCEL_JOB, RESOLVE_JOB
from finops_core.reference import exchanges
from finops_core.upkeep.checking import CHECK_JOB, run_checks
from finops_core.upkeep.digest import DIGEST_JOB, write_digests
from finops_core.upkeep.jobs import clean_up, expire_requests

MINUTE_S, HOUR_S = 60, 3600

_P = Waits.PROVIDER
_PEOPLE = (
    Job(RESOLVE_JOB, repairing.resolve, title="Check what a person said of a payout"),
    Job(CANCEL_JOB, repairing.cancel, title="Have a payout taken back"),
)
_ALL = (
    Job("payouts.look_up", look_up_unsettled, every_s=MINUTE_S, title="Look up payouts in doubt", waits=_P),
    Job(FOLLOW_JOB, following.follow_news, title="Look into a provider's news", waits=_P),
    Job("payouts.follow_all", following.follow_all, every_s=MINUTE_S, title="Look for news nobody looked into"),
    Job("payouts.refresh", following.refresh, every_s=5 * MINUTE_S, title="Follow payouts to the bank", waits=_P),
    Job(
        settlement.RECONCILE_JOB,
        settlement.reconcile,
        every_s=15 * MINUTE_S,
        title="Hold payouts against the provider's statement",
        waits=_P,
    ),
    Job(
        "payouts.returns",
        returns.look_for_returns,
        every_s=HOUR_S,
        title="Search the provider's statement for money that came back",
        waits=_P,
    ),
    Job(bookkeeping.BOOK_JOB, bookkeeping.book_missing, every_s=HOUR_S, title="Book payouts the ledger has not kept"),
    Job(fees.BOOK_JOB, fees.book_missing, every_s=HOUR_S, title="Book fees the ledger has not kept"),
    Job(
        reconciling.SCHEDULED_JOB,
        reconciling.reconcile_scheduled,
        title="Hold balances against their postings",
    ),
    Job(pending.EXPIRE_JOB, pending.expire_pending, every_s=MINUTE_S, title="Give back money nobody posted in time"),
    Job(numbering.NUMBER_JOB, numbering.number_entries, every_s=MINUTE_S, title="Number entries"),
    Job(reconciling.ASKED_JOB, reconciling.reconcile_asked, title="Hold balances against their postings, as asked"),
    *(replace(job, retries=None, waits=Waits.PERSON) for job in _PEOPLE),
    Job(outcome.RETELL_JOB, outcome.retell, title="Store a result that changed late"),
    Job(REHEARSE_JOB, run_rehearsal, title="Rehearse a plan", waits=Waits.PERSON),
    Job("approvals.expire", expire_requests, every_s=MINUTE_S, title="Let old requests expire"),
    Job(DELIVER_JOB, deliver, every_s=MINUTE_S, title="Deliver mail", waits=Waits.MAIL),
    Job(DISPATCH_JOB, forward, every_s=MINUTE_S, title="Forward notices", waits=Waits.POST),
    Job(OLD_ADDRESS_JOB, tell_old_address, retries=7, title="Tell a former mail address", waits=Waits.MAIL),
    Job(DIGEST_JOB, write_digests, every_s=5 * MINUTE_S, title="Write the daily mail"),
    Job(CHECK_JOB, partial(run_checks, CHECKS), every_s=15 * MINUTE_S, title="Run the standing checks"),
    Job(exchanges.FETCH_JOB, exchanges.fetch_rates, every_s=4 * HOUR_S, title="Fetch exchange rates", waits=Waits.POST),
    Job("upkeep.clean_up", clean_up, every_s=HOUR_S, title="Tidy up"),
)

JOBS: Mapping[str, Job] = {job.kind: job for job in _ALL}
