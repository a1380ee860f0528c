"""The job that asks the provider about payouts left in doubt when their run had ended. It never sends anything."""

import logging
from datetime import timedelta

from finops_core import connections, reference
from finops_core.kernel.actor import worker_actor
from finops_core.kernel.errors import FinOpsError
from finops_core.kernel.provider import ProviderPayout
from finops_core.operations.runner import Units
from finops_core.payouts import queries, rules, service
from finops_core.payouts.queries import Unsettled
from finops_core.payouts.rules import LookUp, PayoutState
from finops_core.platform.ports import PayoutProvider
from finops_core.platform.queue import Claim
from finops_core.platform.work import Work

LOG = logging.getLogger("tieout.payouts")


def look_up_unsettled(units: Units, claim: Claim) -> None:
    """Every organisation's payouts that their run left open: none is sent any more.

    Found ones are adopted, ones past the key's life wait for a person, ones that were never sent are canceled. One
    that cannot be settled now keeps none of the others waiting.
    """
    del claim
    with units.read(worker_actor("")) as reading:
        org_ids = reference.all_ids(reading)
    for org_id in org_ids:
        with units.read(worker_actor(org_id)) as reading:
            rows = queries.left_over(reading)
        for row in rows:
            try:
                _settle(units, org_id, row)
            except FinOpsError as error:
                LOG.warning("payout %s stays open: %s", row.id, error.code)  # the next period asks again


def _settle(units: Units, org_id: str, row: Unsettled) -> None:
    if row.state is not PayoutState.APPROVED:
        _look_up(units, org_id, row)
        return
    with units.work(worker_actor(org_id)) as work:
        service.call_off(work, row, "the run ended before it was sent")


def _look_up(units: Units, org_id: str, row: Unsettled) -> None:
    with units.work(worker_actor(org_id)) as work:
        credentials = connections.credentials(work, row.connection_id)
    provider = units.ports.provider(credentials)
    sent_at = row.first_sent_at or units.ports.clock.now()
    margin = timedelta(seconds=units.ports.settings.payout_lookup_margin_s)
    wanted = {rules.META_ITEM: rules.item_id(row.execution_id, row.row_no), rules.META_ATTEMPT: str(row.attempt)}
    found = provider.find(row.account, wanted, sent_at - margin)
    with units.work(worker_actor(org_id)) as work:
        _conclude(work, row, found, provider)


def _conclude(work: Work, row: Unsettled, found: list[ProviderPayout], provider: PayoutProvider) -> None:
    verdict = rules.judge(
        found,
        amount_minor=row.amount_minor,
        currency=row.currency,
        sent_at=row.first_sent_at or work.now,
        now=work.now,
        lifetime_s=provider.capabilities().key_lifetime_s,
    )
    if verdict is LookUp.FOUND:
        service.adopt(work, row, found[0])
    elif verdict is LookUp.TWICE:
        service.review(work, row, f"The provider lists {len(found)} payouts for this row.")
    elif verdict is LookUp.REVIEW:
        service.review(work, row, "Nobody can say any more whether it was sent; look at the provider.")
