"""Executions by what somebody remembers of them. Each way to ask is one statement that an index answers.

Not a filter of the history: that is ``queries.executions``.
"""

from collections.abc import Sequence

from sqlalchemy import ColumnElement, Select, and_, select

from finops_core.kernel.sought import Sought
from finops_core.operations import models
from finops_core.operations.queries import ExecutionView, views_of, visible
from finops_core.operations.rules import PublicState
from finops_core.platform.lookup import amount_is, hash_begins, holds, number_begins
from finops_core.platform.work import Reading

ENOUGH, PLANS_READ = 200, 200


def find(reading: Reading, sought: Sought, people: Sequence[str] = (), limit: int = 6) -> tuple[ExecutionView, ...]:
    """Executions this person may see, newest first: by number, id, file, file's hash, amount, payee or requester.

    Args:
        reading: the person's look.
        sought: what was typed.
        people: ids of those whose names match it.
        limit: how many at most.
    """
    if not sought:
        return ()
    table = models.execution
    ids = {row.id for wanted in _ways(reading, sought, people, limit) for row in reading.rows(wanted)}
    mine = table.c.org_id == reading.org_id, table.c.id.in_(sorted(ids)), visible(reading)
    newest = table.c.created_at.desc(), table.c.id.desc()
    return views_of(reading, reading.rows(select(table).where(*mine).order_by(*newest).limit(limit))) if ids else ()


def _ways(reading: Reading, sought: Sought, people: Sequence[str], limit: int) -> list[Select[tuple[str]]]:
    """One statement for each thing it may be; all of them give ids."""
    table = models.execution
    ways = [_by(reading, holds(table.c.input_name, sought.text), limit)]
    ways += [_by(reading, number_begins(table.c.number, number), limit) for number in sought.numbers]
    if sought.id:
        ways.append(_by(reading, table.c.id == sought.id, limit))
    if sought.hash:
        ways.append(_by(reading, hash_begins(table.c.input_sha256, sought.hash), limit))
    ways += [_by(reading, table.c.requested_by == person_id, limit) for person_id in people]
    if sought.minor:
        ways += _by_amount(reading, sought)
    ways.append(_by_payee(reading, sought))
    return ways


def _by(reading: Reading, condition: ColumnElement[bool], limit: int) -> Select[tuple[str]]:
    table = models.execution
    mine = table.c.org_id == reading.org_id, visible(reading), condition
    return select(table.c.id).where(*mine).order_by(table.c.created_at.desc(), table.c.id.desc()).limit(limit)


def _by_amount(reading: Reading, sought: Sought) -> list[Select[tuple[str]]]:
    """Those with a plan of which a row, or the sum of a currency, is the amount."""
    line, sums, header = models.plan_row, models.plan_total, models.plan
    together = and_(header.c.org_id == line.c.org_id, header.c.id == line.c.plan_id)
    rows = select(header.c.execution_id.label("id")).select_from(line.join(header, together))
    rows = rows.where(header.c.org_id == reading.org_id, line.c.org_id == reading.org_id)
    rows = rows.where(amount_is(line.c.amount_minor, line.c.currency, sought)).order_by(line.c.plan_id.desc())
    whole = select(sums.c.execution_id.label("id")).where(sums.c.org_id == reading.org_id)
    whole = whole.where(amount_is(sums.c.amount_minor, sums.c.currency, sought)).order_by(sums.c.plan_id.desc())
    return [rows.limit(ENOUGH), whole.limit(ENOUGH)]


def _by_payee(reading: Reading, sought: Sought) -> Select[tuple[str]]:
    """Those that have not run yet and whose plan names the payee or the end of an account: payouts tell of the rest."""
    table, header, line = models.execution, models.plan, models.plan_row
    waiting = (
        select(table.c.id, table.c.plan_hash)
        .where(table.c.org_id == reading.org_id, table.c.public_state == PublicState.PENDING, visible(reading))
        .order_by(table.c.created_at.desc())
        .limit(PLANS_READ)
        .subquery("waiting")
    )
    present = and_(header.c.execution_id == waiting.c.id, header.c.hash == waiting.c.plan_hash)
    together = and_(line.c.org_id == header.c.org_id, line.c.plan_id == header.c.id)
    found = select(header.c.execution_id.label("id")).select_from(header.join(waiting, present).join(line, together))
    named = holds(line.c.body, sought.name)
    mine = header.c.org_id == reading.org_id, line.c.org_id == reading.org_id
    return found.where(*mine, named).distinct().limit(ENOUGH)
