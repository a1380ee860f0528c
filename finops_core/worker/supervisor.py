"""Watches over one child: streams its log, renews the lease, passes on a stop, ends it when its time is up."""

import math
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from enum import Enum, auto
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerContext

from finops_core.desk import Desk, open_desk
from finops_core.kernel.actor import worker_actor
from finops_core.kernel.errors import Conflict, Unavailable
from finops_core.kernel.operation import Plan, Result
from finops_core.operations import engine
from finops_core.operations.engine import Begun, LogEntry
from finops_core.operations.rules import State
from finops_core.operations.runner import Line, Outcome, Progress
from finops_core.platform import queue
from finops_core.platform.work import Work
from finops_core.worker import child

FLUSH_S = 0.25
KILL_AFTER_S = 5.0
GRACE_S = 3.0
MAX_ATTEMPTS = 5


class Cut(Enum):
    """Why a child was not let run to its end."""

    LATE = auto()
    LEAVING = auto()


@dataclass
class Supervision:
    """One child and what it has told that is not stored yet.

    Attributes:
        leaving: whether the worker was told to leave; the child then has ``GRACE_S`` to come to its end.
        opener: opens the desk in the child, see ``child.main``.
        seconds: the clock, in seconds, by which the operation's time is up.
    """

    desk: Desk
    begun: Begun
    context: ForkServerContext
    leaving: Callable[[], bool]
    opener: child.Opener = open_desk
    seconds: Callable[[], float] = time.monotonic
    entries: list[LogEntry] = field(default_factory=list)
    progress: tuple[int, int, str] | None = None
    outcome: Outcome | None = None
    stopping: bool = False

    def watch(self) -> None:
        """Run the child to its end and record how it ended."""
        mine, theirs = self.context.Pipe()
        process = self.context.Process(
            target=child.main,
            args=(theirs, self.desk.settings, self.begun, self.opener),
            name=self.begun.execution.number,
        )
        process.start()
        theirs.close()
        cut = None
        try:
            cut = self._stream(mine)
        finally:
            if self.outcome is None:
                process.kill()
            mine.close()
            process.join(KILL_AFTER_S)
            if process.is_alive():
                process.kill()
                process.join()
        self._conclude(cut, process.exitcode)

    def _stream(self, pipe: Connection) -> Cut | None:
        """Until the outcome or the end of the pipe (None), the deadline, or the worker's leaving."""
        operation = self.desk.ports.operations[self.begun.execution.operation_id]
        deadline = self.seconds() + operation.timeout_s
        lease_s = self.desk.settings.job_lease_s
        leave_at = math.inf
        renew_at = flush_at = 0.0
        while self.outcome is None:
            if not self._receive(pipe, min(FLUSH_S, lease_s / 4)):
                return None
            now = self.seconds()
            if now >= deadline:
                return Cut.LATE
            if self.leaving():
                leave_at = min(leave_at, now + GRACE_S)
            if now >= leave_at:
                return Cut.LEAVING
            if now >= renew_at:
                self._renew()
                renew_at = now + lease_s / 3
            if now >= flush_at:
                self._flush(pipe)
                flush_at = now + FLUSH_S
        return None

    def _receive(self, pipe: Connection, wait_s: float) -> bool:
        """Take what has come; False when the child has closed its end."""
        try:
            if not pipe.poll(wait_s):
                return True
            # Bounded: a child that never stops talking must not keep its lease and its deadline from being looked at.
            until = time.monotonic() + FLUSH_S
            while time.monotonic() < until and pipe.poll(0):
                message = pipe.recv()
                if isinstance(message, Line):
                    self.entries.append(message.entry)
                elif isinstance(message, Progress):
                    self.progress = (message.done, message.total, message.message)
                elif isinstance(message, Outcome):
                    self.outcome = message
                    return True
        except (EOFError, OSError):
            return False
        return True

    def _renew(self) -> None:
        with self.desk.work(worker_actor(self.begun.claim.org_id)) as work:
            held = queue.renew(work, self.begun.claim, self.desk.settings.job_lease_s)
        if not held:
            raise Conflict("LEASE_LOST", "Another worker has taken over this run.")

    def _flush(self, pipe: Connection) -> None:
        with self.desk.work(worker_actor(self.begun.claim.org_id)) as work:
            stop = engine.report(work, self.begun, self.entries, self.progress)
        self.entries, self.progress = [], None
        if stop and not self.stopping:
            self.stopping = True
            with suppress(OSError):  # it may just have ended by itself; what it told last is still in the pipe
                pipe.send_bytes(child.STOP)

    def _conclude(self, cut: Cut | None, exit_code: int | None) -> None:
        with self.desk.work(worker_actor(self.begun.claim.org_id)) as work:
            engine.report(work, self.begun, self.entries, self.progress)
            if self.outcome is None:
                self._without_outcome(work, cut, exit_code)
            else:
                keep(work, self.begun, self.outcome)

    def _without_outcome(self, work: Work, cut: Cut | None, exit_code: int | None) -> None:
        if cut is Cut.LATE:
            error = Unavailable(
                "RUN_TIMED_OUT",
                f"{self.begun.execution.number} took too long and was ended.",
                hint="What it had done by then stands in its log and rows.",
            )
            engine.fail(work, self.begun, error, State.TIMED_OUT)
        elif cut is Cut.LEAVING:
            engine.hand_over(work, self.begun, "the worker was told to leave")
        else:
            engine.after_crash(work, self.begun, f"the child ended with {exit_code}", MAX_ATTEMPTS)


def keep(work: Work, begun: Begun, outcome: Outcome) -> None:
    """Record what a child has told at its end."""
    if outcome.error is not None:
        code, message, hint = outcome.error
        if outcome.again:
            engine.try_again(work, begun, Unavailable(code, message, hint=hint))
        else:
            engine.fail(work, begun, Conflict(code, message, hint=hint), voidable=not outcome.broke)
    elif begun.dry:
        engine.keep_plan(work, begun, outcome.plan or Plan((), "", ""))
    else:
        engine.finish(work, begun, outcome.result or Result(success=False, message="No result."))
