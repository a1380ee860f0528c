"""Paying out a provider's balance: planned, approved, sent once, looked up when in doubt, followed to the bank."""

from finops_core.payouts.bank_status import StatusTaken, take_bank_status
from finops_core.payouts.history import PayoutHistory, Statement, Step, StepKind, history
from finops_core.payouts.news import Inbox, inbox, take_news
from finops_core.payouts.queries import (
    Order,
    PayoutFilter,
    PayoutPage,
    PayoutView,
    Standing,
    Sums,
    one,
    page,
    rows,
    sums,
)
from finops_core.payouts.rehearsal import RehearsalView, Trouble, rehearsals, rehearse
from finops_core.payouts.repair import Verdict, ask_cancel, resolve, retry, send_on
from finops_core.payouts.report import TieOut, tie_out
from finops_core.payouts.rules import DOUBTFUL, IN_FLIGHT, LIVE, RETRYABLE, PayoutState

__all__ = [
    "DOUBTFUL",
    "IN_FLIGHT",
    "LIVE",
    "RETRYABLE",
    "Inbox",
    "Order",
    "PayoutFilter",
    "PayoutHistory",
    "PayoutPage",
    "PayoutState",
    "PayoutView",
    "RehearsalView",
    "Standing",
    "Statement",
    "StatusTaken",
    "Step",
    "StepKind",
    "Sums",
    "TieOut",
    "Trouble",
    "Verdict",
    "ask_cancel",
    "history",
    "inbox",
    "one",
    "page",
    "rehearsals",
    "rehearse",
    "resolve",
    "retry",
    "rows",
    "send_on",
    "sums",
    "take_bank_status",
    "take_news",
    "tie_out",
]
