"""The worker's part of a job, done by whoever calls it: no threads, no children of its own.

A light module: processes that are forked to be killed import it.
"""

from collections.abc import Callable

from finops_core.catalog.jobs import JOBS
from finops_core.desk import Desk
from finops_core.kernel.actor import worker_actor
from finops_core.operations import engine
from finops_core.operations.runner import Line, Message, Progress, Run, carry_out
from finops_core.operations.service import PLAN_JOB
from finops_core.platform import queue
from finops_core.worker.supervisor import keep


def claimed(desk: Desk, lease_s: float = 30) -> queue.Claim | None:
    """The job that is due first, taken."""
    with desk.work(worker_actor("")) as work:
        return queue.claim(work, "inline", lease_s)


def work_off(desk: Desk, limit: int = 50, lease_s: float = 30, told: list[Message] | None = None) -> int:
    """Carry out every job that is due; gives how many."""
    for count in range(limit):
        claim = claimed(desk, lease_s)
        if claim is None:
            return count
        carry(desk, claim, told=told)
    raise AssertionError("the queue never empties")


def carry(
    desk: Desk,
    claim: queue.Claim,
    stop: Callable[[], bool] = lambda: False,
    told: list[Message] | None = None,
) -> None:
    """One job, as the worker, and for an execution the supervisor and its child, would do it together.

    ``told`` collects what the child would have sent to its parent.
    """
    if claim.kind in JOBS:
        JOBS[claim.kind].run(desk, claim)
        with desk.work(worker_actor(claim.org_id)) as work:
            queue.hold(work, claim)
            queue.complete(work, claim)
        return
    begin = engine.begin_plan if claim.kind == PLAN_JOB else engine.begin_run
    actor = worker_actor(claim.org_id)
    with desk.work(actor) as work:
        begun = begin(work, claim)
    if begun is None:
        return
    messages: list[Message] = []
    outcome = carry_out(Run(desk, begun, messages.append, stop))
    if told is not None:
        told += messages
    lines = [message.entry for message in messages if isinstance(message, Line)]
    steps = [(each.done, each.total, each.message) for each in messages if isinstance(each, Progress)]
    with desk.work(actor) as work:
        engine.report(work, begun, lines, steps[-1] if steps else None)
        keep(work, begun, outcome)
