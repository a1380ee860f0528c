"""The table of outside services an organisation is connected to."""

from typing import Any

from sqlalchemy import Index, text

from finops_core.platform.tables import DataClass, OrgRow, instant, org_table, table_of

_ACTIVE = text("retired_at IS NULL")


class Connection(OrgRow, table=True):
    """A sealed credential and what may be shown of it. One active connection per provider and organisation."""

    __tablename__ = "connection"
    __table_args__ = org_table(
        Index(
            "uq_connection_active",
            "org_id",
            "provider",
            unique=True,
            sqlite_where=_ACTIVE,
            postgresql_where=_ACTIVE,
        ),
        classes={
            "secret": DataClass.RESTRICTED,
            "fingerprint": DataClass.CONFIDENTIAL,
            "prefix": DataClass.CONFIDENTIAL,
            "last4": DataClass.CONFIDENTIAL,
            "account": DataClass.CONFIDENTIAL,
        },
        listed=("provider", "name", "mode", "base_url", "created_at", "retired_at"),
        searched=("name",),
    )

    provider: str
    name: str
    mode: str
    base_url: str
    account: str
    secret: bytes
    prefix: str
    last4: str
    fingerprint: str
    created_by: str
    created_at: Any = instant()
    retired_at: Any = instant(nullable=True)


connection = table_of(Connection)
