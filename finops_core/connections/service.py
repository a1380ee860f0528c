"""Verbs on connections; all need CONNECTIONS_ADMINISTER. A key goes in and is never shown again."""

from sqlalchemy import insert, update
from sqlalchemy.exc import IntegrityError

from finops_core import audit
from finops_core.connections import rules
from finops_core.connections.models import connection
from finops_core.connections.queries import sealed_at, unknown_connection
from finops_core.kernel.errors import Conflict
from finops_core.kernel.ids import new_id
from finops_core.kernel.permissions import Permission
from finops_core.platform.work import Work


def add(
    work: Work, *, provider: str, name: str, secret: str, mode: str = "test", base_url: str = "", account: str = ""
) -> str:
    """Store a key sealed: the connection's id.

    Refuses with ``LIVE_MODE_REFUSED``, ``STRIPE_KEY_BAD``, ``STRIPE_URL_BAD``, ``PROVIDER_UNKNOWN``,
    ``CONNECTION_NAME_BAD``, ``ACCOUNT_BAD``, or ``CONNECTION_EXISTS`` when the organisation has an active one.
    Whether the provider accepts the key is not asked here: that is a call to the outside.
    """
    work.require(Permission.CONNECTIONS_ADMINISTER)
    connection_id = new_id("cn")
    values = {
        "org_id": work.org_id,
        "id": connection_id,
        "provider": rules.checked_provider(provider),
        "name": rules.checked_name(name),
        "base_url": rules.checked_url(base_url, work.ports.settings.stripe_sandbox_url),
        "account": rules.checked_account(account),
        "created_by": work.actor.id,
        "created_at": work.now,
        "retired_at": None,
        **_sealed(work, connection_id, secret.strip(), mode),
    }
    try:
        with work.savepoint():
            work.execute(insert(connection).values(**values))
    except IntegrityError:
        raise Conflict(
            "CONNECTION_EXISTS",
            "The organisation is connected to this provider already.",
            hint="Replace its key, or retire it first.",
        ) from None
    audit.record(work, "connection.added", f"connection:{connection_id}", detail=_told(values))
    return connection_id


def replace_secret(work: Work, connection_id: str, secret: str, mode: str = "test") -> None:
    """Put another key in the place of the old one, which is gone; plans made with the old one need a new approval."""
    work.require(Permission.CONNECTIONS_ADMINISTER)
    values = _sealed(work, connection_id, secret.strip(), mode)
    _change(work, connection_id, values)
    audit.record(work, "connection.secret_replaced", f"connection:{connection_id}", detail=_told(values))


def retire(work: Work, connection_id: str) -> None:
    """No new work may use it; the worker can still look up what was made through it."""
    work.require(Permission.CONNECTIONS_ADMINISTER)
    _change(work, connection_id, {"retired_at": work.now})
    audit.record(work, "connection.retired", f"connection:{connection_id}")


def _sealed(work: Work, connection_id: str, secret: str, mode: str) -> dict[str, object]:
    facts = rules.key_facts(secret)
    rules.require_test_mode(mode, facts)
    vault = work.ports.vault
    return {
        "secret": vault.seal(secret.encode("ascii"), sealed_at(connection_id)),
        "fingerprint": vault.fingerprint(secret),
        "mode": facts.mode.value,
        "prefix": facts.prefix,
        "last4": facts.last4,
    }


def _change(work: Work, connection_id: str, values: dict[str, object]) -> None:
    mine = (connection.c.org_id == work.org_id, connection.c.id == connection_id, connection.c.retired_at.is_(None))
    if work.execute(update(connection).where(*mine).values(**values)).rowcount != 1:
        raise unknown_connection()


def _told(values: dict[str, object]) -> dict[str, str]:
    return {"mode": str(values["mode"]), "fingerprint": str(values["fingerprint"])}
