"""Arranges through the core what a browser test needs before it begins; the app's own worker does the work.

Only what a test is not about goes this way: the acts it proves are done in the browser.
"""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select

from finops_core import audit, operations, reference, security
from finops_core.approvals import Decision, decide, of_subject
from finops_core.catalog.tables import TABLES
from finops_core.kernel.actor import Actor, system_actor, worker_actor
from finops_core.operations import ExecutionView, State
from finops_core.platform import guards
from finops_core.platform.db import open_owner_engine
from tests.desks import person_actor
from tests.processes import until
from tests.tampering import tamper
from tests.webapp import PASSWORD, WebApp

PAYOUT, TOTALS = "payouts.stripe_balance", "reporting.csv_totals"
STORED = ("execution", "execution_plan", "stored_file", "file_reference", "approval_request", "payout")
LOOPBACK = "127.0.0.1"


@dataclass
class Backstage:
    """The desk of a running app, seen from behind."""

    app: WebApp

    def __post_init__(self) -> None:
        with self.app.desk.read(system_actor()) as reading:
            self.orgs = reference.ids_by_slug(reading)

    def person_id(self, username: str, org: str = "harbour") -> str:
        with self.app.desk.read(system_actor(self.orgs[org])) as reading:
            return next(person.id for person in security.people(reading) if person.username == username)

    def actor(self, username: str, org: str = "harbour") -> Actor:
        return person_actor(self.person_id(username, org), self.orgs[org])

    def add_person(self, username: str, *roles: str, org: str = "harbour") -> str:
        """Somebody new with the demo password, so that a test can lock out or dismiss them."""
        with self.app.desk.work(system_actor(self.orgs[org])) as work:
            name = f"{username.title()} Test"
            person_id = security.add_person(work, username, name, f"{username}@example.com", PASSWORD)
        for role in roles:
            self.grant_role(person_id, role, org)
        return person_id

    def end_role(self, person_id: str, role: str, org: str = "harbour") -> None:
        with self.app.desk.work(system_actor(self.orgs[org])) as work:
            security.end_role(work, person_id, role, self.orgs[org])

    def sign_out_everywhere(self, person_id: str, org: str = "harbour") -> int:
        with self.app.desk.work(system_actor(self.orgs[org])) as work:
            return security.sign_out_everywhere(work, person_id)

    def take(self, person_id: str, what: str, org: str = "harbour") -> None:
        """What somebody had until now: the role that approves, their session, or all of it."""
        with self.app.desk.work(system_actor(self.orgs[org])) as work:
            if what == "role":
                security.end_role(work, person_id, "approver", self.orgs[org])
            elif what == "session":
                security.sign_out_everywhere(work, person_id)
            else:
                security.set_active(work, person_id, active=False)

    def denied(self, person_id: str, org: str = "harbour") -> list[str]:
        """Why a person was denied something, as the log has it."""
        with self.app.desk.read(system_actor(self.orgs[org])) as reading:
            wanted = audit.AuditFilter(verb="access.denied", actor=person_id)
            return [str(each.detail["code"]) for each in audit.records(reading, wanted).rows]

    def grant_role(self, person_id: str, role: str, org: str = "harbour") -> None:
        with self.app.desk.work(system_actor(self.orgs[org])) as work:
            security.grant_role(work, person_id, role, self.orgs[org])

    def ticket(self, username: str) -> str:
        """The single-use ticket of a fresh sign-in."""
        with self.app.desk.work(security.visitor()) as work:
            opened = security.sign_in(work, username, PASSWORD, LOOPBACK)
        assert isinstance(opened, security.SignedIn), opened
        return opened.ticket

    def cookie(self, username: str) -> str:
        """The secret of a fresh session, as the cookie route would give it."""
        ticket = self.ticket(username)
        with self.app.desk.work(security.visitor()) as work:
            secret = security.redeem(work, ticket)
        assert secret
        return secret

    def tamper(self, statement: str, **values: object) -> None:
        """Somebody changes a row past the desk, and puts the guards up again: other tests in this app need them."""
        settings = self.app.desk.settings
        tamper(settings, statement, **values)
        engine = open_owner_engine(settings)
        with engine.begin() as connection:
            guards.ensure(connection, TABLES)
        engine.dispose()

    def draft(
        self, csv: str, *, who: str = "ana", org: str = "harbour", operation: str = PAYOUT, name: str = "currencies.csv"
    ) -> str:
        """The id of a new execution; the reason lets the same file come again."""
        upload = operations.Upload(name, csv.encode())
        with self.app.desk.work(self.actor(who, org)) as work:
            drafted = operations.draft(work, operation, {}, upload, reason="for a test")
            assert isinstance(drafted, operations.Drafted), drafted
        return drafted.execution_id

    def planned(
        self, csv: str, *, who: str = "ana", org: str = "harbour", by_s: float = 60, **more: Any
    ) -> ExecutionView:
        execution_id = self.draft(csv, who=who, org=org, **more)
        return self.awaited(execution_id, State.READY, org=org, by_s=by_s)

    def submitted(self, csv: str, *, who: str = "ana", org: str = "harbour", **more: Any) -> ExecutionView:
        seen = self.planned(csv, who=who, org=org, **more)
        with self.app.desk.work(self.actor(who, org)) as work:
            return operations.submit(work, seen.id, seen.plan_hash)

    def approved(self, csv: str, *, by: str = "ben", **more: Any) -> ExecutionView:
        """Submitted and approved; the worker takes it from there."""
        seen = self.submitted(csv, **more)
        self.approve(seen, by)
        return seen

    def approve(self, seen: ExecutionView, by: str = "ben") -> None:
        with self.app.desk.work(self.actor(by)) as work:
            request = of_subject(work, "execution", seen.id)[0]
            decide(work, request.id, Decision.APPROVED, "as agreed", request.content_hash)

    def added_up(self, csv: str, *, who: str = "ana", org: str = "harbour", name: str = "amounts.csv") -> ExecutionView:
        """A completed run of CSV totals."""
        execution_id = self.draft(csv, who=who, org=org, operation=TOTALS, name=name)
        with self.app.desk.work(self.actor(who, org)) as work:
            operations.submit(work, execution_id)
        return self.awaited(execution_id, State.COMPLETED, org=org)

    def execution(self, number_or_id: str, org: str = "harbour") -> ExecutionView:
        with self.app.desk.read(worker_actor(self.orgs[org])) as reading:
            return operations.execution(reading, number_or_id)

    def awaited(self, number_or_id: str, *states: State, org: str = "harbour", by_s: float = 60) -> ExecutionView:
        """The execution once it is in one of these states."""

        def there() -> bool:
            return self.execution(number_or_id, org).state in states

        until(there, by_s, f"{number_or_id} is {' or '.join(states)}")
        return self.execution(number_or_id, org)

    def request_number(self, execution_id: str, org: str = "harbour") -> str:
        with self.app.desk.read(worker_actor(self.orgs[org])) as reading:
            return of_subject(reading, "execution", execution_id)[0].number

    def stored(self, org: str = "harbour") -> dict[str, int]:
        """How many rows an upload could have left, by table, and how many sealed files lie in the store."""
        counts: dict[str, int] = {}
        with self.app.desk.read(system_actor(self.orgs[org])) as reading:
            for name in STORED:
                table = TABLES.tables[name]
                rows = select(func.count()).select_from(table).where(table.c.org_id == self.orgs[org])
                counts[name] = int(reading.scalar(rows) or 0)
        store = self.app.desk.settings.data_dir / "files"
        return {**counts, "in the store": sum(path.is_file() for path in store.rglob("*"))}
