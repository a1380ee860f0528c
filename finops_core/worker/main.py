"""The worker's loop: claim a job, hand it to a thread, seal the log, let the scheduler write due jobs.

Any number of workers may run: a job has one holder (lease and fence), and one worker holds the "worker" role, which
schedules and seals. The loop leaves on SIGTERM, or when the process that started it is gone.
"""

import logging
import os
import secrets
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

from apscheduler.schedulers.background import BackgroundScheduler
from sqlalchemy.exc import SQLAlchemyError

from finops_core import audit
from finops_core.catalog.jobs import JOBS
from finops_core.catalog.schedules import SCHEDULES
from finops_core.desk import Desk, open_desk
from finops_core.kernel.actor import worker_actor
from finops_core.kernel.errors import FinOpsError
from finops_core.kernel.job import Waits
from finops_core.operations import engine
from finops_core.operations.drafting import PLAN_JOB
from finops_core.operations.service import RUN_JOB
from finops_core.platform import logs, queue
from finops_core.platform.db import is_away
from finops_core.platform.queue import Claim
from finops_core.upkeep import scheduling
from finops_core.worker.child import Opener
from finops_core.worker.forking import forkserver
from finops_core.worker.supervisor import Supervision

LOG = logging.getLogger("tieout.worker")
ROLE = "worker"
SEAL_EVERY_S = 0.5
PARENT_CHECK_S = 1.0
SCHEDULES_EVERY_S = 15
RETRY_S = 5.0
RETRIES = 20
LONGEST_PAUSE_S, RAREST_S = 60.0, 15 * 60.0
RUNS = (PLAN_JOB, RUN_JOB)
JOB_SLOTS = 2


@dataclass
class Lane:
    """Kinds of jobs that share some slots: a long run, or a provider that hangs, must not keep the others waiting."""

    kinds: tuple[str, ...]
    slots: int

    def __post_init__(self) -> None:
        self.free = threading.Semaphore(self.slots)
        self.pool = ThreadPoolExecutor(self.slots, thread_name_prefix=self.kinds[0])


@dataclass
class Worker:
    """One worker process."""

    desk: Desk
    name: str = field(default_factory=lambda: f"{os.getpid()}-{secrets.token_hex(4)}")
    leaving: threading.Event = field(default_factory=threading.Event)
    opener: Opener = open_desk

    def run(self, parent_pid: int | None = None) -> None:
        """Work until told to leave."""
        self._forkserver = forkserver()
        # Where no child can be begun this fails, or hangs: such a worker must not take the role and look alive.
        self._forkserver.Process(target=_nothing).start()
        scheduler = self._scheduler()
        upkeep = threading.Thread(target=self._keep_role, name="role", daemon=True)
        upkeep.start()
        try:
            self._loop(parent_pid)
        finally:
            self.leaving.set()
            scheduler.shutdown(wait=False)
            upkeep.join(5)
            self._release_role()

    def _loop(self, parent_pid: int | None) -> None:
        lanes = (Lane(RUNS, self.desk.settings.worker_processes), *(Lane(kinds, JOB_SLOTS) for kinds in _sorts()))
        with ExitStack() as pools:
            for lane in lanes:
                pools.enter_context(lane.pool)
            checked = time.monotonic()
            while not self.leaving.is_set():
                if time.monotonic() - checked >= PARENT_CHECK_S:
                    checked = time.monotonic()
                    if parent_pid is not None and os.getppid() != parent_pid:
                        break
                # Every lane is looked at each time: a busy one keeps no other waiting.
                taken = [self._take(lane) for lane in lanes]
                if not any(taken):
                    self.leaving.wait(self.desk.settings.worker_poll_s)
            self.leaving.set()

    def _release_role(self) -> None:
        """Another worker may have it at once. Without a database it ends by itself."""
        try:
            with self.desk.work(worker_actor("")) as work:
                queue.release_lease(work, ROLE, self.name)
        except SQLAlchemyError as error:
            _note(error, "the role could not be given back")

    def _take(self, lane: Lane) -> bool:
        """Claim a job for a free slot of a lane; False when there is no slot or no job."""
        if not lane.free.acquire(blocking=False):
            return False
        claim = self._claim(lane.kinds)
        if claim is None:
            lane.free.release()
            return False
        lane.pool.submit(self._do, claim, lane.free)
        return True

    def _claim(self, kinds: tuple[str, ...]) -> Claim | None:
        try:
            with self.desk.read(worker_actor("")) as reading:
                if not queue.is_due(reading, kinds):
                    return None
            with self.desk.work(worker_actor("")) as work:
                return queue.claim(work, self.name, self.desk.settings.job_lease_s, kinds)
        except SQLAlchemyError as error:
            _note(error, "nothing could be claimed; trying again")
            self.leaving.wait(1)
            return None

    def _do(self, claim: Claim, busy: threading.Semaphore) -> None:
        with logs.about(job=claim.id, org=claim.org_id, execution=str(claim.payload.get("execution_id", ""))):
            begun = time.monotonic()
            try:
                self._carry(claim)
                level = logging.INFO if claim.kind in RUNS else logging.DEBUG
                LOG.log(level, "job %s ended after %.2f s", claim.kind, time.monotonic() - begun)
            except FinOpsError as error:
                LOG.warning("job %s %s: %s", claim.kind, claim.id, error.code)
                self._try_later(claim, f"{error.code}: {error.message}")
            except Exception as error:  # noqa: BLE001 - whatever breaks a job must not end the worker
                _note(error, f"job {claim.kind} {claim.id} broke")
                self._try_later(claim, type(error).__name__)
            finally:
                busy.release()

    def _carry(self, claim: Claim) -> None:
        if claim.kind in RUNS:
            begin = engine.begin_plan if claim.kind == PLAN_JOB else engine.begin_run
            with self.desk.work(worker_actor(claim.org_id)) as work:
                begun = begin(work, claim)
            if begun is not None:
                Supervision(self.desk, begun, self._forkserver, self.leaving.is_set, self.opener).watch()
            return
        with self._renewing(claim):
            JOBS[claim.kind].run(self.desk, claim)
        with self.desk.work(worker_actor(claim.org_id)) as work:
            if not queue.complete(work, claim):
                LOG.warning("job %s %s lost its lease before it ended", claim.kind, claim.id)

    @contextmanager
    def _renewing(self, claim: Claim) -> Iterator[None]:
        """Hold a job's lease for as long as it takes: its provider may be slower than the lease is long."""
        done = threading.Event()
        lease_s = self.desk.settings.job_lease_s

        def renew() -> None:
            while not done.wait(lease_s / 3):
                try:
                    with self.desk.work(worker_actor(claim.org_id)) as work:
                        if not queue.renew(work, claim, lease_s):
                            return
                except SQLAlchemyError as error:
                    _note(error, f"the lease of job {claim.id} could not be renewed; trying again")

        thread = threading.Thread(target=renew, name=f"lease-{claim.id}", daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()

    def _try_later(self, claim: Claim, error: str) -> None:
        # Executions end through the engine; what comes here is a job that could not even be begun or concluded.
        job = JOBS.get(claim.kind)
        retries = job.retries if job else RETRIES
        try:
            with self.desk.work(worker_actor(claim.org_id)) as work:
                if retries is None or claim.attempts <= retries:
                    queue.put_back(work, claim, delay_s=_pause_s(claim.attempts, retries), error=error)
                elif claim.kind in RUNS:
                    engine.abandon(work, claim, error)
                else:
                    queue.give_up(work, claim, error)
        except (SQLAlchemyError, FinOpsError) as failed:
            _note(failed, f"job {claim.id} waits for its lease to end")

    def _scheduler(self) -> BackgroundScheduler:
        scheduler = BackgroundScheduler(
            timezone="UTC", job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": 300}
        )
        for job in JOBS.values():
            if job.every_s is not None:
                scheduler.add_job(self._write_due, "interval", seconds=job.every_s, args=[job.kind, job.every_s])
        scheduler.add_job(self._write_scheduled, "interval", seconds=SCHEDULES_EVERY_S)
        scheduler.start()
        return scheduler

    def _write_due(self, kind: str, every_s: int) -> None:
        """APScheduler's only act: a job row per period, by whoever holds the role; none while the last one is open."""
        slot = int(time.time()) // every_s
        try:
            with self.desk.work(worker_actor("")) as work:
                if queue.acquire_lease(work, ROLE, self.name, self.desk.settings.scheduler_lease_s) is not None:
                    queue.enqueue(work, kind, {"slot": slot}, key=kind)
        except SQLAlchemyError as error:
            _note(error, f"{kind} could not be written as due; it comes with its next period")

    def _write_scheduled(self) -> None:
        """What is due by the schedules' rows: whichever worker looks first writes it, and none but that."""
        try:
            scheduling.write_due(self.desk, SCHEDULES)
        except (SQLAlchemyError, FinOpsError) as error:
            _note(error, "the schedules could not be looked at; trying again")

    def _keep_role(self) -> None:
        """Hold the role and seal the log every half second; another worker takes over when this one is gone."""
        lease_s = self.desk.settings.scheduler_lease_s
        pause = min(SEAL_EVERY_S, lease_s / 3)
        held, renew_at = False, 0.0
        while not self.leaving.is_set():
            try:
                if time.monotonic() >= renew_at:
                    with self.desk.work(worker_actor("")) as work:
                        held = queue.acquire_lease(work, ROLE, self.name, lease_s) is not None
                    renew_at = time.monotonic() + lease_s / 3
                if held:
                    # A unit of its own: a log that cannot be sealed must not cost the role.
                    with self.desk.work(worker_actor("")) as work:
                        audit.seal(work, self.desk.settings.heads_dir)
                self.leaving.wait(pause)
            except Exception as error:  # noqa: BLE001 - the role is kept as long as the worker lives
                _note(error, "keeping the role or sealing the log failed; trying again")
                self.leaving.wait(1)


def _note(error: Exception, what: str) -> None:
    """A database that is away is a line, again and again while it lasts; whatever else went wrong is told in full."""
    if is_away(error):
        LOG.warning("the database does not answer: %s", what)
    else:
        LOG.error("%s", what, exc_info=error)


def run_worker(desk: Desk, parent_pid: int | None = None) -> None:
    """Run a worker in this process until SIGTERM, SIGINT, or the end of its parent."""
    worker = Worker(desk)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: worker.leaving.set())
    worker.run(parent_pid)


def _sorts() -> Iterator[tuple[str, ...]]:
    """The kinds of jobs beside runs, by whom they may keep waiting."""
    for waits in Waits:
        yield tuple(job.kind for job in JOBS.values() if job.waits is waits)


def _pause_s(attempts: int, retries: int | None) -> float:
    """How long a failed job waits: a little more each time. One that is never given up gets rare, not forgotten."""
    return min(RETRY_S * attempts, LONGEST_PAUSE_S if retries is not None else RAREST_S)


def _nothing() -> None:
    return
