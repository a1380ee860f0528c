"""Reads of the books for people: entries newest first, the accounts of a line, and an account's statement.

They need ``LEDGER_VIEW``. Lists go on from the last row that was seen: nothing is counted that nobody looks at.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import Row, Select, func, select, tuple_

from finops_core.kernel.money import Money
from finops_core.kernel.permissions import Permission
from finops_core.ledger import rules
from finops_core.ledger.models import ledger_account, ledger_balance, ledger_chart, ledger_journal, ledger_posting
from finops_core.platform.work import Reading

PAGE = 25


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


@dataclass(frozen=True, slots=True)
class EntryPosting:
    """One posting of an entry, with the account it goes to."""

    account: AccountLine
    amount: Money


@dataclass(frozen=True, slots=True)
class EntryLine:
    """An entry in a list, with its postings in their order."""

    id: str
    type: str
    booked_at: datetime
    effective_on: date
    created_by: str
    reason: str
    source: tuple[str, str]
    reverses: str
    postings: tuple[EntryPosting, ...]


@dataclass(frozen=True, slots=True)
class EntryFilter:
    """Which entries: of one type, of one document, or one by its own id; "" for any."""

    type: str = ""
    source_id: str = ""
    id: str = ""


@dataclass(frozen=True, slots=True)
class StatementLine:
    """A posting of an account by effective day. ``balance``: what the account held after it, in that order."""

    journal_id: str
    type: str
    source: tuple[str, str]
    reason: str
    effective_on: date
    booked_at: datetime
    amount: Money
    balance: Money


@dataclass(frozen=True, slots=True)
class Statement:
    """A page of an account's postings, newest effective day first; ``older``: where the next begins, "" at the end.

    ``account.balance`` is what it holds with every posting up to the end of the day that was asked for.
    """

    account: AccountLine
    lines: tuple[StatementLine, ...]
    older: str


def entries(
    reading: Reading, wanted: EntryFilter | None = None, limit: int = PAGE, before: str = ""
) -> tuple[EntryLine, ...]:
    """Entries, newest first; ``before``: older than the entry with this id."""
    reading.require(Permission.LEDGER_VIEW)
    wanted, table = wanted or EntryFilter(), ledger_journal
    query = select(table).where(table.c.org_id == reading.org_id)
    for column, value in ((table.c.type, wanted.type), (table.c.source_id, wanted.source_id), (table.c.id, wanted.id)):
        if value:
            query = query.where(column == value)
    if before:
        query = query.where(table.c.id < before)
    heads = reading.rows(query.order_by(table.c.id.desc()).limit(limit))
    postings = _postings(reading, [head.id for head in heads])
    return tuple(_entry(head, postings.get(head.id, ())) for head in heads)


def accounts(reading: Reading, code: str, currency: str, limit: int = PAGE, after: str = "") -> tuple[AccountLine, ...]:
    """The accounts of a line of the chart in a currency, oldest first, with what they hold; ``after``: past this id."""
    reading.require(Permission.LEDGER_VIEW)
    query = _account(reading).where(ledger_chart.c.code == code, ledger_account.c.currency == currency)
    rows = reading.rows(query.where(ledger_account.c.id > after).order_by(ledger_account.c.id).limit(limit))
    sums = _sums(reading, [row.id for row in rows if not row.counted])
    return tuple(_line(row, row.posted_minor if row.counted else sums.get(row.id, 0)) for row in rows)


def statement(
    reading: Reading, account_id: str, limit: int = PAGE, before: str = "", until: date | None = None
) -> Statement:
    """An account's postings up to a day, by effective day; ``before`` goes on where a page ended.

    ``LEDGER_ACCOUNT_UNKNOWN``; a place to go on from that is none starts at the beginning.
    """
    reading.require(Permission.LEDGER_VIEW)
    row = reading.first(_account(reading).where(ledger_account.c.id == account_id))
    if row is None:
        raise rules.account_unknown()
    table = ledger_posting
    mine = [table.c.org_id == reading.org_id, table.c.account_id == account_id]
    if until is not None:
        mine.append(table.c.effective_on <= until.isoformat())
    closing = _sum(reading, mine)
    order = tuple_(table.c.effective_on, table.c.journal_id)
    day, _, journal_id = before.partition("_")
    here = [*mine, order < tuple_(day, journal_id)] if journal_id else mine
    head = ledger_journal
    found = reading.rows(
        select(table, head.c.type, head.c.source_kind, head.c.source_id, head.c.reason)
        .join(head, (head.c.org_id == table.c.org_id) & (head.c.id == table.c.journal_id))
        .where(*here)
        .order_by(table.c.effective_on.desc(), table.c.journal_id.desc(), table.c.line.desc())
        .limit(limit + 1)
    )
    lines = _running(found[:limit], closing if here is mine else _sum(reading, here))
    older = f"{lines[-1].effective_on.isoformat()}_{lines[-1].journal_id}" if len(found) > limit else ""
    return Statement(_line(row, closing), lines, older)


def _running(rows: Sequence[Row[Any]], balance: int) -> tuple[StatementLine, ...]:
    lines = []
    for row in rows:
        lines.append(
            StatementLine(
                row.journal_id,
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


def _account(reading: Reading) -> Select[Any]:
    table, kept, chart = ledger_account, ledger_balance, ledger_chart
    columns = (table.c.id, table.c.currency, table.c.party_id, table.c.purpose, table.c.state, table.c.counted)
    return (
        select(*columns, chart.c.code, chart.c.name, chart.c.kind, kept.c.posted_minor)
        .select_from(table)
        .join(chart, (chart.c.org_id == table.c.org_id) & (chart.c.id == table.c.chart_id))
        .outerjoin(kept, (kept.c.org_id == table.c.org_id) & (kept.c.id == table.c.id))
        .where(table.c.org_id == reading.org_id)
    )


def _line(row: Row[Any], minor: int | None = None) -> AccountLine:
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


def _postings(reading: Reading, journal_ids: Sequence[str]) -> Mapping[str, tuple[EntryPosting, ...]]:
    table = ledger_posting
    lines = reading.rows(
        select(table.c.journal_id, table.c.account_id, table.c.amount_minor, table.c.currency)
        .where(table.c.org_id == reading.org_id, table.c.journal_id.in_(journal_ids))
        .order_by(table.c.journal_id, table.c.line)
    )
    ids = sorted({line.account_id for line in lines})
    held = {row.id: _line(row) for row in reading.rows(_account(reading).where(ledger_account.c.id.in_(ids)))}
    found: dict[str, list[EntryPosting]] = {}
    for line in lines:
        posting = EntryPosting(held[line.account_id], Money(line.amount_minor, line.currency))
        found.setdefault(line.journal_id, []).append(posting)
    return {journal_id: tuple(postings) for journal_id, postings in found.items()}


def _entry(head: Row[Any], postings: tuple[EntryPosting, ...]) -> EntryLine:
    return EntryLine(
        head.id,
        head.type,
        head.booked_at,
        date.fromisoformat(head.effective_on),
        head.created_by,
        head.reason,
        (head.source_kind, head.source_id),
        head.reverses,
        postings,
    )
