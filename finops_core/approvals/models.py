"""Tables of approvals: a request, its levels, the decisions on it, who stands too near, who may approve how much."""

from typing import Any

from sqlalchemy import Index, UniqueConstraint, text

from finops_core.kernel.permissions import Permission
from finops_core.platform.tables import DataClass, OrgRow, instant, link, minor, org_table, table_of

_PENDING = "state = 'pending'"


class ApprovalRequest(OrgRow, table=True):
    """A question to somebody else: may exactly this content happen?

    ``round`` counts the requests about one subject: the highest is the one that counts. ``amounts`` is JSON currency
    -> minor units as text; ``summary`` is JSON for the screen; ``version`` rises with each change, so that of two
    changes at once only one lands.
    """

    __tablename__ = "approval_request"
    __table_args__ = org_table(
        UniqueConstraint("org_id", "number"),
        # At most one open question about one thing; also stops two submits at the same instant.
        Index(
            "uq_approval_request_open_subject",
            "org_id",
            "subject_kind",
            "subject_id",
            unique=True,
            sqlite_where=text(_PENDING),
            postgresql_where=text(_PENDING),
        ),
        UniqueConstraint("org_id", "subject_kind", "subject_id", "round"),
        Index("ix_approval_request_state", "org_id", "state", "decided_at"),
        classes={
            "title": DataClass.CONFIDENTIAL,
            "summary": DataClass.CONFIDENTIAL,
            "amounts": DataClass.CONFIDENTIAL,
        },
        listed=("number", "subject_kind", "item_type", "requested_by", "state", "created_at", "decided_at"),
        seen_by=(Permission.APPROVALS_VIEW,),
        searched=("number", "title"),
    )

    number: str
    round: int
    subject_kind: str
    subject_id: str
    content_hash: str
    item_type: str
    title: str
    summary: str
    amounts: str
    requested_by: str
    state: str
    closed_why: str = ""
    version: int = 1
    created_at: Any = instant()
    expires_at: Any = instant()
    decided_at: Any = instant(nullable=True)


class ApprovalLevel(OrgRow, table=True):
    """One step of a request: how many different people it needs; steps go in order of ``level``."""

    __tablename__ = "approval_level"
    __table_args__ = org_table(
        UniqueConstraint("org_id", "request_id", "level"),
        link("request_id", "approval_request"),
        append_only=True,
    )

    request_id: str
    level: int
    needed: int


class ApprovalDecision(OrgRow, table=True):
    """What one person said, to which content, when. One person speaks once in a whole request."""

    __tablename__ = "approval_decision"
    __table_args__ = org_table(
        UniqueConstraint("org_id", "request_id", "person_id"),
        link("request_id", "approval_request"),
        append_only=True,
        classes={"comment": DataClass.CONFIDENTIAL},
        listed=("request_id", "level", "person_id", "decision", "at"),
        seen_by=(Permission.APPROVALS_VIEW,),
        searched=("comment",),
    )

    request_id: str
    level: int
    person_id: str
    decision: str
    comment: str
    content_hash: str
    at: Any = instant()


class ApprovalExcluded(OrgRow, table=True):
    """Somebody who stands too near to decide; ``why`` completes "because you …" (asked for it, uploaded its file)."""

    __tablename__ = "approval_excluded"
    __table_args__ = org_table(
        UniqueConstraint("org_id", "request_id", "person_id"),
        link("request_id", "approval_request"),
        append_only=True,
    )

    request_id: str
    person_id: str
    why: str


class ApprovalAuthority(OrgRow, table=True):
    """How much a person may approve of an item type; kept as history: ended, never deleted.

    ``currency`` is ISO 4217 or ``*``; ``limit_minor`` is inclusive, NULL for any amount.
    """

    __tablename__ = "approval_authority"
    __table_args__ = org_table(
        Index("ix_approval_authority_person", "org_id", "person_id"),
        listed=("person_id", "item_type", "currency", "limit_minor", "since_at", "until_at"),
        seen_by=(Permission.APPROVALS_VIEW,),
    )

    person_id: str
    item_type: str
    currency: str
    limit_minor: int | None = minor(nullable=True)
    since_at: Any = instant()
    until_at: Any = instant(nullable=True)
    granted_by: str


approval_request, approval_level = table_of(ApprovalRequest), table_of(ApprovalLevel)
approval_decision, approval_excluded = table_of(ApprovalDecision), table_of(ApprovalExcluded)
approval_authority = table_of(ApprovalAuthority)
