"""What the server of the worker's children has loaded before it forks the first one."""

import gc

from finops_core.kernel.loading import uncollected

with uncollected():
    import finops_core.adapters.stripe_payouts
    import finops_core.worker.child  # noqa: F401 - loaded for the children

# What is loaded stays; a child that looked through it would copy the memory it shares with the others.
gc.freeze()
