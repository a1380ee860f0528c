"""``/healthz``: for load balancers and whoever watches. Open to all, so it names no organisation, person or address."""

import logging
import threading
import time
from collections.abc import Callable
from typing import Any

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse

from finops_core import security
from finops_core.api.requests import DeskGetter
from finops_core.catalog.tables import TABLES
from finops_core.desk import Desk
from finops_core.kernel.actor import Via
from finops_core.platform.db import open_owner_engine
from finops_core.upkeep.outage import OutageWatch
from finops_core.upkeep.queries import UNREACHABLE, Health, health, schema_standing

KEPT_S = 1.0
# A worker that is still starting may be there in a moment: whoever waits for it should not wait longer than that.
STARTING_KEPT_S = 0.2
WAIT_S = 5.0
_LOG = logging.getLogger(__name__)


class HealthCheck:
    """While all is well it looks at most once a second, however many ask.

    The route needs no sign-in and must not load the database.
    """

    def __init__(self, desk: DeskGetter, seconds: Callable[[], float] = time.monotonic) -> None:
        self._desk, self._seconds = desk, seconds
        self._outage = OutageWatch(desk)
        self._owner: Engine | None = None
        self._one_at_a_time = threading.Lock()
        self._found = UNREACHABLE
        self._fresh_until = 0.0

    async def answer(self, _request: Request) -> JSONResponse:
        """200 when healthy, else 503; the facts as JSON either way."""
        found = await run_in_threadpool(self.look)
        return JSONResponse(_told(found), 200 if found.healthy else 503, headers={"cache-control": "no-store"})

    def look(self) -> Health:
        """The facts, at most a second old; unreachable when the look under way does not end within five seconds."""
        if not self._one_at_a_time.acquire(timeout=WAIT_S):
            return UNREACHABLE
        try:
            if self._seconds() >= self._fresh_until:
                self._found = self._look()
                self._fresh_until = self._seconds() + (STARTING_KEPT_S if _starts(self._found) else KEPT_S)
            return self._found
        finally:
            self._one_at_a_time.release()

    def _look(self) -> Health:
        try:
            desk = self._desk()
            standing = schema_standing(self._catalogue(desk), TABLES)
            with desk.read(security.visitor(Via.API)) as reading:
                found = health(reading, standing)
        except SQLAlchemyError as error:
            # Its text may name the server's address: that belongs into the log, not into the answer.
            _LOG.warning("The health check found no database: %s", error)
            return UNREACHABLE
        if found.sound:
            self._outage.saw(None if found.worker else found.worker_lease_age_s)
        return found

    def _catalogue(self, desk: Desk) -> Engine:
        # On SQLite the owner's engine takes the write lock at once, so a check would wait for every writer.
        if desk.database.dialect == "sqlite":
            return desk.database.reader
        self._owner = self._owner or open_owner_engine(desk.settings)
        return self._owner


def _starts(found: Health) -> bool:
    """Whether all that is missing is a worker."""
    return found.sound and not found.healthy


def _told(found: Health) -> dict[str, Any]:
    told: dict[str, Any] = {"healthy": found.healthy, "database": {"ok": found.database}}
    if found.schema is not None:
        told["migrations"] = {
            "ok": found.schema.current,
            "revision": found.schema.revision,
            "expected": found.schema.expected,
        }
        told["triggers"] = {"ok": not found.schema.triggers_missing, "missing": list(found.schema.triggers_missing)}
        age = found.worker_lease_age_s
        told["worker"] = {"ok": found.worker, "lease_age_s": None if age is None else round(age, 1)}
    return told
