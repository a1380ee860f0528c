"""Whether the desk is well: database, schema, guards, worker, queue.

The facts of the health check name nobody and are open to all; what the Health page shows beside them needs a right.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import Engine, MetaData, select

from finops_core import audit, operations, payouts
from finops_core.kernel.permissions import Permission
from finops_core.operations.drafting import PLAN_JOB
from finops_core.operations.service import RUN_JOB
from finops_core.platform import guards, queue
from finops_core.platform.db import UNIT, UnitScope, size_bytes
from finops_core.platform.queue import BrokenJob, OpenJobs, lease_age_s
from finops_core.platform.work import Reading

WORKER_LEASE = "worker"
RUNS = frozenset({PLAN_JOB, RUN_JOB})


@dataclass(frozen=True, slots=True)
class Schema:
    """Where the database's schema stands.

    Attributes:
        revision: the migration the database stands at; None before the first.
        expected: the one this version needs.
        triggers_missing: guards of append-only tables that do not stand, or say something else.
        triggers: how many there should be.
    """

    revision: str | None
    expected: str | None
    triggers_missing: tuple[str, ...]
    triggers: int = 0

    @property
    def current(self) -> bool:
        """Whether every migration has run."""
        return self.revision == self.expected


@dataclass(frozen=True, slots=True)
class Health:
    """What the health check found.

    Attributes:
        database: whether it answered at all; the rest is unknown when it did not.
        worker_lease_age_s: seconds since a worker's lease ran out; negative while it is held, None before the first.
        worker: whether a worker holds its lease, or let go of it a moment ago.
    """

    database: bool
    schema: Schema | None = None
    worker_lease_age_s: float | None = None
    worker: bool = False

    @property
    def healthy(self) -> bool:
        """Whether everything is as it should be."""
        return self.database and self.worker and self.schema is not None and self.sound

    @property
    def sound(self) -> bool:
        """Whether schema and guards stand, whatever the worker does."""
        return self.schema is not None and self.schema.current and not self.schema.triggers_missing


UNREACHABLE = Health(database=False)


def schema_standing(engine: Engine, metadata: MetaData) -> Schema:
    """The schema as this engine sees it; reads the catalogue only, no row of anybody's."""
    from finops_core.platform import schema  # noqa: PLC0415 - Alembic

    with engine.connect() as plain:
        connection = plain.execution_options(
            **{UNIT: UnitScope(frozenset(), across="the catalogue, no row of anybody")}
        )
        missing = tuple(guards.missing(connection, metadata))
        wanted = len(guards.expected(metadata, connection.dialect.name))
        return Schema(schema.current(connection), schema.newest(), missing, wanted)


def health(reading: Reading, standing: Schema) -> Health:
    """The facts together. The worker counts as there for one more lease time after its lease ran out.

    A worker that is replaced leaves such a gap each time.
    """
    age = lease_age_s(reading, WORKER_LEASE)
    grace_s = reading.ports.settings.scheduler_lease_s
    return Health(database=True, schema=standing, worker_lease_age_s=age, worker=age is not None and age <= grace_s)


@dataclass(frozen=True, slots=True)
class Lane:
    """How one of the worker's lanes stands, over all organisations; ``oldest_s`` as in ``OpenJobs``."""

    waiting: int
    running: int
    later: int
    oldest_s: float


@dataclass(frozen=True, slots=True)
class Machinery:
    """What the Health page shows beside ``Health``.

    Attributes:
        dialect: ``sqlite`` or ``postgresql``.
        size_bytes: what the database takes on its disk.
        runs: plans and executions; ``others``: every other job. The worker keeps them apart, so neither waits for the
            other.
        broken: jobs that failed, see ``queue.broken_jobs``.
    """

    dialect: str
    size_bytes: int
    runs: Lane
    others: Lane
    broken: tuple[BrokenJob, ...]


def machinery(reading: Reading) -> Machinery:
    """How the database and the queue stand. Needs HEALTH_VIEW."""
    reading.require(Permission.HEALTH_VIEW)
    jobs = queue.open_jobs(reading)
    return Machinery(
        reading.dialect,
        int(reading.scalar(select(size_bytes()))),
        _lane([each for each in jobs if each.kind in RUNS]),
        _lane([each for each in jobs if each.kind not in RUNS]),
        queue.broken_jobs(reading),
    )


def _lane(jobs: list[OpenJobs]) -> Lane:
    return Lane(
        sum(each.waiting for each in jobs),
        sum(each.running for each in jobs),
        sum(each.later for each in jobs),
        max((each.oldest_s for each in jobs), default=0.0),
    )


@dataclass(frozen=True, slots=True)
class Gauge:
    """One figure; those of one name differ in their labels (name, value)."""

    name: str
    help: str
    value: float
    labels: tuple[tuple[str, str], ...] = ()


def gauges(reading: Reading) -> tuple[Gauge, ...]:
    """All of them; for the installation itself, since they count every organisation's rows. Needs HEALTH_VIEW."""
    with reading.across_orgs("counts for those who watch the machine; no row of anybody"):
        return (*_work(reading), *_queue(reading), *_log(reading))


def _work(reading: Reading) -> Iterator[Gauge]:
    for public, many in operations.counts(reading).items():
        yield Gauge("tieout_executions", "Executions by state.", many, (("state", public.value),))
    for state, many in payouts.counts(reading).items():
        yield Gauge("tieout_payouts", "Payouts by state.", many, (("state", state.value),))


def _queue(reading: Reading) -> Iterator[Gauge]:
    for jobs in queue.open_jobs(reading):
        for standing, many in (("waiting", jobs.waiting), ("running", jobs.running), ("later", jobs.later)):
            labels = ("kind", jobs.kind), ("standing", standing)
            yield Gauge("tieout_jobs", "Unfinished jobs by kind and whether they are due.", many, labels)
        yield Gauge(
            "tieout_job_oldest_seconds", "How long the oldest due job waits.", jobs.oldest_s, (("kind", jobs.kind),)
        )
    age_s = lease_age_s(reading, WORKER_LEASE)
    if age_s is not None:
        yield Gauge("tieout_worker_lease_age_seconds", "Since the worker's lease ran out; below 0 while held.", age_s)


def _log(reading: Reading) -> Iterator[Gauge]:
    found = audit.standing(reading)
    yield Gauge("tieout_audit_sealed", "Records of the audit log that are sealed.", found.sealed)
    yield Gauge("tieout_audit_unsealed", "Records that wait to be sealed.", found.unsealed)
