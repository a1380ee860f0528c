"""What happened in the ledger over a period: entries by type and their volume, what was refused and why; how it stands.

A refusal leaves nothing in the books: it is written afterwards, in a unit of its own, by the desk.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, case, delete, func, insert, select

from finops_core.kernel.errors import FinOpsError
from finops_core.kernel.ids import new_id
from finops_core.kernel.money import Money
from finops_core.kernel.permissions import Permission
from finops_core.ledger.models import ledger_account, ledger_balance, ledger_journal, ledger_posting, ledger_stop
from finops_core.ledger.records import ledger_reconciliation, ledger_refusal
from finops_core.ledger.rules import WALLET, EntryType, ReconcileWidth
from finops_core.ledger.timing import KEPT, Latency, latency
from finops_core.platform.db import deadlocks
from finops_core.platform.work import Reading, Work

PAGE = 50
REFUSED = "refused"
"""Where an error says which operation it refused; the desk looks there."""


@dataclass(frozen=True, slots=True)
class Refused:
    """An operation that was refused. ``wallet_id`` as it was given, "" for none; ``amount`` None for none."""

    type: EntryType
    wallet_id: str = field(default="", repr=False)
    amount: Money | None = None


@dataclass(frozen=True, slots=True)
class RefusalView:
    """A refused operation, with the code of its error."""

    id: str
    refused: Refused
    code: str
    asked_by: str
    asked_at: datetime


@dataclass(frozen=True, slots=True)
class KindOfEntry:
    """Entries of a type in one currency: how many, and what was credited in all of them."""

    type: str
    many: int
    volume: Money


@dataclass(frozen=True, slots=True)
class Statistics:
    """A period until now. ``refused``: code -> how many."""

    since: datetime
    until: datetime
    entries: int
    kinds: tuple[KindOfEntry, ...]
    refused: dict[str, int]
    latency: Latency

    @property
    def failed(self) -> int:
        """How many operations were refused."""
        return sum(self.refused.values())

    @property
    def error_rate(self) -> float:
        """The part of all operations that was refused, 0 to 1."""
        asked = self.entries + self.failed
        return self.failed / asked if asked else 0.0


def statistics(reading: Reading, period: timedelta) -> Statistics:
    """What was booked and refused in the period that ends now. Needs ``LEDGER_VIEW``."""
    reading.require(Permission.LEDGER_VIEW)
    since = reading.now - period
    head, line, gone = ledger_journal, ledger_posting, ledger_refusal
    mine = head.c.org_id == reading.org_id, head.c.booked_at > since
    credit = case((line.c.amount_minor > 0, line.c.amount_minor), else_=0)
    kinds = reading.rows(
        select(head.c.type, line.c.currency)
        .add_columns(func.count(head.c.id.distinct()).label("many"), func.sum(credit).label("minor"))
        .join(line, (line.c.org_id == head.c.org_id) & (line.c.journal_id == head.c.id))
        .where(*mine)
        .group_by(head.c.type, line.c.currency)
        .order_by(head.c.type, line.c.currency)
    )
    codes = reading.rows(
        select(gone.c.code, func.count().label("many"))
        .where(gone.c.org_id == reading.org_id, gone.c.asked_at > since)
        .group_by(gone.c.code)
        .order_by(func.count().desc(), gone.c.code)
    )
    return Statistics(
        since,
        reading.now,
        int(reading.scalar(select(func.count()).select_from(head).where(*mine))),
        tuple(KindOfEntry(row.type, row.many, Money(int(row.minor), row.currency)) for row in kinds),
        {row.code: row.many for row in codes},
        latency(reading, since),
    )


def refusals(reading: Reading, limit: int = PAGE, before: str = "") -> tuple[RefusalView, ...]:
    """Operations that were refused, newest first. Needs ``LEDGER_VIEW``."""
    reading.require(Permission.LEDGER_VIEW)
    wanted = select(ledger_refusal).where(ledger_refusal.c.org_id == reading.org_id)
    if before:
        wanted = wanted.where(ledger_refusal.c.id < before)
    return tuple(_view(row) for row in reading.rows(wanted.order_by(ledger_refusal.c.id.desc()).limit(limit)))


@dataclass(frozen=True, slots=True)
class LedgerHealth:
    """How much the ledger holds, and whether its balances are their postings.

    Attributes:
        off: how many accounts the last look at all of them left as they were, None before the first one ended.
        looked_at: when that look ended.
        stops: how many stops of money stand.
        deadlocks: how many the database has broken, of whatever it was doing, since it began to count.
    """

    wallets: int
    entries: int
    balances: int
    stops: int
    off: int | None
    looked_at: datetime | None
    deadlocks: int

    @property
    def healthy(self) -> bool:
        """Whether nothing is known to be off."""
        return not self.off


def health(reading: Reading) -> LedgerHealth:
    """How the ledger stands now. Needs ``LEDGER_VIEW``."""
    reading.require(Permission.LEDGER_VIEW)
    look, stop = ledger_reconciliation, ledger_stop

    def many(table: Any, *only: Any) -> int:
        query = select(func.count()).select_from(table).where(table.c.org_id == reading.org_id, *only)
        return int(reading.scalar(query))

    of_all = look.c.width != ReconcileWidth.WALLET.value, look.c.moved_since.is_(None), look.c.ended_at.is_not(None)
    last = reading.first(
        select(look.c.drifted, look.c.repaired, look.c.ended_at)
        .where(look.c.org_id == reading.org_id, *of_all)
        .order_by(look.c.ended_at.desc(), look.c.id.desc())
        .limit(1)
    )
    return LedgerHealth(
        many(ledger_account, ledger_account.c.purpose == WALLET),
        many(ledger_journal),
        many(ledger_balance),
        many(stop, stop.c.lifted_at.is_(None)),
        last.drifted - last.repaired if last else None,
        last.ended_at if last else None,
        int(reading.scalar(select(deadlocks()))),
    )


@contextmanager
def told(refused: Refused) -> Iterator[None]:
    """What is refused inside says of which operation it was; of two, the inner one."""
    try:
        yield
    except FinOpsError as error:
        error.context.setdefault(REFUSED, refused)
        raise


def note_refused(work: Work, error: FinOpsError) -> None:
    """Keep that an operation was refused; nothing for any other error. For the desk, after the unit that failed.

    Of somebody who may not even look at the ledger nothing is kept here: that access was denied stands in the log.
    """
    refused = error.context.get(REFUSED)
    if not isinstance(refused, Refused) or not work.may(Permission.LEDGER_VIEW):
        return
    table = ledger_account
    ours = work.scalar(select(table.c.id).where(table.c.org_id == work.org_id, table.c.id == refused.wallet_id))
    row = {
        "org_id": work.org_id,
        "id": new_id("ref"),
        "type": refused.type.value,
        "wallet_id": ours or "",
        "currency": refused.amount.currency if refused.amount else "",
        "amount_minor": refused.amount.minor if refused.amount else 0,
        "code": error.code,
        "asked_by": work.actor.id,
        "asked_at": work.now,
    }
    work.execute(insert(ledger_refusal), row)


def tidy(work: Work) -> None:
    """Forget refusals of long ago."""
    table = ledger_refusal
    work.execute(delete(table).where(table.c.org_id == work.org_id, table.c.asked_at < work.now - KEPT))


def _view(row: Row[Any]) -> RefusalView:
    amount = Money(row.amount_minor, row.currency) if row.currency else None
    return RefusalView(
        row.id, Refused(EntryType(row.type), row.wallet_id, amount), row.code, row.asked_by, row.asked_at
    )
