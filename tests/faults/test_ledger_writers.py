"""Several processes write to one ledger, on few accounts, and are killed at moments nobody chose: nothing drifts."""

import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from random import Random  # noqa: TID251 - seeded: the same moments in every run

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from finops_core.platform.db import open_owner_engine
from tests.faults import hall as proof
from tests.faults.hall import PATIENCE_S, Hall, Leg, open_hall
from tests.faults.ledger_writer import EVERYTHING, TRANSFERS, write
from tests.postgres import PostgresServer
from tests.processes import until
from tests.tampering import tamper

pytestmark = [pytest.mark.deep, pytest.mark.timeout(900)]
KILLS, WRITERS = 200, 5
LONGEST_S = 0.1
EACH, TOGETHER = 60, 8
REFUSED = {"INSUFFICIENT_BALANCE", "ALREADY_REVERSED", "REVERSAL_STANDS"}


@pytest.fixture
def hall(tmp_path: Path, database_url: str) -> Iterator[Hall]:
    with open_hall(tmp_path, database_url) as made:
        yield made


def test_writers_killed_two_hundred_times_leave_no_half_entry_and_lose_none(hall: Hall):
    chance, killed = Random(7), 0
    while killed < KILLS:
        with hall.writers(WRITERS) as processes:
            hall.until_answered()
            time.sleep(chance.random() * LONGEST_S)
            for process in processes:
                process.kill()
                killed += 1
            for process in processes:
                process.join(PATIENCE_S)
                assert process.exitcode == -signal.SIGKILL

    # Then whatever was acknowledged stands, once, as it was asked for and in the order of the answers; the books add
    # up, and no balance is out of step
    assert hall.wrong() == {}
    notes = hall.notes()
    assert proof.booked(notes) >= KILLS / WRITERS, "they came to write between the kills"
    assert {note.verb for note in notes if note.answered} == set(EVERYTHING)
    refused = {note.told for note in notes if note.told.isupper()}
    assert refused <= REFUSED
    assert all(note.answered for note in notes), "no database failed"


def test_each_counter_tells_of_the_damage_it_is_there_for(hall: Hall):
    # Given what two writers were answered, and that all of it is as it must be
    for seed in (1, 2):
        write(hall.wanted, seed, EACH)
    notes, entries, legs = hall.notes(), hall.entries(), hall.legs()
    assert hall.wrong() == {}
    told = next(note for note in notes if note.entry and note.verb == "transfer")
    mine = [leg for leg in legs if leg.entry == told.told]
    seen = next(note for note in notes if note.verb == "look")

    # When it is damaged, in what was noted and in what is stored, then each counter goes up
    without = {entry: key for entry, key in entries.items() if entry != told.told}
    assert proof.lost(notes, without)
    assert proof.lost(notes, entries | {told.told: "1-9999"})
    assert proof.half(without, legs)
    assert proof.half(entries, [leg for leg in legs if leg is not mine[0]])
    assert proof.half(entries, [replace(leg, minor=leg.minor + 1) if leg is mine[0] else leg for leg in legs])
    turned = [replace(leg, minor=-leg.minor) if leg in mine else leg for leg in legs]
    assert not proof.half(entries, turned)
    assert proof.not_as_asked(hall.wanted, entries, turned)
    assert proof.gaps([replace(leg, version=10**6) if leg is mine[0] else leg for leg in legs])
    assert proof.out_of_order(notes, _swapped(legs, mine[0].account))
    late = replace(seen, begun=10**30, ended=10**30, told=f"{mine[0].account}={proof.EACH}")
    assert proof.stale([*notes, late], legs), "what it held at first"
    assert proof.stale([*notes, replace(seen, told=f"{seen.told}0001")], legs), "what it never held"


@pytest.mark.parametrize(
    ("damage", "counter"),
    [
        ("UPDATE ledger_balance SET posted_minor = posted_minor + 1 WHERE version > 1", "ledger.balances"),
        ("DELETE FROM ledger_posting WHERE line = 1 AND account_version = 2", "half"),
        ("UPDATE ledger_journal SET key = 'x' || key WHERE key <> '' AND type = 'TRANSFER'", "lost"),
    ],
)
def test_what_was_changed_in_the_database_is_found(hall: Hall, damage: str, counter: str):
    write(hall.wanted, 1, EACH)
    assert hall.wrong() == {}
    assert tamper(hall.desk.settings, damage, foreign_keys=False)
    assert counter in hall.wrong()


def test_eight_writers_on_few_accounts_neither_lock_each_other_out_nor_lose_an_update(hall: Hall):
    _all_come_to_their_end(hall)

    assert {note.verb for note in hall.notes()} == set(EVERYTHING)


def test_eight_writers_on_one_hot_account_each_have_their_turn(hall: Hall):
    hot, other = hall.wanted.dollars[:2]
    hall.wanted = replace(hall.wanted, dollars=(hot, other), verbs=TRANSFERS)

    _all_come_to_their_end(hall)

    # Then nobody stood by while the others did most of their work
    notes, legs = hall.notes(), hall.legs()
    assert max(leg.version or 0 for leg in legs if leg.account == hot) == proof.booked(notes) + 1
    assert 0 < proof.overtaken(notes, legs, hot) < TOGETHER * EACH / 2
    # and a wait without an end would have shown
    patient = next(note for note in notes if note.entry)
    endless = [replace(note, begun=note.begun * (note is not patient)) for note in notes]
    late = [replace(leg, version=10**6) if leg.entry == patient.told else leg for leg in legs]
    assert proof.overtaken(endless, late, hot) > TOGETHER * EACH / 2


def _all_come_to_their_end(hall: Hall) -> None:
    before = deadlocks(hall)
    with hall.writers(TOGETHER, EACH) as processes:
        for process in processes:
            process.join(PATIENCE_S)
        assert [process.exitcode for process in processes] == [0] * TOGETHER
    # Then each had an answer to each of its requests, and nobody waited in vain for a turn
    notes = hall.notes()
    assert [note for note in notes if not note.answered] == []
    assert len(notes) == TOGETHER * EACH
    assert {note.told for note in notes if note.told.isupper()} <= REFUSED
    assert hall.wrong() == {}
    assert deadlocks(hall) == before


def test_a_circle_of_waiting_is_counted(tmp_path: Path, postgres: PostgresServer):
    """What the eight are held against: two writers that take two balances in opposite order."""
    with postgres.database() as url, open_hall(tmp_path, url) as hall:
        before = deadlocks(hall)
        engine = open_owner_engine(hall.desk.settings)
        take = text("SELECT id FROM ledger_balance WHERE id = :id FOR UPDATE")
        one, other = hall.wanted.dollars[:2]
        with engine.connect() as mine, engine.connect() as theirs, ThreadPoolExecutor() as threads:
            mine.execute(take, {"id": one})
            theirs.execute(take, {"id": other})
            waits = threads.submit(mine.execute, take, {"id": other})
            met = threads.submit(theirs.execute, take, {"id": one})
            told = [each.exception() for each in (waits, met)]
        engine.dispose()
        assert [isinstance(each, OperationalError) for each in told].count(True) == 1
        until(lambda: deadlocks(hall) == before + 1, PATIENCE_S, "it is counted")


def deadlocks(hall: Hall) -> int:
    """How many circles of waiting PostgreSQL has had to break; SQLite has one writer at a time, and so none."""
    if not hall.wanted.url:
        return 0
    engine = open_owner_engine(hall.desk.settings)
    with engine.connect() as connection:
        asked = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
        found = int(connection.execute(text(asked)).scalar_one())
    engine.dispose()
    return found


def _swapped(legs: list[Leg], account: str) -> list[Leg]:
    """The second posting of an account and its last one, in each other's place."""
    last = max(leg.version or 0 for leg in legs if leg.account == account)
    place = {2: last, last: 2}
    return [
        replace(leg, version=place.get(leg.version or 0, leg.version)) if leg.account == account else leg
        for leg in legs
    ]
