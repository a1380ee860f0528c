"""The job that asks the provider about payouts left in doubt when their run had ended. It never sends anything."""

from datetime import timedelta

from finops_core import connections, reference
from finops_core.kernel.actor import worker_actor
from finops_core.kernel.errors import FinOpsError
from finops_core.kernel.provider import ProviderPayout
from finops_core.operations.rules import FINAL
from finops_core.operations.runner import Units
from finops_core.payouts import queries, rules, service
from finops_core.payouts.queries import Unsettled
from finops_core.payouts.rules import LookUp
from finops_core.platform.ports import PayoutProvider
from finops_core.platform.queue import Claim
from finops_core.platform.work import Work


def look_up_unsettled(units: Units, claim: Claim) -> None:
    """Every organisation's unsettled payouts: found ones are adopted, ones past the key's life wait for a person."""
    del claim
    with units.read(worker_actor("")) as reading:
        org_ids = reference.all_ids(reading)
    for org_id in org_ids:
        with units.read(worker_actor(org_id)) as reading:
            rows = queries.unsettled(reading, sorted(FINAL))
        for row in rows:
            _look_up(units, org_id, row)


def _look_up(units: Units, org_id: str, row: Unsettled) -> None:
    with units.work(worker_actor(org_id)) as work:
        credentials = connections.credentials(work, row.connection_id)
    provider = units.ports.provider(credentials)
    sent_at = row.first_sent_at or units.ports.clock.now()
    margin = timedelta(seconds=units.ports.settings.payout_lookup_margin_s)
    wanted = {rules.META_ITEM: rules.item_id(row.execution_id, row.row_no), rules.META_ATTEMPT: str(row.attempt)}
    try:
        found = provider.find(row.account, wanted, sent_at - margin)
    except FinOpsError:
        return  # no answer: the next period asks again
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
