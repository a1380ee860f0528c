"""Reads of the ledger: wallets, entries, balances as they are and as they were. They need ``LEDGER_VIEW``."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import Row, Select, func, select

from finops_core.kernel.errors import NotFound
from finops_core.kernel.money import Money
from finops_core.kernel.permissions import Permission
from finops_core.ledger import rules
from finops_core.ledger.models import (
    ledger_account,
    ledger_balance,
    ledger_chart,
    ledger_journal,
    ledger_posting,
)
from finops_core.platform.work import Reading

PAGE = 50
WALLET = "wallet"


@dataclass(frozen=True, slots=True)
class AccountView:
    """A wallet's own account."""

    id: str
    currency: str
    party_id: str
    state: str


@dataclass(frozen=True, slots=True)
class PostingView:
    """One line of an entry; a credit is positive. ``balance``: what its account held then, None if none is kept."""

    journal_id: str
    line: int
    account_id: str
    amount: Money
    balance: Money | None
    effective_on: date
    booked_at: datetime


@dataclass(frozen=True, slots=True)
class EntryView:
    """An entry with its postings, in their order; ``reversed_by``: the entry that undid it, "" for none."""

    id: str
    type: str
    booked_at: datetime
    effective_on: date
    created_by: str
    reason: str
    source: tuple[str, str]
    reverses: str
    reversed_by: str
    postings: tuple[PostingView, ...]


@dataclass(frozen=True, slots=True)
class TrialLine:
    """What a line of the chart holds in one currency: the sum of its postings, a credit positive."""

    code: str
    name: str
    kind: str
    total: Money


def wallet_account(reading: Reading, wallet_id: str) -> AccountView:
    """The account of a wallet; ``WALLET_NOT_FOUND``."""
    table = ledger_account
    row = reading.first(
        select(table.c.id, table.c.currency, table.c.party_id, table.c.state).where(
            table.c.org_id == reading.org_id, table.c.id == wallet_id, table.c.purpose == WALLET
        )
    )
    if row is None:
        raise rules.wallet_unknown()
    return AccountView(row.id, row.currency, row.party_id, row.state)


def balance(reading: Reading, account_id: str) -> Money:
    """What an account holds now. Of one that keeps no balance the postings are added up; ``LEDGER_ACCOUNT_UNKNOWN``."""
    reading.require(Permission.LEDGER_VIEW)
    table, kept = ledger_account, ledger_balance
    row = reading.first(
        select(table.c.currency, table.c.counted, kept.c.posted_minor)
        .select_from(table)
        .outerjoin(kept, (kept.c.org_id == table.c.org_id) & (kept.c.id == table.c.id))
        .where(table.c.org_id == reading.org_id, table.c.id == account_id)
    )
    if row is None:
        raise rules.account_unknown()
    minor = row.posted_minor if row.counted else reading.scalar(_sum(reading, account_id))
    return Money(int(minor), row.currency)


def balance_on(reading: Reading, account_id: str, day: date) -> Money:
    """What an account held at the end of a business day, by effective date; ``LEDGER_ACCOUNT_UNKNOWN``."""
    reading.require(Permission.LEDGER_VIEW)
    currency = _currency(reading, account_id)
    until = _sum(reading, account_id).where(ledger_posting.c.effective_on <= day.isoformat())
    return Money(int(reading.scalar(until)), currency)


def entry(reading: Reading, journal_id: str) -> EntryView:
    """One entry; ``JOURNAL_UNKNOWN``."""
    reading.require(Permission.LEDGER_VIEW)
    table = ledger_journal
    head = reading.first(select(table).where(table.c.org_id == reading.org_id, table.c.id == journal_id))
    if head is None:
        raise NotFound("JOURNAL_UNKNOWN", "There is no such entry here.", hint="Look it up in the ledger.")
    lines = reading.rows(
        select(ledger_posting)
        .where(ledger_posting.c.org_id == reading.org_id, ledger_posting.c.journal_id == journal_id)
        .order_by(ledger_posting.c.line)
    )
    return EntryView(
        head.id,
        head.type,
        head.booked_at,
        date.fromisoformat(head.effective_on),
        head.created_by,
        head.reason,
        (head.source_kind, head.source_id),
        head.reverses,
        reading.scalar(select(table.c.id).where(table.c.org_id == reading.org_id, table.c.reverses == journal_id))
        or "",
        tuple(_posting(row) for row in lines),
    )


def activity(reading: Reading, account_id: str, limit: int = PAGE, before: int | None = None) -> Sequence[PostingView]:
    """Postings of a counted account, newest first; ``before``: older than this version. ``LEDGER_ACCOUNT_UNKNOWN``."""
    reading.require(Permission.LEDGER_VIEW)
    table = ledger_posting
    _currency(reading, account_id)
    wanted = select(table).where(
        table.c.org_id == reading.org_id, table.c.account_id == account_id, table.c.account_version.is_not(None)
    )
    if before is not None:
        wanted = wanted.where(table.c.account_version < before)
    return [_posting(row) for row in reading.rows(wanted.order_by(table.c.account_version.desc()).limit(limit))]


def trial_balance(reading: Reading, day: date | None = None) -> tuple[TrialLine, ...]:
    """Every line of the chart that was ever posted to, per currency, at the end of a day (None: now); adds up to 0."""
    reading.require(Permission.LEDGER_VIEW)
    sums = (
        select(ledger_posting.c.account_id, func.sum(ledger_posting.c.amount_minor).label("minor"))
        .where(ledger_posting.c.org_id == reading.org_id)
        .group_by(ledger_posting.c.account_id)
    )
    if day is not None:
        sums = sums.where(ledger_posting.c.effective_on <= day.isoformat())
    each = sums.subquery()
    rows = reading.rows(
        select(
            ledger_chart.c.code,
            ledger_chart.c.name,
            ledger_chart.c.kind,
            ledger_account.c.currency,
            func.sum(each.c.minor).label("minor"),
        )
        .select_from(each)
        .join(ledger_account, ledger_account.c.id == each.c.account_id)
        .join(
            ledger_chart,
            (ledger_chart.c.org_id == ledger_account.c.org_id) & (ledger_chart.c.id == ledger_account.c.chart_id),
        )
        .where(ledger_account.c.org_id == reading.org_id)
        .group_by(ledger_chart.c.code, ledger_chart.c.name, ledger_chart.c.kind, ledger_account.c.currency)
        .order_by(ledger_chart.c.code, ledger_account.c.currency)
    )
    return tuple(TrialLine(row.code, row.name, row.kind, Money(int(row.minor), row.currency)) for row in rows)


def _currency(reading: Reading, account_id: str) -> str:
    table = ledger_account
    found = reading.scalar(select(table.c.currency).where(table.c.org_id == reading.org_id, table.c.id == account_id))
    if found is None:
        raise rules.account_unknown()
    return str(found)


def _sum(reading: Reading, account_id: str) -> Select[Any]:
    return select(func.coalesce(func.sum(ledger_posting.c.amount_minor), 0)).where(
        ledger_posting.c.org_id == reading.org_id, ledger_posting.c.account_id == account_id
    )


def _posting(row: Row[Any]) -> PostingView:
    kept = None if row.balance_after_minor is None else Money(row.balance_after_minor, row.currency)
    return PostingView(
        row.journal_id,
        row.line,
        row.account_id,
        Money(row.amount_minor, row.currency),
        kept,
        date.fromisoformat(row.effective_on),
        row.booked_at,
    )
