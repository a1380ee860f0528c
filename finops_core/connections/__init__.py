"""Credentials of outside services, sealed, per organisation, and what proves that news is theirs."""

from finops_core.connections.queries import (
    ConnectionView,
    Receiver,
    SecretView,
    active,
    check_mode,
    credentials,
    listed,
    names,
    one,
    provider_of,
    receiver,
    unknown_connection,
    webhook_secrets,
)
from finops_core.connections.service import add, note_account, replace_secret, retire, set_webhook_secret
from finops_core.connections.trial import Trial, replace_key, try_connection

__all__ = [
    "ConnectionView",
    "Receiver",
    "SecretView",
    "Trial",
    "active",
    "add",
    "check_mode",
    "credentials",
    "listed",
    "names",
    "note_account",
    "one",
    "provider_of",
    "receiver",
    "replace_key",
    "replace_secret",
    "retire",
    "set_webhook_secret",
    "try_connection",
    "unknown_connection",
    "webhook_secrets",
]
