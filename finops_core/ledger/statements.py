"""Reads of the books for people: the accounts of a line of the chart, and an account's statement.

They need ``LEDGER_VIEW``. Lists go on from the last row that was seen: nothing is counted that nobody looks at.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, func, select, tuple_

from finops_core import reference
from finops_core.kernel.money import Money
from finops_core.kernel.permissions import Permission
from finops_core.ledger import numbering, rules
from finops_core.ledger.models import ledger_account, ledger_balance, ledger_chart, ledger_journal, ledger_posting
from finops_core.platform.work import Reading

PAGE = 25
_LINE = re.compile(r"[0-9]{1,9}", re.ASCII)


@dataclass(frozen=True, slots=True)
class AccountLine:
    """An account and what it holds, a credit positive. ``party_id``: its holder, "" for the organisation itself."""

    id: str
    code: str
    name: str
    kind: str
    currency: str
    party_id: str
    purpose: str
    state: str
    balance: Money | None = None


class Dated(StrEnum):
    """By which date a statement runs: the business day an entry counts for, or when it was written."""

    EFFECTIVE = "effective"
    BOOKED = "booked"


@dataclass(frozen=True, slots=True)
class StatementLine:
    """A posting of an account. ``balance``: what the account held after it, in the order of the statement.

    ``number``: of its entry, "" until it has one.
    """

    journal_id: str
    number: str
    type: str
    source: tuple[str, str]
    reason: str
    effective_on: date
    booked_at: datetime
    amount: Money
    balance: Money


@dataclass(frozen=True, slots=True)
class Statement:
    """A page of an account's postings, newest first; ``older``: where the next begins, "" at the end.

    ``balance`` is what the account holds with every posting up to the end of the day that was asked for.
    """

    account: AccountLine
    balance: Money
    lines: tuple[StatementLine, ...]
    older: str


def accounts(reading: Reading, code: str, currency: str, limit: int = PAGE, after: str = "") -> tuple[AccountLine, ...]:
    """The accounts of a line of the chart in a currency, oldest first, with what they hold; ``after``: past this id."""
    reading.require(Permission.LEDGER_VIEW)
    query = account_query(reading).where(ledger_chart.c.code == code, ledger_account.c.currency == currency)
    rows = reading.rows(query.where(ledger_account.c.id > after).order_by(ledger_account.c.id).limit(limit))
    sums = _sums(reading, [row.id for row in rows if not row.counted])
    return tuple(account_line(row, row.posted_minor if row.counted else sums.get(row.id, 0)) for row in rows)


def statement(
    reading: Reading,
    account_id: str,
    limit: int = PAGE,
    before: str = "",
    until: date | None = None,
    dated: Dated = Dated.EFFECTIVE,
) -> Statement:
    """An account's postings up to the end of a day, newest first; ``before`` goes on where a page ended.

    ``LEDGER_ACCOUNT_UNKNOWN``; a place to go on from that is none starts at the beginning.
    """
    reading.require(Permission.LEDGER_VIEW)
    row = reading.first(account_query(reading).where(ledger_account.c.id == account_id))
    if row is None:
        raise rules.account_unknown()
    table, head = ledger_posting, ledger_journal
    mine = [table.c.org_id == reading.org_id, table.c.account_id == account_id]
    if until is not None:
        mine.append(_until(reading, until, dated))
    closing = _sum(reading, mine)
    order = [table.c.effective_on, table.c.journal_id, table.c.line][dated is Dated.BOOKED :]
    place = _place(before, len(order))
    here = [*mine, tuple_(*order) < tuple_(*place)] if place else mine
    found = reading.rows(
        select(table, head.c.type, head.c.source_kind, head.c.source_id, head.c.reason)
        .join(head, (head.c.org_id == table.c.org_id) & (head.c.id == table.c.journal_id))
        .where(*here)
        .order_by(*(column.desc() for column in order))
        .limit(limit + 1)
    )
    known = numbering.numbers(reading, [each.journal_id for each in found[:limit]])
    lines = _running(found[:limit], known, closing if here is mine else _sum(reading, here))
    older = "~".join(str(getattr(found[limit - 1], column.name)) for column in order) if len(found) > limit else ""
    return Statement(account_line(row), Money(closing, row.currency), lines, older)


def _until(reading: Reading, day: date, dated: Dated) -> ColumnElement[bool]:
    if dated is Dated.EFFECTIVE:
        return ledger_posting.c.effective_on <= day.isoformat()
    # Of the last day there is, and of the first, an instant may lie outside of what can be told.
    day = min(max(day, date(1, 1, 3)), date(9999, 12, 29))
    return ledger_posting.c.booked_at < datetime.combine(day + timedelta(days=1), time(), reference.zone(reading))


def _place(before: str, many: int) -> list[str | int]:
    """Where a page ended, as the columns of its order; empty for what is no such place."""
    *texts, line = before.split("~")
    return [*texts, int(line)] if len(texts) == many - 1 and _LINE.fullmatch(line) else []


def _running(rows: Sequence[Row[Any]], known: Mapping[str, str], balance: int) -> tuple[StatementLine, ...]:
    lines = []
    for row in rows:
        lines.append(
            StatementLine(
                row.journal_id,
                known.get(row.journal_id, ""),
                row.type,
                (row.source_kind, row.source_id),
                row.reason,
                date.fromisoformat(row.effective_on),
                row.booked_at,
                Money(row.amount_minor, row.currency),
                Money(balance, row.currency),
            )
        )
        balance -= row.amount_minor
    return tuple(lines)


def account_query(reading: Reading) -> Select[Any]:
    """Accounts with their line of the chart, and the balance of those that keep one."""
    table, kept, chart = ledger_account, ledger_balance, ledger_chart
    columns = (table.c.id, table.c.currency, table.c.party_id, table.c.purpose, table.c.state, table.c.counted)
    return (
        select(*columns, chart.c.code, chart.c.name, chart.c.kind, kept.c.posted_minor)
        .select_from(table)
        .join(chart, (chart.c.org_id == table.c.org_id) & (chart.c.id == table.c.chart_id))
        .outerjoin(kept, (kept.c.org_id == table.c.org_id) & (kept.c.id == table.c.id))
        .where(table.c.org_id == reading.org_id)
    )


def account_line(row: Row[Any], minor: int | None = None) -> AccountLine:
    """A row of ``account_query`` as people see it, with what it holds when that was asked for."""
    holds = None if minor is None else Money(int(minor), row.currency)
    return AccountLine(row.id, row.code, row.name, row.kind, row.currency, row.party_id, row.purpose, row.state, holds)


def _sum(reading: Reading, mine: Sequence[Any]) -> int:
    return int(reading.scalar(select(func.coalesce(func.sum(ledger_posting.c.amount_minor), 0)).where(*mine)))


def _sums(reading: Reading, account_ids: Sequence[str]) -> Mapping[str, int]:
    table = ledger_posting
    rows = reading.rows(
        select(table.c.account_id, func.sum(table.c.amount_minor).label("minor"))
        .where(table.c.org_id == reading.org_id, table.c.account_id.in_(account_ids))
        .group_by(table.c.account_id)
    )
    return {row.account_id: int(row.minor) for row in rows}
