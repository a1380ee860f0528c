"""Payouts by what somebody remembers of them. Each way to ask is one statement that an index answers."""

from sqlalchemy import ColumnElement, Select, select

from finops_core import operations
from finops_core.kernel.sought import Sought
from finops_core.payouts.models import payout
from finops_core.payouts.queries import PayoutView, views_of, visible_executions
from finops_core.platform.lookup import amount_is, holds
from finops_core.platform.work import Reading


def find(reading: Reading, sought: Sought, limit: int = 6) -> tuple[PayoutView, ...]:
    """Payouts this person may see, newest first: by either id, bank reference, amount, payee or end of the account."""
    if not sought:
        return ()
    ids = {row.id: row.created_at for wanted in _ways(reading, sought, limit) for row in reading.rows(wanted)}
    newest = sorted(ids, key=lambda id_: (ids[id_], id_), reverse=True)[:limit]
    return views_of(reading, newest)


def _ways(reading: Reading, sought: Sought, limit: int) -> list[Select[tuple[str]]]:
    table = payout.c
    ways = [_by(reading, holds(table.bank, sought.name), limit)]
    if sought.id:
        ways += [_by(reading, column == sought.id, limit) for column in (table.id, table.provider_id)]
    ways.append(_by(reading, table.trace == sought.text.upper(), limit))
    if sought.minor:
        ways.append(_by(reading, amount_is(table.amount_minor, table.currency, sought), limit))
    return ways


def _by(reading: Reading, condition: ColumnElement[bool], limit: int) -> Select[tuple[str]]:
    table = payout.c
    mine = [table.org_id == reading.org_id, condition]
    if not operations.sees_all(reading):
        mine.append(table.execution_id.in_(visible_executions(reading)))
    newest = table.created_at.desc(), table.id.desc()
    return select(table.id, table.created_at).where(*mine).order_by(*newest).limit(limit)
