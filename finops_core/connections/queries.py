"""Reads of connections. Views never hold the secret; ``credentials`` alone opens it."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Row, select

from finops_core.connections.models import connection
from finops_core.kernel.errors import NotAllowed, NotFound
from finops_core.kernel.permissions import Permission
from finops_core.kernel.provider import Mode
from finops_core.platform.ports import ProviderCredentials
from finops_core.platform.work import Reading


@dataclass(frozen=True, slots=True)
class ConnectionView:
    """A connection as people may see it.

    Attributes:
        shown: the key as ``rk_test_…0001``.
        fingerprint: tells two keys apart without showing either; part of what an approval covers.
        account: the connected account it acts for, "" for the key's own.
    """

    id: str
    org_id: str
    provider: str
    name: str
    mode: Mode
    base_url: str
    account: str
    shown: str
    fingerprint: str
    created_by: str
    created_at: datetime
    retired_at: datetime | None

    @property
    def active(self) -> bool:
        """Whether new work may use it."""
        return self.retired_at is None


def active(reading: Reading, provider: str) -> ConnectionView:
    """The organisation's active connection to a provider; ``CONNECTION_MISSING`` when there is none."""
    _require_any(
        reading,
        Permission.HOME_VIEW,
        Permission.PAYOUTS_PREPARE,
        Permission.WORKER_ACT,
        Permission.CONNECTIONS_ADMINISTER,
    )
    wanted = (connection.c.org_id == reading.org_id, connection.c.provider == provider)
    row = reading.first(select(connection).where(*wanted, connection.c.retired_at.is_(None)))
    if row is None:
        raise NotFound(
            "CONNECTION_MISSING",
            "This organisation is not connected to the provider.",
            hint="Ask an administrator to add the connection.",
            provider=provider,
        )
    return view_of(row)


def listed(reading: Reading) -> tuple[ConnectionView, ...]:
    """Every connection of the organisation, retired ones too, newest first; needs CONNECTIONS_ADMINISTER."""
    reading.require(Permission.CONNECTIONS_ADMINISTER)
    mine = select(connection).where(connection.c.org_id == reading.org_id)
    return tuple(
        view_of(row) for row in reading.rows(mine.order_by(connection.c.created_at.desc(), connection.c.id.desc()))
    )


def credentials(reading: Reading, connection_id: str) -> ProviderCredentials:
    """What an adapter needs to speak for the organisation. Callers audit that they used it.

    Needs PAYOUTS_PREPARE or WORKER_ACT. A retired connection opens for the worker alone, which must still be able to
    look up payouts it made through it; for people it is ``CONNECTION_MISSING`` like one that never was.
    """
    _require_any(reading, Permission.PAYOUTS_PREPARE, Permission.WORKER_ACT)
    wanted = select(connection).where(connection.c.org_id == reading.org_id, connection.c.id == connection_id)
    if not reading.may(Permission.WORKER_ACT):
        wanted = wanted.where(connection.c.retired_at.is_(None))
    row = reading.first(wanted)
    if row is None:
        raise unknown_connection()
    secret = reading.ports.vault.open(row.secret, sealed_at(row.id)).decode("ascii")
    return ProviderCredentials(row.provider, secret, row.base_url, row.account)


def sealed_at(connection_id: str) -> str:
    """The place a secret is bound to, so that a sealed value copied to another row does not open."""
    return f"connection|secret|{connection_id}"


def view_of(row: Row[tuple[object, ...]]) -> ConnectionView:
    """The view of one row."""
    return ConnectionView(
        id=row.id,
        org_id=row.org_id,
        provider=row.provider,
        name=row.name,
        mode=Mode(row.mode),
        base_url=row.base_url,
        account=row.account,
        shown=f"{row.prefix}…{row.last4}",
        fingerprint=row.fingerprint,
        created_by=row.created_by,
        created_at=row.created_at,
        retired_at=row.retired_at,
    )


def unknown_connection() -> NotFound:
    """The one answer for connections that do not exist, are retired or belong to another organisation."""
    return NotFound("CONNECTION_MISSING", "There is no such connection.", hint="Choose one from the list.")


def _require_any(reading: Reading, *permissions: Permission) -> None:
    if not reading.permissions.intersection(permissions):
        raise NotAllowed(
            "NOT_ALLOWED",
            "You are not allowed to do this.",
            hint="Ask an administrator for a role that includes it.",
            missing=[permission.value for permission in permissions],
        )
