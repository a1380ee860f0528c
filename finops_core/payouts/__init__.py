"""Paying out a provider's balance: planned, approved, sent once, looked up when in doubt, followed to the bank."""

from finops_core.payouts.bank_status import StatusTaken, take_bank_status
from finops_core.payouts.news import take_news
from finops_core.payouts.queries import PayoutFilter, PayoutPage, PayoutView, Standing, Sums, one, page, rows, sums
from finops_core.payouts.rehearsal import RehearsalView, Trouble, rehearsals, rehearse
from finops_core.payouts.repair import Verdict, ask_cancel, resolve, retry, send_on
from finops_core.payouts.report import TieOut, tie_out
from finops_core.payouts.rules import DOUBTFUL, IN_FLIGHT, LIVE, RETRYABLE, PayoutState

__all__ = [
    "DOUBTFUL",
    "IN_FLIGHT",
    "LIVE",
    "RETRYABLE",
    "PayoutFilter",
    "PayoutPage",
    "PayoutState",
    "PayoutView",
    "RehearsalView",
    "Standing",
    "StatusTaken",
    "Sums",
    "TieOut",
    "Trouble",
    "Verdict",
    "ask_cancel",
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
