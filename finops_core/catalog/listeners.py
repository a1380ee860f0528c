"""Who hears which news, in the unit that tells it, before it commits."""

from collections.abc import Mapping, Sequence

from finops_core import approvals, ledger, notifications, operations, parties, security
from finops_core.kernel.job import Event, Listener

LISTENERS: Mapping[type[Event], Sequence[Listener]] = {
    approvals.Approved: (operations.on_approved, ledger.on_approved, parties.on_approved),
    approvals.Rejected: (operations.on_rejected, ledger.on_ended, parties.on_ended),
    approvals.Expired: (operations.on_expired, ledger.on_ended, parties.on_ended),
    approvals.Withdrawn: (ledger.on_ended, parties.on_ended),
    security.AccountChanged: (notifications.on_account_changed,),
    security.SecondFactorReset: (notifications.on_second_factor_reset,),
}
