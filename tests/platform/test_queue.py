"""The one queue: leases end by the database's clock, and an older claim can write nothing."""

import subprocess
import sys
import threading
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import func, select, update

from finops_core.kernel.actor import worker_actor
from finops_core.kernel.errors import Conflict
from finops_core.platform import queue
from finops_core.platform.db import size_bytes
from finops_core.platform.queue import Claim, JobState, job, lease
from tests.desks import AreaDesk

LONG, OVER = 3600.0, -1.0
"""Seconds of a lease that outlives the test, and of one that has run out before it begins: nobody has to wait."""


def add(area: AreaDesk, kind: str = "test.job", *, key: str = "", delay_s: float = 0) -> str | None:
    with area.work(worker_actor("")) as work:
        return queue.enqueue(work, kind, {"n": 1}, key=key, delay_s=delay_s, org_id="org_a")


def take(area: AreaDesk, owner: str = "first", lease_s: float = LONG, kinds: tuple[str, ...] = ()) -> Claim | None:
    with area.work(worker_actor("")) as work:
        return queue.claim(work, owner, lease_s, kinds)


def taken(area: AreaDesk, owner: str = "first", lease_s: float = LONG) -> Claim:
    claim = take(area, owner, lease_s)
    assert claim is not None
    return claim


def state_of(area: AreaDesk, job_id: str) -> tuple[str, str, int, str]:
    with area.read(worker_actor("")) as reading:
        row = reading.first(select(job).where(job.c.id == job_id))
        assert row is not None
        return row.state, row.lease_owner, row.attempts, row.last_error


def test_a_job_is_claimed_once_and_carries_what_was_queued(area: AreaDesk):
    job_id = add(area)

    claim, second = take(area), take(area, "second")

    assert claim == Claim(job_id or "", "org_a", "test.job", {"n": 1}, fence=1, attempts=1)
    assert second is None
    assert state_of(area, claim.id) == (JobState.LEASED, "first", 1, "")


def test_the_job_that_waited_longest_comes_first_and_later_ones_wait_for_their_time(area: AreaDesk):
    later, first, second = add(area, delay_s=LONG), add(area, delay_s=-5), add(area)

    assert [taken(area).id, taken(area).id, take(area)] == [first, second, None]
    assert state_of(area, later or "")[0] == JobState.QUEUED


def test_a_worker_takes_only_the_kinds_it_asks_for(area: AreaDesk):
    add(area, "test.other")
    wanted = add(area, "test.wanted")

    claim = take(area, kinds=("test.wanted", "test.third"))

    assert claim is not None
    assert claim.id == wanted
    assert take(area, kinds=("test.wanted",)) is None


def test_a_job_whose_lease_ran_out_goes_to_the_next_worker_with_a_higher_fence(area: AreaDesk):
    add(area)
    slept = taken(area, "slept", OVER)

    claim = taken(area, "second")

    assert (claim.id, claim.fence, claim.attempts) == (slept.id, slept.fence + 1, 2)


def test_leases_end_by_the_database_clock_and_not_by_ours(area: AreaDesk):
    add(area)
    held = taken(area)

    area.clock.advance(area.clock.now() - area.clock.now().replace(year=2000))

    assert take(area, "second") is None
    with area.work(worker_actor("")) as work:
        work.execute(update(job).where(job.c.id == held.id).values(lease_until_ms=queue.now_ms() - 1))
    assert taken(area, "second").id == held.id


def test_what_a_worker_does_after_losing_its_job_changes_nothing(area: AreaDesk):
    add(area)
    slept = taken(area, "slept", OVER)
    held = taken(area, "second")
    before = state_of(area, held.id)

    with area.work(worker_actor("")) as work:
        done = (
            queue.renew(work, slept, LONG),
            queue.complete(work, slept),
            queue.give_up(work, slept, "late"),
            queue.put_back(work, slept, delay_s=0),
        )
    with pytest.raises(Conflict) as lost, area.work(worker_actor("")) as work:
        queue.hold(work, slept)

    assert done == (False, False, False, False)
    assert lost.value.code == "LEASE_LOST"
    assert state_of(area, held.id) == before


def test_who_holds_a_job_may_renew_hold_and_end_it(area: AreaDesk):
    add(area)
    held = taken(area, lease_s=OVER)

    with area.work(worker_actor("")) as work:
        renewed = queue.renew(work, held, LONG)
        queue.hold(work, held)
    nobody_else = take(area, "second")
    with area.work(worker_actor("")) as work:
        completed, again = queue.complete(work, held), queue.complete(work, held)

    assert (renewed, nobody_else, completed, again) == (True, None, True, False)
    assert state_of(area, held.id)[0] == JobState.DONE


def test_a_job_given_up_keeps_why_and_is_never_claimed_again(area: AreaDesk):
    add(area)
    held = taken(area)

    with area.work(worker_actor("")) as work:
        queue.give_up(work, held, "x" * 5000)

    assert state_of(area, held.id) == (JobState.FAILED, "", 1, "x" * 2000)
    assert take(area) is None


def test_a_job_put_back_waits_and_counts_the_attempt(area: AreaDesk):
    add(area)
    held = taken(area)

    with area.work(worker_actor("")) as work:
        assert queue.put_back(work, held, delay_s=LONG, error="no answer")

    assert state_of(area, held.id) == (JobState.QUEUED, "", 1, "no answer")
    assert take(area) is None


def test_a_job_that_only_waited_its_turn_is_put_back_uncounted(area: AreaDesk):
    add(area)
    held = taken(area)

    with area.work(worker_actor("")) as work:
        queue.put_back(work, held, delay_s=0, uncounted=True)
    again = taken(area)

    assert (again.id, again.attempts, again.fence) == (held.id, 1, 2)


def test_a_key_stands_once_among_unfinished_jobs_and_is_free_afterwards(area: AreaDesk):
    first = add(area, key="seal")

    while_queued = add(area, key="seal")
    held = taken(area)
    while_leased = add(area, key="seal")
    with area.work(worker_actor("")) as work:
        queue.complete(work, held)
    afterwards = add(area, key="seal")

    assert (held.id, while_queued, while_leased) == (first, None, None)
    assert afterwards not in {None, first}


def test_two_units_that_queue_one_key_at_the_same_time_both_commit_and_one_job_stands(area: AreaDesk):
    # The second begins before the first has committed; it must wait and then find the job, not fail with its unit.
    results: list[str | None] = []
    began = threading.Event()

    def second() -> None:
        began.set()
        results.append(add(area, key="seal"))

    thread = threading.Thread(target=second)
    with area.work(worker_actor("")) as work:
        results.append(queue.enqueue(work, "test.job", {}, key="seal"))
        thread.start()
        began.wait()
        thread.join(0.3)  # long enough for it to look at the table, where it now waits for this unit
    thread.join(30)

    assert len(results) == 2
    assert results[1] is None
    with area.read(worker_actor("")) as reading:
        assert reading.scalar(select(func.count()).select_from(job)) == 1


def test_two_workers_that_claim_at_the_same_time_get_different_jobs(area: AreaDesk):
    ids = {add(area) for _ in range(12)}
    got: list[str] = []
    ready = threading.Barrier(3)

    def work_off(owner: str) -> None:
        ready.wait(30)
        while (claim := take(area, owner)) is not None:
            got.append(claim.id)

    threads = [threading.Thread(target=work_off, args=(f"worker {n}",)) for n in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert sorted(got) == sorted(ids)


CLAIMER = """
import sys
from pathlib import Path
from tests.desks import settings_for, ports_for, ManualClock, START
from finops_core.kernel.actor import worker_actor
from finops_core.platform import queue
from finops_core.platform.db import open_database
from finops_core.platform.work import UnitFactory

settings = settings_for(Path(sys.argv[1]), sys.argv[2])
database = open_database(settings)
units = UnitFactory(database, ports_for(settings, ManualClock(START)), {}, lambda reading: frozenset())
print("ready", flush=True)
sys.stdin.readline()
while True:
    with units.work(worker_actor("")) as work:
        claim = queue.claim(work, sys.argv[3], 3600)
    if claim is None:
        break
    print(claim.id, flush=True)
database.close()
"""


@pytest.mark.slow
def test_two_processes_share_the_jobs_between_them(area: AreaDesk, tmp_path: Path, database_url: str):
    ids = {add(area) for _ in range(10)}
    command = [sys.executable, "-c", CLAIMER, str(tmp_path), database_url]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "cwd": Path(__file__).parents[2]}

    processes = [subprocess.Popen([*command, f"process {n}"], **pipes) for n in range(2)]
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    got = [line for process in processes for line in process.communicate(timeout=60)[0].split()]

    assert sorted(got) == sorted(ids)


def test_one_owner_holds_a_role_and_another_takes_it_when_the_lease_ran_out(area: AreaDesk):
    def acquire(owner: str, lease_s: float) -> int | None:
        with area.work(worker_actor("")) as work:
            return queue.acquire_lease(work, "scheduler", owner, lease_s)

    first, refused, stayed = acquire("a", LONG), acquire("b", LONG), acquire("a", OVER)
    taken_over, came_late = acquire("b", LONG), acquire("a", LONG)

    assert (first, refused, stayed) == (1, None, 1)
    assert (taken_over, came_late) == (2, None)


def test_two_that_want_a_new_role_at_the_same_time_do_not_fail(area: AreaDesk):
    results: list[int | None] = []
    began = threading.Event()

    def second() -> None:
        began.set()
        with area.work(worker_actor("")) as work:
            results.append(queue.acquire_lease(work, "sealer", "b", LONG))

    thread = threading.Thread(target=second)
    with area.work(worker_actor("")) as work:
        results.append(queue.acquire_lease(work, "sealer", "a", LONG))
        thread.start()
        began.wait()
        thread.join(0.3)
    thread.join(30)

    assert results == [1, None]


def test_a_role_given_back_is_free_at_once_and_its_age_is_known(area: AreaDesk):
    def age() -> float | None:
        with area.read(worker_actor("")) as reading:
            return queue.lease_age_s(reading, "worker")

    never = age()
    with area.work(worker_actor("")) as work:
        queue.acquire_lease(work, "worker", "a", LONG)
    held = age()
    with area.work(worker_actor("")) as work:
        queue.release_lease(work, "worker", "b")
        by_another = work.scalar(select(lease.c.until_ms).where(lease.c.name == "worker"))
        queue.release_lease(work, "worker", "a")
    given_back = age()
    with area.work(worker_actor("")) as work:
        fence = queue.acquire_lease(work, "worker", "b", LONG)

    assert never is None
    assert held is not None
    assert held < 0
    assert by_another > 0
    assert given_back is not None
    assert given_back > 0
    assert fence == 2


def test_the_database_clock_tells_milliseconds_since_1970(area: AreaDesk):
    import time

    before = int(time.time() * 1000)
    with area.read(worker_actor("")) as reading:
        told = reading.scalar(select(queue.now_ms()))
    after = int(time.time() * 1000)

    assert before - 2 <= told <= after + 2


# --- how the queue stands -----------------------------------------------------------------------------------------


def standing(area: AreaDesk) -> dict[str, tuple[int, int, int]]:
    """Waiting, running and later, by kind."""
    with area.read(worker_actor("")) as reading:
        return {each.kind: (each.waiting, each.running, each.later) for each in queue.open_jobs(reading)}


def broken(area: AreaDesk, org_id: str = "org_a") -> list[tuple[str, bool, str]]:
    with area.read(worker_actor(org_id)) as reading:
        return [(each.kind, each.again, each.message) for each in queue.broken_jobs(reading)]


def test_the_queue_tells_what_waits_runs_and_comes_later_by_kind(area: AreaDesk):
    assert standing(area) == {}
    for kind, lease_s in (("held", LONG), ("left behind", OVER)):
        add(area, kind)
        take(area, "somebody", lease_s, (kind,))
    for delay_s in (0, 0, LONG):
        add(area, "asked for", delay_s=delay_s)
    add(area, "done")
    held = take(area, kinds=("done",))
    assert held is not None
    with area.work(worker_actor("")) as work:
        queue.complete(work, held)

    assert standing(area) == {"asked for": (2, 0, 1), "held": (0, 1, 0), "left behind": (1, 0, 0)}


def test_the_longest_wait_counts_from_when_a_job_was_due(area: AreaDesk):
    job_id = add(area)
    add(area, delay_s=LONG)
    with area.work(worker_actor("")) as work:
        work.execute(update(job).where(job.c.id == job_id).values(run_at_ms=job.c.run_at_ms - 90_000))

    with area.read(worker_actor("")) as reading:
        (told,) = queue.open_jobs(reading)

    assert 90 <= told.oldest_s < 600


def test_a_key_is_open_until_its_job_ends(area: AreaDesk):
    def is_open() -> bool:
        with area.read(worker_actor("")) as reading:
            return queue.is_open(reading, "seal")

    told = [is_open()]
    add(area, key="seal")
    told.append(is_open())
    held = taken(area)
    told.append(is_open())
    with area.work(worker_actor("")) as work:
        queue.complete(work, held)
    told.append(is_open())

    assert told == [False, True, True, False]


def test_what_broke_is_told_in_words_until_it_was_done_and_to_its_own_organisation(area: AreaDesk):
    # Given a job that is tried again, one that was given up, and one whose end nobody foresaw
    for kind, key, error in (
        ("again", "", "PROVIDER_UNAVAILABLE: The provider does not answer."),
        ("ended", "each minute", "STRIPE_KEY_BAD: This is not a key."),
        ("unforeseen", "", "KeyError"),
    ):
        add(area, kind, key=key)
        held = take(area, kinds=(kind,))
        assert held is not None
        with area.work(worker_actor("")) as work:
            if kind == "again":
                queue.put_back(work, held, delay_s=LONG, error=error)
            else:
                queue.give_up(work, held, error)
    assert broken(area) == [
        ("unforeseen", False, ""),
        ("ended", False, "This is not a key."),
        ("again", True, "The provider does not answer."),
    ]
    assert broken(area, "org_b") == []

    # When the same is done later
    area.clock.advance(timedelta(minutes=1))
    add(area, "ended", key="each minute")
    with area.work(worker_actor("")) as work:
        held = queue.claim(work, "another", LONG, ("ended",))
        assert held is not None
        queue.complete(work, held)

    # Then its failure is no news any more
    assert [kind for kind, _, _ in broken(area)] == ["unforeseen", "again"]


def test_the_database_tells_its_size(area: AreaDesk):
    with area.read(worker_actor("")) as reading:
        assert 50_000 < reading.scalar(select(size_bytes())) < 100_000_000
