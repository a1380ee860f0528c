"""Tables of the outside services an organisation is connected to, and of what signs their news."""

from typing import Any

from sqlalchemy import Index, text

from finops_core.kernel.permissions import Permission
from finops_core.platform.tables import DataClass, OrgRow, instant, link, org_table, table_of

_ACTIVE = text("retired_at IS NULL")


class Connection(OrgRow, table=True):
    """A sealed credential and what may be shown of it. One active connection per provider and organisation.

    ``provider_account``: the provider's own id of the account that it stands for, "" before its first payout; from
    then on it never changes, whatever key is put there. ``test_told`` is JSON of what the last test found, "" before
    the first.
    """

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
            "provider_account": DataClass.CONFIDENTIAL,
        },
        listed=("provider", "name", "mode", "base_url", "created_at", "retired_at"),
        seen_by=(Permission.AUDIT_VIEW,),
        searched=("name",),
    )

    provider: str
    name: str
    mode: str
    base_url: str
    account: str
    provider_account: str
    secret: bytes
    prefix: str
    last4: str
    fingerprint: str
    created_by: str
    created_at: Any = instant()
    retired_at: Any = instant(nullable=True)
    tested_at: Any = instant(nullable=True)
    test_passed: bool | None = None
    test_told: str


class WebhookSecret(OrgRow, table=True):
    """What signs a provider's news for one connection. While it is rolled two count: the old one until ``until_at``."""

    __tablename__ = "webhook_secret"
    __table_args__ = org_table(
        link("connection_id", "connection"),
        Index("ix_webhook_secret_connection", "org_id", "connection_id", "created_at"),
        classes={"secret": DataClass.RESTRICTED, "shown": DataClass.CONFIDENTIAL},
        listed=("connection_id", "created_at", "until_at"),
        seen_by=(Permission.AUDIT_VIEW,),
    )

    connection_id: str
    secret: bytes
    shown: str
    created_by: str
    created_at: Any = instant()
    until_at: Any = instant(nullable=True)


connection, webhook_secret = table_of(Connection), table_of(WebhookSecret)
