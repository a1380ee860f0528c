"""Reads of connections. Views never hold the secret; ``credentials`` alone opens it."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, bindparam, or_, select

from finops_core.connections.models import connection, webhook_secret
from finops_core.connections.rules import check_mode_of_news
from finops_core.kernel.errors import NotAllowed, NotFound
from finops_core.kernel.permissions import Permission
from finops_core.kernel.provider import Mode
from finops_core.platform.ports import ProviderCredentials
from finops_core.platform.work import Reading

_PROVIDER = select(connection.c.provider, connection.c.provider_account).where(
    connection.c.org_id == bindparam("org"), connection.c.id == bindparam("id")
)


@dataclass(frozen=True, slots=True)
class ConnectionView:
    """A connection as people may see it.

    Attributes:
        shown: the key as ``rk_test_…0001``.
        fingerprint: tells two keys apart without showing either; part of what an approval covers.
        account: the connected account it acts for, "" for the key's own.
        provider_account: the provider's own id of the account its payouts are made from, "" before the first.
        test_told: what the last test found, see ``trial``; empty before the first.
    """

    id: str
    org_id: str
    provider: str
    name: str
    mode: Mode
    base_url: str
    account: str
    provider_account: str
    shown: str
    fingerprint: str
    created_by: str
    created_at: datetime
    retired_at: datetime | None
    tested_at: datetime | None
    test_passed: bool | None
    test_told: Mapping[str, Any]

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


def one(reading: Reading, connection_id: str) -> ConnectionView:
    """One active connection; ``CONNECTION_MISSING`` otherwise. Needs CONNECTIONS_ADMINISTER."""
    found = one_of_all(reading, connection_id)
    if not found.active:
        raise unknown_connection()
    return found


def one_of_all(reading: Reading, connection_id: str) -> ConnectionView:
    """One connection, active or retired; ``CONNECTION_MISSING`` otherwise. Needs CONNECTIONS_ADMINISTER.

    The key of a retired one is still used: payouts made through it are looked up and followed with it.
    """
    reading.require(Permission.CONNECTIONS_ADMINISTER)
    wanted = connection.c.org_id == reading.org_id, connection.c.id == connection_id
    row = reading.first(select(connection).where(*wanted))
    if row is None:
        raise unknown_connection()
    return view_of(row)


def names(reading: Reading, connection_ids: Iterable[str]) -> Mapping[str, str]:
    """What people call these connections of the organisation, retired ones too, by id; needs WORKER_ACT."""
    reading.require(Permission.WORKER_ACT)
    mine = connection.c.org_id == reading.org_id, connection.c.id.in_(sorted(connection_ids))
    found = reading.rows(select(connection.c.id, connection.c.name).where(*mine).order_by(connection.c.id))
    return {row.id: row.name for row in found}


def provider_of(reading: Reading, connection_id: str) -> tuple[str, str]:
    """The kind of provider behind a connection, retired ones too, and its own account there; ``CONNECTION_MISSING``."""
    found = reading.execute(_PROVIDER, {"org": reading.org_id, "id": connection_id}).first()
    if found is None:
        raise unknown_connection()
    return found.provider, found.provider_account


@dataclass(frozen=True, slots=True)
class SecretView:
    """A webhook's signing secret as people may see it; ``until_at`` is set while it is being replaced."""

    shown: str
    created_at: datetime
    until_at: datetime | None


def webhook_secrets(reading: Reading, connection_id: str) -> tuple[SecretView, ...]:
    """The secrets whose signatures count now, newest first. Needs CONNECTIONS_ADMINISTER."""
    reading.require(Permission.CONNECTIONS_ADMINISTER)
    wanted = webhook_secret.c.org_id == reading.org_id, *_counting(reading, connection_id)
    newest = webhook_secret.c.created_at.desc(), webhook_secret.c.id.desc()
    rows = reading.rows(select(webhook_secret).where(*wanted).order_by(*newest))
    return tuple(SecretView(row.shown, row.created_at, row.until_at) for row in rows)


@dataclass(frozen=True, slots=True)
class Receiver:
    """Whose news comes in at an address, and what proves it. ``secrets``, newest first, never appear in a repr."""

    org_id: str
    connection_id: str
    provider: str
    mode: Mode
    secrets: tuple[str, ...] = field(repr=False)


def receiver(reading: Reading, connection_id: str) -> Receiver:
    """What stands behind a webhook's address, whoever asks; ``CONNECTION_MISSING`` when nothing does.

    A retired connection still hears of the payouts made through it.
    """
    with reading.across_orgs("a provider knows its connection, not our organisation"):
        row = reading.first(select(connection).where(connection.c.id == connection_id))
        newest = webhook_secret.c.created_at.desc(), webhook_secret.c.id.desc()
        secrets = reading.rows(select(webhook_secret).where(*_counting(reading, connection_id)).order_by(*newest))
    if row is None:
        raise unknown_connection()
    opened = (reading.ports.vault.open(each.secret, signed_at(each.id)).decode("ascii") for each in secrets)
    return Receiver(row.org_id, row.id, row.provider, Mode(row.mode), tuple(opened))


def check_mode(at: Receiver, mode: Mode) -> None:
    """``WEBHOOK_MODE_BAD`` unless news is of the connection's own mode."""
    check_mode_of_news(at.mode, mode)


def _counting(reading: Reading, connection_id: str) -> tuple[ColumnElement[bool], ...]:
    until = webhook_secret.c.until_at
    return webhook_secret.c.connection_id == connection_id, or_(until.is_(None), until > reading.now)


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
    secret = reading.ports.vault.open(row.secret, sealed_at(row.id)).decode("utf-8")
    return ProviderCredentials(row.provider, secret, row.base_url, row.account, row.id)


def sealed_at(connection_id: str) -> str:
    """The place a secret is bound to, so that a sealed value copied to another row does not open."""
    return f"connection|secret|{connection_id}"


def signed_at(secret_id: str) -> str:
    """The place a webhook's secret is bound to."""
    return f"webhook_secret|secret|{secret_id}"


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
        provider_account=row.provider_account,
        shown=f"{row.prefix}…{row.last4}",
        fingerprint=row.fingerprint,
        created_by=row.created_by,
        created_at=row.created_at,
        retired_at=row.retired_at,
        tested_at=row.tested_at,
        test_passed=row.test_passed,
        test_told=json.loads(row.test_told) if row.test_told else {},
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
