"""Tables of payouts: what is paid, each call about it, what the provider tells, rehearsals, and what people settled."""

from typing import Any

from sqlalchemy import Index, LargeBinary, UniqueConstraint, text
from sqlmodel import Field

from finops_core.kernel.permissions import Permission
from finops_core.platform.tables import DataClass, OrgRow, Retention, instant, link, minor, org_table, table_of

_HAS_ID = "provider_id <> ''"


class PayoutRow(OrgRow, table=True):
    """One payout (``pay_…``): a row of a plan in one attempt. Key and body never change in an attempt.

    Attributes:
        connection_id: through which it is paid; ``key_fingerprint`` and ``mode`` are those of the approval.
        provider_account: the provider's own id of the account it leaves, told when it was planned; ``account`` is ""
            for the connection's own. "" where orders are kept by the desk itself.
        row_no: its place in the plan, the same in every attempt since the last plan of the whole: execution and row are
            its identity.
        bank_fingerprint: the provider's own for the bank account behind ``destination``, "" when it tells none.
        request_body: sealed; what is sent, byte for byte. ``body_hash`` is its SHA-256.
        asked_at: when its approval was asked for; nothing of it can have been sent earlier, whatever clocks did since.
        stops: how much of the batch its answer stopped ("", row, currency or batch), so that a resumed run knows.
        refusal: why what a person said last of it was not confirmed, "" when nothing was refused.
        error_code, error_message: why it is not on its way; of a bank that returned it, the bank's reason.
        fee_minor, net_minor: of the movement that paid it, once the provider's statement shows it; ``returned_minor``
            of the one that gave the money back.
        tried_at: when the provider was last asked about it, whatever came of that; ``followed_at``: when it last
            answered. ``unheard_since``: since when look-ups of one in doubt fail; None while they work.
    """

    __tablename__ = "payout"
    __table_args__ = org_table(
        link("execution_id", "execution"),
        UniqueConstraint("org_id", "execution_id", "row_no", "attempt"),
        # I1: nothing at the provider belongs to two rows.
        Index(
            "uq_payout_provider_id",
            "org_id",
            "connection_id",
            "provider_id",
            unique=True,
            sqlite_where=text(_HAS_ID),
            postgresql_where=text(_HAS_ID),
        ),
        Index("ix_payout_state", "org_id", "state", "arrival_on"),
        Index("ix_payout_sent", "org_id", "first_sent_at"),
        Index("ix_payout_amount", "org_id", "amount_minor"),
        Index("ix_payout_provider_id", "org_id", "provider_id"),
        Index("ix_payout_trace", "org_id", "trace"),
        # Holds all that a search by payee or account reads, newest first.
        Index("ix_payout_found", "org_id", "created_at", "id", "execution_id", "bank"),
        Index("ix_payout_kind", "org_id", "account", "currency", "first_sent_at"),
        classes={
            "amount_minor": DataClass.CONFIDENTIAL,
            "destination": DataClass.CONFIDENTIAL,
            "bank": DataClass.CONFIDENTIAL,
            "bank_fingerprint": DataClass.CONFIDENTIAL,
            "request_body": DataClass.RESTRICTED,
        },
        listed=("row_no", "currency", "amount_minor", "state", "provider_id"),
        seen_by=(Permission.EXECUTIONS_VIEW_ALL,),
        searched=("provider_id", "trace", "bank", "amount_minor"),
    )

    execution_id: str
    row_no: int
    attempt: int
    connection_id: str
    mode: str
    key_fingerprint: str
    account: str
    provider_account: str
    currency: str
    amount_minor: int = minor()
    destination: str
    bank: str
    bank_fingerprint: str
    row_hash: str
    key: str
    request_body: bytes = Field(sa_type=LargeBinary)
    body_hash: str
    state: str
    stops: str
    provider_id: str
    request_id: str
    replayed: bool
    error_code: str
    error_message: str
    refusal: str
    arrival_on: str
    trace: str
    movement_id: str
    return_id: str
    fee_minor: int | None = minor(nullable=True)
    net_minor: int | None = minor(nullable=True)
    returned_minor: int | None = minor(nullable=True)
    cancel_asked_at: Any = instant(nullable=True)
    asked_at: Any = instant()
    first_sent_at: Any = instant(nullable=True)
    paid_at: Any = instant(nullable=True)
    ended_at: Any = instant(nullable=True)
    followed_at: Any = instant(nullable=True)
    tried_at: Any = instant(nullable=True)
    unheard_since: Any = instant(nullable=True)
    reconciled_at: Any = instant(nullable=True)
    created_at: Any = instant()
    updated_at: Any = instant()


class PayoutCall(OrgRow, table=True):
    """One call to a provider about a payout, with request and answer sealed: kept whatever it changed.

    ``kind``: submit, find, cancel, export. ``fence``: of the job that made it, 0 for calls of other jobs.
    ``body_hash``: of what was sent.
    """

    __tablename__ = "payout_call"
    __table_args__ = org_table(
        link("payout_id", "payout"),
        Index("ix_payout_call_payout", "org_id", "payout_id", "at"),
        append_only=True,
        classes={"answer": DataClass.RESTRICTED},
        listed=("at", "kind", "outcome", "request_id", "duration_ms"),
        seen_by=(Permission.EXECUTIONS_VIEW_ALL,),
    )

    payout_id: str
    at: Any = instant()
    kind: str
    outcome: str
    told: str
    request_id: str
    duration_ms: int
    fence: int
    body_hash: str
    answer: bytes | None = Field(default=None, sa_type=LargeBinary, nullable=True)


class ProviderNews(OrgRow, table=True):
    """An event a provider sent, stored once before it is answered; what it says is read anew from the provider.

    ``payout_id`` is the provider's id of the payout it is about. ``state``: new, waiting (its payout's call has no
    answer yet), done, stranger (a payout that is not ours), unexpected (it carries a row of ours and is not its
    payout), other (not about a payout). ``tried_at``: when the provider was last asked about it in vain.
    """

    __tablename__ = "provider_news"
    __table_args__ = org_table(
        link("connection_id", "connection"),
        UniqueConstraint("org_id", "connection_id", "event_id"),
        Index("ix_provider_news_state", "org_id", "state", "received_at"),
        Index("ix_provider_news_payout", "org_id", "connection_id", "payout_id"),
        Index("ix_provider_news_item", "org_id", "item"),
        retention=Retention.RECORD,
        classes={"body": DataClass.RESTRICTED},
        listed=("received_at", "kind", "payout_id", "state"),
        seen_by=(Permission.EXECUTIONS_VIEW_ALL,),
        searched=("event_id", "payout_id"),
    )

    connection_id: str
    event_id: str
    kind: str
    account: str
    payout_id: str
    item: str
    state: str
    told_at: Any = instant()
    received_at: Any = instant()
    done_at: Any = instant(nullable=True)
    tried_at: Any = instant(nullable=True)
    body: bytes = Field(sa_type=LargeBinary)


class StrayPayout(OrgRow, table=True):
    """What the provider said, when asked, of a payout that news named and that is not the payout of the row it carries.

    ``provider_id`` is its id there, ``item`` and ``attempt`` what it carries by the provider's own word ("" and 0 when
    nothing of ours). ``status``: the provider's, "" when there is no such payout.
    """

    __tablename__ = "stray_payout"
    __table_args__ = org_table(
        link("connection_id", "connection"),
        UniqueConstraint("org_id", "connection_id", "provider_id"),
        Index("ix_stray_payout_item", "org_id", "item"),
        retention=Retention.RECORD,
        listed=("provider_id", "item", "status", "found_at", "looked_at"),
        seen_by=(Permission.EXECUTIONS_VIEW_ALL,),
        searched=("provider_id",),
    )

    connection_id: str
    account: str
    provider_id: str
    item: str
    attempt: int
    status: str
    found_at: Any = instant()
    looked_at: Any = instant()


class StatementRead(OrgRow, table=True):
    """Up to when the statement of a provider's account was searched for money that banks gave back."""

    __tablename__ = "statement_read"
    __table_args__ = org_table(
        link("connection_id", "connection"),
        UniqueConstraint("org_id", "connection_id", "account"),
        retention=Retention.WORKING,
    )

    connection_id: str
    account: str
    read_at: Any = instant()


class PayoutResolution(OrgRow, table=True):
    """What a person said of a payout nobody could be sure of. ``verdict``: exists or never_made."""

    __tablename__ = "payout_resolution"
    __table_args__ = org_table(
        link("payout_id", "payout"),
        Index("ix_payout_resolution_payout", "org_id", "payout_id"),
        append_only=True,
        classes={"comment": DataClass.CONFIDENTIAL},
    )

    payout_id: str
    person_id: str
    verdict: str
    provider_id: str
    comment: str
    at: Any = instant()


class PayoutRehearsal(OrgRow, table=True):
    """A plan carried out against a sandbox of its own, with faults on order; no money moved.

    ``faults`` and ``outcome`` are JSON; ``outcome`` is "" while it runs.
    """

    __tablename__ = "payout_rehearsal"
    __table_args__ = org_table(
        link("execution_id", "execution"),
        Index("ix_payout_rehearsal_execution", "org_id", "execution_id", "created_at"),
        retention=Retention.WORKING,
        classes={"outcome": DataClass.CONFIDENTIAL},
    )

    execution_id: str
    attempt: int
    plan_hash: str
    faults: str
    outcome: str
    passed: bool
    requested_by: str
    created_at: Any = instant()
    ended_at: Any = instant(nullable=True)


payout, payout_call = table_of(PayoutRow), table_of(PayoutCall)
provider_news, payout_resolution = table_of(ProviderNews), table_of(PayoutResolution)
payout_rehearsal = table_of(PayoutRehearsal)
stray_payout, statement_read = table_of(StrayPayout), table_of(StatementRead)
