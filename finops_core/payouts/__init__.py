"""Paying out a provider's balance, crash-safe: planned, approved, sent once, looked up when in doubt."""

from finops_core.payouts.queries import Paid, PayoutView, doubtful, doubtful_executions, paid_since, rows
from finops_core.payouts.rules import PayoutState
from finops_core.payouts.service import on_ended

__all__ = ["Paid", "PayoutState", "PayoutView", "doubtful", "doubtful_executions", "on_ended", "paid_since", "rows"]
