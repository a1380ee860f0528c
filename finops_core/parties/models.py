"""Tables of parties: who they are, the versions of their bank details, and the checks of their identity.

Names stand in clear, in rows that can be changed, so that they are found and can be erased; accounts are sealed.
"""

from typing import Any

from sqlalchemy import CheckConstraint, Index, UniqueConstraint

from finops_core.kernel.permissions import Permission
from finops_core.parties import guards
from finops_core.platform.tables import DataClass, OrgRow, Retention, instant, link, org_table, table_of


class Party(OrgRow, table=True):
    """Somebody we deal with (``party_…``), or the organisation itself.

    ``sought``: the name without its case, which is what a search looks into on either database.
    """

    __tablename__ = "party"
    __table_args__ = org_table(
        CheckConstraint("kind IN ('person', 'company', 'own')", name="kind"),
        CheckConstraint("state IN ('open', 'closed')", name="state"),
        guards=(guards.PARTY_KEEPS, guards.PARTY_STAYS),
        retention=Retention.RECORD,
        classes={
            "name": DataClass.CONFIDENTIAL,
            "sought": DataClass.CONFIDENTIAL,
            "closed_reason": DataClass.CONFIDENTIAL,
        },
        listed=("kind", "name", "state", "created_at"),
        seen_by=(Permission.PARTY_VIEW,),
        searched=("name",),
    )

    kind: str
    name: str
    sought: str
    state: str
    closed_reason: str
    created_by: str
    created_at: Any = instant()


class PartyBankDetail(OrgRow, table=True):
    """One version of a party's bank details (``bank_…``); its content is never changed.

    Attributes:
        sealed: holder, account, BIC and bank code, sealed for this row.
        account_print: a keyed fingerprint of the account, so that one and the same is seen at two parties.
        holder_print: the same of everything that is sealed.
        replaces: the version that counted when it was proposed, "" for none.
        content: the hash that its approval binds.
        counts_from: when its cooling-off is over; None until it is approved.
    """

    __tablename__ = "party_bank_detail"
    __table_args__ = org_table(
        link("party_id", "party"),
        UniqueConstraint("party_id", "org_id", "version"),
        Index("ix_party_bank_detail_account", "account_print", "org_id"),
        CheckConstraint("state IN ('waiting', 'approved', 'rejected', 'expired', 'withdrawn')", name="state"),
        CheckConstraint("(approved_at IS NULL) = (counts_from IS NULL)", name="both_times"),
        CheckConstraint("counts_from >= approved_at", name="order"),
        CheckConstraint("state <> 'approved' OR approved_at IS NOT NULL", name="approved"),
        CheckConstraint("state IN ('approved', 'withdrawn') OR approved_at IS NULL", name="not_approved"),
        CheckConstraint("(state IN ('waiting', 'approved')) = (ended_at IS NULL)", name="ended"),
        CheckConstraint("COALESCE(LENGTH(TRIM(reason)), 0) > 0", name="reason"),
        CheckConstraint("version > 0", name="version"),
        guards=(guards.DETAILS_BEGIN, guards.DETAILS_KEEP, guards.DETAILS_AGREED, guards.DETAILS_STAY),
        retention=Retention.RECORD,
        classes={
            "sealed": DataClass.RESTRICTED,
            "account_print": DataClass.CONFIDENTIAL,
            "holder_print": DataClass.CONFIDENTIAL,
            "last4": DataClass.CONFIDENTIAL,
            "reason": DataClass.CONFIDENTIAL,
            "ended_reason": DataClass.CONFIDENTIAL,
        },
        listed=("party_id", "version", "country", "last4", "state", "counts_from"),
        seen_by=(Permission.PARTY_VIEW,),
    )

    party_id: str
    version: int
    sealed: bytes
    account_print: str
    holder_print: str
    country: str
    last4: str
    replaces: str
    reason: str
    content: str
    request_id: str
    proposed_by: str
    proposed_at: Any = instant()
    state: str
    approved_at: Any = instant(nullable=True)
    counts_from: Any = instant(nullable=True)
    ended_by: str
    ended_at: Any = instant(nullable=True)
    ended_reason: str


class PartyIdentity(OrgRow, table=True):
    """One check of a party's identity (``kyc_…``); never changed, the newest one counts.

    ``evidence``: what was looked at, sealed for this row; ``expires_on`` the last day it counts, ISO, "" for a failed
    one.
    """

    __tablename__ = "party_identity"
    __table_args__ = org_table(
        link("party_id", "party"),
        Index("ix_party_identity_party", "party_id", "org_id", "id"),
        CheckConstraint("status IN ('verified', 'failed')", name="status"),
        CheckConstraint("(status = 'verified') = (expires_on <> '')", name="last_day"),
        append_only=True,
        retention=Retention.RECORD,
        classes={"evidence": DataClass.RESTRICTED, "reason": DataClass.CONFIDENTIAL},
        listed=("party_id", "status", "level", "checked_at", "expires_on"),
        seen_by=(Permission.PARTY_VIEW,),
    )

    party_id: str
    status: str
    level: str
    evidence: bytes
    file_id: str
    checked_by: str
    checked_at: Any = instant()
    expires_on: str
    reason: str


party, party_bank_detail, party_identity = table_of(Party), table_of(PartyBankDetail), table_of(PartyIdentity)
