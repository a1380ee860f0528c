"""`make bench`: prints the table."""

from tests.bench import intake, pages, payout
from tests.bench.report import show

if __name__ == "__main__":
    show([*intake.measure(), *payout.measure(), *pages.measure()])
