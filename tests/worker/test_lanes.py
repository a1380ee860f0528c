"""Lanes of a worker: what hangs in one of them, a run or a provider, keeps nothing in the other one waiting."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from sqlalchemy import select

from finops_core import operations, payouts
from finops_core.catalog.jobs import JOBS
from finops_core.desk import Desk
from finops_core.kernel.actor import worker_actor
from finops_core.operations import State
from finops_core.operations.service import RUN_JOB
from finops_core.payouts.news import FOLLOW_JOB
from finops_core.payouts.repair import CANCEL_JOB, RESOLVE_JOB
from finops_core.platform import queue
from finops_core.platform.db import now_ms
from finops_core.platform.queue import JobState, job
from finops_core.upkeep.checking import CHECK_JOB
from finops_core.worker.main import JOB_SLOTS, RUNS, Worker, _sorts
from tests.processes import until
from tests.worker.odd import open_odd
from tests.world import World

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
TWO = "currency,maximum\nUSD,100.00\nEUR,100.00\n"
PATIENCE_S = 120


@contextmanager
def working(desk: Desk) -> Iterator[Worker]:
    """A whole worker in a thread of this process; it has left at the end of the block."""
    worker = Worker(desk, opener=open_odd)
    thread = threading.Thread(target=worker.run, daemon=True)
    thread.start()
    try:
        yield worker
    finally:
        worker.leaving.set()
        thread.join(PATIENCE_S)
        assert not thread.is_alive(), "the worker does not leave"


@dataclass
class Hanging:
    """A provider that answers no cancel before it is let go; everything else is the real one's."""

    go: threading.Event = field(default_factory=threading.Event)
    asked: list[str] = field(default_factory=list)
    real: Any = None

    def over(self, real: object) -> "Hanging":
        return replace(self, real=real)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)

    def cancel(self, account: str, payout_id: str, key: str) -> Any:
        self.asked.append(payout_id)
        self.go.wait(PATIENCE_S)
        return self.real.cancel(account, payout_id, key)


def jobs(world: World, kind: str) -> list[str]:
    """The states of every job of a kind, oldest first."""
    with world.desk.read(worker_actor("")) as reading:
        found = select(job.c.state).where(job.c.kind == kind).order_by(job.c.created_at, job.c.id)
        return [row.state for row in reading.rows(found)]


def lease_ends(world: World, kind: str) -> list[int]:
    with world.desk.read(worker_actor("")) as reading:
        return [row[0] for row in reading.rows(select(job.c.lease_until_ms).where(job.c.kind == kind))]


def begun(world: World, name: str) -> str:
    """An odd run, submitted."""
    with world.desk.work(world.actor("ana")) as work:
        drafted = operations.draft(work, f"odd.{name}", {}, None, reason="once more")
        assert isinstance(drafted, operations.Drafted), drafted
        operations.submit(work, drafted.execution_id)
    return drafted.execution_id


def test_runs_that_hang_keep_no_other_work_waiting(odd: World):
    # Given as many runs as there are places, all of which wait for ever
    hanging = [begun(odd, "wait_for_stop") for _ in range(odd.desk.settings.worker_processes)]
    with working(odd.desk):
        until(lambda: all(odd.execution(each).state is State.RUNNING for each in hanging), PATIENCE_S, "they hang")
        waiting = begun(odd, "talk")
        # When other work is asked for
        with odd.desk.work(worker_actor(odd.orgs["harbour"])) as work:
            queue.enqueue(work, CHECK_JOB, {}, key=CHECK_JOB)
        # Then it is done, while the runs hang and the next run waits
        until(lambda: jobs(odd, CHECK_JOB) == [JobState.DONE], PATIENCE_S, "the checks have run")
        assert [odd.execution(each).state for each in hanging] == [State.RUNNING] * len(hanging)
        assert odd.execution(waiting).state is State.QUEUED
        # and a stop lets the next one in
        for each in hanging:
            with odd.desk.work(odd.actor("ana")) as work:
                operations.cancel(work, each)
        until(lambda: odd.execution(waiting).state is State.COMPLETED, PATIENCE_S, "the next one has run")


def test_a_provider_that_hangs_in_every_other_job_keeps_no_run_waiting_and_loses_no_lease(odd: World):
    # Given payouts that are to be taken back from a provider that does not answer
    seen = odd.approved(TWO)
    odd.work_off()
    with odd.desk.work(odd.actor("ana")) as work:
        assert payouts.ask_cancel(work, seen.id) == JOB_SLOTS
    provider = Hanging()
    real = odd.desk.ports.provider
    ports = replace(odd.desk.ports, provider=lambda credentials: provider.over(real(credentials)))
    settings = odd.desk.settings.model_copy(update={"job_lease_s": 9.0})
    try:
        with working(Desk(settings, odd.desk.database, ports)):
            until(lambda: len(provider.asked) == JOB_SLOTS, PATIENCE_S, "every place is taken")
            before = lease_ends(odd, CANCEL_JOB)
            # When a run is asked for
            run = begun(odd, "talk")
            # Then it is carried out
            until(lambda: odd.execution(run).state is State.COMPLETED, PATIENCE_S, "it has run")
            assert jobs(odd, CANCEL_JOB) == [JobState.LEASED] * JOB_SLOTS
            # and however long the provider takes, nobody else is given its jobs
            until(lambda: min(lease_ends(odd, CANCEL_JOB)) > max(before), PATIENCE_S, "the leases were renewed")
            assert len(provider.asked) == JOB_SLOTS
            # and once it answers, they are done
            provider.go.set()
            until(lambda: jobs(odd, CANCEL_JOB) == [JobState.DONE] * JOB_SLOTS, PATIENCE_S, "they are done")
    finally:
        provider.go.set()
    assert len(set(provider.asked)) == len(provider.asked) == JOB_SLOTS
    with odd.desk.read(odd.actor("ana")) as reading:
        assert [row.state.value for row in payouts.rows(reading, seen.id)] == ["canceled", "canceled"]


@pytest.mark.parametrize("kind", [CANCEL_JOB, RESOLVE_JOB])
def test_what_a_person_waits_for_is_never_given_up_but_gets_rare(odd: World, kind: str):
    # Given a job that has failed for a day
    with odd.desk.work(worker_actor(odd.orgs["harbour"])) as work:
        queue.enqueue(work, kind, {})
        claim = queue.claim(work, "first", 600, (kind,))
    assert claim is not None
    # When it fails once more
    Worker(odd.desk)._try_later(replace(claim, attempts=500), "PROVIDER_UNAVAILABLE: nobody answered")
    # Then it waits for its next time, a quarter of an hour from now
    assert jobs(odd, kind) == [JobState.QUEUED]
    with odd.desk.read(worker_actor("")) as reading:
        wait_ms = reading.scalar(select(job.c.run_at_ms - now_ms()).where(job.c.kind == kind))
    assert (900 - PATIENCE_S) * 1000 < wait_ms <= 900_000


def test_what_nobody_waits_for_is_given_up(odd: World):
    with odd.desk.work(worker_actor(odd.orgs["harbour"])) as work:
        queue.enqueue(work, CHECK_JOB, {})
        claim = queue.claim(work, "first", 600, (CHECK_JOB,))
    assert claim is not None

    Worker(odd.desk)._try_later(replace(claim, attempts=500), "broke")

    assert jobs(odd, CHECK_JOB) == [JobState.FAILED]


def test_scheduled_work_does_not_pile_up_while_the_last_of_its_kind_is_open(odd: World):
    # Given a scheduler to which nobody listens
    worker = Worker(odd.desk)
    for _ in range(3):
        worker._write_due("upkeep.clean_up", 3600)
        worker._write_due("approvals.expire", 60)
    assert (jobs(odd, "upkeep.clean_up"), jobs(odd, "approvals.expire")) == ([JobState.QUEUED], [JobState.QUEUED])
    # When one of them runs for so long that its time comes again
    with odd.desk.work(worker_actor("")) as work:
        claim = queue.claim(work, "slow", 600, ("approvals.expire",))
    assert claim is not None
    worker._write_due("approvals.expire", 60)
    assert jobs(odd, "approvals.expire") == [JobState.LEASED]
    # Then the next one is written when it has ended
    with odd.desk.work(worker_actor("")) as work:
        queue.complete(work, claim)
    worker._write_due("approvals.expire", 60)
    assert jobs(odd, "approvals.expire") == [JobState.DONE, JobState.QUEUED]


def test_only_the_worker_that_holds_the_role_writes_what_is_due(odd: World):
    first, second = Worker(odd.desk), Worker(odd.desk)

    first._write_due("approvals.expire", 60)
    second._write_due("upkeep.clean_up", 3600)

    assert jobs(odd, "approvals.expire") == [JobState.QUEUED]
    assert jobs(odd, "upkeep.clean_up") == []


def test_asking_for_scheduled_work_finds_the_one_that_is_open(odd: World):
    """Who asks and the scheduler name it alike, so that the two never stand side by side."""
    worker = Worker(odd.desk)
    worker._write_due(CHECK_JOB, 900)
    worker._write_due("payouts.reconcile", 900)

    from finops_core.payouts import settlement
    from finops_core.upkeep import checking

    with odd.desk.work(odd.actor("adam")) as work:
        checking.ask_to_check(work)
        settlement.ask_to_reconcile(work)

    assert (jobs(odd, CHECK_JOB), jobs(odd, "payouts.reconcile")) == ([JobState.QUEUED], [JobState.QUEUED])


def test_every_kind_of_work_has_a_lane():
    kinds = [*RUNS, *(kind for lane in _sorts() for kind in lane)]

    assert sorted(kinds) == sorted({*RUNS, *JOBS})


def test_what_asks_a_provider_shares_no_place_with_what_does_not():
    (asking,) = [set(lane) for lane in _sorts() if FOLLOW_JOB in lane]

    assert asking == {FOLLOW_JOB, "payouts.look_up", "payouts.refresh", "payouts.reconcile", "payouts.returns"}
    assert not any({CANCEL_JOB, RESOLVE_JOB} & set(lane) for lane in _sorts() if CHECK_JOB in lane)


def test_no_more_than_its_places_are_taken_at_once(odd: World):
    hanging = [begun(odd, "wait_for_stop") for _ in range(odd.desk.settings.worker_processes + 2)]
    with working(odd.desk):
        until(lambda: running(odd, hanging) == odd.desk.settings.worker_processes, PATIENCE_S, "the places are taken")
        with odd.desk.work(worker_actor(odd.orgs["harbour"])) as work:
            queue.enqueue(work, CHECK_JOB, {}, key=CHECK_JOB)
        until(lambda: jobs(odd, CHECK_JOB) == [JobState.DONE], PATIENCE_S, "the worker has looked again")
        # The others wait in the queue, where another worker could have them.
        assert jobs(odd, RUN_JOB).count(JobState.LEASED) == odd.desk.settings.worker_processes
        assert jobs(odd, RUN_JOB).count(JobState.QUEUED) == 2
        for each in hanging:
            with odd.desk.work(odd.actor("ana")) as work:
                operations.cancel(work, each)
        until(lambda: running(odd, hanging) == 0, PATIENCE_S, "they have stopped")


def running(world: World, ids: list[str]) -> int:
    return sum(world.execution(each).state is State.RUNNING for each in ids)
