"""Small words for walks through payouts, and for what a run that died has left behind."""

import sqlite3
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import replace
from typing import Any

from finops_core import audit, operations, payouts
from finops_core.adapters.stripe_payouts import StripePayouts
from finops_core.catalog.checks import CHECKS
from finops_core.desk import Desk
from finops_core.kernel.actor import worker_actor
from finops_core.kernel.clock import ManualClock
from finops_core.ledger import numbering
from finops_core.operations import engine
from finops_core.operations.engine import Begun
from finops_core.operations.runner import Run
from finops_core.payouts import PayoutState, PayoutView, queries, service
from finops_core.payouts.operations import STRIPE
from finops_core.payouts.queries import Unsettled
from finops_core.payouts.running import ordering
from finops_core.platform import queue
from tests.tampering import tamper
from tests.world import World

HARBOUR = "acct_sbx_harbour"
HARBOUR_KEY = "rk_test_sbx_harbour_demo_0001"
USD = "currency\nUSD\n"
THREE = "currency\nUSD\nEUR\nGBP\n"
PATIENCE = 20


def rows_of(world: World, execution_id: str) -> tuple[PayoutView, ...]:
    """The last attempt of every row."""
    with world.desk.read(worker_actor(world.orgs["harbour"])) as reading:
        return tuple(row for row in payouts.rows(reading, execution_id) if row.newest)


def states(world: World, execution_id: str) -> list[str]:
    return [row.state.value for row in rows_of(world, execution_id)]


def steps(world: World, execution_id: str, row_no: int) -> list[str]:
    """What the log says became of a row."""
    (row,) = [row for row in rows_of(world, execution_id) if row.row_no == row_no]
    with world.desk.read(worker_actor(world.orgs["harbour"])) as reading:
        return [str(each["to"]) for each in audit.steps(reading, "payout.", row.sent_at)[f"payout:{row.id}"]]


def made(world: World, account: str = HARBOUR) -> list[tuple[str, int]]:
    """What exists at the provider, whatever became of it."""
    return sorted((payout["currency"], payout["amount"]) for payout in world.sandbox.control.payouts(account))


def alive(world: World) -> list[tuple[str, int]]:
    """What of it is on its way or arrived."""
    found = world.sandbox.control.payouts(HARBOUR)
    return sorted((p["currency"], p["amount"]) for p in found if p["status"] not in {"failed", "canceled"})


def provider(world: World) -> StripePayouts:
    return StripePayouts(world.sandbox.credentials(HARBOUR_KEY), 5)


def begin(world: World) -> Begun:
    """The next run, claimed and begun, as a worker does before it dies."""
    with world.desk.work(worker_actor("")) as work:
        claim = queue.claim(work, "first", 0)
    assert claim is not None
    with world.desk.work(worker_actor(claim.org_id)) as work:
        begun = engine.begin_run(work, claim)
    assert begun is not None
    return begun


def run_of(world: World, begun: Begun) -> Run:
    return Run(world.desk, begun, lambda _message: None, lambda: False)


def prepared(world: World, begun: Begun) -> tuple[Unsettled, ...]:
    """Its rows, stored and not sent."""
    seen = begun.execution
    assert begun.plan is not None
    with run_of(world, begun).unit() as work:
        order_of = ordering(STRIPE, seen.id, seen.attempt, begun.plan.mode)
        return service.prepare(work, seen.id, seen.attempt, begun.plan, provider(world), order_of)


def sent_and_died(world: World, begun: Begun, row: Unsettled, *, arrived: bool = True) -> None:
    """The intent was stored, the call made (or lost on the way), and the process died."""
    run = run_of(world, begun)
    with run.unit() as work:
        assert service.intend(work, row).state is PayoutState.SUBMITTING
    if arrived:
        provider(world).submit(row.account, service.body_of(run, row), row.key)


def resume(world: World) -> int:
    """Another worker takes up what the dead one has left."""
    tamper(world.desk.settings, "UPDATE job SET lease_until_ms = 0 WHERE state = 'leased'")
    return world.work_off()


def act(world: World, verb: Callable[..., Any], *args: Any, who: str = "ana", **named: Any) -> Any:
    """One verb, as a person."""
    with world.desk.work(world.actor(who)) as work:
        return verb(work, *args, **named)


def again(world: World, execution_id: str) -> operations.ExecutionView:
    """The new plan of an execution, made, submitted, approved and carried out."""
    world.work_off()
    seen = world.execution(execution_id)
    assert seen.state is operations.State.READY, seen.message
    act(world, operations.submit, seen.id, seen.plan_hash)
    world.decide(seen)
    world.work_off()
    return world.execution(execution_id)


def change_bank(world: World, currency: str) -> None:
    """Another bank account appears behind the one on file at the provider, under the same id and name."""
    with closing(sqlite3.connect(world.desk.settings.data_dir / "stripe-sandbox.sqlite")) as store, store:
        changed = store.execute(
            "UPDATE bank_account SET body = json_set(body, '$.fingerprint', 'another') WHERE currency = ?",
            (currency.lower(),),
        )
        assert changed.rowcount


def due_now(world: World) -> None:
    """Whatever waits for its time waits no more."""
    tamper(world.desk.settings, "UPDATE job SET run_at_ms = 0 WHERE state = 'queued'")


def worked_off(world: World, execution_id: str) -> operations.ExecutionView:
    """The execution once nothing more happens to it by itself, however slowly a busy machine's provider answers.

    An answer that comes after a short time-out is a reason to try again in a while; here that is at once.
    """
    for _ in range(PATIENCE):
        world.work_off()
        seen = world.execution(execution_id)
        if seen.state not in {operations.State.PLANNING, operations.State.RUNNING}:
            break
        due_now(world)
    return seen


def row_as_stored(world: World, execution_id: str, row_no: int = 1) -> Unsettled:
    with world.desk.read(worker_actor(world.orgs["harbour"])) as reading:
        return next(row for row in queries.newest_of(reading, execution_id) if row.row_no == row_no)


def violations(world: World) -> Mapping[str, list[str]]:
    """What the standing checks say, once the worker has numbered what was booked; nothing when all is well."""
    numbering.number_entries(world.desk, None)
    with world.desk.read(worker_actor(world.orgs["harbour"])) as reading:
        found = {check.id: check.find(reading) for check in CHECKS.values()}
    return {name: told for name, told in found.items() if told}


def clock_of(world: World) -> ManualClock:
    clock = world.desk.ports.clock
    assert isinstance(clock, ManualClock)
    return clock


def with_provider(world: World, wrap: Callable[[Any], Any]) -> World:
    """The same world, its provider seen through something."""
    real = world.desk.ports.provider
    ports = replace(world.desk.ports, provider=lambda credentials: wrap(real(credentials)))
    return replace(world, desk=Desk(world.desk.settings, world.desk.database, ports))
