"""Every built-in operation. Another one is another line here."""

from collections.abc import Mapping

from finops_core.kernel.operation import Operation
from finops_core.operations.operations import CSV_TOTALS
from finops_core.payouts.operations import BANK_TRANSFERS, STRIPE_BALANCE

_BUILT_IN = (STRIPE_BALANCE, BANK_TRANSFERS, CSV_TOTALS)

OPERATIONS: Mapping[str, Operation] = {operation.id: operation for operation in _BUILT_IN}
