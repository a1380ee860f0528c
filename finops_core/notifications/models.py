"""Tables of notices, of the mails about them, and of how each person wants to be told."""

from typing import Any

from sqlalchemy import Index, UniqueConstraint, text

from finops_core.platform.tables import DataClass, OrgRow, Retention, big, instant, org_table, table_of

_UNREAD = text("read_at IS NULL")
_QUEUED = text("state = 'queued'")


class NoticeRow(OrgRow, table=True):
    """Something one person should know. ``once`` makes the same news reach them once; ``query`` is JSON."""

    __tablename__ = "notice"
    __table_args__ = org_table(
        UniqueConstraint("org_id", "person_id", "once"),
        Index("ix_notice_unread", "org_id", "person_id", sqlite_where=_UNREAD, postgresql_where=_UNREAD),
        Index("ix_notice_once", "org_id", "once"),
        Index("ix_notice_person", "org_id", "person_id", "id"),
        retention=Retention.WORKING,
        classes={"title": DataClass.CONFIDENTIAL, "body": DataClass.CONFIDENTIAL},
        listed=("kind", "title", "created_at", "read_at"),
    )

    person_id: str
    kind: str
    once: str
    title: str
    body: str
    page: str
    query: str
    created_at: Any = instant()
    read_at: Any = instant(nullable=True)


class MailRow(OrgRow, table=True):
    """One mail of the outbox, about a notice or a digest; its id is its Message-ID.

    ``query`` is JSON. ``held_by`` and ``held_fence`` name the claim of the job that is sending it: while that claim
    lives, no other one takes the mail. The address is not here: it is looked up when the mail is sent.
    """

    __tablename__ = "mail"
    __table_args__ = org_table(
        UniqueConstraint("org_id", "person_id", "once"),
        Index("ix_mail_due", "org_id", "next_at", sqlite_where=_QUEUED, postgresql_where=_QUEUED),
        Index("ix_mail_person", "org_id", "person_id", "id"),
        Index("ix_mail_once", "org_id", "once"),
        retention=Retention.WORKING,
        classes={"title": DataClass.CONFIDENTIAL, "body": DataClass.CONFIDENTIAL},
        listed=("kind", "title", "state", "attempts", "created_at", "ended_at"),
    )

    person_id: str
    kind: str
    once: str
    notice_id: str
    title: str
    body: str
    page: str
    query: str
    state: str
    attempts: int = 0
    next_at: Any = instant()
    held_by: str = ""
    held_fence: int = big()
    last_answer: str = ""
    created_at: Any = instant()
    ended_at: Any = instant(nullable=True)


class PreferenceRow(OrgRow, table=True):
    """How one person wants to be told of one kind; what has no row is told as ``rules.KINDS`` says."""

    __tablename__ = "notice_preference"
    __table_args__ = org_table(
        UniqueConstraint("org_id", "person_id", "kind"), listed=("person_id", "kind", "way", "changed_at")
    )

    person_id: str
    kind: str
    way: str
    changed_at: Any = instant()


class DigestRow(OrgRow, table=True):
    """When one person gets the daily mail. ``hour`` -1: never. ``done_on``: the last day it was looked after."""

    __tablename__ = "notice_digest"
    __table_args__ = org_table(UniqueConstraint("org_id", "person_id"), listed=("person_id", "hour", "done_on"))

    person_id: str
    hour: int
    done_on: str = ""


notice, mail = table_of(NoticeRow), table_of(MailRow)
preference, digest = table_of(PreferenceRow), table_of(DigestRow)
