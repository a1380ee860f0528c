"""Verbs on connections; all need CONNECTIONS_ADMINISTER. A key goes in and is never shown again."""

import json
from collections.abc import Mapping
from datetime import timedelta

from sqlalchemy import ColumnElement, insert, or_, update
from sqlalchemy.exc import IntegrityError

from finops_core import audit
from finops_core.adapters.bank_file.debtor import Debtor
from finops_core.connections import queries, rules
from finops_core.connections.models import connection, webhook_secret
from finops_core.connections.queries import sealed_at, unknown_connection
from finops_core.connections.rules import KeyFacts
from finops_core.kernel.errors import Conflict
from finops_core.kernel.ids import new_id
from finops_core.kernel.permissions import Permission
from finops_core.platform.work import Work

OVERLAP_S = 24 * 3600
_UNTESTED: Mapping[str, object] = {"tested_at": None, "test_passed": None, "test_told": ""}


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
        "base_url": _address(work, provider, base_url),
        "account": rules.checked_account(account),
        "provider_account": "",
        "created_by": work.actor.id,
        "created_at": work.now,
        "retired_at": None,
        **_UNTESTED,
        **_sealed(work, connection_id, provider, secret.strip(), mode),
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
    """Put another key in the place of the old one, which is gone; plans made with the old one need a new approval.

    What a test of the old one found is forgotten. Of a retired connection too: payouts made through it are still looked
    up with its key. Refuses what ``add`` refuses of a key, and ``CONNECTION_MISSING``. Whose key it is only the
    provider can tell: ``replace_key`` asks it first.
    """
    work.require(Permission.CONNECTIONS_ADMINISTER)
    values = _sealed(work, connection_id, queries.one_of_all(work, connection_id).provider, secret.strip(), mode)
    _change(work, connection_id, {**values, **_UNTESTED})
    audit.record(work, "connection.secret_replaced", f"connection:{connection_id}", detail=_told(values))


def set_webhook_secret(work: Work, connection_id: str, secret: str, overlap_s: int = OVERLAP_S) -> None:
    """Have news signed with this secret believed from now on; the ones before it for ``overlap_s`` more seconds.

    So a secret is rolled without losing news: set the new one here, then at the provider. ``WEBHOOK_SECRET_BAD``,
    ``CONNECTION_MISSING``.
    """
    work.require(Permission.CONNECTIONS_ADMINISTER)
    secret = secret.strip()
    shown = rules.webhook_shown(secret)
    queries.one(work, connection_id)
    table, secret_id = webhook_secret, new_id("whs")
    ends = work.now + timedelta(seconds=max(overlap_s, 0))
    mine = table.c.org_id == work.org_id, table.c.connection_id == connection_id
    open_end = or_(table.c.until_at.is_(None), table.c.until_at > ends)
    work.execute(update(table).where(*mine, open_end).values(until_at=ends))
    work.execute(
        insert(table).values(
            org_id=work.org_id,
            id=secret_id,
            connection_id=connection_id,
            secret=work.ports.vault.seal(secret.encode("ascii"), queries.signed_at(secret_id)),
            shown=shown,
            created_by=work.actor.id,
            created_at=work.now,
            until_at=None,
        )
    )
    detail = {"overlap_s": overlap_s, "fingerprint": work.ports.vault.fingerprint(secret)}
    audit.record(work, "connection.webhook_secret_set", f"connection:{connection_id}", detail=detail)


def note_test(work: Work, connection_id: str, *, passed: bool, told: Mapping[str, object]) -> None:
    """Keep what a test of a connection found."""
    work.require(Permission.CONNECTIONS_ADMINISTER)
    values = {"tested_at": work.now, "test_passed": passed, "test_told": json.dumps(told)}
    _change(work, connection_id, values)
    audit.record(work, "connection.tested", f"connection:{connection_id}", detail={"passed": passed})


def note_account(work: Work, connection_id: str, provider_account: str) -> None:
    """Remember, once, which of the provider's accounts the connection stands for: payouts are about to leave it."""
    work.require(Permission.WORKER_ACT)
    mine = connection.c.org_id == work.org_id, connection.c.id == connection_id, connection.c.provider_account == ""
    if work.execute(update(connection).where(*mine).values(provider_account=provider_account)).rowcount:
        detail = {"account": provider_account}
        audit.record(work, "connection.account_noted", f"connection:{connection_id}", detail=detail)


def retire(work: Work, connection_id: str) -> None:
    """No new work may use it; the worker can still look up what was made through it."""
    work.require(Permission.CONNECTIONS_ADMINISTER)
    _change(work, connection_id, {"retired_at": work.now}, connection.c.retired_at.is_(None))
    audit.record(work, "connection.retired", f"connection:{connection_id}")


def checked_secret(provider: str, secret: str, mode: str) -> KeyFacts:
    """What may be known of a key that could be stored; refuses what ``add`` refuses of one."""
    if provider == rules.BANK_FILE:
        facts = rules.account_facts(Debtor.from_text(secret).iban)
    else:
        facts = rules.key_facts(secret)
    rules.require_test_mode(mode, facts)
    return facts


def _sealed(work: Work, connection_id: str, provider: str, secret: str, mode: str) -> dict[str, object]:
    facts = checked_secret(provider, secret, mode)
    vault = work.ports.vault
    return {
        "secret": vault.seal(secret.encode("utf-8"), sealed_at(connection_id)),
        "fingerprint": vault.fingerprint(secret),
        "mode": facts.mode.value,
        "prefix": facts.prefix,
        "last4": facts.last4,
    }


def _address(work: Work, provider: str, typed: str) -> str:
    if provider == rules.BANK_FILE:
        return ""
    return rules.checked_url(typed, work.ports.settings.stripe_sandbox_url)


def _change(work: Work, connection_id: str, values: dict[str, object], *conditions: ColumnElement[bool]) -> None:
    mine = connection.c.org_id == work.org_id, connection.c.id == connection_id
    if work.execute(update(connection).where(*mine, *conditions).values(**values)).rowcount != 1:
        raise unknown_connection()


def _told(values: dict[str, object]) -> dict[str, str]:
    return {"mode": str(values["mode"]), "fingerprint": str(values["fingerprint"])}
