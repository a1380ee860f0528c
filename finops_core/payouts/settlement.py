"""Holding each payout against the provider's own statement: what paid it, and what gave it back."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from sqlalchemy import ColumnElement, Row, and_, func, or_, select, update

from finops_core import connections
from finops_core.kernel.actor import worker_actor
from finops_core.kernel.provider import Movement
from finops_core.payouts import fees, queries, rounds
from finops_core.payouts.models import payout
from finops_core.payouts.rounds import Round
from finops_core.payouts.rules import PayoutState
from finops_core.platform import queue
from finops_core.platform.ports import PayoutProvider
from finops_core.platform.queue import Claim
from finops_core.platform.work import Reading, Units, Work

RECONCILE_JOB = "payouts.reconcile"
GIVEN_BACK = (PayoutState.FAILED, PayoutState.CANCELED)
MARGIN = timedelta(hours=1)
# Older ones than this are a person's matter: their difference stands in the batch's report.
LOOK_BACK = timedelta(days=90)
# A bank gives nothing back that was paid longer ago than this; see also ``rules.watched_from``.
WATCHED = timedelta(days=31)


def ask_to_reconcile(work: Work) -> None:
    """Have the worker fetch the provider's statement soon."""
    queue.enqueue(work, RECONCILE_JOB, {}, key=RECONCILE_JOB, again=True)


def reconcile(units: Units, claim: Claim) -> None:
    """Every organisation's payouts that the provider's statement has not confirmed yet."""
    del claim
    asked = Round(units)
    for org_id in rounds.organisations(units):
        if asked.over():
            return
        with units.read(worker_actor(org_id)) as reading:
            accounts = _open_accounts(reading)
        for connection_id, account, since in accounts:
            asked.ask(connection_id, partial(_reconcile, units, org_id, connection_id, account, since))


def confirm(work: Work, connection_id: str, account: str, movements: Sequence[Movement]) -> int:
    """Note what a statement shows of an account's open payouts, and gives back of paid ones; how many it confirmed."""
    by_payout: dict[str, list[Movement]] = {}
    for movement in movements:
        by_payout.setdefault(movement.payout_id, []).append(movement)
    confirmed = 0
    back = sorted({movement.payout_id for movement in movements if movement.amount_minor > 0})
    returned = and_(payout.c.state == PayoutState.PAID, payout.c.provider_id.in_(back))
    mine = payout.c.org_id == work.org_id, payout.c.connection_id == connection_id, payout.c.account == account
    # Held as they stand now: another look at the same statement waits here, and then finds nothing left to confirm.
    open_ = select(payout).where(*mine, payout.c.provider_id != "", or_(_not_shown(), returned))
    for row in work.rows(open_.order_by(payout.c.id).with_for_update()):
        changes = _shown(row, by_payout.get(row.provider_id, ()))
        if changes:
            this = payout.c.org_id == work.org_id, payout.c.id == row.id
            work.execute(update(payout).where(*this).values(**changes, reconciled_at=work.now))
            fees.book(work, queries.unsettled(row), _fee(changes, by_payout[row.provider_id]))
            confirmed += 1
    return confirmed


def _reconcile(units: Units, org_id: str, connection_id: str, account: str, since: datetime) -> None:
    with units.read(worker_actor(org_id)) as reading:
        credentials = connections.credentials(reading, connection_id)
    provider: PayoutProvider = units.ports.provider(credentials)
    if not provider.capabilities().tells_status:
        return
    movements = provider.statement(account, since - MARGIN)
    with units.work(worker_actor(org_id)) as work:
        confirm(work, connection_id, account, movements)


def _shown(row: Row[Any], movements: Sequence[Movement]) -> Mapping[str, Any]:
    """What is new for a row: fee and net of the movement out, the sum of what came back."""
    out = [movement for movement in movements if movement.amount_minor < 0]
    back = [movement for movement in movements if movement.amount_minor > 0]
    shown: dict[str, Any] = {}
    if out and row.net_minor is None:
        shown |= {
            "movement_id": out[0].id,
            "fee_minor": sum(movement.fee_minor for movement in out),
            "net_minor": sum(movement.net_minor for movement in out),
        }
    if back and row.returned_minor is None:
        shown |= {"return_id": back[0].id, "returned_minor": sum(movement.net_minor for movement in back)}
    return shown


def _fee(shown: Mapping[str, Any], movements: Sequence[Movement]) -> int:
    """What the provider took for the movements that are new, in minor units."""
    out = sum(each.fee_minor for each in movements if each.amount_minor < 0) if "fee_minor" in shown else 0
    back = sum(each.fee_minor for each in movements if each.amount_minor > 0) if "returned_minor" in shown else 0
    return out + back


def _open_accounts(reading: Reading) -> tuple[tuple[str, str, datetime], ...]:
    """Connection, account and the oldest sending among what is not confirmed."""
    oldest = func.min(payout.c.first_sent_at).label("oldest")
    mine = payout.c.org_id == reading.org_id, payout.c.provider_id != "", _not_shown()
    found = reading.rows(
        select(payout.c.connection_id, payout.c.account, oldest)
        .where(*mine, payout.c.first_sent_at > reading.now - LOOK_BACK)
        .group_by(payout.c.connection_id, payout.c.account)
    )
    return tuple((row.connection_id, row.account, row.oldest) for row in found)


def _not_shown() -> ColumnElement[bool]:
    """The condition that a movement of a payout is still to be found."""
    missing_back = and_(payout.c.state.in_(GIVEN_BACK), payout.c.returned_minor.is_(None))
    return or_(payout.c.net_minor.is_(None), missing_back)
