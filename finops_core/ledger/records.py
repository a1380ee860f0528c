"""Tables of what was asked of the ledger, beside its books: looks at balances, refusals, proposals, pending moves."""

from typing import Any

from sqlalchemy import CheckConstraint, Index, text

from finops_core.kernel.permissions import Permission
from finops_core.ledger import guards
from finops_core.ledger.models import HAS_KEY, within
from finops_core.platform.tables import DataClass, OrgRow, Retention, big, instant, link, minor, org_table, table_of

_WAITS, _PENDING = "state = 'waiting'", "state = 'pending'"


class Reconciliation(OrgRow, table=True):
    """One look at balances beside their postings (``rec_…``): on schedule, or asked for by somebody.

    Attributes:
        width: hourly, full, or one wallet (``ReconcileWidth``); ``account_id`` of the wallet, else "".
        dry_run: found what is off, and mended nothing.
        moved_since: it looked only at accounts that moved since then; None for one that looked at all.
        checked, drifted, repaired, broken: accounts; broken are those whose postings do not fit each other.
    """

    __tablename__ = "ledger_reconciliation"
    __table_args__ = org_table(
        CheckConstraint("width IN ('hourly', 'full', 'wallet')", name="width"),
        retention=Retention.WORKING,
        classes={"reason": DataClass.CONFIDENTIAL},
        listed=("asked_at", "width", "dry_run", "checked", "drifted", "repaired", "broken"),
        seen_by=(Permission.LEDGER_VIEW,),
    )

    width: str
    account_id: str
    dry_run: bool
    asked_by: str
    reason: str
    asked_at: Any = instant()
    moved_since: Any = instant(nullable=True)
    ended_at: Any = instant(nullable=True)
    checked: int = big()
    drifted: int = big()
    repaired: int = big()
    broken: int = big()


class Drift(OrgRow, table=True):
    """An account that was off (``drift_…``), as a reconciliation found it. Never changed.

    ``shown_minor`` stood in its balance, ``should_minor`` is what its postings add up to.
    """

    __tablename__ = "ledger_drift"
    __table_args__ = org_table(
        link("reconciliation_id", "ledger_reconciliation"),
        link("account_id", "ledger_account"),
        Index("ix_ledger_drift_account", "account_id", "org_id", "id"),
        retention=Retention.RECORD,
        append_only=True,
        classes={"shown_minor": DataClass.CONFIDENTIAL, "should_minor": DataClass.CONFIDENTIAL},
        listed=("found_at", "account_id", "repaired"),
        seen_by=(Permission.LEDGER_VIEW,),
    )

    reconciliation_id: str
    account_id: str
    currency: str
    shown_minor: int = minor()
    should_minor: int = minor()
    repaired: bool
    broken: bool
    found_at: Any = instant()


class RefusedOperation(OrgRow, table=True):
    """An operation on a wallet that was refused (``ref_…``) and its error's code; ``wallet_id`` "" for none of ours."""

    __tablename__ = "ledger_refusal"
    __table_args__ = org_table(
        Index("ix_ledger_refusal_asked", "asked_at", "org_id"),
        retention=Retention.WORKING,
        classes={"amount_minor": DataClass.CONFIDENTIAL},
        listed=("asked_at", "type", "wallet_id", "code"),
        seen_by=(Permission.LEDGER_VIEW,),
    )

    type: str
    wallet_id: str
    currency: str
    amount_minor: int = minor()
    code: str
    asked_by: str
    asked_at: Any = instant()


class AdjustmentProposal(OrgRow, table=True):
    """An adjustment that needs somebody else's approval (``adj_…``); what was asked for is never changed.

    ``content`` is the hash that its approval binds; ``journal_id`` the entry once it is booked.
    """

    __tablename__ = "ledger_proposal"
    __table_args__ = org_table(
        link("wallet_id", "ledger_account"),
        Index("ix_ledger_proposal_wallet", "wallet_id", "org_id", "id"),
        # One and the same waits once, however many ask for it at the same instant.
        Index(
            "uq_ledger_proposal_waiting",
            "content",
            "org_id",
            unique=True,
            sqlite_where=text(_WAITS),
            postgresql_where=text(_WAITS),
        ),
        Index(
            "uq_ledger_proposal_key",
            "key",
            "org_id",
            unique=True,
            sqlite_where=text(HAS_KEY),
            postgresql_where=text(HAS_KEY),
        ),
        CheckConstraint("state IN ('waiting', 'booked', 'rejected', 'expired', 'withdrawn')", name="state"),
        CheckConstraint("(state = 'booked') = (journal_id <> '')", name="entry"),
        CheckConstraint("COALESCE(LENGTH(TRIM(reason)), 0) > 0", name="reason"),
        CheckConstraint(f"amount_minor <> 0 AND {within('amount_minor')}", name="amount"),
        guards=(guards.PROPOSAL_KEEPS, guards.PROPOSAL_STAYS),
        retention=Retention.RECORD,
        classes={"amount_minor": DataClass.CONFIDENTIAL, "reason": DataClass.CONFIDENTIAL},
        listed=("proposed_at", "wallet_id", "state"),
        seen_by=(Permission.LEDGER_VIEW,),
    )

    wallet_id: str
    amount_minor: int = minor()
    currency: str
    reason: str
    effective_on: str
    about_kind: str
    about_id: str
    key: str
    content: str
    request_id: str
    proposed_by: str
    proposed_at: Any = instant()
    state: str
    journal_id: str


class PendingMove(OrgRow, table=True):
    """A move in two steps (``pend_…``); what was asked for is never changed, and what became of it only once.

    ``held_entry`` set the money aside; ``entry_id`` is the entry that posted it, "" while and when there is none.
    """

    __tablename__ = "ledger_pending"
    __table_args__ = org_table(
        link("wallet_id", "ledger_account"),
        Index("ix_ledger_pending_wallet", "wallet_id", "org_id", "id"),
        Index(
            "ix_ledger_pending_due",
            "expires_at",
            "org_id",
            sqlite_where=text(_PENDING),
            postgresql_where=text(_PENDING),
        ),
        Index(
            "uq_ledger_pending_key",
            "key",
            "org_id",
            unique=True,
            sqlite_where=text(HAS_KEY),
            postgresql_where=text(HAS_KEY),
        ),
        CheckConstraint("state IN ('pending', 'posted', 'voided', 'expired')", name="state"),
        CheckConstraint("(state = 'posted') = (entry_id <> '')", name="entry"),
        CheckConstraint("(state = 'pending') = (ended_at IS NULL)", name="ended"),
        CheckConstraint("(state = 'posted') = (posted_minor > 0)", name="posted"),
        CheckConstraint("posted_minor BETWEEN 0 AND amount_minor", name="part"),
        CheckConstraint(f"amount_minor > 0 AND {within('amount_minor')}", name="amount"),
        guards=(guards.PENDING_KEEPS, guards.PENDING_STAYS),
        retention=Retention.RECORD,
        classes={
            "amount_minor": DataClass.CONFIDENTIAL,
            "posted_minor": DataClass.CONFIDENTIAL,
            "reason": DataClass.CONFIDENTIAL,
            "ended_reason": DataClass.CONFIDENTIAL,
        },
        listed=("begun_at", "type", "wallet_id", "expires_at", "state"),
        seen_by=(Permission.LEDGER_VIEW,),
    )

    type: str
    wallet_id: str
    to_wallet_id: str
    amount_minor: int = minor()
    currency: str
    reason: str
    source_kind: str
    source_id: str
    key: str
    content: str
    begun_by: str
    begun_at: Any = instant()
    expires_at: Any = instant()
    held_entry: str
    state: str
    posted_minor: int = minor()
    entry_id: str
    ended_by: str
    ended_at: Any = instant(nullable=True)
    ended_reason: str


TIMES_MS = (5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 10_000)
"""The times that are told apart, in milliseconds."""


class Timing(OrgRow, table=True):
    """How many units that booked something took up to so many milliseconds, between two instants of one process."""

    __tablename__ = "ledger_timing"
    __table_args__ = org_table(
        Index("ix_ledger_timing_until", "until", "org_id"),
        retention=Retention.WORKING,
        listed=("until",),
        seen_by=(Permission.LEDGER_VIEW,),
    )

    since: Any = instant()
    until: Any = instant()
    within_5: int = big()
    within_10: int = big()
    within_25: int = big()
    within_50: int = big()
    within_100: int = big()
    within_250: int = big()
    within_500: int = big()
    within_1000: int = big()
    within_2500: int = big()
    within_10000: int = big()
    longer: int = big()


ledger_reconciliation, ledger_drift = table_of(Reconciliation), table_of(Drift)
ledger_proposal, ledger_refusal = table_of(AdjustmentProposal), table_of(RefusedOperation)
ledger_pending, ledger_timing = table_of(PendingMove), table_of(Timing)
