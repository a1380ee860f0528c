"""Where the sandbox keeps everything: one SQLite file, one transaction per request. Not the desk's database."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

from finops_core.kernel.clock import Clock, SystemClock

_SCHEMA = """
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS account (
    id TEXT PRIMARY KEY, platform TEXT, created INTEGER NOT NULL, country TEXT NOT NULL,
    default_currency TEXT NOT NULL, payouts_enabled INTEGER NOT NULL, settings TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS api_key (
    key TEXT PRIMARY KEY, account TEXT NOT NULL REFERENCES account (id), may_write INTEGER NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS bank_account (
    seq INTEGER PRIMARY KEY, id TEXT UNIQUE NOT NULL, account TEXT NOT NULL REFERENCES account (id),
    currency TEXT NOT NULL, is_default INTEGER NOT NULL, failure_code TEXT NOT NULL, body TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS payout (
    seq INTEGER PRIMARY KEY, id TEXT UNIQUE NOT NULL, account TEXT NOT NULL REFERENCES account (id),
    created INTEGER NOT NULL, arrival_date INTEGER NOT NULL, status TEXT NOT NULL, destination TEXT NOT NULL,
    body TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS balance_transaction (
    seq INTEGER PRIMARY KEY, id TEXT UNIQUE NOT NULL, account TEXT NOT NULL REFERENCES account (id),
    created INTEGER NOT NULL, available_on INTEGER NOT NULL, currency TEXT NOT NULL, type TEXT NOT NULL,
    source TEXT NOT NULL, source_type TEXT NOT NULL, net INTEGER NOT NULL, reference TEXT, body TEXT NOT NULL,
    UNIQUE (account, reference)) STRICT;
CREATE INDEX IF NOT EXISTS balance_transaction_by_account
    ON balance_transaction (account, currency, source_type, available_on, net);
CREATE INDEX IF NOT EXISTS payout_by_account ON payout (account, created);
CREATE INDEX IF NOT EXISTS payout_by_status ON payout (status, created);
CREATE INDEX IF NOT EXISTS payout_by_arrival ON payout (status, arrival_date);
CREATE TABLE IF NOT EXISTS event (
    seq INTEGER PRIMARY KEY, id TEXT UNIQUE NOT NULL, account TEXT NOT NULL REFERENCES account (id),
    created INTEGER NOT NULL, type TEXT NOT NULL, body TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS idempotency (
    account TEXT NOT NULL, key TEXT NOT NULL, method TEXT NOT NULL, path TEXT NOT NULL, params TEXT NOT NULL,
    status INTEGER NOT NULL, body TEXT NOT NULL, created INTEGER NOT NULL, PRIMARY KEY (account, key)) STRICT;
CREATE TABLE IF NOT EXISTS fault (
    seq INTEGER PRIMARY KEY, seen INTEGER NOT NULL, fired INTEGER NOT NULL, spec TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS call (
    seq INTEGER PRIMARY KEY, at INTEGER NOT NULL, body TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS webhook_endpoint (
    seq INTEGER PRIMARY KEY, id TEXT UNIQUE NOT NULL, account TEXT NOT NULL REFERENCES account (id),
    created INTEGER NOT NULL, connect INTEGER NOT NULL, status TEXT NOT NULL, url TEXT NOT NULL,
    secrets TEXT NOT NULL, body TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS webhook_fault (
    seq INTEGER PRIMARY KEY, seen INTEGER NOT NULL, fired INTEGER NOT NULL, spec TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS delivery (
    seq INTEGER PRIMARY KEY, event TEXT NOT NULL, endpoint TEXT NOT NULL, account TEXT NOT NULL, state TEXT NOT NULL,
    attempts INTEGER NOT NULL, next_at REAL NOT NULL, waits_for INTEGER, last_status INTEGER NOT NULL,
    last_error TEXT NOT NULL, fault TEXT NOT NULL) STRICT;
CREATE INDEX IF NOT EXISTS delivery_by_state ON delivery (state, endpoint, next_at);
CREATE INDEX IF NOT EXISTS delivery_by_event ON delivery (event);
"""
# Children first, so that foreign keys hold while everything is forgotten.
_TABLES = (
    "delivery",
    "webhook_fault",
    "webhook_endpoint",
    "call",
    "fault",
    "idempotency",
    "event",
    "balance_transaction",
    "payout",
    "bank_account",
    "api_key",
    "account",
    "meta",
)
# Full synchronisation, because "a restart never forgets a payout" includes a power cut.
_PRAGMAS = ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "busy_timeout=5000")


class Store:
    """The sandbox's state and its clock; used by one thread at a time.

    Args:
        path: the database file; it and its folder are made when absent.
        clock: the real time, to which the sandbox's own offset is added.
        moves_by_itself: whether payouts move on as time passes, until ``conduct`` is told otherwise.
    """

    def __init__(self, path: Path, clock: Clock | None = None, *, moves_by_itself: bool = False) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._clock = clock or SystemClock()
        self.moves_by_itself = moves_by_itself
        # Autocommit, so that BEGIN and COMMIT stand where this class writes them and nowhere else.
        self.connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self.connection.row_factory = sqlite3.Row
        for pragma in _PRAGMAS:
            self.connection.execute(f"PRAGMA {pragma}")
        self.connection.executescript(_SCHEMA)

    def close(self) -> None:
        """Give the file back."""
        self.connection.close()

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Everything inside happens together or not at all; never nested."""
        self.connection.execute("BEGIN IMMEDIATE")
        try:
            yield self.connection
        except BaseException:
            self.connection.execute("ROLLBACK")
            raise
        self.connection.execute("COMMIT")

    def now(self) -> datetime:
        """The sandbox's present instant: real time plus its offset."""
        return self._clock.now() + timedelta(seconds=self.offset_s())

    def now_s(self) -> int:
        """The sandbox's present instant in whole seconds since 1970, as Stripe writes times."""
        return int(self.now().timestamp())

    def offset_s(self) -> float:
        """How far the sandbox's clock is ahead of the real one, in seconds."""
        return float(self.remembered("clock_offset_s") or 0.0)

    def set_offset_s(self, offset_s: float) -> None:
        """Move the sandbox's clock; it keeps running from there, also after a restart."""
        self.remember("clock_offset_s", repr(offset_s))

    def remembered(self, name: str) -> str:
        """A value that was kept by name, "" when there is none."""
        row = self.connection.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()
        return str(row["value"]) if row else ""

    def remember(self, name: str, value: str) -> None:
        """Keep a value by name, also over a restart."""
        self.connection.execute(
            "INSERT INTO meta (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
            (name, value),
        )

    def forget(self, tables: tuple[str, ...] = _TABLES) -> None:
        """Empty these tables; all of them unless named."""
        for table in tables:
            if table in _TABLES:
                self.connection.execute(f"DELETE FROM {table}")

    def documents(self, sql: str, values: tuple[object, ...] = ()) -> list[dict[str, object]]:
        """The ``body`` column of what a query finds, decoded."""
        return [json.loads(row["body"]) for row in self.connection.execute(sql, values)]
