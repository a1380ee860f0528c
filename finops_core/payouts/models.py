"""The table of payouts: one row per planned payment and attempt, with everything needed to repeat or find a call."""

from typing import Any

from sqlalchemy import Index, LargeBinary, UniqueConstraint
from sqlmodel import Field

from finops_core.platform.tables import DataClass, OrgRow, instant, link, minor, org_table, table_of


class PayoutRow(OrgRow, table=True):
    """One payout (``pay_…``). ``request_body`` and ``answer`` are sealed; key and body never change in an attempt."""

    __tablename__ = "payout"
    __table_args__ = org_table(
        link("execution_id", "execution"),
        UniqueConstraint("org_id", "execution_id", "row_no", "attempt"),
        Index("ix_payout_state", "org_id", "state"),
        Index("ix_payout_updated", "org_id", "updated_at"),
        classes={
            "amount_minor": DataClass.CONFIDENTIAL,
            "destination": DataClass.CONFIDENTIAL,
            "bank": DataClass.CONFIDENTIAL,
            "request_body": DataClass.RESTRICTED,
            "answer": DataClass.RESTRICTED,
        },
        listed=("row_no", "currency", "amount_minor", "state", "provider_id"),
        searched=("provider_id",),
    )

    execution_id: str
    row_no: int
    attempt: int
    connection_id: str
    account: str
    currency: str
    amount_minor: int = minor()
    destination: str
    bank: str
    row_hash: str
    key: str
    request_body: bytes = Field(sa_type=LargeBinary)
    answer: bytes | None = Field(default=None, sa_type=LargeBinary, nullable=True)
    state: str
    provider_id: str
    request_id: str
    replayed: bool
    error_code: str
    error_message: str
    arrival_on: str
    first_sent_at: Any = instant(nullable=True)
    created_at: Any = instant()
    updated_at: Any = instant()


payout = table_of(PayoutRow)
