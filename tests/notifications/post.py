"""An organisation with people who get mail, a real mail server, and the worker's part of its delivery."""

from dataclasses import dataclass, field
from datetime import timedelta

from finops_core import notifications, security
from finops_core.kernel.actor import system_actor, worker_actor
from finops_core.notifications import DELIVER_JOB, MailView
from finops_core.platform import queue
from finops_core.platform.queue import Claim
from tests.desks import AreaDesk, person_actor
from tests.mail_host import MailHost

LEASE_S = 30


@dataclass
class Post:
    """Short words for what happens to mail."""

    area: AreaDesk
    host: MailHost
    org: str = ""
    people: dict[str, str] = field(default_factory=dict)

    def move_in(self) -> None:
        with self.area.work(system_actor()) as work:
            security.ensure_roles(work)
        self.org = self.area.org()
        for name in ("ana", "ben", "adam"):
            self.person(name)

    def person(self, name: str, org: str = "", address: str = "", role: str = "administrator", title: str = "") -> str:
        org = org or self.org
        with self.area.work(system_actor(org)) as work:
            made = security.add_person(work, name, title or name.title(), address or f"{name}@example.org")
            security.grant_role(work, made, role, org)
        self.people[name] = made
        return made

    def tell(self, *names: str, once: str = "1", kind: str = "payout.returned", org: str = "", **facts: object) -> None:
        given = {"title": "100.00 USD came back", **facts}
        with self.area.work(worker_actor(org or self.org)) as work:
            told = [self.people[name] for name in names]
            notifications.notify(work, told, kind, once=once, **given)  # type: ignore[arg-type]

    def claimed(self, owner: str = "worker", lease_s: float = LEASE_S) -> Claim | None:
        with self.area.work(worker_actor("")) as work:
            return queue.claim(work, owner, lease_s, (DELIVER_JOB,))

    def carry(self, claim: Claim) -> None:
        notifications.deliver(self.area.units, claim)
        with self.area.work(worker_actor("")) as work:
            queue.complete(work, claim)

    def round(self) -> None:
        """The schedule's round, whatever else is queued."""
        with self.area.work(worker_actor("")) as work:
            queue.enqueue(work, DELIVER_JOB, {}, key="round")
        while (claim := self.claimed()) is not None:
            self.carry(claim)

    def later(self, seconds: float) -> None:
        self.area.clock.advance(timedelta(seconds=seconds))

    def mails(self, name: str = "ana", org: str = "") -> list[MailView]:
        with self.area.read(person_actor(self.people[name], org or self.org)) as reading:
            return list(notifications.mails(reading).rows)

    def mail(self, name: str = "ana") -> MailView:
        (one,) = self.mails(name)
        return one

    def notices(self, name: str, org: str = "") -> list[str]:
        with self.area.read(person_actor(self.people[name], org or self.org)) as reading:
            return [each.title for each in notifications.unread(reading)]
