"""Asking the provider what became of a payout nobody can be sure of, and the job that does so when no run is left.

Neither ever sends a payout.
"""

from collections.abc import Sequence
from datetime import datetime
from functools import partial

from sqlalchemy import update

from finops_core import connections
from finops_core.kernel.actor import worker_actor
from finops_core.kernel.errors import FinOpsError
from finops_core.kernel.money import Money
from finops_core.kernel.provider import ProviderPayout, Scope
from finops_core.operations import outcome
from finops_core.payouts import queries, rounds, rules, service
from finops_core.payouts.models import payout
from finops_core.payouts.queries import Unsettled
from finops_core.payouts.rounds import NO_CONNECTION, Round
from finops_core.payouts.rules import LookUp, PayoutState
from finops_core.payouts.service import Called
from finops_core.platform.ports import PayoutProvider
from finops_core.platform.queue import Claim
from finops_core.platform.settings import Settings
from finops_core.platform.work import Units, Work

TOO_LATE = "Nobody can say any more whether it was sent; look at the provider."
UNHEARD = "It could not be looked up since {since}, and its key may be forgotten by now."
ELSEWHERE = "The connection speaks for another account now; where it was sent from nobody can look."


def ask(provider: PayoutProvider, row: Unsettled, now: datetime, settings: Settings) -> list[ProviderPayout]:
    """Every payout at the provider that carries this row's item and attempt. Raises what the provider's reads raise."""
    since = rules.search_from(row.asked_at, row.first_sent_at or now, now, settings.payout_lookup_margin_s)
    wanted = {rules.META_ITEM: row.item, rules.META_ATTEMPT: str(row.attempt)}
    return provider.find(row.account, wanted, since)


def ask_where_sent(
    provider: PayoutProvider, row: Unsettled, now: datetime, settings: Settings
) -> list[ProviderPayout] | None:
    """What ``ask`` gives, by a provider whose key may be another than the row was sent with.

    None when it opens another account: that the payout is not there says nothing then.
    """
    found = ask(provider, row, now, settings)
    if not found and row.provider_account and provider.facts(row.account).account != row.provider_account:
        return None
    return found


def conclude(
    work: Work, row: Unsettled, found: Sequence[ProviderPayout] | None, provider: PayoutProvider, *, fence: int = 0
) -> tuple[LookUp, PayoutState]:
    """Record what a look-up means: the verdict and the row's new state, the old one while it may be sent again.

    Of a row that waits for a person only a payout that was found is news.
    """
    service.looked_at(work, row.id, answered=True)
    if found is None:
        service.note_call(work, row, Called("find", LookUp.REVIEW.value, ELSEWHERE, fence=fence))
        return LookUp.REVIEW, service.review(work, row, ELSEWHERE) if row.state in rules.UNSETTLED else row.state
    verdict = rules.judge(
        found,
        amount_minor=row.amount_minor,
        currency=row.currency,
        destination=row.destination,
        sent_at=row.first_sent_at or work.now,
        now=work.now,
        lifetime_s=provider.capabilities().key_lifetime_s,
    )
    service.note_call(work, row, Called("find", verdict.value, f"{len(found)} found", fence=fence))
    if verdict is LookUp.FOUND:
        return verdict, service.adopt(work, row, found[0])
    if row.state not in rules.UNSETTLED:
        return verdict, row.state
    why = _why_review(verdict, row, found)
    if not why:
        return verdict, row.state
    stops = "" if verdict is LookUp.REVIEW else Scope.BATCH.value
    return verdict, service.review(work, row, why, stops=stops)


def _why_review(verdict: LookUp, row: Unsettled, found: Sequence[ProviderPayout]) -> str:
    """What a person is told of a row that waits for one; "" when it need not."""
    if verdict is LookUp.TWICE:
        return f"The provider lists {len(found)} payouts for this row."
    if verdict is LookUp.OTHER:
        return _what_is_other(row, found)
    return TOO_LATE if verdict is LookUp.REVIEW else ""


def _what_is_other(row: Unsettled, found: Sequence[ProviderPayout]) -> str:
    asked = Money(row.amount_minor, row.currency)
    listed = [Money(each.amount_minor, each.currency) for each in found]
    if any(each != asked for each in listed):
        return f"The provider lists {', '.join(map(str, listed))} for this row, which is of {asked}."
    elsewhere = next(each.id for each in found if rules.goes_elsewhere(each, row.destination))
    return f"The provider lists {elsewhere} for this row, which goes to another bank account."


def look_up_unsettled(units: Units, claim: Claim) -> None:
    """Every organisation's payouts that their run left open.

    Found ones are adopted, ones past the key's life wait for a person, whether or not the provider can be asked, and
    ones that were never sent are canceled. One that cannot be settled now keeps none of the others waiting.
    """
    del claim
    asked = Round(units)
    for org_id in rounds.organisations(units):
        if asked.over():
            return
        with units.read(worker_actor(org_id)) as reading:
            rows, now = queries.left_over(reading), reading.now
        for row in rows:
            if row.state is PayoutState.APPROVED:
                asked.ask(NO_CONNECTION, partial(_call_off, units, org_id, row))
            elif rules.look_again(row.first_sent_at, row.tried_at or row.followed_at, now):
                asked.ask(row.connection_id, partial(_settle, units, org_id, row))
        rounds.tell_refused(units, org_id, asked)


def _call_off(units: Units, org_id: str, row: Unsettled) -> None:
    with units.work(worker_actor(org_id)) as work:
        service.call_off(work, row, "The run ended before it was sent.")
        outcome.settle(work, row.execution_id)


def _settle(units: Units, org_id: str, row: Unsettled) -> None:
    with units.work(worker_actor(org_id)) as work:
        credentials = connections.credentials(work, row.connection_id)
        now = work.now
    provider = units.ports.provider(credentials)
    try:
        found = ask_where_sent(provider, row, now, units.ports.settings)
    except FinOpsError as error:
        with units.work(worker_actor(org_id)) as work:
            _unheard(work, row, provider.capabilities().key_lifetime_s, all_of_it=rounds.concerns_all(error))
        raise
    with units.work(worker_actor(org_id)) as work:
        _, state = conclude(work, row, found, provider)
        if state is not row.state:
            outcome.settle(work, row.execution_id)


def _unheard(work: Work, row: Unsettled, lifetime_s: int, *, all_of_it: bool) -> None:
    """A look-up failed, for a reason that meets this payout, or everyone of its connection.

    What could not be looked up for long, while its key grew old, waits for a person, whom it is told.
    """
    service.looked_at(work, row.id, answered=False)
    which = payout.c.connection_id == row.connection_id if all_of_it else payout.c.id == row.id
    mine = payout.c.org_id == work.org_id, which, payout.c.state.in_(sorted(rules.UNSETTLED))
    fresh = *mine, payout.c.unheard_since.is_(None), queries.run_is_over(work)
    work.execute(update(payout).where(*fresh).values(unheard_since=work.now))
    for each in queries.unheard(work, row.connection_id, work.now - rules.UNHEARD_WITHIN):
        if rules.given_up(each.first_sent_at, each.unheard_since, work.now, lifetime_s):
            service.review(work, each, UNHEARD.format(since=f"{each.unheard_since:%Y-%m-%d %H:%M} UTC"))
            outcome.settle(work, each.execution_id)
