"""Reads of the ledger: a wallet, balances as they are and as they were. They need ``LEDGER_VIEW``."""

from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import Select, Subquery, func, select, union_all

from finops_core.kernel.money import Money
from finops_core.kernel.permissions import Permission
from finops_core.ledger import rules
from finops_core.ledger.models import ledger_account, ledger_balance, ledger_chart, ledger_posting
from finops_core.platform.work import Reading

PAGE = 50


@dataclass(frozen=True, slots=True)
class AccountView:
    """A wallet's own account."""

    id: str
    currency: str
    party_id: str
    state: str


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
            table.c.org_id == reading.org_id, table.c.id == wallet_id, table.c.purpose == rules.WALLET
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


def trial_balance(reading: Reading, day: date | None = None) -> tuple[TrialLine, ...]:
    """Every line of the chart that was ever posted to, per currency, at the end of a day (None: now); adds up to 0.

    Now it reads the balances that are kept, and adds up postings only where none is.
    """
    reading.require(Permission.LEDGER_VIEW)
    each = _held_now(reading) if day is None else _held_on(reading, day)
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


def _held_on(reading: Reading, day: date) -> Subquery:
    """Account and what it held at the end of a day."""
    return (
        _sums(reading)
        .where(ledger_posting.c.effective_on <= day.isoformat())
        .group_by(ledger_posting.c.account_id)
        .subquery()
    )


def _held_now(reading: Reading) -> Subquery:
    """Account and what it holds, of those that were posted to."""
    uncounted = select(ledger_account.c.id).where(
        ledger_account.c.org_id == reading.org_id, ledger_account.c.counted.is_(False)
    )
    kept = select(ledger_balance.c.id.label("account_id"), ledger_balance.c.posted_minor.label("minor")).where(
        ledger_balance.c.org_id == reading.org_id, ledger_balance.c.version > 0
    )
    added = _sums(reading).where(ledger_posting.c.account_id.in_(uncounted)).group_by(ledger_posting.c.account_id)
    return union_all(kept, added).subquery()


def _sums(reading: Reading) -> Select[Any]:
    return select(ledger_posting.c.account_id, func.sum(ledger_posting.c.amount_minor).label("minor")).where(
        ledger_posting.c.org_id == reading.org_id
    )


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
