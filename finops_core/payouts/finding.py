"""Payouts by what somebody remembers of them. Each way to ask is one statement that an index answers."""

from datetime import datetime

from sqlalchemy import ColumnElement, Select, select

from finops_core import operations
from finops_core.kernel.sought import Sought
from finops_core.operations.models import execution
from finops_core.payouts.models import payout
from finops_core.payouts.queries import PayoutView, views_of, visible_executions
from finops_core.platform.lookup import amount_is, holds, newest_of
from finops_core.platform.work import Reading

ENOUGH = 200


def find(reading: Reading, sought: Sought, limit: int = 6) -> tuple[PayoutView, ...]:
    """Payouts this person may see, newest first: by either id, bank reference, amount, payee or end of the account."""
    return views_of(reading, newest_of(reading, _ways(reading, sought, limit), limit)) if sought else ()


def _ways(reading: Reading, sought: Sought, limit: int) -> list[Select[tuple[str, datetime]]]:
    table = payout.c
    ways = []
    if sought.may_be_name:
        named = _mine(reading, holds(reading.dialect, table.bank, sought.name))
        ways.append(named.order_by(table.created_at.desc(), table.id.desc()).limit(limit))
    if sought.id:
        ways += [_mine(reading, column == sought.id).limit(ENOUGH) for column in (table.id, table.provider_id)]
    # What is exact is few and stands in an index of its own. No order: SQLite would read the index that has it instead.
    ways.append(_mine(reading, table.trace == sought.text.upper()).limit(ENOUGH))
    if sought.minor:
        ways.append(_mine(reading, amount_is(table.amount_minor, table.currency, sought)).limit(ENOUGH))
    return ways


def _mine(reading: Reading, condition: ColumnElement[bool]) -> Select[tuple[str, datetime]]:
    """Payouts of executions this person may see, asked row by row."""
    table = payout.c
    mine = [table.org_id == reading.org_id, condition]
    if not operations.sees_all(reading):
        seen = visible_executions(reading)
        mine.append(seen.where(execution.c.id == table.execution_id).correlate(payout).exists())
    return select(table.id, table.created_at).where(*mine)
