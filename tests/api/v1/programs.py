"""People's programs: the API of a world on a real server on loopback, called with tokens."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import requests
from sqlalchemy import select

from finops_core import security
from finops_core.audit.models import audit_record
from finops_core.kernel.actor import system_actor
from tests.api.conftest import listening
from tests.desks import issued_token
from tests.world import World, company, running_world

ALL = "read run approve settle files audit ledger parties schedules"
FILE = "currency\nEUR\n"
PASSWORD = company()["password"]
STRIPE = "payouts.stripe_balance"


@dataclass
class Program:
    """A program of one person's."""

    base: str
    secret: str
    session: requests.Session = field(default_factory=requests.Session)

    def call(self, method: str, path: str, **more: Any) -> requests.Response:
        headers = {"Authorization": f"Bearer {self.secret}", **more.pop("headers", {})}
        return self.session.request(method, f"{self.base}{path}", headers=headers, timeout=30, **more)

    def get(self, path: str, **more: Any) -> requests.Response:
        return self.call("GET", path, **more)

    def post(self, path: str, body: object = None, key: str = "", **more: Any) -> requests.Response:
        headers = {"Idempotency-Key": key} if key else {}
        return self.call("POST", path, json=body, headers=headers, **more)

    def upload(self, content: bytes | str = FILE, name: str = "currencies.csv", key: str = "") -> requests.Response:
        headers = {"Idempotency-Key": key} if key else {}
        data = content.encode() if isinstance(content, str) else content
        return self.call("POST", "/files", params={"name": name}, data=data, headers=headers)

    def draft(self, content: str = FILE, key: str = "", **more: Any) -> requests.Response:
        return self.post("/executions", {"operation": STRIPE, "file": self.upload(content).json()["id"], **more}, key)


@dataclass
class Office:
    """A world, its API, and programs."""

    world: World
    url: str
    programs: dict[tuple[str, str, str], Program] = field(default_factory=dict)

    @property
    def base(self) -> str:
        return f"{self.url}/api/v1"

    def token(self, who: str, scopes: str = ALL, org: str = "harbour", **lasts: int) -> security.IssuedToken:
        with self.world.desk.work(self.world.actor(who, org)) as work:
            end = work.now + timedelta(**(lasts or {"days": 30}))
            return issued_token(work, who, PASSWORD, scopes.split(), end, f"{who}'s program")

    def program(self, who: str, scopes: str = ALL, org: str = "harbour") -> Program:
        """Somebody's program; the same one when it is asked for again."""
        key = (who, scopes, org)
        if key not in self.programs:
            self.programs[key] = Program(self.base, self.token(*key).secret)
        return self.programs[key]

    def log(self, verb: str) -> list[str]:
        wanted = select(audit_record.c.body).where(audit_record.c.verb == verb).order_by(audit_record.c.id)
        with self.world.desk.read(system_actor()) as reading:
            return list(reading.execute(wanted).scalars())


@contextmanager
def open_office(folder: Path, url: str = "", **overrides: object) -> Iterator[Office]:
    values = {"api_rate_per_s": 1_000, "api_burst": 10_000, **overrides}
    with running_world(folder, url, **values) as world, listening(world.desk) as served:
        yield Office(world, served)


def code_of(answer: requests.Response) -> tuple[int, str]:
    """Status and code of a problem."""
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    told = answer.json()
    assert told["status"] == answer.status_code
    assert told["type"] == f"urn:tieout:problem:{told['code']}"
    return answer.status_code, told["code"]
