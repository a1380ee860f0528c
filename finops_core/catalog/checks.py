"""Every standing truth that is looked for on schedule."""

from collections.abc import Mapping

from finops_core.kernel.job import Check
from finops_core.ledger import checks as ledger
from finops_core.parties import checks as parties
from finops_core.payouts import checks as payouts

CHECKS: Mapping[str, Check] = {check.id: check for check in (*payouts.CHECKS, *ledger.CHECKS, *parties.CHECKS)}
