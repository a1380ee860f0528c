"""What a batch has come to: its result for people and files, and the tie-out of what was planned with what happened."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, case, func, select

from finops_core import operations
from finops_core.kernel.money import Money
from finops_core.kernel.operation import Metrics, Records, Result, Standing
from finops_core.payouts import queries, service
from finops_core.payouts.models import payout
from finops_core.payouts.queries import PayoutView
from finops_core.payouts.rules import DOUBTFUL, IN_FLIGHT, LIVE, PayoutState
from finops_core.platform.work import Reading, Work

_S = PayoutState
NEVER_SENT = frozenset({_S.CANCELED, _S.EXPIRED, _S.REJECTED})


def conclude(work: Work, execution_id: str, attempt: int) -> Result:
    """Close what an ended attempt never sent, and give what it has come to."""
    for row in queries.never_sent(work, execution_id, attempt):
        service.call_off(work, row, "The run ended before it was sent.")
    return result_of([view for view in queries.rows(work, execution_id) if view.attempt == attempt])


def standing(reading: Reading, execution_id: str, attempt: int) -> Standing:
    """What an attempt has come to by now, counted by the database."""
    mine = payout.c.org_id == reading.org_id, payout.c.execution_id == execution_id, payout.c.attempt == attempt
    rows = reading.rows(select(payout.c.state, func.count().label("many")).where(*mine).group_by(payout.c.state))
    counts = {PayoutState(row.state): int(row.many) for row in rows}
    return Standing(_message(sum(counts.values()), counts), sum(counts.get(state, 0) for state in DOUBTFUL))


RECORDS = Records(conclude, standing)


def result_of(rows: Sequence[PayoutView]) -> Result:
    """The result of one attempt by its rows."""
    counts: dict[PayoutState, int] = {}
    totals: dict[str, int] = {}
    for row in rows:
        counts[row.state] = counts.get(row.state, 0) + 1
        if row.state in LIVE:
            totals[row.currency] = totals.get(row.currency, 0) + row.amount_minor
    done = sum(counts.get(state, 0) for state in LIVE)
    doubtful = [row for row in rows if row.state in DOUBTFUL]
    came_back = [row for row in rows if row.state is _S.FAILED]
    lost = [row for row in rows if row.state in NEVER_SENT]
    return Result(
        success=done == len(rows),
        message=_message(len(rows), counts),
        metrics=Metrics(len(rows), done, len(lost) + len(came_back), totals),
        table=_table(rows) if rows else {},
        warnings=tuple(f"Row {row.row_no} is in doubt: {row.error_message}" for row in doubtful),
        errors=tuple(f"Row {row.row_no}: {row.error_message}" for row in (*came_back, *lost)),
        open_ends=len(doubtful),
        untouched=not any(row.sent_at for row in rows),
    )


_WORDS: tuple[tuple[frozenset[PayoutState], str], ...] = (
    (DOUBTFUL, "in doubt"),
    (frozenset({_S.FAILED}), "came back"),
    (frozenset({_S.REJECTED}), "refused"),
    (frozenset({_S.CANCELED, _S.EXPIRED}), "not sent"),
)


def _message(total: int, counts: Mapping[PayoutState, int]) -> str:
    if not total:
        return "There was nothing to pay."
    made = sum(counts.get(state, 0) for state in LIVE)
    told = [f"{made} of {total} payouts made"]
    for states, words in _WORDS:
        count = sum(counts.get(state, 0) for state in states)
        if count:
            told.append(f"{count} {words}")
    return ", ".join(told) + "."


def _table(rows: Sequence[PayoutView]) -> Mapping[str, Sequence[Any]]:
    return {
        "Row": [row.row_no for row in rows],
        "Account": [row.account for row in rows],
        "Currency": [row.currency for row in rows],
        "Amount": [Money(row.amount_minor, row.currency) for row in rows],
        "Bank account": [row.bank for row in rows],
        "State": [row.state.value.replace("_", " ") for row in rows],
        "Provider id": [row.provider_id for row in rows],
        "Expected arrival": [row.arrival_on if row.state in LIVE else "" for row in rows],
        "Bank reference": [row.trace for row in rows],
        "Problem": [row.error_message for row in rows],
    }


@dataclass(frozen=True, slots=True)
class TieOut:
    """One currency of a batch: what was approved, and where each minor unit of it is. All amounts in minor units.

    The last attempt of each row counts. ``planned`` = in flight + arrived + returned + refused + not_sent + in_doubt
    holds by construction; ``difference`` is what the provider's own statement says otherwise (0 when it agrees).
    """

    currency: str
    planned: int
    in_flight: int
    arrived: int
    returned: int
    refused: int
    not_sent: int
    in_doubt: int
    fees: int
    payouts: int
    reconciled: int
    made: int
    difference: int

    @property
    def complete(self) -> bool:
        """Every payout that was made stands in the provider's statement, with the amount we asked for."""
        return self.reconciled == self.made and not self.difference


def tie_out(reading: Reading, execution_id: str) -> tuple[TieOut, ...]:
    """Plan, outcome and the provider's statement of a batch, per currency; for those who may see the execution."""
    seen = operations.execution(reading, execution_id)
    where = payout.c.org_id == reading.org_id, payout.c.execution_id == seen.id, queries.is_newest(reading)
    known = payout.c.reconciled_at.is_not(None)
    # What the statement took from the balance, less what it gave back, against the same of our own states.
    stated = func.coalesce(payout.c.net_minor, 0) + func.coalesce(payout.c.returned_minor, 0)
    ours = case((payout.c.state == _S.FAILED, 0), (payout.c.state == _S.CANCELED, 0), else_=-payout.c.amount_minor)
    fees = func.coalesce(payout.c.fee_minor, 0)
    found = reading.rows(
        select(
            payout.c.currency,
            func.sum(payout.c.amount_minor).label("planned"),
            _sum(payout.c.state.in_(sorted(IN_FLIGHT))).label("in_flight"),
            _sum(payout.c.state == _S.PAID).label("arrived"),
            _sum(payout.c.state == _S.FAILED).label("returned"),
            _sum(payout.c.state == _S.REJECTED).label("refused"),
            _sum(payout.c.state.in_((_S.CANCELED, _S.EXPIRED, _S.APPROVED))).label("not_sent"),
            _sum(payout.c.state.in_(sorted(DOUBTFUL))).label("in_doubt"),
            func.sum(fees).label("fees"),
            func.count().label("payouts"),
            func.sum(case((known, 1), else_=0)).label("reconciled"),
            func.sum(case((payout.c.provider_id != "", 1), else_=0)).label("made"),
            func.sum(case((known, stated + fees - ours), else_=0)).label("difference"),
        )
        .where(*where)
        .group_by(payout.c.currency)
        .order_by(payout.c.currency)
    )
    return tuple(TieOut(row.currency, *map(int, tuple(row)[1:])) for row in found)


def _sum(condition: ColumnElement[bool]) -> ColumnElement[Any]:
    return func.sum(case((condition, payout.c.amount_minor), else_=0))
