"""What can be done about an execution's payouts, and by whom: for screens, which offer nothing that would be refused.

Reads only. The verbs are in ``repair`` and ask for themselves.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import and_, case, func, select

from finops_core import approvals
from finops_core.kernel.errors import Conflict
from finops_core.kernel.money import Money
from finops_core.kernel.permissions import Permission
from finops_core.operations import OVER, ExecutionView, State
from finops_core.operations import RETRYABLE as REOPENED
from finops_core.payouts import counting, queries, strays
from finops_core.payouts.models import payout, payout_resolution
from finops_core.payouts.queries import Sums
from finops_core.payouts.rules import DOUBTFUL, IN_FLIGHT, RETRYABLE, UNSETTLED, PayoutState
from finops_core.platform.work import Reading


@dataclass(frozen=True, slots=True)
class Retry:
    """What a retry of an execution would plan.

    Attributes:
        rows: the numbers of the rows that definitely failed and nothing else may pay; ``sums`` of them.
        blocked: by row, what the provider calls the payout that may pay it; such a row stays as it is, not paid.
        why_not: what the verb refuses with; None while it does not.
    """

    rows: tuple[int, ...]
    sums: Sums
    blocked: Mapping[int, str]
    why_not: Conflict | None = field(compare=False)


@dataclass(frozen=True, slots=True)
class Remedies:
    """How an execution's payouts stand, and which verbs of ``repair`` are open to this person.

    Attributes:
        by_state: the payouts that count, counted and summed.
        twice: of those, the ones that paid their row again, and that nobody has dealt with.
        takeable: made, not gone yet, and not asked to be taken back.
        asked: how many wait for the answer to what a person asked: to be taken back, or to be settled.
        again: what a retry would plan.
        may_retry, may_send_on, may_take_back, may_settle: whether the verb is open now.
    """

    by_state: Mapping[PayoutState, Sums]
    twice: Sums
    takeable: Sums
    asked: int
    again: Retry
    may_retry: bool
    may_send_on: bool
    may_take_back: bool
    may_settle: bool

    def of(self, states: Iterable[PayoutState]) -> Sums:
        """How many payouts are in one of these states, and how much they are."""
        return _of(self.by_state, states)

    @property
    def sums(self) -> Sums:
        """All of them."""
        return self.of(PayoutState)

    @property
    def payouts(self) -> int:
        """How many there are."""
        return self.sums.count

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


@dataclass(frozen=True, slots=True)
class Counted:
    """The payouts that count; of those made and not gone, the ones not asked back yet, and how many are."""

    by_state: Mapping[PayoutState, Sums]
    twice: Sums
    takeable: Sums
    cancelling: int


def remedies(reading: Reading, seen: ExecutionView) -> Remedies:
    """How the payouts of an execution stand, and what this person may do about them."""
    found = _counted(reading, seen.id)
    states, again = found.by_state, _retry(reading, seen.id, found)
    own = seen.requested_by == reading.actor.id
    prepares = own and reading.may(Permission.PAYOUTS_PREPARE)
    settles = not own and reading.may(Permission.PAYOUTS_RESOLVE)
    waiting = _of(states, {PayoutState.NEEDS_REVIEW}).count
    checking = _checking(reading, seen.id) if waiting else 0
    unsure = prepares and seen.state is State.UNSETTLED and not seen.stop_requested and _of(states, UNSETTLED).count
    return Remedies(
        states,
        found.twice,
        found.takeable,
        found.cancelling + checking,
        again,
        may_retry=prepares and bool(again.rows) and again.why_not is None and seen.state in REOPENED,
        may_send_on=bool(unsure) and sendable(reading, seen.id),
        may_take_back=_may_take_back(reading, seen, own=own) if found.takeable.count else False,
        may_settle=settles and waiting + found.twice.count > 0,
    )


def retry_of(reading: Reading, execution_id: str) -> Retry:
    """What a retry would plan, and why not: for the verb and for screens alike."""
    return _retry(reading, execution_id, _counted(reading, execution_id))


def sendable(reading: Reading, execution_id: str) -> bool:
    """Whether any payout in doubt may be sent again: none of a row that another attempt may have paid."""
    mine = payout.c.org_id == reading.org_id, payout.c.execution_id == execution_id
    unsettled = *mine, payout.c.state.in_(sorted(UNSETTLED)), counting.alone(reading)
    return reading.scalar(select(payout.c.id).where(*unsettled).limit(1)) is not None


def _retry(reading: Reading, execution_id: str, found: Counted) -> Retry:
    if not _of(found.by_state, RETRYABLE).count:
        return Retry((), Sums(0, {}), {}, _why_not(found, (), {}))
    mine = payout.c.org_id == reading.org_id, payout.c.execution_id == execution_id, counting.counts(reading)
    columns = payout.c.row_no, payout.c.currency, payout.c.amount_minor
    failed = reading.rows(
        select(*columns).where(*mine, payout.c.state.in_(sorted(RETRYABLE))).order_by(payout.c.row_no)
    )
    others = strays.of_rows(reading, execution_id, [row.row_no for row in failed])
    blocked = {number: other.payout_id for number, other in others.items()}
    free = [row for row in failed if row.row_no not in blocked]
    sums = _together(Sums(1, {row.currency: int(row.amount_minor)}) for row in free)
    return Retry(tuple(row.row_no for row in free), sums, blocked, _why_not(found, free, blocked))


def _why_not(found: Counted, free: Sequence[Any], blocked: Mapping[int, str]) -> Conflict | None:
    if _of(found.by_state, DOUBTFUL).count:
        return Conflict(
            "STILL_IN_DOUBT",
            "Of some payouts nobody knows yet what became of them.",
            hint="Wait until they are settled, or settle them; then retry.",
        )
    if found.twice.count:
        again = ", ".join(str(Money(minor, currency)) for currency, minor in sorted(found.twice.amounts.items()))
        return Conflict(
            "PAID_TWICE",
            f"Money left twice: {again} more than was planned.",
            hint="Have it taken back, or have somebody who did not prepare it settle it; then retry.",
        )
    if blocked and not free:
        number, other = next(iter(blocked.items()))
        return Conflict(
            "OTHER_PAYOUT_FOUND",
            f"The provider has told of another payout for row {number}: {other}. It may have been paid by that.",
            hint="Look at it there. If it pays the row, nothing is left to do; once it is cancelled, retry.",
        )
    return None


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


def _counted(reading: Reading, execution_id: str) -> Counted:
    mine = payout.c.org_id == reading.org_id, payout.c.execution_id == execution_id, counting.counts(reading)
    cancelling = and_(payout.c.state == PayoutState.CREATED, payout.c.cancel_asked_at.is_not(None))
    asked, twice = case((cancelling, 1), else_=0), case((counting.twice(reading), 1), else_=0)
    columns = payout.c.state, payout.c.currency, payout.c.amount_minor, asked.label("asked"), twice.label("twice")
    each = select(*columns).where(*mine).subquery()
    key = each.c.state, each.c.currency, each.c.asked, each.c.twice
    found = reading.rows(
        select(*key, func.count().label("many"), func.sum(each.c.amount_minor).label("minor"))
        .group_by(*key)
        .order_by(*key)
    )
    by_state: dict[PayoutState, list[Sums]] = {}
    for row in found:
        by_state.setdefault(PayoutState(row.state), []).append(_sums(row))
    return Counted(
        {state: _together(parts) for state, parts in by_state.items()},
        _together(_sums(row) for row in found if row.twice),
        _together(_sums(row) for row in found if row.state == PayoutState.CREATED and not row.asked),
        sum(int(row.many) for row in found if row.asked),
    )


def _of(by_state: Mapping[PayoutState, Sums], states: Iterable[PayoutState]) -> Sums:
    return _together(by_state[state] for state in states if state in by_state)


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
