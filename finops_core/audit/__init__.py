"""The log: who did what to which thing, provably unchanged."""

from finops_core.audit.service import record

__all__ = ["record"]
