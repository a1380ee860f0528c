"""A ledger that has been written for years: wallets with as many postings each, past the guards, as a restored archive.

Wallets pay each other in pairs, a minor unit an entry, on days spread over three hundred.
"""

import sqlite3
from collections.abc import Sequence

COLUMNS = (
    "org_id, journal_id, line, account_id, amount_minor, currency, account_version, balance_after_minor, "
    "effective_on, booked_at, party_id, department, project, product, cost_centre, base_minor, rate_id"
)
FIRST, NOW, DAYS = "2026-01-01", "2026-01-01 00:00:00.000000", 300
_TURNS = "WITH RECURSIVE turn(no) AS (SELECT 0 UNION ALL SELECT no + 1 FROM turn WHERE no + 1 < :each) "
_JOURNAL = "'je_' || printf('%07d%06d', turn.no, wallet.no / 2)"
_DAY = "date(:first, '+' || (turn.no * :days / :each) || ' days')"
_POSTINGS = (
    f"INSERT INTO ledger_posting ({COLUMNS}) {_TURNS}"
    f"SELECT :org, {_JOURNAL}, 1 + wallet.no % 2, wallet.id, wallet.side, 'USD', turn.no + 1, "
    f"wallet.side * (turn.no + 1), {_DAY}, :now, 'party', '', '', '', '', wallet.side, '' FROM turn, wallet"
)
_JOURNALS = (
    "INSERT INTO ledger_journal (org_id, id, type, key, content, created_by, booked_at, effective_on, reason, "
    f"source_kind, source_id, reverses) {_TURNS}"
    f"SELECT :org, {_JOURNAL}, 'TRANSFER', '', '', 'person_clerk', :now, {_DAY}, '', '', '', '' "
    "FROM turn, wallet WHERE wallet.no % 2 = 0"
)


def fill(raw: sqlite3.Connection, org: str, wallets: Sequence[str], postings: int) -> None:
    """Give each of the wallets, an even number of them, its part of the postings; they must have none so far.

    ``raw`` commits by itself; the database's guards and foreign keys are off when it is done.
    """
    for (name,) in raw.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
        raw.execute(f"DROP TRIGGER {name}")
    raw.execute("PRAGMA foreign_keys=OFF")
    raw.execute("BEGIN")
    raw.execute("CREATE TEMPORARY TABLE wallet (no INTEGER PRIMARY KEY, id TEXT, side INTEGER)")
    sides = [(number, wallet, 1 if number % 2 else -1) for number, wallet in enumerate(wallets)]
    raw.executemany("INSERT INTO wallet VALUES (?, ?, ?)", sides)
    each = postings // len(wallets)
    asked = {"org": org, "each": each, "first": FIRST, "days": DAYS, "now": NOW}
    raw.execute(_POSTINGS, asked)
    raw.execute(_JOURNALS, asked)
    raw.execute(
        "UPDATE ledger_balance SET version = :each, posted_minor = :each * wallet.side FROM wallet "
        "WHERE wallet.id = ledger_balance.id AND ledger_balance.org_id = :org",
        {"each": each, "org": org},
    )
    raw.execute("COMMIT")
    raw.execute("DROP TABLE wallet")
    raw.execute("ANALYZE")
