"""The ledger beside a bare sqlite3 program that does the same guarded work, the log included; reads at 1M postings.

The bare program looks each key and each account up on its own, as one written by hand would; at a thousand at once
that makes it slower than statements for many.
"""

import gc
import json
import os
import sqlite3
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

from finops_core.kernel.clock import SystemClock
from finops_core.kernel.ids import new_id
from finops_core.kernel.money import Money
from finops_core.ledger import drift, queries, reconciling, service, statements
from finops_core.ledger.booking import post_many
from finops_core.ledger.rules import Entry, EntryType, Line, ReconcileWidth
from finops_core.ledger.service import Terms
from tests.bench import postings
from tests.bench.report import Figure, median, timed
from tests.desks import AreaDesk, area_desk, person_actor

SINGLES, TURNS, BATCH, SYNCS = 150, 6, 1_000, 50
WALLETS, POSTINGS = 1_000, 1_000_000
RAM = Path("/dev/shm")  # noqa: S108 - a disk that is none: what is left is the program's own time


def measure() -> list[Figure]:
    """Transfers by the verb beside the bare program, on the disk and on one in memory; then what is read."""
    found = []
    for name, parent, single_goal in (("on disk", None, "≥ 0.7"), ("on a RAM disk", RAM, "≥ 0.25")):
        if parent is None or parent.is_dir():
            with tempfile.TemporaryDirectory(dir=parent) as folder:
                found += [*_beside(Town(Path(folder)), name, single_goal), _syncs(Path(folder), name)]
    with tempfile.TemporaryDirectory() as folder:
        found += _read(Town(Path(folder)))
    return found


class Town:
    """A desk with wallets that hold plenty, and a bare connection to its database."""

    def __init__(self, folder: Path) -> None:
        desk = area_desk(folder)
        # What comes later must stand last in every index, as in life; the two programs write by turns.
        ports = replace(desk.units.ports, clock=SystemClock())
        self.desk: AreaDesk = replace(desk, units=replace(desk.units, ports=ports))
        self.org = self.desk.org()
        self.clerk = person_actor("person_clerk", self.org)
        with self.desk.work(self.clerk) as work:
            self.wallets = [service.open_wallet(work, f"party_{number}", "USD") for number in range(20)]
            for wallet in self.wallets:
                service.deposit(work, wallet, Money(10**12, "USD"))
        self.raw = sqlite3.connect(str(self.desk.units.database.writer.url.database), isolation_level=None)
        # As a service does once it has loaded: its garbage is not looked for among all that it loaded.
        gc.collect()
        gc.freeze()
        for pragma in ("synchronous=FULL", "foreign_keys=ON", "recursive_triggers=ON", "busy_timeout=10000"):
            self.raw.execute(f"PRAGMA {pragma}")

    def pair(self, number: int) -> tuple[str, str]:
        many = len(self.wallets)
        return self.wallets[number % many], self.wallets[(number + 7) % many]


def _beside(town: Town, name: str, goal: str) -> list[Figure]:
    singles = _by_turns(lambda turn: _ours(town, f"o{turn}"), lambda turn: _bare(town, SINGLES, 1, f"b{turn}"), SINGLES)
    batches = _by_turns(
        lambda turn: _ours_at_once(town, f"oo{turn}"), lambda turn: _bare(town, BATCH, BATCH, f"bb{turn}"), BATCH
    )
    one, all_ = f"Transfers {name}, one at a time", f"Transfers {name}, a thousand at once"
    return [
        Figure(f"{one}: part of a bare program's", singles[0] / singles[1], "of it", goal),
        Figure("… a second", singles[0], "/s", "", singles[1], "bare"),
        Figure(f"{all_}: part of a bare program's", batches[0] / batches[1], "of it", "≥ 0.8"),
        Figure("… a second", batches[0], "/s", "", batches[1], "bare"),
    ]


def _by_turns(ours: Callable[[int], None], bare: Callable[[int], None], many: int) -> tuple[float, float]:
    """How many a second, at the median: by the desk and by the bare program, each first as often as second.

    The database is copied out of its journal now and then, and whoever comes second would pay for it more often.
    """
    took: dict[Callable[[int], None], list[float]] = {ours: [], bare: []}
    for turn in range(TURNS):
        for act in (bare, ours) if turn % 2 else (ours, bare):
            took[act].append(_per_s(lambda act=act, turn=turn: act(turn), many))
    return median(took[ours]), median(took[bare])


def _syncs(folder: Path, name: str) -> Figure:
    """What both programs wait for. The goal was set on a disk of 245 to 557 a second; a faster one tells them apart."""
    with (folder / "synced").open("wb") as file:

        def write() -> None:
            file.write(b"x" * 4096)
            file.flush()
            os.fdatasync(file.fileno())

        took = timed(write, SYNCS)
    return Figure(f"… syncs a second {name}", 1 / median(took), "/s")


def _per_s(act: Callable[[], None], many: int) -> float:
    started = time.perf_counter()
    act()
    return many / (time.perf_counter() - started)


def _ours(town: Town, mark: str) -> None:
    for number in range(SINGLES):
        one, two = town.pair(number)
        with town.desk.work(town.clerk) as work:
            service.transfer(work, one, two, Money(1, "USD"), Terms(key=f"{mark}-{number}"))


def _ours_at_once(town: Town, mark: str) -> None:
    amount = Money(1, "USD")
    entries = []
    for number in range(BATCH):
        one, two = town.pair(number)
        entries.append(Entry(EntryType.TRANSFER, (Line(one, -amount), Line(two, amount)), key=f"{mark}-{number}"))
    with town.desk.work(town.clerk) as work:
        post_many(work, entries)


def _bare(town: Town, many: int, at_once: int, mark: str) -> None:
    """What the guards ask of any program: look, post, follow, seal, and the row of the log, in SQL by hand."""
    for start in range(0, many, at_once):
        town.raw.execute("BEGIN IMMEDIATE")
        _bare_unit(town, range(start, start + at_once), mark)
        town.raw.execute("COMMIT")


def _bare_unit(town: Town, numbers: range, mark: str) -> None:
    execute, org = town.raw.execute, town.org
    moment = datetime.now(UTC)  # noqa: TID251 - as a program would
    now, day = moment.strftime("%Y-%m-%d %H:%M:%S.%f"), moment.date().isoformat()
    held: dict[str, tuple[int, int]] = {}
    lines, heads, log = [], [], []
    for number in numbers:
        key = f"{mark}-{number}"
        known = "SELECT id, content FROM ledger_journal WHERE org_id = ? AND key = ? AND key <> ''"
        execute(known, (org, key)).fetchone()
        journal, sides = new_id("je"), []
        for line, (account, amount) in enumerate(zip(town.pair(number), (-1, 1), strict=True), 1):
            if account not in held:
                query = (
                    "SELECT b.version, b.posted_minor FROM ledger_account a JOIN ledger_balance b "
                    "ON b.org_id = a.org_id AND b.id = a.id WHERE a.org_id = ? AND a.id = ? AND a.state = 'open'"
                )
                held[account] = execute(query, (org, account)).fetchone()
            version, balance = held[account]
            held[account] = version + 1, balance + amount
            row = (org, journal, line, account, amount, "USD", version + 1, balance + amount, day, now)
            lines.append((*row, "party", "", "", "", "", amount, ""))
            sides.append(f"{account} {amount} USD")
        heads.append((org, journal, "TRANSFER", key, "0" * 64, "person_clerk", now, day, "", "", "", ""))
        body = {
            "actor": "person_clerk",
            "after": "",
            "at": moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            "before": "",
            "detail": {"postings": sides},
            "id": journal,
            "object": f"journal:{journal}",
            "on_behalf_of": "",
            "org": org,
            "v": 1,
            "verb": "ledger.posted",
            "via": "page",
        }
        log.append((new_id("au"), json.dumps(body, sort_keys=True, separators=(",", ":"))))
    many = town.raw.executemany
    many(
        f"INSERT INTO ledger_posting ({postings.COLUMNS}) VALUES ({','.join('?' * 17)})",
        lines,
    )
    many(
        "UPDATE ledger_balance SET version = ?, posted_minor = ?, moved_at = ? WHERE org_id = ? AND id = ?",
        [(version, balance, now, org, account) for account, (version, balance) in held.items()],
    )
    many(
        "INSERT INTO ledger_journal (org_id, id, type, key, content, created_by, booked_at, effective_on, reason, "
        "source_kind, source_id, reverses) VALUES (?,?,?,?,?,?,?,?,?,?,?,?)",
        heads,
    )
    many("INSERT INTO audit_record (id, body) VALUES (?, ?)", log)


def _read(town: Town) -> list[Figure]:
    """Balances, statements and the check of balances, at a million postings."""
    wallets = _filled(town)
    with town.desk.read(town.clerk) as reading:
        day = date(2026, 6, 30)
        now = timed(lambda: queries.balance(reading, wallets[5]), 50)
        then = timed(lambda: queries.balance_on(reading, wallets[5], day), 50)
        page = timed(lambda: statements.statement(reading, wallets[5]), 20)
        trial = timed(lambda: queries.trial_balance(reading), 3)
    checked = timed(lambda: _check(town), 3)
    return [
        Figure("Balance of a wallet, 1M postings", median(now) * 1000, "ms", "< 1 ms"),
        Figure("… as of a business day", median(then) * 1000, "ms", "< 5 ms"),
        Figure("… a page of its statement", median(page) * 1000, "ms"),
        Figure("Trial balance, 1M postings", median(trial) * 1000, "ms"),
        Figure("Every balance held against 1M postings, in batches", median(checked), "s", "< 0.3 s"),
    ]


def _check(town: Town) -> None:
    with town.desk.read(town.clerk) as reading:
        last, many = "", reconciling.BATCHES[ReconcileWidth.HOURLY]
        while ids := drift.accounts_after(reading, last, many):
            assert not drift.off(reading, ids)
            last = ids[-1]


def _filled(town: Town) -> list[str]:
    """A thousand wallets with a thousand postings each, written past the guards, as a restored archive would be."""
    with town.desk.work(town.clerk) as work:
        wallets = [service.open_wallet(work, f"party_many_{number}", "USD") for number in range(WALLETS)]
    town.desk.units.database.writer.dispose()
    postings.fill(town.raw, town.org, wallets, POSTINGS)
    return wallets
