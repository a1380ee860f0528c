"""Sealing: positions without gaps, and no crash, full disk or second sealer loses a record or raises a false alarm."""

import os
import resource
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from finops_core import audit
from finops_core.audit.heads import parse, read_tail
from finops_core.audit.models import audit_leaf
from finops_core.audit.rules import Frontier
from finops_core.kernel.actor import system_actor
from finops_core.kernel.clock import SystemClock
from finops_core.kernel.errors import Conflict, NotAllowed, Unavailable
from finops_core.kernel.permissions import Permission
from tests.audit.logs import Log, log_with, plain_root

CRASH = """
import os, signal, sys
from pathlib import Path
from sqlalchemy import event
from finops_core import audit
from finops_core.kernel.actor import worker_actor
from tests.desks import START, ports_for, settings_for
from finops_core.kernel.clock import ManualClock
from finops_core.kernel.permissions import Permission
from finops_core.platform.db import open_database
from finops_core.platform.work import UnitFactory

folder, url, org_id = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
settings = settings_for(folder, url)
database = open_database(settings)
event.listen(database.writer, "commit", lambda connection: os.kill(os.getpid(), signal.SIGKILL))
units = UnitFactory(database, ports_for(settings, ManualClock(START)), {}, lambda reading: frozenset(Permission))
with units.work(worker_actor(org_id)) as work:
    audit.seal(work, folder / "heads")
"""


@pytest.fixture
def log(tmp_path: Path, database_url: str) -> Log:
    return log_with(tmp_path, database_url, batches=(3,))[0]


@given(st.lists(st.binary(min_size=32, max_size=32), max_size=70))
def test_the_growing_tree_gives_the_root_of_the_standard(leaves: list[bytes]):
    tree = Frontier()

    for leaf in leaves:
        tree.push(leaf)

    assert tree.root() == plain_root(leaves)
    assert Frontier(tree.size, tree.peaks).root() == tree.root()


def test_records_are_sealed_in_the_order_of_their_instants_then_ids(log: Log):
    with log.desk.work(system_actor(log.org_id)) as work:
        same_instant = [audit.record(work, "a.done", "x:1") for _ in range(3)]
    later = log.write(2)

    assert log.seal() == 5
    assert log.seal() == 0

    assert _places(log)[3:] == [
        (3, same_instant[0]),
        (4, same_instant[1]),
        (5, same_instant[2]),
        (6, later[0]),
        (7, later[1]),
    ]
    assert log.verify().ok


def test_each_sealing_adds_one_line_outside_with_the_same_size_and_root(log: Log):
    log.write(2)
    log.seal()

    lines = [parse(raw) for raw in log.heads.read_bytes().splitlines(keepends=True)]

    result = log.verify()
    assert [line.size for line in lines] == [3, 5]
    assert lines[-1].root == result.root
    assert log.heads.stat().st_mode & 0o777 == 0o600


def test_many_records_are_sealed_in_batches_and_by_turns(log: Log, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("finops_core.audit.sealing.BATCH", 4)
    log.write(11)

    assert log.seal(at_most=9) == 9
    assert log.seal(at_most=9) == 2

    lines = [parse(raw) for raw in log.heads.read_bytes().splitlines(keepends=True)]
    assert [line.size for line in lines] == [3, 7, 11, 12, 14]
    assert log.verify().ok


def test_a_sealing_that_is_rolled_back_after_its_line_was_written_is_made_good(log: Log):
    ids = log.write(3)
    _leave_a_line_ahead(log)

    between = log.verify()
    late = _write_dated_before(log, timedelta(seconds=5))
    sealed = log.seal()

    assert (between.ok, between.size, between.unsealed) == (True, 3, 3)
    assert sealed == 4
    assert [record_id for _, record_id in _places(log)[3:]] == [*ids, late]
    assert log.verify().ok
    assert len(log.heads.read_bytes().splitlines()) == 3


@pytest.mark.slow
def test_a_sealer_killed_between_its_line_and_the_commit_loses_nothing(log: Log, tmp_path: Path, database_url: str):
    log.write(4)

    script = [sys.executable, "-c", CRASH, str(tmp_path), database_url, log.org_id]
    crashed = subprocess.run(script, check=False, timeout=60, env={**os.environ, "PYTHONPATH": str(Path.cwd())})
    between = log.verify()

    assert crashed.returncode == -signal.SIGKILL
    assert read_tail(log.heads, 3).ahead[0].size == 7
    assert (between.ok, between.size, between.unsealed) == (True, 3, 4)
    assert log.seal() == 4
    assert log.verify().ok


@pytest.mark.parametrize("torn", [b'{"at":"2026-11-20T09:00', b'{"at":"2026-11-20T09:00' + b"x" * 5000])
def test_a_line_torn_by_a_crash_is_written_anew(log: Log, torn: bytes):
    log.write(2)
    whole = log.heads.read_bytes()
    log.heads.write_bytes(whole + torn)

    between = log.verify()
    log.seal()

    assert between.ok
    assert log.heads.read_bytes().startswith(whole + b'{"at":"2026-11-20T09:00:05')
    assert log.heads.read_bytes().endswith(b',"size":5}\n')
    assert log.verify().ok


def test_a_full_disk_seals_nothing_and_loses_nothing(log: Log):
    log.write(3)
    before = log.heads.read_bytes()

    with _disk_that_holds(len(before) + 50), pytest.raises(Unavailable) as refused:
        log.seal()

    assert refused.value.code == "AUDIT_HEADS_UNWRITABLE"
    assert log.heads.read_bytes() == before
    assert (log.verify().ok, log.verify().unsealed) == (True, 3)
    assert log.seal() == 3
    assert log.verify().ok


def test_two_sealers_at_once_seal_each_record_once(log: Log):
    for _ in range(5):
        log.write(20)
        with ThreadPoolExecutor(4) as pool:
            counts = list(pool.map(lambda _: log.seal(), range(4)))
        assert sum(counts) == 20

    result = log.verify()
    assert (result.ok, result.size) == (True, 103)


def test_records_written_while_the_log_is_verified_raise_no_alarm(log: Log):
    log.seal()
    log.desk.units = replace(log.desk.units, ports=replace(log.desk.units.ports, clock=SystemClock()))

    def write_and_seal():
        for _ in range(20):
            log.write(3)
            log.seal()

    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(write_and_seal)
        results = [log.verify()]
        while not writing.done():
            results.append(log.verify())
        writing.result()

    assert [result.findings for result in results] == [()] * len(results)


def test_a_lost_outside_record_stops_sealing_and_says_so(log: Log):
    log.write(1)
    log.heads.unlink()

    with pytest.raises(Unavailable) as refused:
        log.seal()

    assert refused.value.code == "AUDIT_HEADS_MISSING"


@pytest.mark.parametrize(
    "change",
    [
        "DELETE FROM audit_head",
        "UPDATE audit_head SET root = 'x'",
        "UPDATE audit_head SET frontier = 'x'",
        'UPDATE audit_head SET frontier = \'["ab", "cd"]\'',
        "DELETE FROM audit_record",
        "INSERT INTO audit_leaf (position, record_id, leaf_hash) VALUES (3, 'au_x', 'x')",
    ],
)
def test_a_contradiction_stops_sealing_and_says_so(log: Log, change: str):
    log.write(1)
    _leave_a_line_ahead(log)
    log.tamper(change)

    with pytest.raises(Conflict) as refused:
        log.seal()

    assert refused.value.code == "AUDIT_LOG_BROKEN"


@pytest.mark.parametrize(
    "change",
    [
        "DELETE FROM audit_head",
        "UPDATE audit_head SET root = 'x'",
        'UPDATE audit_head SET frontier = \'["ab", "cd"]\'',
        "UPDATE audit_head SET size = 2, frontier = '[\"ab\"]'",
    ],
)
def test_a_contradiction_stops_sealing_of_new_records_too(log: Log, change: str):
    log.write(1)
    log.tamper(change)

    with pytest.raises(Conflict) as refused:
        log.seal()

    assert refused.value.code == "AUDIT_LOG_BROKEN"
    assert len(log.heads.read_bytes().splitlines()) == 1


def test_an_outside_record_of_another_log_stops_sealing(log: Log, tmp_path: Path):
    (tmp_path / "other").mkdir()
    other, _ = log_with(tmp_path / "other", "", batches=(3,))
    log.write(1)
    log.heads.write_bytes(other.heads.read_bytes())

    with pytest.raises(Conflict):
        log.seal()


def test_scribble_where_the_first_line_belongs_stops_sealing(tmp_path: Path):
    log, _ = log_with(tmp_path, "", batches=())
    log.write(1)
    log.heads_dir.mkdir()
    log.heads.write_bytes(b"scribble\n")

    with pytest.raises(Conflict):
        log.seal()


def test_a_log_whose_seals_alone_were_lost_is_sealed_again_from_the_outside_record(log: Log):
    before = log.verify()

    log.tamper("DELETE FROM audit_leaf", "DELETE FROM audit_head")
    log.seal()

    assert log.verify() == before


def test_a_damaged_last_line_stops_sealing(log: Log):
    log.heads.write_bytes(log.heads.read_bytes()[:-5] + b"abcd\n")

    with pytest.raises(Conflict):
        log.seal()


def test_a_clock_set_back_raises_no_alarm(log: Log):
    log.desk.clock.advance(timedelta(hours=-3))

    log.write(2)
    unsealed = log.verify()
    log.seal()
    log.write(1)
    log.seal()

    assert unsealed.ok
    assert (log.verify().ok, log.verify().size) == (True, 6)


def test_only_the_worker_seals(log: Log):
    log.desk.permissions["service:worker"] = frozenset(Permission) - {Permission.WORKER_ACT}

    with pytest.raises(NotAllowed):
        log.seal()


def test_the_tail_of_a_long_file_is_found_beyond_the_first_look(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("finops_core.audit.heads._FIRST_LOOK_BYTES", 16)
    log, _ = log_with(tmp_path, "", batches=(2, 3, 1, 1))

    tails = [read_tail(log.heads, size) for size in (7, 6, 5, 2, 0)]

    assert [tail.last.size if tail.last else 0 for tail in tails] == [7, 6, 5, 2, 0]
    assert [len(tail.ahead) for tail in tails] == [0, 1, 2, 3, 4]


def _places(log: Log) -> list[tuple[int, str]]:
    with log.desk.read(system_actor(log.org_id)) as reading:
        return [(row.position, row.record_id) for row in reading.rows(select(audit_leaf).order_by("position"))]


def _leave_a_line_ahead(log: Log) -> None:
    """Seal, but let the unit fail before it commits."""
    with suppress(RuntimeError), log.desk.work(system_actor(log.org_id)) as work:
        audit.seal(work, log.heads_dir)
        raise RuntimeError


def _write_dated_before(log: Log, step: timedelta) -> str:
    """A record of a unit that began earlier and committed late."""
    log.desk.clock.advance(-step)
    record_id = log.write(1)[0]
    log.desk.clock.advance(step)
    return record_id


@contextmanager
def _disk_that_holds(size: int):
    """Files of this process may not grow past ``size``: a write beyond it fails as on a full disk, after a part."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
