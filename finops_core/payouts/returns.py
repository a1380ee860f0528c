"""Searching the provider's statement for money that banks gave back of payouts nobody looks at one by one any more."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial

from sqlalchemy import ColumnElement, and_, func, select, update

from finops_core.kernel.actor import worker_actor
from finops_core.kernel.ids import new_id
from finops_core.kernel.provider import Movement
from finops_core.payouts import queries, rounds, settlement
from finops_core.payouts.following import Follower
from finops_core.payouts.models import payout, statement_read
from finops_core.payouts.queries import Unsettled
from finops_core.payouts.rounds import Round
from finops_core.payouts.rules import PayoutState
from finops_core.platform.inserts import insert_unless_there
from finops_core.platform.queue import Claim
from finops_core.platform.work import Reading, Units, Work

# What was read before is read once more: a movement may be listed later than it was made.
OVERLAP = timedelta(days=1)


def look_for_returns(units: Units, claim: Claim) -> None:
    """Every account's statement since it was last read; a paid payout that it gives back is read anew and moves on."""
    del claim
    asked = Round(units)
    for org_id in rounds.organisations(units):
        if asked.over():
            return
        follower = Follower(units, org_id)
        with units.read(worker_actor(org_id)) as reading:
            accounts = _watched_accounts(reading)
        for connection_id, account, since in accounts:
            asked.ask(connection_id, partial(_look, follower, connection_id, account, since))


def _look(follower: Follower, connection_id: str, account: str, since: datetime) -> None:
    provider = follower.provider(connection_id)
    if not provider.capabilities().tells_status:
        return
    actor, now = worker_actor(follower.org_id), follower.units.ports.clock.now()
    movements = provider.statement(account, since)
    with follower.units.work(actor) as work:
        settlement.confirm(work, connection_id, account, movements)
        returned = _still_held_for_paid(work, connection_id, account, movements)
    for row in returned:
        follower.follow(row)
    # Only now: should a payout not be read, the same part of the statement is searched again.
    with follower.units.work(actor) as work:
        _note(work, connection_id, account, now)


def _watched(reading: Reading) -> tuple[ColumnElement[bool], ...]:
    since = reading.now - settlement.WATCHED
    return payout.c.org_id == reading.org_id, payout.c.state == PayoutState.PAID, payout.c.paid_at > since


def _watched_accounts(reading: Reading) -> Sequence[tuple[str, str, datetime]]:
    """Connection, account, and since when its statement has not been searched."""
    read = statement_read
    key = payout.c.connection_id, payout.c.account
    same = read.c.connection_id == payout.c.connection_id, read.c.account == payout.c.account
    joined = payout.outerjoin(read, and_(read.c.org_id == payout.c.org_id, *same))
    rows = reading.rows(
        select(*key, func.min(payout.c.first_sent_at).label("oldest"), func.max(read.c.read_at).label("read_at"))
        .select_from(joined)
        .where(*_watched(reading))
        .group_by(*key)
    )
    return [
        (row.connection_id, row.account, (row.read_at or row.oldest) - (OVERLAP if row.read_at else settlement.MARGIN))
        for row in rows
    ]


def _still_held_for_paid(
    work: Work, connection_id: str, account: str, movements: Sequence[Movement]
) -> list[Unsettled]:
    back = sorted({movement.payout_id for movement in movements if movement.amount_minor > 0})
    of_it = payout.c.connection_id == connection_id, payout.c.account == account, payout.c.provider_id.in_(back)
    return [queries.unsettled(row) for row in work.rows(select(payout).where(*_watched(work), *of_it))]


def _note(work: Work, connection_id: str, account: str, read_at: datetime) -> None:
    mine = {"org_id": work.org_id, "connection_id": connection_id, "account": account}
    if insert_unless_there(work, statement_read, {**mine, "id": new_id("str"), "read_at": read_at}):
        return
    table = statement_read
    of_it = table.c.org_id == work.org_id, table.c.connection_id == connection_id, table.c.account == account
    work.execute(update(table).where(*of_it).values(read_at=read_at))
