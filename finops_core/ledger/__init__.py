"""The ledger: double entry, accounts and their balances."""
