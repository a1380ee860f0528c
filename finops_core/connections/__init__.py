"""Credentials of outside services, sealed, per organisation."""

from finops_core.connections.queries import ConnectionView, active, credentials, listed
from finops_core.connections.service import add, replace_secret, retire

__all__ = ["ConnectionView", "active", "add", "credentials", "listed", "replace_secret", "retire"]
