"""How a planned payout differs from the last one of its kind: another bank account, another amount, the first at all.

It is part of each plan row's body, and so of the hash that is approved: nobody can say they were not shown it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, Protocol

from sqlalchemy import ColumnElement, func, select

from finops_core import reference
from finops_core.connections.models import connection
from finops_core.kernel.masking import BULLETS
from finops_core.kernel.money import Money
from finops_core.operations.models import execution
from finops_core.payouts.models import payout
from finops_core.payouts.rules import LIVE
from finops_core.platform.work import Reading

LOOK_BACK = timedelta(days=400)
FIRST, SAME, ANOTHER, CHANGED = "first", "same", "another", "changed"
MOVED = frozenset({ANOTHER, CHANGED})
"""The money goes to another bank account than the last time: what fraud looks like."""


@dataclass(frozen=True, slots=True)
class Last:
    """The last batch that paid an account's balance in a currency."""

    number: str
    sent_on: date
    amount_minor: int
    destination: str
    bank: str
    bank_fingerprint: str


Kind = tuple[str, str]


def last_of_kind(reading: Reading, provider: str) -> Mapping[Kind, Last]:
    """By account and currency: the last batch by this kind of provider that was sent, and did not come back.

    Through whichever connection: one that was retired and added anew makes nothing a first time.
    """
    since = reading.now - LOOK_BACK
    sent = func.max(payout.c.first_sent_at).label("sent_at")
    mine = payout.c.org_id == reading.org_id, _through(reading, provider)
    rows = reading.rows(
        select(
            payout.c.account,
            payout.c.currency,
            payout.c.execution_id,
            sent,
            func.sum(payout.c.amount_minor).label("minor"),
            func.max(payout.c.destination).label("destination"),
            func.max(payout.c.bank).label("bank"),
            func.max(payout.c.bank_fingerprint).label("fingerprint"),
        )
        .where(*mine, payout.c.state.in_(sorted(LIVE)), payout.c.first_sent_at > since)
        .group_by(payout.c.account, payout.c.currency, payout.c.execution_id)
        .order_by(sent)
    )
    newest = {(row.account, row.currency): row for row in rows}
    ids = {row.execution_id for row in newest.values()}
    named = reading.rows(
        select(execution.c.id, execution.c.number).where(
            execution.c.org_id == reading.org_id, execution.c.id.in_(sorted(ids))
        )
    )
    numbers, zone = {row.id: row.number for row in named}, reference.zone(reading)
    return {
        kind: Last(
            numbers.get(row.execution_id, ""),
            row.sent_at.astimezone(zone).date(),
            int(row.minor),
            row.destination,
            row.bank,
            row.fingerprint,
        )
        for kind, row in newest.items()
    }


@dataclass(frozen=True, slots=True)
class Payee:
    """The last payment to somebody by name."""

    number: str
    sent_on: date
    amount: Money
    bank: str
    bank_fingerprint: str


def known_payees(reading: Reading, provider: str) -> Mapping[str, Payee]:
    """By name: the last payment by this kind of provider that was not refused, and did not come back.

    The name is what a payout's bank label begins with.
    """
    since = reading.now - LOOK_BACK
    together = (execution.c.org_id == payout.c.org_id) & (execution.c.id == payout.c.execution_id)
    mine = payout.c.org_id == reading.org_id, execution.c.org_id == reading.org_id
    lives = payout.c.state.in_(sorted(LIVE)), payout.c.first_sent_at > since
    columns = (payout.c.bank, payout.c.bank_fingerprint, payout.c.currency, payout.c.amount_minor)
    rows = reading.rows(
        select(*columns, payout.c.first_sent_at, execution.c.number)
        .select_from(payout.join(execution, together))
        .where(*mine, _through(reading, provider), *lives)
        .order_by(payout.c.first_sent_at, payout.c.id)
    )
    zone = reference.zone(reading)
    return {
        row.bank.rpartition(f" {BULLETS}")[0]: Payee(
            row.number,
            row.first_sent_at.astimezone(zone).date(),
            Money(row.amount_minor, row.currency),
            row.bank,
            row.bank_fingerprint,
        )
        for row in rows
    }


def _through(reading: Reading, provider: str) -> ColumnElement[bool]:
    of_it = connection.c.org_id == reading.org_id, connection.c.provider == provider
    return payout.c.connection_id.in_(select(connection.c.id).where(*of_it))


def change_of_payee(last: Payee | None, amount: Money, fingerprint: str) -> Mapping[str, str]:
    """What is different from the last payment to somebody of this name: another account is what fraud looks like."""
    if last is None:
        return {"bank": FIRST}
    told = {
        "bank": SAME if last.bank_fingerprint == fingerprint else ANOTHER,
        "last": last.number,
        "last_on": last.sent_on.isoformat(),
        "last_amount": last.amount.plain(),
        "last_currency": last.amount.currency,
    }
    if last.amount.currency == amount.currency:
        told["difference"] = (amount - last.amount).plain()
    return told if told["bank"] == SAME else {**told, "last_bank": last.bank}


def change(last: Last | None, *, total: Money, destination: str, bank: str, fingerprint: str) -> Mapping[str, str]:
    """What is different this time, as fields of a plan row's body.

    ``bank``: first, same, another (another account is named) or changed (the same one, with other details behind it).
    ``difference`` is of the whole account and currency, signed, in the currency's decimals.
    """
    if last is None:
        return {"bank": FIRST}
    changed = bool(last.bank_fingerprint and fingerprint) and last.bank_fingerprint != fingerprint
    kind = ANOTHER if last.destination != destination else CHANGED if changed or last.bank != bank else SAME
    difference = Money(total.minor - last.amount_minor, total.currency)
    told = {
        "bank": kind,
        "last": last.number,
        "last_on": last.sent_on.isoformat(),
        "last_amount": Money(last.amount_minor, total.currency).plain(),
        "difference": difference.plain(),
    }
    return told if kind == SAME else {**told, "last_bank": last.bank}


class PlannedRow(Protocol):
    """A row of a plan, as it is made or as it is shown."""

    @property
    def account(self) -> str:
        """Whose balance it pays."""

    @property
    def currency(self) -> str:
        """ISO 4217."""

    @property
    def amount_minor(self) -> int:
        """0 when it pays nothing."""

    @property
    def body(self) -> Mapping[str, Any]:
        """With ``change``, as above."""


@dataclass(frozen=True, slots=True)
class Differences:
    """How much of a plan is new: destinations nobody was paid at before, and payments of another kind than last time.

    ``moved`` go to another bank account, ``amounts`` are of another amount.
    """

    first: int
    moved: int
    amounts: int

    @property
    def none(self) -> bool:
        """Whether all is as it was the last time."""
        return not (self.first or self.moved or self.amounts)


def differences(rows: Iterable[PlannedRow]) -> Differences:
    """What is new in a plan, counted. A balance that is paid in parts was compared as a whole, and counts once."""
    seen: dict[object, Mapping[str, str]] = {}
    fresh: set[object] = set()
    for index, row in enumerate(rows):
        if row.amount_minor:
            kind: object = index if "payee" in row.body else (row.account, row.currency)
            seen[kind] = row.body.get("change", {})
            if seen[kind].get("bank") == FIRST:
                fresh.add(row.body.get("destination") or kind)
    banks = [told.get("bank", "") for told in seen.values()]
    amounts = [Decimal(told["difference"]) for told in seen.values() if told.get("difference")]
    moved = sum(bank in MOVED for bank in banks)
    return Differences(len(fresh), moved, sum(not amount.is_zero() for amount in amounts))
