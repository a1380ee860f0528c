"""Reads of payouts."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, and_, func, or_, select

from finops_core import operations
from finops_core.operations.models import execution
from finops_core.operations.queries import visible
from finops_core.operations.rules import FINAL
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


def left_over(reading: Reading, limit: int = 1_000) -> tuple[Unsettled, ...]:
    """Payouts of executions that have ended: sent without a clear answer, or never sent. Oldest first."""
    over = select(execution.c.id).where(execution.c.org_id == reading.org_id, execution.c.state.in_(sorted(FINAL)))
    states = payout.c.state.in_(sorted(UNSETTLED | {PayoutState.APPROVED}))
    mine = payout.c.org_id == reading.org_id, states, payout.c.execution_id.in_(over)
    found = reading.rows(select(payout).where(*mine).order_by(payout.c.created_at, payout.c.id).limit(limit))
    return tuple(_unsettled(row) for row in found)


@dataclass(frozen=True, slots=True)
class Paid:
    """How many payouts exist at the provider, and their sums per currency in minor units."""

    count: int
    amounts: Mapping[str, int]


def doubtful(reading: Reading) -> int:
    """How many payouts nobody can be sure of, of executions this person may see."""
    return int(reading.scalar(select(func.count()).select_from(payout).where(*_doubtful(reading))) or 0)


def doubtful_executions(reading: Reading, limit: int = 200) -> tuple[str, ...]:
    """Ids of the executions those payouts belong to, newest first."""
    ids = select(payout.c.execution_id).where(*_doubtful(reading)).group_by(payout.c.execution_id)
    return tuple(row.execution_id for row in reading.rows(ids.order_by(payout.c.execution_id.desc()).limit(limit)))


def paid_since(reading: Reading, since: datetime) -> Paid:
    """What exists at the provider of executions made since an instant, of those this person may see."""
    live = payout.c.state.in_(sorted(LIVE))
    sums = select(payout.c.currency, func.count().label("many"), func.sum(payout.c.amount_minor).label("minor")).where(
        *_seen(reading, execution.c.created_at >= since), live
    )
    found = reading.rows(sums.group_by(payout.c.currency).order_by(payout.c.currency))
    return Paid(sum(int(row.many) for row in found), {row.currency: int(row.minor) for row in found})


def _doubtful(reading: Reading) -> tuple[ColumnElement[bool], ...]:
    over = select(execution.c.id).where(execution.c.org_id == reading.org_id, execution.c.state.in_(sorted(FINAL)))
    open_end = payout.c.state == PayoutState.SUBMITTING, payout.c.execution_id.in_(over)
    states = payout.c.state.in_((PayoutState.IN_DOUBT, PayoutState.NEEDS_REVIEW))
    return (*_seen(reading), or_(states, and_(*open_end)))


def _seen(reading: Reading, *more: ColumnElement[bool]) -> tuple[ColumnElement[bool], ...]:
    mine = select(execution.c.id).where(execution.c.org_id == reading.org_id, visible(reading), *more)
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
