"""Reads of payouts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, func, select

from finops_core import operations
from finops_core.operations.models import execution
from finops_core.operations.queries import visible
from finops_core.payouts.models import payout
from finops_core.payouts.rules import LIVE, UNSETTLED, PayoutState
from finops_core.platform.work import Reading


@dataclass(frozen=True, slots=True)
class PayoutView:
    """One payout as screens show it."""

    id: str
    row_no: int
    account: str
    currency: str
    amount_minor: int
    bank: str
    state: PayoutState
    provider_id: str
    arrival_on: str
    error_code: str
    error_message: str
    attempt: int
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Unsettled:
    """A payout as the batch needs it: what was or will be sent, under which key."""

    id: str
    execution_id: str
    row_no: int
    attempt: int
    connection_id: str
    account: str
    currency: str
    amount_minor: int
    row_hash: str
    key: str
    sealed_body: bytes
    state: PayoutState
    first_sent_at: datetime | None


def rows(reading: Reading, execution_id: str) -> tuple[PayoutView, ...]:
    """The payouts of an execution this person may see, in the plan's order."""
    seen = operations.execution(reading, execution_id)
    mine = payout.c.org_id == reading.org_id, payout.c.execution_id == seen.id
    found = reading.rows(select(payout).where(*mine).order_by(payout.c.row_no, payout.c.attempt))
    return tuple(_view(row) for row in found)


def batch(reading: Reading, execution_id: str, attempt: int) -> tuple[Unsettled, ...]:
    """Every payout of an attempt, in the plan's order; for the run itself."""
    mine = payout.c.org_id == reading.org_id, payout.c.execution_id == execution_id, payout.c.attempt == attempt
    return tuple(_unsettled(row) for row in reading.rows(select(payout).where(*mine).order_by(payout.c.row_no)))


def unsettled(reading: Reading, ended: Sequence[str], limit: int = 100) -> tuple[Unsettled, ...]:
    """Payouts whose call had no clear answer, oldest first, of executions in one of the ``ended`` states."""
    over = select(execution.c.id).where(execution.c.org_id == reading.org_id, execution.c.state.in_(ended))
    mine = payout.c.org_id == reading.org_id, payout.c.state.in_(sorted(UNSETTLED)), payout.c.execution_id.in_(over)
    found = reading.rows(select(payout).where(*mine).order_by(payout.c.first_sent_at).limit(limit))
    return tuple(_unsettled(row) for row in found)


@dataclass(frozen=True, slots=True)
class Paid:
    """How many payouts exist at the provider, and their sums per currency in minor units."""

    count: int
    amounts: Mapping[str, int]


def counts(reading: Reading) -> Mapping[PayoutState, int]:
    """How many payouts stand in each state, of executions this person may see."""
    per_state = select(payout.c.state, func.count().label("many")).where(*_seen(reading)).group_by(payout.c.state)
    return {PayoutState(row.state): int(row.many) for row in reading.rows(per_state)}


def doubtful_executions(reading: Reading, limit: int = 200) -> tuple[str, ...]:
    """Ids of executions with payouts nobody can be sure of, newest first."""
    states = payout.c.state.in_((PayoutState.IN_DOUBT, PayoutState.NEEDS_REVIEW, PayoutState.SUBMITTING))
    ids = select(payout.c.execution_id).where(*_seen(reading), states).group_by(payout.c.execution_id)
    return tuple(row.execution_id for row in reading.rows(ids.order_by(payout.c.execution_id.desc()).limit(limit)))


def paid_since(reading: Reading, since: datetime) -> Paid:
    """What was paid out since an instant: everything sent since then that exists at the provider."""
    live = payout.c.state.in_(sorted(LIVE)), payout.c.first_sent_at >= since
    sums = select(payout.c.currency, func.count().label("many"), func.sum(payout.c.amount_minor).label("minor")).where(
        *_seen(reading), *live
    )
    found = reading.rows(sums.group_by(payout.c.currency).order_by(payout.c.currency))
    return Paid(sum(int(row.many) for row in found), {row.currency: int(row.minor) for row in found})


def _seen(reading: Reading) -> tuple[ColumnElement[bool], ...]:
    mine = select(execution.c.id).where(execution.c.org_id == reading.org_id, visible(reading))
    return payout.c.org_id == reading.org_id, payout.c.execution_id.in_(mine)


def _view(row: Row[Any]) -> PayoutView:
    return PayoutView(
        row.id,
        row.row_no,
        row.account,
        row.currency,
        row.amount_minor,
        row.bank,
        PayoutState(row.state),
        row.provider_id,
        row.arrival_on,
        row.error_code,
        row.error_message,
        row.attempt,
        row.updated_at,
    )


def _unsettled(row: Row[Any]) -> Unsettled:
    return Unsettled(
        row.id,
        row.execution_id,
        row.row_no,
        row.attempt,
        row.connection_id,
        row.account,
        row.currency,
        row.amount_minor,
        row.row_hash,
        row.key,
        row.request_body,
        PayoutState(row.state),
        row.first_sent_at,
    )
