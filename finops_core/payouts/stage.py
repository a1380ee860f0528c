"""Where a plan is rehearsed: a throw-away database of one organisation and one execution, a worker that can die."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import insert

from finops_core.connections.models import connection
from finops_core.kernel.actor import worker_actor
from finops_core.kernel.clock import SystemClock
from finops_core.kernel.operation import LogLevel, Plan
from finops_core.kernel.permissions import Permission
from finops_core.operations.models import execution
from finops_core.platform.db import open_database, open_owner_engine
from finops_core.platform.ports import PayoutProvider, Ports
from finops_core.platform.settings import Settings
from finops_core.platform.tables import METADATA
from finops_core.platform.work import UnitFactory, Work
from finops_core.reference.models import organisation

SLEEP_MOST_S = 0.01
NO_PACE = {"payout_rate_per_s": 1e6, "payout_burst": 1_000}


class Died(BaseException):
    """A worker that is gone between a call and its record; no code of the batch may catch it."""


class Hurried(SystemClock):
    """Waits for nobody: a rehearsal's pauses need not be as long as real ones."""

    def sleep(self, seconds: float) -> None:
        """Wait a moment at most."""
        super().sleep(min(seconds, SLEEP_MOST_S))


@dataclass
class Stage:
    """A ``RunContext`` over the throw-away database."""

    units: UnitFactory
    org_id: str
    execution_id: str
    attempt: int
    plan: Plan
    fence: int = 1
    params: Any = None
    sheet: Any = None
    retry_rows: tuple[int, ...] = ()
    wind_down: tuple[str, str] | None = None
    lines: list[str] = field(default_factory=list)

    @property
    def ports(self) -> Ports:
        """The rehearsal's own."""
        return self.units.ports

    def now(self) -> datetime:
        """The present instant."""
        return self.ports.clock.now()

    @contextmanager
    def unit(self) -> Iterator[Work]:
        """One unit of work."""
        with self.units.work(worker_actor(self.org_id)) as work:
            yield work

    def log(self, level: LogLevel, message: str, **data: Any) -> None:  # noqa: ARG002 - the context's shape
        """Kept for the outcome."""
        self.lines.append(message)

    def progress(self, done: int, total: int, message: str = "") -> None:
        """Nobody watches."""

    def stop_requested(self) -> bool:
        """Nobody stops it."""
        return False


class Mortal:
    """A provider behind which the worker dies once for some rows: after the call, before anybody heard the answer."""

    def __init__(self, real: PayoutProvider, dies_at: set[str]) -> None:
        self._real, self._dies_at = real, dies_at

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def submit(self, account: str, body: bytes, key: str) -> Any:
        """The call is made; then, once, the process is gone."""
        answer = self._real.submit(account, body, key)
        if key in self._dies_at:
            self._dies_at.discard(key)
            raise Died
        return answer


def set_stage(
    ports: Ports, folder: Path, known: Mapping[str, Mapping[str, Any]], execution_id: str, plan: Plan
) -> Stage:
    """A fresh database that holds one organisation and one execution, and ports that wait for nobody.

    Args:
        ports: the desk's.
        folder: private and empty; everything is made in it.
        known: the rows ``organisation``, ``execution`` and ``connection`` as the desk has them; its key stays there.
        execution_id: whose plan it is.
        plan: what is rehearsed.
    """
    from finops_core.platform import schema  # noqa: PLC0415 - Alembic

    told = {**ports.settings.model_dump(), "data_dir": folder, "database_url": "", "owner_database_url": ""}
    settings = Settings.model_construct(**{**told, **NO_PACE})
    owner = open_owner_engine(settings)
    schema.lay_out(owner, METADATA)
    owner.dispose()
    stage_ports = replace(ports, settings=settings, clock=Hurried())
    units = UnitFactory(open_database(settings), stage_ports, {}, lambda _reading: frozenset(Permission))
    row = known["execution"]
    org_id = str(row["org_id"])
    with units.work(worker_actor(org_id)) as work:
        # Alone on the stage: no organisation stands above it there.
        work.execute(insert(organisation).values(**{**known["organisation"], "parent_id": None}))
        work.execute(insert(connection).values(**{**known["connection"], "secret": b""}))
        work.execute(insert(execution).values(**row))
    return Stage(units, org_id, execution_id, int(row["attempt"]), plan)
