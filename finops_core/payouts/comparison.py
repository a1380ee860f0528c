"""How a planned payout differs from the last one of its kind: another bank account, another amount, the first at all.

It is part of each plan row's body, and so of the hash that is approved: nobody can say they were not shown it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, select

from finops_core.kernel.money import Money
from finops_core.operations.models import execution
from finops_core.payouts.models import payout
from finops_core.platform.work import Reading

LOOK_BACK = timedelta(days=400)
FIRST, SAME, ANOTHER, CHANGED = "first", "same", "another", "changed"


@dataclass(frozen=True, slots=True)
class Last:
    """The last batch that paid an account's balance in a currency."""

    number: str
    sent_at: datetime
    amount_minor: int
    destination: str
    bank: str
    bank_fingerprint: str


Kind = tuple[str, str]


def last_of_kind(reading: Reading, rail_connection: str) -> Mapping[Kind, Last]:
    """By account and currency: the last batch through this connection that was really sent."""
    since = reading.now - LOOK_BACK
    sent = func.max(payout.c.first_sent_at).label("sent_at")
    mine = payout.c.org_id == reading.org_id, payout.c.connection_id == rail_connection
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
        .where(*mine, payout.c.provider_id != "", payout.c.first_sent_at > since)
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
    numbers = {row.id: row.number for row in named}
    return {
        kind: Last(
            numbers.get(row.execution_id, ""),
            row.sent_at,
            int(row.minor),
            row.destination,
            row.bank,
            row.fingerprint,
        )
        for kind, row in newest.items()
    }


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
        "last_on": last.sent_at.date().isoformat(),
        "last_amount": Money(last.amount_minor, total.currency).plain(),
        "difference": difference.plain(),
    }
    return told if kind == SAME else {**told, "last_bank": last.bank}
