"""Tables of the ledger: the chart, accounts and their balances, entries and their postings, locked periods.

Entries are listed by their ids, which sort by when they were made. No second index begins with the organisation: while
a table is empty PostgreSQL would as soon take that one to find a row by its id, and the functions of the guards keep
the plans they were first given.
"""

from typing import Any, cast

from sqlalchemy import BigInteger, CheckConstraint, ForeignKeyConstraint, Index, UniqueConstraint, text
from sqlmodel import Field, SQLModel

from finops_core.kernel.money import MAX_MINOR
from finops_core.kernel.permissions import Permission
from finops_core.ledger import guards
from finops_core.platform.tables import DataClass, OrgRow, Retention, big, instant, link, minor, org_table, table_of

HAS_KEY, _REVERSES, _STANDS = "key <> ''", "reverses <> ''", "lifted_at IS NULL"


def within(column: str) -> str:
    """That a column of minor units holds no more than can be counted."""
    return f"{column} BETWEEN -{MAX_MINOR} AND {MAX_MINOR}"


class ChartAccount(OrgRow, table=True):
    """A line of the chart of accounts (``chart_…``); what is posted to are its accounts, one a currency and holder.

    ``control``: its accounts belong to holders, so that they are a ledger below this line (wallets).
    """

    __tablename__ = "ledger_chart"
    __table_args__ = org_table(
        UniqueConstraint("org_id", "code"),
        listed=("code", "name", "kind", "control"),
        seen_by=(Permission.LEDGER_VIEW,),
        searched=("code", "name"),
    )

    code: str
    name: str
    kind: str
    parent_code: str
    control: bool
    created_at: Any = instant()


class LedgerAccount(OrgRow, table=True):
    """What postings go to (``acc_…``): a line of the chart in one currency, for one holder ("" for the organisation).

    Attributes:
        purpose: wallet, escrow, or what it is for among the organisation's own ("external", "transit").
        counted: whether a balance is kept with it. Accounts that every entry touches, and that nothing limits, keep
            none: their postings are added up when somebody asks, so that no entry waits for another.
        min_minor: the least it may hold after money was taken; None for no limit.
        state_reason: why it is frozen or closed.
    """

    __tablename__ = "ledger_account"
    __table_args__ = org_table(
        link("chart_id", "ledger_chart"),
        UniqueConstraint("chart_id", "org_id", "currency", "party_id", "purpose"),
        Index("ix_ledger_account_party", "party_id", "org_id"),
        CheckConstraint("state IN ('open', 'frozen', 'closed')", name="state"),
        CheckConstraint("counted OR min_minor IS NULL", name="limit_needs_balance"),
        guards=(guards.ACCOUNT_BEGINS, guards.ACCOUNT_KEEPS, guards.ACCOUNT_STAYS),
        listed=("purpose", "currency", "state"),
        seen_by=(Permission.LEDGER_VIEW,),
    )

    chart_id: str
    currency: str
    party_id: str
    purpose: str
    counted: bool
    min_minor: int | None = minor(nullable=True)
    state: str
    state_reason: str
    created_at: Any = instant()


class LedgerBalance(OrgRow, table=True):
    """What a counted account holds; ``id`` is the account's. Written with the postings that lead to it.

    ``version`` is that of the newest posting, counted from 1 for each account.
    """

    __tablename__ = "ledger_balance"
    __table_args__ = org_table(
        link("id", "ledger_account"),
        CheckConstraint(within("posted_minor"), name="range"),
        guards=(guards.BALANCE_BEGINS, guards.BALANCE_FOLLOWS, guards.BALANCE_STAYS),
        classes={"posted_minor": DataClass.CONFIDENTIAL},
    )

    posted_minor: int = minor()
    version: int = big()
    moved_at: Any = instant()


class JournalEntry(OrgRow, table=True):
    """The head of an entry (``je_…``), written after its postings: it seals them.

    Attributes:
        key: the caller's idempotency key, "" for none; ``content`` the hash of what was asked for with it.
        effective_on: the business day it counts for, ISO; ``booked_at`` the instant it was written.
        source_kind, source_id: the document it comes from.
        reverses: the entry this one undoes; each can be undone once.
    """

    __tablename__ = "ledger_journal"
    __table_args__ = org_table(
        Index(
            "uq_ledger_journal_key",
            "org_id",
            "key",
            unique=True,
            sqlite_where=text(HAS_KEY),
            postgresql_where=text(HAS_KEY),
        ),
        Index(
            "uq_ledger_journal_reverses",
            "org_id",
            "reverses",
            unique=True,
            sqlite_where=text(_REVERSES),
            postgresql_where=text(_REVERSES),
        ),
        Index("ix_ledger_journal_source", "source_id", "org_id", "source_kind"),
        Index("ix_ledger_journal_booked", "booked_at", "org_id", "type"),
        # NULL passes a CHECK.
        CheckConstraint("type <> 'ADJUSTMENT' OR COALESCE(LENGTH(TRIM(reason)), 0) > 0", name="adjustment_reason"),
        append_only=True,
        guards=(guards.JOURNAL_SEALS,),
        classes={"reason": DataClass.CONFIDENTIAL},
        listed=("booked_at", "type", "effective_on"),
        seen_by=(Permission.LEDGER_VIEW,),
        searched=("id", "key"),
    )

    type: str
    key: str
    content: str
    created_by: str
    booked_at: Any = instant()
    effective_on: str
    reason: str
    source_kind: str
    source_id: str
    reverses: str


class EntryNumber(SQLModel, table=True):
    """What an entry is called by people, ``JE-{year}-{n}``: without gaps, in the year it was booked in.

    Given after the entry was booked, never changed, never taken back.
    """

    __tablename__ = "ledger_number"
    __table_args__ = org_table(
        link("journal_id", "ledger_journal"),
        Index("uq_ledger_number_place", "year", "n", "org_id", unique=True),
        append_only=True,
        guards=(guards.NUMBER_FOLLOWS,),
    )

    org_id: str = Field(primary_key=True)
    journal_id: str = Field(primary_key=True)
    year: int
    n: int = big()
    numbered_at: Any = instant()


class Posting(SQLModel, table=True):
    """One line of an entry: positive is a credit, negative a debit. Never changed, never deleted.

    Attributes:
        account_version, balance_after_minor: of a counted account, where this posting brings it; else None.
        base_minor: the amount in the organisation's base currency at the rate ``rate_id``; None while no rate is known.
    """

    __tablename__ = "ledger_posting"
    __table_args__ = org_table(
        # The row that seals the entry comes last, so the database looks for it at COMMIT.
        ForeignKeyConstraint(
            ["org_id", "journal_id"],
            ["ledger_journal.org_id", "ledger_journal.id"],
            deferrable=True,
            initially="DEFERRED",
        ),
        link("account_id", "ledger_account"),
        Index(
            "uq_ledger_posting_version",
            "org_id",
            "account_id",
            "account_version",
            unique=True,
            sqlite_where=text("account_version IS NOT NULL"),
            postgresql_where=text("account_version IS NOT NULL"),
        ),
        # Holds all that a balance as of a day is made of.
        Index("ix_ledger_posting_day", "account_id", "org_id", "effective_on", "amount_minor"),
        CheckConstraint("amount_minor <> 0", name="moves"),
        CheckConstraint(within("amount_minor"), name="range"),
        append_only=True,
        retention=Retention.RECORD,
        guards=(guards.POSTING_ENTERS,),
        classes={"amount_minor": DataClass.CONFIDENTIAL, "balance_after_minor": DataClass.CONFIDENTIAL},
    )

    org_id: str = Field(primary_key=True)
    journal_id: str = Field(primary_key=True)
    line: int = Field(primary_key=True)
    account_id: str
    amount_minor: int = minor()
    currency: str
    account_version: int | None = Field(default=None, sa_type=cast("Any", BigInteger), nullable=True)
    balance_after_minor: int | None = minor(nullable=True)
    effective_on: str
    booked_at: Any = instant()
    party_id: str
    department: str
    project: str
    product: str
    cost_centre: str
    base_minor: int | None = minor(nullable=True)
    rate_id: str


class LedgerPeriod(OrgRow, table=True):
    """A span of business days (``period_…``), first and last included, into which nothing is posted.

    It is locked from ``locked_at`` until ``unlocked_at``; one that was opened again stays as a record.
    """

    __tablename__ = "ledger_period"
    __table_args__ = org_table(
        guards=(guards.PERIOD_WAITS, guards.PERIOD_KEEPS, guards.PERIOD_STAYS),
        classes={"reason": DataClass.CONFIDENTIAL, "unlocked_reason": DataClass.CONFIDENTIAL},
        listed=("from_on", "to_on", "locked_at", "unlocked_at"),
        seen_by=(Permission.LEDGER_VIEW,),
    )

    from_on: str
    to_on: str
    locked_at: Any = instant(nullable=True)
    locked_by: str
    reason: str
    unlocked_by: str
    unlocked_at: Any = instant(nullable=True)
    unlocked_reason: str


class MoneyStop(OrgRow, table=True):
    """Money that may not move (``stop_…``) from ``set_at`` until ``lifted_at``; a lifted stop stays as a record.

    Attributes:
        width: all, what can wait, one type, one wallet (``StopWidth``); ``subject`` the type or the wallet's account.
        party_id, currency: of a wallet, so that what is held for its holder stays, too.
    """

    __tablename__ = "ledger_stop"
    __table_args__ = org_table(
        Index(
            "uq_ledger_stop_standing",
            "width",
            "subject",
            "org_id",
            unique=True,
            sqlite_where=text(_STANDS),
            postgresql_where=text(_STANDS),
        ),
        CheckConstraint("COALESCE(LENGTH(TRIM(reason)), 0) > 0", name="reason"),
        CheckConstraint("(width IN ('all', 'non_essential')) = (subject = '')", name="subject"),
        CheckConstraint("width IN ('all', 'non_essential', 'type', 'wallet')", name="width"),
        guards=(guards.STOP_WAITS, guards.STOP_KEEPS, guards.STOP_STAYS),
        classes={"reason": DataClass.CONFIDENTIAL, "lifted_reason": DataClass.CONFIDENTIAL},
        listed=("set_at", "width", "subject", "lifted_at"),
        seen_by=(Permission.LEDGER_VIEW,),
    )

    width: str
    subject: str
    party_id: str
    currency: str
    reason: str
    set_by: str
    set_at: Any = instant()
    lifted_by: str
    lifted_at: Any = instant(nullable=True)
    lifted_reason: str


ledger_chart, ledger_account, ledger_balance = table_of(ChartAccount), table_of(LedgerAccount), table_of(LedgerBalance)
ledger_journal, ledger_posting, ledger_period = table_of(JournalEntry), table_of(Posting), table_of(LedgerPeriod)
ledger_stop, ledger_number = table_of(MoneyStop), table_of(EntryNumber)
