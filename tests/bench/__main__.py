"""`make bench`: prints the table; names of parts as arguments print only those."""

import sys

from tests.bench import api, batch, intake, ledger, ledger_large, ledger_postgres, mail, pages, payout, search, sessions
from tests.bench.report import show

PARTS = {
    "intake": intake.measure,
    "payout": payout.measure,
    "batch": batch.measure,
    "ledger": ledger.measure,
    "ledger_large": ledger_large.pages,
    "ledger_check": ledger_large.beside_the_check,
    "ledger_postgres": ledger_postgres.measure,
    "mail": mail.measure,
    "search": search.measure,
    "pages": pages.measure,
    "sessions": sessions.measure,
    "api": api.measure,
}

if __name__ == "__main__":
    show([figure for name in sys.argv[1:] or PARTS for figure in PARTS[name]()])
