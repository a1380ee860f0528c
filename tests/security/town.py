"""Two organisations with people in them, over a real database and with real grants: each unit looks them up anew."""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from sqlalchemy import select

from finops_core import reference, security
from finops_core.audit.models import audit_record
from finops_core.kernel.actor import Actor, Via, system_actor
from finops_core.kernel.clock import ManualClock
from finops_core.platform.db import open_database
from finops_core.platform.settings import Settings
from finops_core.platform.work import Reading, UnitFactory, Work
from tests.desks import START, lay_out, ports_for, settings_for

PASSWORD = "correct horse battery"
ADDRESS = "192.0.2.7"


@dataclass
class Town:
    """A small installation: organisations `harbour` and `norrland`."""

    settings: Settings
    clock: ManualClock
    units: UnitFactory
    orgs: dict[str, str] = field(default_factory=dict)
    people: dict[str, str] = field(default_factory=dict)

    def work(self, actor: Actor) -> AbstractContextManager[Work]:
        return self.units.work(actor)

    def read(self, actor: Actor, *orgs: str) -> AbstractContextManager[Reading]:
        return self.units.read(actor, frozenset(self.orgs[org] for org in orgs))

    def system(self, org: str = "") -> Actor:
        return system_actor(self.orgs[org] if org else "")

    def person(self, username: str, **roles: str) -> str:
        """Add somebody: `person("ana", harbour="preparer approver")`."""
        with self.work(system_actor()) as work:
            person_id = security.add_person(work, username, username.title(), f"{username}@example.com", PASSWORD)
            for org, held in roles.items():
                for role in held.split():
                    security.grant_role(work, person_id, role, self.orgs[org])
        self.people[username] = person_id
        return person_id

    def actor(self, username: str, org: str = "harbour", session_id: str | None = None) -> Actor:
        return Actor(self.people[username], self.orgs[org], Via.PAGE, session_id=session_id)

    def sign_in(
        self, username: str, password: str = PASSWORD, address: str = ADDRESS
    ) -> security.SignedIn | security.SignInRefused:
        with self.read(security.visitor()) as reading:
            proof = security.prove(reading, username, password, address)
        with self.work(security.visitor()) as work:
            return security.admit(work, proof)

    def signed_in(self, username: str) -> security.SignedIn:
        outcome = self.sign_in(username)
        assert isinstance(outcome, security.SignedIn), outcome
        return outcome

    def refused(self, username: str, password: str = PASSWORD, address: str = ADDRESS) -> security.SignInRefused:
        outcome = self.sign_in(username, password, address)
        assert isinstance(outcome, security.SignInRefused), outcome
        return outcome

    def permissions(self, actor: Actor) -> frozenset[str]:
        with self.read(actor) as reading:
            return reading.permissions

    def session(self, session_id: str) -> security.SessionView | None:
        with self.read(security.visitor()) as reading:
            return security.session_of(reading, session_id=session_id)

    def wait(self, **how_long: float) -> None:
        self.clock.advance(timedelta(**how_long))

    def log(self, verb: str = "") -> list[str]:
        """The bodies of the audit records, oldest first."""
        wanted = select(audit_record.c.body).order_by(audit_record.c.id)
        with self.read(system_actor()) as reading:
            bodies = reading.execute(wanted.where(audit_record.c.verb == verb) if verb else wanted).scalars()
            return list(bodies)


def town(folder: Path, url: str, **overrides: object) -> Town:
    """Over a fresh database: SQLite in the folder, or the one at ``url``."""
    settings = settings_for(folder, url, **overrides)
    lay_out(folder, url)
    clock = ManualClock(START)
    units = UnitFactory(open_database(settings), ports_for(settings, clock), {}, security.permissions_of)
    made = Town(settings, clock, units)
    with made.work(system_actor()) as work:
        security.ensure_roles(work)
        for slug, currency in (("harbour", "USD"), ("norrland", "EUR")):
            made.orgs[slug] = reference.add_organisation(
                work, slug=slug, name=slug.title(), base_currency=currency, country="US", zone="UTC", locale="en_US"
            )
    return made


def bytes_at_rest(folder: Path) -> Mapping[str, bytes]:
    """Every file of an embedded database, journals too."""
    return {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
