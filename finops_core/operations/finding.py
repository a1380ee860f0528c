"""Executions by what somebody remembers of them. Each way to ask is one statement that an index answers.

Not a filter of the history: that is ``queries.executions``.
"""

import json
from collections.abc import Sequence

from sqlalchemy import ColumnElement, Select, select

from finops_core.kernel.sought import Sought
from finops_core.operations import models
from finops_core.operations.queries import ExecutionView, views_of, visible
from finops_core.operations.rules import PublicState
from finops_core.platform.lookup import amount_is, hash_begins, holds, number_begins
from finops_core.platform.work import Reading

ENOUGH, PLANS_READ = 200, 200
PAYEE_FIELDS = ("bank", "payee", "descriptor")


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
    ids |= _by_payee(reading, sought)
    mine = table.c.org_id == reading.org_id, table.c.id.in_(sorted(ids)), visible(reading)
    newest = table.c.created_at.desc(), table.c.id.desc()
    return views_of(reading, reading.rows(select(table).where(*mine).order_by(*newest).limit(limit))) if ids else ()


def _ways(reading: Reading, sought: Sought, people: Sequence[str], limit: int) -> list[Select[tuple[str]]]:
    """One statement for each thing it may be; all of them give ids."""
    table = models.execution
    ways = [_exactly(reading, number_begins(table.c.number, number), table.c.number) for number in sought.numbers]
    if sought.may_be_name:
        ways.append(_newest(reading, holds(reading.dialect, table.c.input_name, sought.text), limit))
    if sought.id:
        ways.append(_exactly(reading, table.c.id == sought.id, table.c.id))
    if sought.hash:
        ways.append(_exactly(reading, hash_begins(table.c.input_sha256, sought.hash), table.c.input_sha256))
    ways += [_newest(reading, table.c.requested_by == person_id, limit) for person_id in people]
    if sought.minor:
        ways += _by_amount(reading, sought)
    return ways


def _newest(reading: Reading, condition: ColumnElement[bool], limit: int) -> Select[tuple[str]]:
    """The newest of many: the index that stands in that order is read until enough are found."""
    table = models.execution
    mine = table.c.org_id == reading.org_id, condition, visible(reading)
    return select(table.c.id).where(*mine).order_by(table.c.created_at.desc(), table.c.id.desc()).limit(limit)


def _exactly(reading: Reading, condition: ColumnElement[bool], column: ColumnElement[str]) -> Select[tuple[str]]:
    """The few that a column's own index gives. By no other order: SQLite would read the index that has it instead."""
    table = models.execution
    mine = table.c.org_id == reading.org_id, condition
    return select(table.c.id).where(*mine, visible(reading)).order_by(column.desc()).limit(ENOUGH)


def _by_amount(reading: Reading, sought: Sought) -> list[Select[tuple[str]]]:
    """Those with a plan of which a row, or the sum of a currency, is the amount."""
    line, sums, header = models.plan_row, models.plan_total, models.plan
    rows = select(line.c.plan_id).where(line.c.org_id == reading.org_id)
    rows = rows.where(amount_is(line.c.amount_minor, line.c.currency, sought)).limit(ENOUGH)
    plans = [row.plan_id for row in reading.rows(rows)]
    mine = header.c.org_id == reading.org_id, header.c.id.in_(plans)
    whole = select(sums.c.execution_id.label("id")).where(sums.c.org_id == reading.org_id)
    whole = whole.where(amount_is(sums.c.amount_minor, sums.c.currency, sought)).limit(ENOUGH)
    return [whole, *([select(header.c.execution_id.label("id")).where(*mine)] if plans else [])]


def _by_payee(reading: Reading, sought: Sought) -> set[str]:
    """Those that have not run yet and whose plan names the payee, the end of an account or a payment's reference.

    Payouts tell the first two of the rest.
    """
    if not sought.may_be_name:
        return set()
    table, header, line = models.execution, models.plan, models.plan_row
    pending = table.c.org_id == reading.org_id, table.c.public_state == PublicState.PENDING, visible(reading)
    waiting = select(table.c.id).where(*pending).order_by(table.c.created_at.desc()).limit(PLANS_READ)
    present = header.c.org_id == reading.org_id, header.c.execution_id.in_(waiting)
    plans = {
        row.id: row.execution_id for row in reading.rows(select(header.c.id, header.c.execution_id).where(*present))
    }
    if not plans:
        return set()
    named = holds(reading.dialect, line.c.body, sought.name)
    mine = line.c.org_id == reading.org_id, line.c.plan_id.in_(sorted(plans)), named
    found = reading.rows(select(line.c.plan_id, line.c.body).where(*mine).limit(ENOUGH))
    # The text of a row holds more than these: the words must stand in one.
    return {plans[row.plan_id] for row in found if sought.name in _payee(row.body)}


def _payee(body: str) -> str:
    told = json.loads(body)
    return "\n".join(str(told.get(field, "")) for field in PAYEE_FIELDS).lower()
