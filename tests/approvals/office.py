"""An office with real people and roles: Pat prepares, Ada and Max approve, Root administers."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from sqlalchemy import select

from finops_core import approvals, reference, security
from finops_core.approvals import Decision, RequestView
from finops_core.approvals.models import approval_request
from finops_core.audit.models import audit_record
from finops_core.kernel.actor import Actor, Via, system_actor, worker_actor
from finops_core.kernel.canonical import content_hash
from finops_core.kernel.job import Event
from finops_core.platform.work import Work
from tests.desks import AreaDesk, area_desk, person_actor

PAYOUT = "payouts.stripe_balance"
PLAN = content_hash({"rows": [{"currency": "USD", "amount": "125.00"}]})
OTHER_PLAN = content_hash({"rows": [{"currency": "USD", "amount": "125.01"}]})
NEWS = (approvals.Approved, approvals.Rejected, approvals.Withdrawn, approvals.Expired)


@dataclass
class Office:
    """One organisation, its people by user name, and the news heard so far."""

    area: AreaDesk
    org: str
    people: dict[str, str]
    heard: list[Event]

    def actor(self, name: str, org: str = "") -> Actor:
        return person_actor(self.people[name], org or self.org)

    def work(self, name: str, org: str = ""):
        return self.area.work(self.actor(name, org))

    def read(self, name: str, org: str = ""):
        return self.area.read(self.actor(name, org))

    def hire(self, name: str, *roles: str, org: str = "") -> str:
        """A person with roles; one who is known only gets the roles."""
        org = org or self.org
        with self.area.work(system_actor(org)) as work:
            if name not in self.people:
                self.people[name] = security.add_person(work, name, name.title(), "")
            for role in roles:
                security.grant_role(work, self.people[name], role, org)
        return self.people[name]

    def allow(self, name: str, limit_minor: int | None, currency: str = "USD", item_type: str = PAYOUT) -> str:
        """Authority for a person, given by the installation."""
        with self.area.work(system_actor(self.org)) as work:
            return approvals.grant_authority(
                work, person_id=self.people[name], item_type=item_type, currency=currency, limit_minor=limit_minor
            )

    def ask(
        self,
        name: str = "pat",
        *,
        subject: str = "ex_1",
        content: str = PLAN,
        amounts: Mapping[str, int] | None = None,
        excluded: Mapping[str, str] | None = None,
    ) -> str:
        """A request for 125.00 USD unless told otherwise."""
        with self.work(name) as work:
            return ask_in(work, subject=subject, content=content, amounts=amounts, excluded=excluded)

    def decide(
        self, name: str, request_id: str, decision: Decision = Decision.APPROVED, comment: str = "", seen: str = PLAN
    ) -> RequestView:
        with self.work(name) as work:
            return approvals.decide(work, request_id, decision, comment, seen)

    def view(self, request_id: str, name: str = "ada") -> RequestView:
        with self.read(name) as reading:
            return approvals.request_view(reading, request_id)

    def approved(self, content: str = PLAN, subject: str = "ex_1") -> bool:
        """What the executor would be told."""
        with self.area.read(worker_actor(self.org)) as reading:
            return approvals.standing_approval(reading, "execution", subject, content) is not None

    def log(self) -> list[str]:
        """The verbs in the audit log about approvals and authority, oldest first."""
        about = audit_record.c.verb.like("approval.%") | audit_record.c.verb.like("authority.%")
        with self.area.read(system_actor(self.org)) as reading:
            mine = select(audit_record.c.verb).where(audit_record.c.org == self.org, about)
            return [row.verb for row in reading.rows(mine.order_by(audit_record.c.id))]

    def tamper(self, request_id: str, **values: object) -> None:
        """What somebody with the database in hand could do to a request's row."""
        with self.area.work(system_actor(self.org)) as work:
            one = (approval_request.c.org_id == self.org, approval_request.c.id == request_id)
            work.execute(approval_request.update().where(*one).values(**values))


def ask_in(
    work: Work,
    *,
    subject: str = "ex_1",
    content: str = PLAN,
    amounts: Mapping[str, int] | None = None,
    excluded: Mapping[str, str] | None = None,
) -> str:
    return approvals.request(
        work,
        subject_kind="execution",
        subject_id=subject,
        content_hash=content,
        item_type=PAYOUT,
        title="Stripe balance payout EX-2026-0001",
        summary={"number": "EX-2026-0001", "rows": 1},
        amounts={"USD": 12500} if amounts is None else amounts,
        excluded=excluded or {},
    )


def open_office(folder: Path, url: str) -> Office:
    heard: list[Event] = []
    listeners = {event: [lambda _work, news: heard.append(news)] for event in NEWS}
    area = area_desk(folder, url, listeners)
    area.units = replace(area.units, resolve=security.permissions_of)
    with area.work(system_actor()) as work, work.across_orgs("a test makes its organisation"):
        security.ensure_roles(work)
        org = reference.add_organisation(
            work, slug="harbour", name="Harbour", base_currency="USD", country="US", zone="UTC", locale="en_US"
        )
    office = Office(area, org, {}, heard)
    office.hire("root", "administrator")
    office.hire("pat", "preparer")
    office.hire("ada", "approver")
    office.hire("max", "approver")
    office.allow("ada", 20_000)
    office.allow("max", None, approvals.ANY_CURRENCY)
    return office


def on_behalf(person_id: str, org: str) -> Actor:
    """The worker, acting for somebody."""
    return Actor("service:worker", org, Via.WORKER, on_behalf_of=person_id)
