"""Several processes write to one ledger, on few accounts, and are killed at moments nobody chose: nothing drifts."""

import multiprocessing
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from random import Random  # noqa: TID251 - seeded: the same moments in every run

import pytest
from sqlalchemy import select

from finops_core import ledger
from finops_core.kernel.actor import Actor
from finops_core.kernel.money import Money
from finops_core.ledger import numbering
from finops_core.ledger.checks import CHECKS
from finops_core.ledger.models import ledger_journal, ledger_posting
from tests.desks import AreaDesk, area_desk, person_actor
from tests.faults.ledger_writer import write
from tests.processes import until
from tests.tampering import tamper

pytestmark = [pytest.mark.deep, pytest.mark.timeout(900)]
KILLS, WRITERS, WALLETS = 200, 3, 4
LONGEST_S, PATIENCE_S = 0.1, 120.0
EACH, TOGETHER = 60, 8
_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(["tests.faults.ledger_writer"])


@dataclass
class Hall:
    """A ledger with a few wallets, and the processes that write to it."""

    desk: AreaDesk
    clerk: Actor
    url: str
    folder: Path
    wallets: tuple[str, ...]

    @contextmanager
    def writer(self, seed: int, most: int = 10**9) -> Iterator[ForkServerProcess]:
        given = (str(self.folder), self.url, self.clerk.org_id, self.wallets, str(self.folder), seed, most)
        process = _FORKS.Process(target=write, args=given)
        process.start()
        try:
            yield process
        finally:
            process.kill()
            process.join(PATIENCE_S)

    def acknowledged(self) -> list[tuple[str, bool]]:
        """What writers were told: the entry, or the code of a refusal; and whether it stood before."""
        lines = [line.split() for path in self.folder.glob("*.txt") for line in path.read_text().splitlines()]
        return [(told, repeated == "1") for told, repeated in lines]

    def wrong(self) -> dict[str, list[str]]:
        numbering.number_entries(self.desk.units, None)
        with self.desk.read(self.clerk) as reading:
            return {check.id: told for check in CHECKS if (told := check.find(reading))}

    def entries(self) -> dict[str, str]:
        """Entry -> its key."""
        with self.desk.read(self.clerk) as reading:
            table = ledger_journal
            rows = reading.rows(select(table.c.id, table.c.key).where(table.c.org_id == reading.org_id))
        return {row.id: row.key for row in rows}


@pytest.fixture
def hall(tmp_path: Path, database_url: str) -> Iterator[Hall]:
    desk = area_desk(tmp_path, database_url)
    clerk = person_actor("person_clerk", desk.org())
    with desk.work(clerk) as work:
        wallets = tuple(ledger.open_wallet(work, f"party_{number}", "USD") for number in range(WALLETS))
        for wallet in wallets:
            ledger.deposit(work, wallet, Money(1_000, "USD"))
    yield Hall(desk, clerk, database_url, tmp_path, wallets)
    desk.units.database.close()


def test_writers_killed_two_hundred_times_leave_no_half_entry_and_lose_none(hall: Hall):
    chance, killed = Random(7), 0
    while killed < KILLS:
        with hall.writer(1) as one, hall.writer(2) as two, hall.writer(3) as three:
            before = len(hall.acknowledged())
            until(lambda before=before: len(hall.acknowledged()) > before, PATIENCE_S, "somebody wrote")
            time.sleep(chance.random() * LONGEST_S)
            for process in (one, two, three):
                process.kill()
                killed += 1
            for process in (one, two, three):
                process.join(PATIENCE_S)
                assert process.exitcode == -signal.SIGKILL

    # Then whatever was acknowledged stands, once; the books add up, and no balance is out of step
    entries, told = hall.entries(), hall.acknowledged()
    ids = [entry for entry, _ in told if entry.startswith("je_")]
    assert len(ids) >= KILLS / WRITERS, "they came to write between the kills"
    assert set(ids) <= set(entries)
    assert len(ids) == len(set(ids))
    keys = [key for key in entries.values() if key]
    assert len(keys) == len(set(keys))
    assert hall.wrong() == {}
    with hall.desk.read(hall.clerk) as reading:
        assert sum(ledger.balance(reading, wallet).minor for wallet in hall.wallets) == WALLETS * 1_000
    # and the look at it would have told
    tamper(hall.desk.settings, "UPDATE ledger_balance SET posted_minor = posted_minor + 1 WHERE version > 1")
    assert "ledger.balances" in hall.wrong()


def test_eight_writers_on_few_accounts_neither_lock_each_other_out_nor_lose_an_update(hall: Hall):
    # When eight processes move money between the same few wallets, and somebody adds up meanwhile
    processes = []
    for seed in range(TOGETHER):
        given = (str(hall.folder), hall.url, hall.clerk.org_id, hall.wallets, str(hall.folder), seed, EACH)
        processes.append(_FORKS.Process(target=write, args=given))
        processes[-1].start()
    for process in processes:
        process.join(PATIENCE_S)

    # Then each came to its end, with an answer to each of its requests
    assert [process.exitcode for process in processes] == [0] * TOGETHER
    told = hall.acknowledged()
    assert len(told) == TOGETHER * EACH
    assert {entry for entry, _ in told if not entry.startswith("je_")} <= {"INSUFFICIENT_BALANCE"}
    # and each account's versions count its postings without a gap: no update was lost
    assert hall.wrong() == {}
    acknowledged = {entry for entry, _ in told if entry.startswith("je_")}
    assert acknowledged <= set(hall.entries())
    with hall.desk.read(hall.clerk) as reading:
        table = ledger_posting
        rows = reading.rows(
            select(table.c.account_id, table.c.account_version)
            .where(table.c.org_id == reading.org_id, table.c.account_version.is_not(None))
            .order_by(table.c.account_id, table.c.account_version)
        )
    by_account: dict[str, list[int]] = {}
    for row in rows:
        by_account.setdefault(row.account_id, []).append(row.account_version)
    assert all(versions == list(range(1, len(versions) + 1)) for versions in by_account.values())
