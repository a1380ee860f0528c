"""The table of notices: one row per person and piece of news."""

from typing import Any

from sqlalchemy import Index, UniqueConstraint, text

from finops_core.platform.tables import DataClass, OrgRow, Retention, instant, org_table, table_of

_UNREAD = text("read_at IS NULL")


class NoticeRow(OrgRow, table=True):
    """Something one person should know. ``once`` makes the same news reach them once; ``query`` is JSON."""

    __tablename__ = "notice"
    __table_args__ = org_table(
        UniqueConstraint("org_id", "person_id", "once"),
        Index("ix_notice_unread", "org_id", "person_id", sqlite_where=_UNREAD, postgresql_where=_UNREAD),
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


notice = table_of(NoticeRow)
