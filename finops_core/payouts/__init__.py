"""Paying out a provider's balance: planned, approved, sent once, looked up when in doubt, followed to the bank."""

from finops_core.payouts.bank_status import StatusTaken, may_take_status, take_bank_status
from finops_core.payouts.comparison import FIRST, MOVED, Differences, differences
from finops_core.payouts.finding import find
from finops_core.payouts.history import PayoutHistory, Statement, Step, StepKind, history
from finops_core.payouts.meanwhile import Meanwhile, meanwhile
from finops_core.payouts.news import Inbox, inbox, take_news
from finops_core.payouts.queries import (
    Order,
    PayoutFilter,
    PayoutPage,
    PayoutView,
    Standing,
    Sums,
    counts,
    one,
    page,
    rows,
    sums,
)
from finops_core.payouts.rehearsal import OFFERED, RehearsalView, Trouble, rehearsals, rehearse
from finops_core.payouts.remedies import Remedies, Resolution, remedies, resolutions
from finops_core.payouts.repair import Verdict, ask_cancel, resolve, retry, send_on
from finops_core.payouts.report import CSV, TIE_OUT_CSV, XLSX, Tie, TieOut, export, tie_out
from finops_core.payouts.rules import DOUBTFUL, IN_FLIGHT, LIVE, RETRYABLE, PayoutState, words
from finops_core.payouts.strays import look_at_all

__all__ = [
    "CSV",
    "DOUBTFUL",
    "FIRST",
    "IN_FLIGHT",
    "LIVE",
    "MOVED",
    "OFFERED",
    "RETRYABLE",
    "TIE_OUT_CSV",
    "XLSX",
    "Differences",
    "Inbox",
    "Meanwhile",
    "Order",
    "PayoutFilter",
    "PayoutHistory",
    "PayoutPage",
    "PayoutState",
    "PayoutView",
    "RehearsalView",
    "Remedies",
    "Resolution",
    "Standing",
    "Statement",
    "StatusTaken",
    "Step",
    "StepKind",
    "Sums",
    "Tie",
    "TieOut",
    "Trouble",
    "Verdict",
    "ask_cancel",
    "counts",
    "differences",
    "export",
    "find",
    "history",
    "inbox",
    "look_at_all",
    "may_take_status",
    "meanwhile",
    "one",
    "page",
    "rehearsals",
    "rehearse",
    "remedies",
    "resolutions",
    "resolve",
    "retry",
    "rows",
    "send_on",
    "sums",
    "take_bank_status",
    "take_news",
    "tie_out",
    "words",
]
