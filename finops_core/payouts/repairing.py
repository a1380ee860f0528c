"""The jobs behind ``repair``: what a person asked for is done, or checked, at the provider."""

import logging
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, select, update

from finops_core import audit, connections
from finops_core.kernel.actor import worker_actor
from finops_core.kernel.errors import NotAllowed, NotFound, Unavailable
from finops_core.kernel.money import Money
from finops_core.kernel.provider import Canceled, NotCanceled, PayoutStatus, ProviderPayout
from finops_core.operations import outcome
from finops_core.payouts import following, look_up, queries, rules, service
from finops_core.payouts.models import payout, payout_resolution
from finops_core.payouts.queries import Unsettled
from finops_core.payouts.repair import Verdict
from finops_core.payouts.rules import PayoutState
from finops_core.payouts.service import Called
from finops_core.platform.ports import PayoutProvider
from finops_core.platform.queue import Claim
from finops_core.platform.work import Units, Work

LOG = logging.getLogger("tieout.payouts")
LEFT = "it had left before the provider was asked."
_ELSEWHERE = "it went to another bank account"
OVER = frozenset({PayoutStatus.FAILED, PayoutStatus.CANCELED})


def resolve(units: Units, claim: Claim) -> None:
    """Check what a person said of a payout against the provider, and settle it if that is what it shows."""
    actor = worker_actor(claim.org_id)
    with units.read(actor) as reading:
        row = queries.for_change(reading, str(claim.payload["payout_id"]))
        said = _resolution(reading, str(claim.payload["resolution_id"]))
    if row.state is not PayoutState.NEEDS_REVIEW:
        return
    provider = _provider(units, claim.org_id, row)
    listed = _listed(units, provider, row)
    named = _named(provider, row, str(said.provider_id)) if said.verdict == Verdict.EXISTS else None
    with units.work(actor) as work:
        wrong = _wrong(work, row, said, listed, named)
        seen = "elsewhere" if listed is None else f"{len(listed)} found"
        service.note_call(work, row, Called("find", seen, wrong or "checked for a person"))
        if wrong:
            _refuse(work, row, wrong)
        elif named is not None:
            _adopt(work, row, named)
        elif fitting := next((each for each in listed or () if not _difference(row, each)), None):
            _adopt(work, row, fitting)
        else:
            service.reject(work, row, "NEVER_MADE", "Never made: the provider was looked at by a person and by us.")
        outcome.settle(work, row.execution_id)


def _listed(units: Units, provider: PayoutProvider, row: Unsettled) -> Sequence[ProviderPayout] | None:
    """What the provider lists for a row, and the payout that was the row's before: one made by hand has no marks."""
    listed = look_up.ask_where_sent(provider, row, units.ports.clock.now(), units.ports.settings)
    if listed is None or not row.provider_id or any(each.id == row.provider_id for each in listed):
        return listed
    own = _named(provider, row, row.provider_id)
    return listed if own is None else [*listed, own]


def _named(provider: PayoutProvider, row: Unsettled, provider_id: str) -> ProviderPayout | None:
    try:
        return provider.get(row.account, provider_id)
    except NotFound:
        return None


def _wrong(
    work: Work,
    row: Unsettled,
    said: Row[Any],
    listed: Sequence[ProviderPayout] | None,
    named: ProviderPayout | None,
) -> str:
    """Why what a person said cannot count; "" when the provider shows nothing against it.

    One who says "never made" of a payout that is there after all, once and as it should be, has found it. Of others
    that carry the row none was made that pays it, once they all came to nothing.
    """
    if listed is None:
        return look_up.ELSEWHERE
    if said.verdict == Verdict.EXISTS:
        return _not_this_one(work, row, str(said.provider_id), named, listed)
    as_asked = len(listed) == 1 and not _difference(row, listed[0]) and not _elsewhere(row, listed[0])
    alive = [each.id for each in listed if each.status not in OVER]
    if alive and not as_asked:
        return f"The provider does list {', '.join(alive)} for this row; it was made. Have it taken back there first."
    return ""


def _not_this_one(
    work: Work, row: Unsettled, provider_id: str, named: ProviderPayout | None, listed: Sequence[ProviderPayout]
) -> str:
    """Why the payout a person named cannot be this row's, or not yet: while another one may arrive too, none is."""
    # Through whichever connection: another one may lead to the same account.
    others = payout.c.org_id == work.org_id, payout.c.id != row.id
    taken = work.scalar(select(payout.c.id).where(*others, payout.c.provider_id == provider_id).limit(1))
    wrong = "the provider does not know it" if named is None else _difference(row, named)
    wrong = wrong or ("it belongs to another payout of ours" if taken else "")
    if wrong:
        return f"{provider_id[:80]} is not this payout: {wrong}."
    marked = [each.id for each in listed]
    if marked and provider_id not in marked:
        return f"The provider lists {', '.join(marked)} for this row; {provider_id[:80]} does not carry its mark."
    alive = [each.id for each in listed if each.id != provider_id and each.status not in OVER]
    if alive:
        return f"The provider lists {', '.join(alive)} for this row too; have it taken back there first."
    return ""


def cancel(units: Units, claim: Claim) -> None:
    """Ask the provider to take a payout back; the answer, whatever it is, moves the row on, and ends the wish."""
    actor = worker_actor(claim.org_id)
    with units.read(actor) as reading:
        row = queries.for_change(reading, str(claim.payload["payout_id"]))
        asked_at = queries.asked_back_at(reading, row.id)
    if asked_at is None:
        return
    why = _ask_back(units, claim.org_id, row, asked_at) if row.state is PayoutState.CREATED else LEFT
    if why:
        with units.work(actor) as work:
            service.cannot_take_back(work, row.id, asked_at, why)


def _ask_back(units: Units, org_id: str, row: Unsettled, asked_at: datetime) -> str:
    """Why the provider does not take a payout back; "" when it does. A key of its own for each wish.

    One it refuses has left, or had been taken back before, which is refused in the same words: so it is read anew.
    """
    provider = _provider(units, org_id, row)
    answer = provider.cancel(row.account, row.provider_id, f"{row.key}-cancel-{asked_at.timestamp():.0f}")
    told = answer.message if isinstance(answer, NotCanceled) else getattr(answer, "why", "")
    called = Called("cancel", type(answer).__name__.lower(), told, answer.request_id, answer.raw)
    with units.work(worker_actor(org_id)) as work:
        service.note_call(work, row, called)
        if isinstance(answer, Canceled):
            following.move_on(work, row, answer.payout)
    if isinstance(answer, Canceled):
        return ""
    if not isinstance(answer, NotCanceled):
        raise Unavailable("PROVIDER_UNAVAILABLE", "The provider gave no clear answer.", hint="It is asked again.")
    _read_anew(units, org_id, row)
    return answer.message or answer.code


def _read_anew(units: Units, org_id: str, row: Unsettled) -> None:
    """So that the row says where it stands now. A key that may not take back may not read either: no news then."""
    try:
        following.Follower(units, org_id).follow(row)
    except NotAllowed:
        LOG.warning("payout %s could not be read anew by the key that could not take it back", row.id)


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
    """Why a payout at the provider cannot be this row; "" when it can.

    One that carries the row's marks is the row's wherever it went.
    """
    asked, told = Money(row.amount_minor, row.currency), Money(found.amount_minor, found.currency)
    if asked != told:
        return f"it is of {told}, not {asked}"
    if _unmarked(found):
        if _elsewhere(row, found):
            return _ELSEWHERE
        early = row.first_sent_at is not None and found.created_at < row.first_sent_at - rules.SKEW_MAX
        return "it was made before this one was sent" if early else ""
    marks = found.metadata.get(rules.META_ITEM), found.metadata.get(rules.META_ATTEMPT)
    return "" if marks == (row.item, str(row.attempt)) else "it was made for another row"


def _elsewhere(row: Unsettled, found: ProviderPayout) -> bool:
    return rules.goes_elsewhere(found, row.destination)


def _unmarked(found: ProviderPayout) -> bool:
    return not {rules.META_ITEM, rules.META_ATTEMPT} & found.metadata.keys()


def _adopt(work: Work, row: Unsettled, found: ProviderPayout) -> None:
    elsewhere = _elsewhere(row, found)
    told = f"It went to another bank account than was approved: {found.destination}." if elsewhere else ""
    service.adopt(work, row, found, told)
    why = "adopted without our marks" if _unmarked(found) else "it carries our marks"
    why += f"; {_ELSEWHERE}, {found.destination}" if elsewhere else ""
    _record(work, row, "payout.resolution_upheld", {"provider_id": found.id, "why": why})


def _refuse(work: Work, row: Unsettled, why: str) -> None:
    """Beside why the payout waits, which stays."""
    mine = payout.c.org_id == work.org_id, payout.c.id == row.id
    work.execute(update(payout).where(*mine).values(refusal=why, updated_at=work.now))
    _record(work, row, "payout.resolution_refused", {"why": why})


def _record(work: Work, row: Unsettled, verb: str, told: Mapping[str, str]) -> None:
    detail = {"execution": row.execution_id, "row": row.row_no, **told}
    audit.record(work, verb, f"payout:{row.id}", before=row.row_hash, detail=detail)
