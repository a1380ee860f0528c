"""What can be done about an execution's payouts, and by whom: for screens, which offer nothing that would be refused.

Reads only. The verbs are in ``repair`` and ask for themselves.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import and_, case, func, or_, select

from finops_core import approvals
from finops_core.kernel.permissions import Permission
from finops_core.operations import OVER, ExecutionView, State
from finops_core.operations import RETRYABLE as REOPENED
from finops_core.payouts import queries, strays
from finops_core.payouts.models import payout, payout_resolution
from finops_core.payouts.queries import Sums
from finops_core.payouts.rules import DOUBTFUL, IN_FLIGHT, RETRYABLE, UNSETTLED, PayoutState
from finops_core.platform.work import Reading


@dataclass(frozen=True, slots=True)
class Remedies:
    """How an execution's payouts stand, and which verbs of ``repair`` are open to this person.

    Attributes:
        by_state: the last attempt of each row, and any that waits for a person, counted and summed.
        takeable: made, not gone yet, and not asked to be taken back.
        asked: how many wait for the answer to what a person asked: to be taken back, or to be settled.
        may_retry, may_send_on, may_take_back, may_settle: whether the verb is open now, or will be once no row is in
            doubt any more (``may_retry``).
    """

    by_state: Mapping[PayoutState, Sums]
    takeable: Sums
    asked: int
    may_retry: bool
    may_send_on: bool
    may_take_back: bool
    may_settle: bool

    def of(self, states: Iterable[PayoutState]) -> Sums:
        """How many payouts are in one of these states, and how much they are."""
        return _together(self.by_state[state] for state in states if state in self.by_state)

    @property
    def payouts(self) -> int:
        """How many there are."""
        return self.of(PayoutState).count

    @property
    def failed(self) -> Sums:
        """Definitely not on their way, so that they may be paid by a new attempt."""
        return self.of(RETRYABLE)

    @property
    def unsure(self) -> Sums:
        """Looked up by the desk itself, again and again, until it knows."""
        return self.of(UNSETTLED)

    @property
    def waiting(self) -> Sums:
        """For a person, who has to look at the provider."""
        return self.of({PayoutState.NEEDS_REVIEW})

    @property
    def doubtful(self) -> Sums:
        """Both: nobody can say yet what became of them."""
        return self.of(DOUBTFUL)

    @property
    def in_flight(self) -> Sums:
        """On their way to the bank."""
        return self.of(IN_FLIGHT)


@dataclass(frozen=True, slots=True)
class Resolution:
    """What a person has said of a payout; ``checking`` until the desk has looked for itself."""

    person_id: str
    verdict: str
    provider_id: str
    comment: str
    at: datetime
    checking: bool


def remedies(reading: Reading, seen: ExecutionView) -> Remedies:
    """How the payouts of an execution stand, and what this person may do about them."""
    counted, takeable, cancelling = _counted(reading, seen.id)
    bare = Remedies(counted, takeable, 0, may_retry=False, may_send_on=False, may_take_back=False, may_settle=False)
    own = seen.requested_by == reading.actor.id
    prepares = own and reading.may(Permission.PAYOUTS_PREPARE)
    settles = not own and reading.may(Permission.PAYOUTS_RESOLVE)
    checking = _checking(reading, seen.id) if bare.waiting.count else 0
    retries = prepares and bare.failed.count > 0 and seen.state in REOPENED | {State.UNSETTLED}
    return Remedies(
        counted,
        takeable,
        cancelling + checking,
        may_retry=retries and _one_is_free(reading, seen.id),
        may_send_on=prepares and bare.unsure.count > 0 and seen.state is State.UNSETTLED and not seen.stop_requested,
        may_take_back=_may_take_back(reading, seen, own=own) if takeable.count else False,
        may_settle=settles and bare.waiting.count > 0,
    )


def _one_is_free(reading: Reading, execution_id: str) -> bool:
    """Whether of the rows that failed one is not held back by another payout that may pay it."""
    failed = [row.row_no for row in queries.newest_of(reading, execution_id) if row.state in RETRYABLE]
    return len(strays.of_rows(reading, execution_id, failed)) < len(failed)


def resolutions(reading: Reading, payout_ids: Iterable[str]) -> Mapping[str, Resolution]:
    """By payout: what was said of it last; payouts this person may not see are left out."""
    said = payout_resolution
    mine = payout.c.org_id == reading.org_id, payout.c.execution_id.in_(queries.visible_executions(reading))
    wanted = _said(reading).where(*mine, said.c.payout_id.in_(sorted(payout_ids)))
    rows = reading.rows(wanted.order_by(said.c.at, said.c.id))
    return {
        row.payout_id: Resolution(row.person_id, row.verdict, row.provider_id, row.comment, row.at, _is_open(row))
        for row in rows
    }


def _counted(reading: Reading, execution_id: str) -> tuple[Mapping[PayoutState, Sums], Sums, int]:
    """By state; of those made and not gone, the ones not asked back yet; and how many are."""
    counts = or_(queries.is_newest(reading), payout.c.state == PayoutState.NEEDS_REVIEW)
    mine = payout.c.org_id == reading.org_id, payout.c.execution_id == execution_id, counts
    cancelling = and_(payout.c.state == PayoutState.CREATED, payout.c.cancel_asked_at.is_not(None))
    asked = case((cancelling, 1), else_=0)
    columns = payout.c.state, payout.c.currency, asked.label("asked")
    found = reading.rows(
        select(*columns, func.count().label("many"), func.sum(payout.c.amount_minor).label("minor"))
        .where(*mine)
        .group_by(*columns)
        .order_by(*columns)
    )
    by_state: dict[PayoutState, list[Sums]] = {}
    for row in found:
        by_state.setdefault(PayoutState(row.state), []).append(_sums(row))
    takeable = [_sums(row) for row in found if row.state == PayoutState.CREATED and not row.asked]
    together = {state: _together(parts) for state, parts in by_state.items()}
    return together, _together(takeable), sum(int(row.many) for row in found if row.asked)


def _sums(row: Any) -> Sums:
    return Sums(int(row.many), {row.currency: int(row.minor)})


def _together(parts: Iterable[Sums]) -> Sums:
    count, amounts = 0, dict[str, int]()
    for part in parts:
        count += part.count
        for currency, minor in part.amounts.items():
            amounts[currency] = amounts.get(currency, 0) + minor
    return Sums(count, amounts)


def _may_take_back(reading: Reading, seen: ExecutionView, *, own: bool) -> bool:
    if seen.state not in OVER:
        return False
    if own or reading.may(Permission.EXECUTIONS_CANCEL_ANY):
        return True
    asked = approvals.of_subject(reading, "execution", seen.id)
    return any(said.person_id == reading.actor.id for request in asked for said in request.decisions)


def _checking(reading: Reading, execution_id: str) -> int:
    mine = payout.c.org_id == reading.org_id, payout.c.execution_id == execution_id
    rows = reading.rows(_said(reading).where(*mine, payout.c.state == PayoutState.NEEDS_REVIEW))
    return len({row.payout_id for row in rows if _is_open(row)})


def _said(reading: Reading) -> Any:
    said = payout_resolution
    together = and_(payout.c.org_id == said.c.org_id, payout.c.id == said.c.payout_id)
    columns = (said, payout.c.state, payout.c.updated_at)
    return select(*columns).select_from(said.join(payout, together)).where(said.c.org_id == reading.org_id)


def _is_open(row: Any) -> bool:
    """Whether nothing has come of it yet: the payout has not moved, nor been told why not, since it was said."""
    return bool(row.state == PayoutState.NEEDS_REVIEW and row.at > row.updated_at)
