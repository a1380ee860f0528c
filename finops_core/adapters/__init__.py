"""The outside world: implementations of the ports, given their credentials as arguments.

Nothing is imported here on purpose: the Stripe SDK alone costs a quarter of a second, so callers name the module
they need (``stripe_payouts``, ``stripe_sandbox.server``, ``file_store``).
"""
