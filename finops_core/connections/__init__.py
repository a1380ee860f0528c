"""Credentials of outside services, sealed, per organisation, and what proves that news is theirs."""

from finops_core.connections.queries import (
    ConnectionView,
    Receiver,
    SecretView,
    active,
    check_mode,
    credentials,
    listed,
    one,
    receiver,
    unknown_connection,
    webhook_secrets,
)
from finops_core.connections.service import add, replace_secret, retire, set_webhook_secret
from finops_core.connections.trial import Trial, try_connection

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
    "one",
    "receiver",
    "replace_secret",
    "retire",
    "set_webhook_secret",
    "try_connection",
    "unknown_connection",
    "webhook_secrets",
]
