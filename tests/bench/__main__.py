"""`make bench`: prints the table; names of parts as arguments print only those."""

import sys

from tests.bench import batch, intake, pages, payout, search
from tests.bench.report import show

PARTS = {
    "intake": intake.measure,
    "payout": payout.measure,
    "batch": batch.measure,
    "pages": pages.measure,
    "search": search.measure,
}

if __name__ == "__main__":
    show([figure for name in sys.argv[1:] or PARTS for figure in PARTS[name]()])
