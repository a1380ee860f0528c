"""A job that is asked for while it is there: it runs once more after that moment, and no asking is lost."""

import threading

import pytest
from sqlalchemy import func, select

from finops_core.kernel.actor import worker_actor
from finops_core.platform import queue
from finops_core.platform.queue import Claim, JobState, job
from finops_core.platform.work import Work
from tests.desks import AreaDesk
from tests.held_up import held_up

LONG, OVER, KEY = 3600.0, -1.0, "inbox"


def ask(area: AreaDesk, *, again: bool = True, delay_s: float = 0, kind: str = "test.job") -> str | None:
    with area.work(worker_actor("")) as work:
        return queue.enqueue(work, kind, {}, key=KEY, again=again, delay_s=delay_s)


def take(area: AreaDesk, owner: str = "first", lease_s: float = LONG, kinds: tuple[str, ...] = ()) -> Claim | None:
    with area.work(worker_actor("")) as work:
        return queue.claim(work, owner, lease_s, kinds)


def taken(area: AreaDesk, lease_s: float = LONG) -> Claim:
    claim = take(area, lease_s=lease_s)
    assert claim is not None
    return claim


def complete(area: AreaDesk, held: Claim) -> bool:
    with area.work(worker_actor("")) as work:
        return queue.complete(work, held)


def due(area: AreaDesk, *kinds: str) -> bool:
    with area.read(worker_actor("")) as reading:
        return queue.is_due(reading, kinds)


def standing(area: AreaDesk) -> list[str]:
    """The state of every job, oldest first."""
    with area.read(worker_actor("")) as reading:
        return [row.state for row in reading.rows(select(job.c.state).order_by(job.c.id))]


def rounds(area: AreaDesk) -> int:
    """How often it runs until nothing is due any more."""
    for count in range(10):
        claim = take(area)
        if claim is None:
            return count
        assert complete(area, claim)
    raise AssertionError("it never comes to rest")


def test_what_runs_is_run_once_more_when_it_is_asked_for(area: AreaDesk):
    # Given a job that is being done
    ask(area)
    held = taken(area)
    # When somebody asks for it three times, and it comes to its end
    assert [ask(area), ask(area), ask(area)] == [None, None, None]
    assert complete(area, held)
    # Then it runs once more, as if it were new
    again = taken(area)
    assert (again.id, again.attempts, again.fence) == (held.id, 1, 2)
    assert complete(area, again)
    assert standing(area) == [JobState.DONE]


def test_what_only_waits_is_run_once_for_all_who_asked(area: AreaDesk):
    ask(area)

    assert [ask(area), ask(area)] == [None, None]

    assert rounds(area) == 1
    assert standing(area) == [JobState.DONE]


def test_without_asking_for_more_what_runs_is_run_once(area: AreaDesk):
    ask(area)
    held = taken(area)

    assert ask(area, again=False) is None

    assert complete(area, held)
    assert rounds(area) == 0


def test_who_asks_after_the_end_has_a_job_of_their_own(area: AreaDesk):
    first = ask(area)
    rounds(area)

    second = ask(area)

    assert second not in {None, first}
    assert rounds(area) == 1


def test_it_runs_again_no_earlier_than_was_asked(area: AreaDesk):
    ask(area)
    held = taken(area)

    ask(area, delay_s=LONG)
    complete(area, held)

    assert (take(area), standing(area)) == (None, [JobState.QUEUED])


@pytest.mark.parametrize("delays_s", [(0, LONG), (LONG, 0)])
def test_of_two_wishes_the_sooner_counts(area: AreaDesk, delays_s: tuple[float, float]):
    ask(area)
    held = taken(area)

    for delay_s in delays_s:
        ask(area, delay_s=delay_s)
    complete(area, held)

    assert take(area) is not None


def test_a_run_that_failed_does_not_lose_what_was_asked_meanwhile(area: AreaDesk):
    # Given a job in its last try, asked for once more
    ask(area)
    held = taken(area)
    ask(area)
    # When it is given up
    with area.work(worker_actor("")) as work:
        assert queue.give_up(work, held, "no answer")
    # Then the asking is a new beginning
    again = taken(area)
    assert (again.id, again.attempts) == (held.id, 1)
    with area.work(worker_actor("")) as work:
        assert queue.give_up(work, again, "no answer")
    assert standing(area) == [JobState.FAILED]
    assert take(area) is None


def test_a_job_put_back_and_asked_for_runs_once(area: AreaDesk):
    ask(area)
    held = taken(area)
    ask(area)

    with area.work(worker_actor("")) as work:
        queue.put_back(work, held, delay_s=0)

    assert rounds(area) == 1


def test_a_worker_that_lost_the_job_takes_no_asking_with_it(area: AreaDesk):
    # Given a job whose worker sleeps, asked for meanwhile
    ask(area)
    slept = taken(area, OVER)
    ask(area)
    # When another one takes it over, and the first wakes up
    held = taken(area)
    assert not complete(area, slept)
    # Then the second run, which began after the asking, is enough
    assert complete(area, held)
    assert standing(area) == [JobState.DONE]


def test_an_asking_that_is_not_committed_yet_holds_the_completion_up_and_is_heard(area: AreaDesk):
    ask(area)
    held = taken(area)

    completed = held_up(
        area.units,
        worker_actor(""),
        lambda work: queue.enqueue(work, "test.job", {}, key=KEY, again=True),
        lambda: complete(area, held),
    )

    assert completed is True
    assert rounds(area) == 1


def test_a_completion_that_is_not_committed_yet_holds_the_asking_up_and_a_new_job_takes_it(area: AreaDesk):
    first = ask(area)
    held = taken(area)

    second = held_up(area.units, worker_actor(""), lambda work: queue.complete(work, held), lambda: ask(area))

    assert second not in {None, first}
    assert standing(area) == [JobState.DONE, JobState.QUEUED]
    assert rounds(area) == 1


def test_a_claim_waits_for_an_asking_that_may_have_written_what_it_must_see(area: AreaDesk):
    ask(area)

    def claim_it() -> bool:
        return take(area) is not None

    claimed = held_up(
        area.units,
        worker_actor(""),
        lambda work: queue.enqueue(work, "test.job", {}, key=KEY, again=True),
        claim_it,
    )

    # PostgreSQL passes a locked row over, SQLite waits: either way the run begins after the commit, and only once.
    assert rounds(area) == (0 if claimed else 1)


def test_an_asking_that_is_rolled_back_asks_for_nothing(area: AreaDesk):
    ask(area)
    held = taken(area)

    def ask_and_break() -> None:
        with area.work(worker_actor("")) as work:
            queue.enqueue(work, "test.job", {}, key=KEY, again=True)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        ask_and_break()

    complete(area, held)
    assert rounds(area) == 0


@pytest.mark.slow
def test_however_askings_and_runs_interleave_each_asking_is_followed_by_a_run(area: AreaDesk):
    """Each asking counts up in its unit; each run reads the count. The last run must have seen the last asking."""
    askings, seen, over = 40, [0], threading.Event()
    marks = 0

    def mark(work: Work) -> None:
        queue.enqueue(work, "test.mark", {})
        queue.enqueue(work, "test.job", {}, key=KEY, again=True)

    def ask_often() -> None:
        for _ in range(askings // 2):
            with area.work(worker_actor("")) as work:
                mark(work)

    def run_often() -> None:
        while True:
            last = over.is_set()
            claim = take(area, kinds=("test.job",))
            if claim is None:
                if last:
                    return
                continue
            with area.read(worker_actor("")) as reading:
                count = reading.scalar(select(func.count()).select_from(job).where(job.c.kind == "test.mark"))
            seen.append(int(count))
            assert complete(area, claim)

    askers = [threading.Thread(target=ask_often) for _ in range(2)]
    runner = threading.Thread(target=run_often)
    for thread in (*askers, runner):
        thread.start()
    for thread in askers:
        thread.join(60)
    over.set()
    runner.join(60)

    with area.read(worker_actor("")) as reading:
        marks = int(reading.scalar(select(func.count()).select_from(job).where(job.c.kind == "test.mark")))
    assert (marks, seen[-1]) == (askings, askings)
    assert len(seen) - 1 <= askings


def test_something_is_due_for_who_does_its_kind_and_at_its_time(area: AreaDesk):
    assert not due(area)
    ask(area, kind="test.wanted", delay_s=LONG)
    assert not due(area)
    with area.work(worker_actor("")) as work:
        queue.enqueue(work, "test.wanted", {})

    assert (due(area), due(area, "test.wanted"), due(area, "test.other", "test.wanted")) == (True, True, True)
    assert not due(area, "test.other")
    held = take(area, kinds=("test.wanted",))
    assert held is not None
    assert not due(area)


def test_a_job_whose_lease_ran_out_is_due_again(area: AreaDesk):
    ask(area)
    slept = taken(area, OVER)

    assert due(area)
    held = taken(area)
    assert not due(area)
    assert (complete(area, slept), complete(area, held), due(area)) == (False, True, False)


def test_looking_whether_something_is_due_waits_for_no_writer(area: AreaDesk):
    ask(area)

    found = held_up(area.units, worker_actor(""), lambda work: work.execute(job.delete()), lambda: due(area))

    assert found is True, "it looked before the deletion was committed"
