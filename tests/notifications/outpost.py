"""An organisation whose notices are forwarded to a real server on loopback, and the worker's part of it."""

import json
from dataclasses import dataclass, field
from datetime import timedelta

from finops_core import audit, notifications, security
from finops_core.kernel.actor import Actor, system_actor, worker_actor
from finops_core.kernel.clock import SystemClock
from finops_core.notifications import DISPATCH_JOB, DispatchView, EndpointView, Made
from finops_core.platform import queue
from finops_core.platform.queue import Claim
from tests.desks import AreaDesk, person_actor
from tests.listener import Listener

LEASE_S = 30
RETURNED, DONE = "payout.returned", "execution.completed"


@dataclass
class Outpost:
    """Short words for what happens to what is forwarded."""

    area: AreaDesk
    listener: Listener
    org: str = ""
    people: dict[str, str] = field(default_factory=dict)

    def move_in(self) -> None:
        with self.area.work(system_actor()) as work:
            security.ensure_roles(work)
        self.area.clock.advance(SystemClock().now() - self.area.clock.now())
        self.org = self.area.org()
        self.person("adam", self.org)

    def person(self, name: str, org: str) -> None:
        with self.area.work(system_actor(org)) as work:
            self.people[name] = security.add_person(work, name, name.title(), f"{name}@example.org")
            security.grant_role(work, self.people[name], "administrator", org)

    @property
    def adam(self) -> Actor:
        return person_actor(self.people["adam"], self.org)

    def add(self, path: str = "/hook", *kinds: str, channel: str = "webhook", actor: Actor | None = None) -> Made:
        with self.area.work(actor or self.adam) as work:
            return notifications.add_endpoint(
                work, channel=channel, name="Ledger", url=self.listener.url(path), kinds=kinds or (RETURNED,)
            )

    def tell(self, once: str = "1", kind: str = RETURNED, org: str = "", *names: str, **facts: object) -> None:
        given = {"title": "100.00 USD came back", **facts}
        with self.area.work(worker_actor(org or self.org)) as work:
            told = [self.people[name] for name in names or ("adam",)]
            notifications.notify(work, told, kind, once=once, **given)  # type: ignore[arg-type]

    def claimed(self, owner: str = "worker", lease_s: float = LEASE_S) -> Claim | None:
        with self.area.work(worker_actor("")) as work:
            return queue.claim(work, owner, lease_s, (DISPATCH_JOB,))

    def carry(self, claim: Claim) -> None:
        notifications.forward(self.area.units, claim)
        with self.area.work(worker_actor("")) as work:
            queue.complete(work, claim)

    def round(self) -> None:
        """The schedule's round, whatever else is queued."""
        with self.area.work(worker_actor("")) as work:
            queue.enqueue(work, DISPATCH_JOB, {}, key="round")
        while (claim := self.claimed()) is not None:
            self.carry(claim)

    def later(self, seconds: float) -> None:
        self.area.clock.advance(timedelta(seconds=seconds))

    def log(self, endpoint_id: str = "", actor: Actor | None = None) -> list[DispatchView]:
        """Oldest first."""
        with self.area.read(actor or self.adam) as reading:
            return list(reversed(notifications.dispatch_log(reading, endpoint_id=endpoint_id, limit=1000).rows))

    def one(self) -> DispatchView:
        (only,) = self.log()
        return only

    def seen(self, made: Made) -> EndpointView:
        with self.area.read(self.adam) as reading:
            return notifications.endpoint_view(reading, made.endpoint_id)

    def trail(self, object_: str) -> list[str]:
        """What the audit log says was done to it, oldest first."""
        with self.area.read(system_actor(self.org)) as reading:
            return [each.verb.partition(".")[2] for each in audit.trail(reading, object_)]

    def notices(self) -> list[str]:
        with self.area.read(self.adam) as reading:
            return [each.title for each in notifications.unread(reading)]

    def bodies(self) -> list[str]:
        return [json.loads(each.body)["data"]["title"] for each in self.listener.got]
