"""Whether the desk is well: database, schema, guards, worker. Facts only; who may see them is the caller's matter."""

from dataclasses import dataclass

from sqlalchemy import Engine, MetaData

from finops_core.platform import guards, schema
from finops_core.platform.db import UNIT, UnitScope
from finops_core.platform.queue import lease_age_s
from finops_core.platform.work import Reading

WORKER_LEASE = "worker"


@dataclass(frozen=True, slots=True)
class Schema:
    """Where the database's schema stands.

    Attributes:
        revision: the migration the database stands at; None before the first.
        expected: the one this version needs.
        triggers_missing: guards of append-only tables that do not stand, or say something else.
    """

    revision: str | None
    expected: str | None
    triggers_missing: tuple[str, ...]

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
    with engine.connect() as plain:
        connection = plain.execution_options(
            **{UNIT: UnitScope(frozenset(), across="the catalogue, no row of anybody")}
        )
        return Schema(schema.current(connection), schema.newest(), tuple(guards.missing(connection, metadata)))


def health(reading: Reading, standing: Schema) -> Health:
    """The facts together. The worker counts as there for one more lease time after its lease ran out.

    A worker that is replaced leaves such a gap each time.
    """
    age = lease_age_s(reading, WORKER_LEASE)
    grace_s = reading.ports.settings.scheduler_lease_s
    return Health(database=True, schema=standing, worker_lease_age_s=age, worker=age is not None and age <= grace_s)
