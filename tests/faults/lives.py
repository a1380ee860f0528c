"""Lives of mortal processes, seen from outside: forked from a warmed server, waited for, and what they leave behind."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerContext, ForkServerProcess
from signal import SIGKILL
from typing import Any

from sqlalchemy import select

from finops_core import operations, payouts
from finops_core.kernel.actor import worker_actor
from finops_core.payouts import PayoutView
from finops_core.payouts.models import payout_call
from finops_core.worker.forking import PRELOAD
from tests.faults import mortal
from tests.faults.mortal import Fate
from tests.world import World

HARBOUR = "acct_sbx_harbour"
END_S = 240
KILLED = -SIGKILL


@dataclass
class Life:
    """One process and what it says."""

    process: ForkServerProcess
    pipe: Connection

    def wait(self) -> int:
        """Its exit code, -9 for one that was killed."""
        self.process.join(END_S)
        assert self.process.exitcode is not None, "it does not end"
        return self.process.exitcode

    def said(self) -> str:
        """What it said last, before it ended."""
        told = ""
        while self.pipe.poll():
            try:
                told = self.pipe.recv_bytes().decode()
            except EOFError:
                break
        return told


@contextmanager
def living(world: World, execution_id: str, fate: Fate) -> Iterator[Life]:
    """A process that carries an execution out, as far as its fate lets it; it is gone at the end of the block."""
    mine, theirs = _context().Pipe(duplex=False)
    org_id = world.orgs["harbour"]
    process = _context().Process(target=mortal.main, args=(theirs, world.desk.settings, fate, org_id, execution_id))
    process.start()
    theirs.close()
    try:
        yield Life(process, mine)
    finally:
        if process.exitcode is None:
            process.kill()
            process.join(END_S)
        mine.close()


def lived(world: World, execution_id: str, fate: Fate) -> tuple[int, str]:
    """How a process ended, and what it said before."""
    with living(world, execution_id, fate) as life:
        return life.wait(), life.said()


def _context() -> ForkServerContext:
    # The first use in this test process starts the server with these imported; later ones find them there.
    context = get_context("forkserver")
    context.set_forkserver_preload([*PRELOAD, "tests.faults.mortal"])
    return context


def call_was_kept(world: World, call_id: str) -> bool:
    """Whether the unit that kept this call was committed."""
    with world.desk.read(worker_actor(world.orgs["harbour"])) as reading:
        mine = payout_call.c.org_id == reading.org_id, payout_call.c.id == call_id
        return reading.scalar(select(payout_call.c.id).where(*mine)) is not None


def rows_of(world: World, execution_id: str) -> tuple[PayoutView, ...]:
    with world.desk.read(worker_actor(world.orgs["harbour"])) as reading:
        return payouts.rows(reading, execution_id)


def made_for(world: World, execution_id: str) -> list[dict[str, Any]]:
    """Every payout the provider has ever made for an execution, oldest first."""
    made = world.sandbox.control.payouts(HARBOUR)
    return [each for each in reversed(made) if each["metadata"].get("fod_exec") == execution_id]


def planned(world: World, execution_id: str) -> list[tuple[str, int]]:
    """Currency and amount of each row of the plan that pays, as the approver saw them."""
    with world.desk.read(worker_actor(world.orgs["harbour"])) as reading:
        plan = operations.plan(reading, execution_id)
    assert plan is not None
    return sorted((row.currency.lower(), row.amount_minor) for row in plan.rows if row.amount_minor)


def paid(world: World, execution_id: str) -> list[tuple[str, int]]:
    return sorted((each["currency"], each["amount"]) for each in made_for(world, execution_id))
