"""The whole desk with its demo company, for walks: real database, real files, the real sandbox, and a worker.

``work_off`` does the worker's part inside this process, without children: quick, and faults can be raised in it. Tests
that are about processes start the real worker (``tests/processes.py``).
"""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import select, update

from finops_core import approvals, operations, reference, security
from finops_core.catalog.jobs import JOBS
from finops_core.connections.models import connection
from finops_core.desk import Desk, open_desk
from finops_core.kernel.actor import Actor, system_actor, worker_actor
from finops_core.kernel.clock import Clock, ManualClock, SystemClock
from finops_core.operations.runner import Message
from finops_core.payouts import queries
from finops_core.payouts.following import Follower
from finops_core.payouts.models import payout
from finops_core.platform import queue
from finops_core.platform.db import open_owner_engine
from finops_core.platform.settings import Settings
from finops_core.start import prepare
from tests import inline, templates
from tests.desks import person_actor, settings_for
from tests.sandbox import RunningSandbox, start_sandbox

ROOT = Path(__file__).parents[1]
COMPANY = ROOT / "data" / "demo" / "company.json"
NOWHERE = "http://127.0.0.1:9"


@dataclass
class World:
    """A prepared desk and short words for what people do in it."""

    desk: Desk
    sandbox: RunningSandbox
    orgs: dict[str, str]
    people: dict[str, str]
    messages: list[Message] = field(default_factory=list)

    def advance(self, step: timedelta) -> None:
        """Let time pass, for the desk and for its provider."""
        clock = self.desk.ports.clock
        assert isinstance(clock, ManualClock)
        clock.advance(step)
        self.sandbox.control.advance(step.total_seconds())

    def actor(self, username: str, org: str = "harbour") -> Actor:
        return person_actor(self.people[username], self.orgs[org])

    def draft(self, csv: str, *, who: str = "ana", org: str = "harbour", **more: Any):
        upload = operations.Upload("currencies.csv", csv.encode())
        operation_id = more.pop("operation", "payouts.stripe_balance")
        with self.desk.work(self.actor(who, org)) as work:
            return operations.draft(work, operation_id, more.pop("params", {}), upload, **more)

    def planned(self, csv: str, **more: Any) -> operations.ExecutionView:
        drafted = self.draft(csv, **more)
        assert isinstance(drafted, operations.Drafted), drafted
        self.work_off()
        return self.execution(drafted.execution_id, org=more.get("org", "harbour"))

    def submitted(self, csv: str, *, who: str = "ana", org: str = "harbour", **more: Any) -> operations.ExecutionView:
        seen = self.planned(csv, who=who, org=org, **more)
        with self.desk.work(self.actor(who, org)) as work:
            return operations.submit(work, seen.id, seen.plan_hash)

    def decide(
        self, seen: operations.ExecutionView, decision: str = "approved", *, who: str = "ben", org: str = "harbour"
    ) -> None:
        with self.desk.work(self.actor(who, org)) as work:
            request = approvals.of_subject(work, "execution", seen.id)[0]
            approvals.decide(work, request.id, approvals.Decision(decision), "as agreed", request.content_hash)

    def approved(self, csv: str, **more: Any) -> operations.ExecutionView:
        seen = self.submitted(csv, **more)
        org = more.get("org", "harbour")
        self.decide(seen, who="ben" if org == "harbour" else "carla", org=org)
        return self.execution(seen.id, org=org)

    def execution(self, execution_id: str, org: str = "harbour") -> operations.ExecutionView:
        with self.desk.read(worker_actor(self.orgs[org])) as reading:
            return operations.execution(reading, execution_id)

    def look_up(self) -> None:
        """The look-up job's round."""
        JOBS["payouts.look_up"].run(self.desk, None)

    def run_job(self, kind: str) -> None:
        """One round of a scheduled job."""
        JOBS[kind].run(self.desk, None)

    def follow(self, *, reconcile: bool = True) -> None:
        """Every payout of Harbour's is read anew, whatever news there was; then what the worker has to do about it."""
        if reconcile:
            self.work_off()
        follower = Follower(self.desk, self.orgs["harbour"])
        with self.desk.read(worker_actor(self.orgs["harbour"])) as reading:
            mine = payout.c.org_id == reading.org_id, payout.c.provider_id != ""
            rows = [queries.unsettled(row) for row in reading.rows(select(payout).where(*mine))]
        for row in rows:
            follower.follow(row)
        self.look_through_the_inbox()

    def look_through_the_inbox(self) -> None:
        """The job that follows Harbour's news, though nobody has claimed it."""
        JOBS["payouts.follow"].run(self.desk, queue.Claim("", self.orgs["harbour"], "payouts.follow", {}, 0, 0))

    def work_off(self, limit: int = 50) -> int:
        """Carry out every job that is due, in this process; gives how many."""
        return inline.work_off(self.desk, limit, told=self.messages)

    def carry(self, claim: queue.Claim, stop: Callable[[], bool] = lambda: False) -> None:
        """One job, as the worker, and for an execution the supervisor and its child, would do it together."""
        inline.carry(self.desk, claim, stop, self.messages)


@contextmanager
def running_world(folder: Path, url: str = "", clock: Clock | None = None, **overrides: object) -> Iterator[World]:
    """A world in a folder, on SQLite there or on the PostgreSQL at ``url``; ends with the block."""
    templates.fill(folder, url, "company", _prepare)
    sandbox = start_sandbox(folder)
    settings = _settings(folder, url, sandbox.url, **overrides)
    _connect(settings, sandbox.url)
    if isinstance(clock, ManualClock):
        # However long that took: roles given just now must be in force.
        clock.advance(max(SystemClock().now() - clock.now(), timedelta(0)))
    with open_desk(settings, clock=clock) as desk:
        with desk.read(system_actor()) as reading:
            orgs = reference.ids_by_slug(reading)
        people: dict[str, str] = {}
        for org_id in orgs.values():
            with desk.read(system_actor(org_id)) as reading:
                people |= {person.username: person.id for person in security.people(reading)}
        if clock is not None:
            ahead = clock.now() - SystemClock().now()
            sandbox.control.post("clock", {"offset_s": ahead.total_seconds()})
        yield World(desk, sandbox, orgs, people)
    sandbox.stop()


def _settings(folder: Path, url: str, sandbox_url: str, **overrides: object) -> Settings:
    values = {"job_lease_s": 30, **overrides}
    return settings_for(folder, url, demo=True, demo_file=COMPANY, stripe_sandbox_url=sandbox_url, **values)


def _prepare(folder: Path, url: str) -> None:
    """The template of every world: migrated, with the demo company, whose Stripe is nowhere yet."""
    prepare(_settings(folder, url, NOWHERE)).close()


def _connect(settings: Settings, sandbox_url: str) -> None:
    engine = open_owner_engine(settings)
    with engine.begin() as writing:
        writing.execute(update(connection).where(connection.c.base_url == NOWHERE).values(base_url=sandbox_url))
    engine.dispose()


def company() -> dict[str, Any]:
    return json.loads(COMPANY.read_text())
