"""Small words for walks through operations, and moments at which something happens in between."""

from dataclasses import replace

import pytest

from finops_core import audit, operations
from finops_core.desk import Desk
from finops_core.kernel.actor import system_actor, worker_actor
from finops_core.kernel.errors import FinOpsError
from finops_core.operations import engine
from finops_core.platform import queue
from tests.tampering import tamper
from tests.world import World

HARBOUR = "acct_sbx_harbour"
USD = "currency\nUSD\n"
TOTALS = "reporting.csv_totals"
AMOUNTS = "currency,amount\nEUR,12.50\nEUR,0.50\n"


def code_of(call, *args: object, **named: object) -> str:
    with pytest.raises(FinOpsError) as refused:
        call(*args, **named)
    return refused.value.code


def verbs(world: World, org: str = "harbour") -> list[str]:
    with world.desk.read(system_actor(world.orgs[org])) as reading:
        return [row.verb for row in audit.records(reading, newest_first=False, limit=1000).rows]


def paid(world: World) -> list[dict[str, object]]:
    return world.sandbox.control.payouts(HARBOUR)


def act(world: World, verb, execution_id: str, *args: object, who: str = "ana", org: str = "harbour"):
    """One verb of operations, as a person."""
    with world.desk.work(world.actor(who, org)) as work:
        return verb(work, execution_id, *args)


def stopped_after_the_first(world: World, csv: str) -> str:
    """An execution whose stop comes while its first payout is under way."""
    seen = world.approved(csv)
    watching = Stopping(world, seen.id)
    provider = world.desk.ports.provider
    ports = replace(world.desk.ports, provider=lambda credentials: watching.over(provider(credentials)))
    replace(world, desk=Desk(world.desk.settings, world.desk.database, ports)).work_off()
    return seen.id


class Stopping:
    """A provider during whose first payout somebody asks the run to stop."""

    def __init__(self, world: World, execution_id: str) -> None:
        self.world, self.execution_id, self.real = world, execution_id, None

    def over(self, real: object) -> "Stopping":
        self.real = real
        return self

    def __getattr__(self, name: str):
        return getattr(self.real, name)

    def submit(self, account: str, body: bytes, key: str):
        answer = self.real.submit(account, body, key)
        if not self.world.execution(self.execution_id).stop_requested:
            act(self.world, operations.cancel, self.execution_id, "wrong bank")
        return answer


class Cancelling(Stopping):
    """A provider that is asked for facts just when somebody cancels."""

    def facts(self, account: str):
        act(self.world, operations.cancel, self.execution_id)
        return self.real.facts(account)


def begin_and_die(world: World) -> None:
    """Claim the next run, begin it, and let the lease run out."""
    with world.desk.work(worker_actor("")) as work:
        claim = queue.claim(work, "dead", 0)
    assert claim is not None
    with world.desk.work(worker_actor(claim.org_id)) as work:
        assert engine.begin_run(work, claim) is not None
    tamper(world.desk.settings, "UPDATE job SET lease_until_ms = 0 WHERE state = 'leased'")


def begin_and_hold(world: World) -> None:
    with world.desk.work(worker_actor("")) as work:
        claim = queue.claim(work, "busy", 600)
    assert claim is not None
    with world.desk.work(worker_actor(claim.org_id)) as work:
        assert engine.begin_run(work, claim) is not None
