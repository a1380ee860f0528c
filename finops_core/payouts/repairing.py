"""The jobs behind ``repair``: what a person asked for is done, or checked, at the provider."""

from typing import Any

from sqlalchemy import Row, select, update

from finops_core import connections
from finops_core.kernel.actor import worker_actor
from finops_core.kernel.errors import NotFound, Unavailable
from finops_core.kernel.money import Money
from finops_core.kernel.provider import Canceled, NotCanceled, ProviderPayout
from finops_core.operations import outcome
from finops_core.payouts import following, look_up, queries, rules, service
from finops_core.payouts.models import payout, payout_resolution
from finops_core.payouts.queries import Unsettled
from finops_core.payouts.repair import Verdict
from finops_core.payouts.rules import LIVE, PayoutState
from finops_core.payouts.service import Called
from finops_core.platform.ports import PayoutProvider
from finops_core.platform.queue import Claim
from finops_core.platform.work import Units, Work


def resolve(units: Units, claim: Claim) -> None:
    """Check what a person said of a payout against the provider, and settle it if that is what it shows."""
    actor = worker_actor(claim.org_id)
    with units.read(actor) as reading:
        row = queries.for_change(reading, str(claim.payload["payout_id"]))
        said = _resolution(reading, str(claim.payload["resolution_id"]))
    if row.state is not PayoutState.NEEDS_REVIEW:
        return
    provider = _provider(units, claim.org_id, row)
    if said.verdict == Verdict.EXISTS:
        _claimed(units, claim.org_id, row, str(said.provider_id), provider)
        return
    found = look_up.ask(provider, row, units.ports.clock.now(), units.ports.settings)
    with units.work(actor) as work:
        service.note_call(work, row, Called("find", f"{len(found)} found", "checked for a person"))
        if len(found) == 1 and not _difference(row, found[0]):
            service.adopt(work, row, found[0])
        elif found:
            _refuse(work, row, "The provider does list a payout for this row; it was made.")
        else:
            service.reject(work, row, "NEVER_MADE", "Never made: the provider was looked at by a person and by us.")
        outcome.settle(work, row.execution_id)


def _claimed(units: Units, org_id: str, row: Unsettled, provider_id: str, provider: PayoutProvider) -> None:
    try:
        found = provider.get(row.account, provider_id)
        wrong = _difference(row, found)
    except NotFound:
        found, wrong = None, "the provider does not know it"
    with units.work(worker_actor(org_id)) as work:
        others = payout.c.org_id == org_id, payout.c.provider_id == provider_id, payout.c.id != row.id
        taken = work.scalar(select(payout.c.id).where(*others))
        wrong = wrong or ("it belongs to another payout of ours" if taken else "")
        if found is None or wrong:
            _refuse(work, row, f"{provider_id[:80]} is not this payout: {wrong}.")
        else:
            service.adopt(work, row, found)
        outcome.settle(work, row.execution_id)


def cancel(units: Units, claim: Claim) -> None:
    """Ask the provider to take a payout back; the answer, whatever it is, moves the row on."""
    actor = worker_actor(claim.org_id)
    with units.read(actor) as reading:
        row = queries.for_change(reading, str(claim.payload["payout_id"]))
    if row.state is not PayoutState.CREATED:
        return
    provider = _provider(units, claim.org_id, row)
    answer = provider.cancel(row.account, row.provider_id, f"{row.key}-cancel")
    told = answer.message if isinstance(answer, NotCanceled) else getattr(answer, "why", "")
    called = Called("cancel", type(answer).__name__.lower(), told, answer.request_id, answer.raw)
    with units.work(actor) as work:
        service.note_call(work, row, called)
        if isinstance(answer, Canceled):
            following.move_on(work, row, answer.payout)
    if isinstance(answer, NotCanceled):
        _goes_on(units, claim.org_id, row)
    if not isinstance(answer, Canceled | NotCanceled):
        raise Unavailable("PROVIDER_UNAVAILABLE", "The provider gave no clear answer.", hint="It is asked again.")


def _goes_on(units: Units, org_id: str, row: Unsettled) -> None:
    """A payout the provider does not take back: it left, or it had been taken back before, which is refused alike."""
    following.Follower(units, org_id).follow(row)
    with units.work(worker_actor(org_id)) as work:
        mine = payout.c.org_id == work.org_id, payout.c.id == row.id, payout.c.state.in_(sorted(LIVE))
        words = "It could not be taken back any more."
        work.execute(update(payout).where(*mine).values(cancel_asked_at=None, error_message=words))


def _provider(units: Units, org_id: str, row: Unsettled) -> PayoutProvider:
    with units.read(worker_actor(org_id)) as reading:
        credentials = connections.credentials(reading, row.connection_id)
    return units.ports.provider(credentials)


def _resolution(reading: Any, resolution_id: str) -> Row[Any]:
    mine = payout_resolution.c.org_id == reading.org_id, payout_resolution.c.id == resolution_id
    row: Row[Any] | None = reading.first(select(payout_resolution).where(*mine))
    if row is None:
        raise queries.unknown()
    return row


def _difference(row: Unsettled, found: ProviderPayout) -> str:
    """Why a payout at the provider cannot be this row; "" when it can."""
    carried = found.metadata.get(rules.META_ITEM, row.item)
    asked, told = Money(row.amount_minor, row.currency), Money(found.amount_minor, found.currency)
    if asked != told:
        return f"it is of {told}, not {asked}"
    if carried != row.item or found.metadata.get(rules.META_ATTEMPT, str(row.attempt)) != str(row.attempt):
        return "it was made for another row"
    return ""


def _refuse(work: Work, row: Unsettled, why: str) -> None:
    mine = payout.c.org_id == work.org_id, payout.c.id == row.id
    work.execute(update(payout).where(*mine).values(error_message=why, updated_at=work.now))
