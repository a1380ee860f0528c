"""The job that rehearses a plan: a throw-away database and a throw-away sandbox in a private folder, the real batch.

What is rehearsed is the code that will run: ``Batch`` over the same rows, the SDK, HTTP on loopback, commits to disk.
"""

import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import select

from finops_core.adapters.stripe_currencies import to_api
from finops_core.adapters.stripe_sandbox import faults
from finops_core.adapters.stripe_sandbox.accounts import Bank, NewAccount, open_account
from finops_core.adapters.stripe_sandbox.faults import Fault, FaultKind
from finops_core.adapters.stripe_sandbox.seeding import Funding, fund
from finops_core.adapters.stripe_sandbox.server import SandboxServer, listen
from finops_core.adapters.stripe_sandbox.store import Store
from finops_core.connections.models import connection
from finops_core.kernel.actor import worker_actor
from finops_core.kernel.clock import SystemClock
from finops_core.kernel.money import Money
from finops_core.kernel.operation import Plan
from finops_core.operations.models import execution
from finops_core.payouts import queries, results, rules, service
from finops_core.payouts.batch import Batch
from finops_core.payouts.planning import order_of
from finops_core.payouts.rehearsal import Trouble, asked, keep
from finops_core.payouts.rules import DOUBTFUL
from finops_core.payouts.running import Rail, ordering
from finops_core.payouts.stage import Died, Mortal, Stage, set_stage
from finops_core.platform.ports import PayoutProvider, ProviderCredentials
from finops_core.platform.queue import Claim
from finops_core.platform.work import Units
from finops_core.reference.models import organisation

KEY = "sk_test_rehearsal0001"
OWN = "acct_sbx_rehearsal"
START_S = 20.0
_KINDS: Mapping[Trouble, tuple[FaultKind, int]] = {
    Trouble.ANSWER_LOST: (FaultKind.RESET_AFTER, 1),
    Trouble.CALL_LOST: (FaultKind.RESET_BEFORE, 1),
    Trouble.SERVER_ERROR: (FaultKind.ERROR_AFTER, 1),
    Trouble.TOO_FAST: (FaultKind.RATE_LIMIT, 2),
    Trouble.NO_MONEY: (FaultKind.BALANCE_INSUFFICIENT, 1),
    Trouble.KEY_REFUSED: (FaultKind.FORBIDDEN, 1),
}


def run_rehearsal(units: Units, claim: Claim) -> None:
    """The job: carry the plan out on a stage of its own, hold what the sandbox has against it, keep the outcome."""
    actor = worker_actor(claim.org_id)
    with units.read(actor) as reading:
        wanted = asked(reading, str(claim.payload["rehearsal_id"]))
        if wanted is None:
            return
        rehearsal, seen, plan = wanted
        mine = execution.c.org_id == reading.org_id, execution.c.id == seen.id
        rows = {
            "organisation": reading.first(select(organisation).where(organisation.c.id == reading.org_id)),
            "execution": reading.first(select(execution).where(*mine)),
            "connection": reading.first(
                select(connection).where(connection.c.org_id == reading.org_id, connection.c.id == plan.connection_id)
            ),
        }
    known = {name: dict(row._mapping) for name, row in rows.items() if row is not None}  # noqa: SLF001 - its public name
    with tempfile.TemporaryDirectory(prefix="tieout-rehearsal-") as folder:
        stage = set_stage(units.ports, Path(folder), known, seen.id, plan.as_plan())
        passed, outcome = perform(stage, Path(folder), rehearsal.troubles)
    with units.work(actor) as work:
        keep(work, rehearsal.id, passed=passed, outcome=outcome)


def perform(stage: Stage, folder: Path, troubles: Sequence[Trouble]) -> tuple[bool, Mapping[str, Any]]:
    """Carry the plan out with these troubles; whether it passed, and what is shown of it."""
    store = Store(folder / "sandbox.sqlite")
    try:
        _furnish(store, stage.plan)
        struck = _strike(store, stage, troubles)
        with _serving(store) as url:
            real = stage.ports.provider(ProviderCredentials("stripe", KEY, url))
            _pay(stage, real, struck)
        return _judge(stage, store, struck)
    finally:
        store.close()
        stage.units.database.close()


def _furnish(store: Store, plan: Plan) -> None:
    """Accounts, banks and balances as the plan saw them."""
    with store.transaction():
        accounts = sorted({row.account or OWN for row in plan.rows} | {OWN}, key=lambda name: name != OWN)
        for name in accounts:
            key, platform = (KEY, "") if name == OWN else ("", OWN)
            banks = _banks(plan, name)
            open_account(store, NewAccount(id=name, key=key, platform=platform, banks=banks, foreign=True))
        for row in plan.rows:
            available = Money.parse(str(row.body["available"]), row.currency).minor
            source = str(row.body["source_type"]) or "card"
            # Never less than the plan pays; what the provider's own amounts cannot say stays out of it.
            amount = to_api(row.currency, max(row.amount_minor, available - available % _COARSEST))
            fund(store, Funding(row.account or OWN, row.currency, amount, source))


_COARSEST = 100


def _banks(plan: Plan, account: str) -> tuple[Bank, ...]:
    """The bank accounts that the plan pays to from an account, once each."""
    found = {
        str(row.body["destination"]): Bank(row.currency.lower(), str(row.body["bank"]), id=str(row.body["destination"]))
        for row in plan.rows
        if (row.account or OWN) == account
    }
    return tuple(found.values())


def _strike(store: Store, stage: Stage, troubles: Sequence[Trouble]) -> Mapping[int, Trouble]:
    """Order each trouble for a paying row of its own, spread over the plan; row number -> trouble."""
    paying = [service.number_of(row) for row in stage.plan.rows if row.amount_minor]
    struck: dict[int, Trouble] = {}
    for index, trouble in enumerate(troubles):
        free = [number for number in paying if number not in struck]
        if not free:
            break
        number = free[(index + 1) * len(free) // (len(troubles) + 1) % len(free)]
        struck[number] = trouble
        if trouble in _KINDS:
            kind, times = _KINDS[trouble]
            where = {f"metadata[{rules.META_ITEM}]": rules.item_id(stage.execution_id, number)}
            faults.order(store, Fault(kind, where=where, times=times))
    return struck


def _pay(stage: Stage, real: PayoutProvider, struck: Mapping[int, Trouble]) -> None:
    """Prepare and settle; a worker that died is followed by another one."""
    rail = Rail("stripe", order_of)
    with stage.unit() as work:
        order = ordering(rail, stage.execution_id, stage.attempt, stage.plan.mode)
        rows = service.prepare(work, stage.execution_id, stage.attempt, stage.plan, real, order)
    dies_at = {row.key for row in rows if struck.get(row.row_no) is Trouble.WORKER_DIES}
    mortal: Any = Mortal(real, dies_at)
    for _ in range(len(dies_at) + 1):
        try:
            Batch(stage, mortal).settle(rows)
        except Died:
            stage.fence += 1
            with stage.unit() as work:
                rows = queries.batch(work, stage.execution_id, stage.attempt)
        else:
            break


def _judge(stage: Stage, store: Store, struck: Mapping[int, Trouble]) -> tuple[bool, Mapping[str, Any]]:
    """What the sandbox has against what was planned, item by item."""
    made: dict[str, int] = {}
    for document in store.documents("SELECT body FROM payout"):
        metadata = document["metadata"]
        item = str(metadata.get(rules.META_ITEM, "")) if isinstance(metadata, dict) else ""
        made[item] = made.get(item, 0) + 1
    with stage.unit() as work:
        rows = queries.batch(work, stage.execution_id, stage.attempt)
        views = queries.rows(work, stage.execution_id)
    twice = sorted(row.row_no for row in rows if made.get(row.item, 0) > 1)
    lost = sorted(row.row_no for row in rows if (row.state in rules.LIVE) is not (made.get(row.item, 0) > 0))
    open_ends = sorted(row.row_no for row in rows if row.state in DOUBTFUL)
    passed = not (twice or lost or open_ends) and sum(made.values()) == sum(row.state in rules.LIVE for row in rows)
    told = results.result_of(views, stage.attempt).message
    outcome = {
        "summary": f"{told} {'Nothing was paid twice and nothing was lost.' if passed else 'It did not go well.'}",
        "rows": [_shown(row, struck) for row in rows],
        "calls": len(store.connection.execute("SELECT seq FROM call").fetchall()),
        "twice": twice,
        "lost": lost,
        "in_doubt": open_ends,
        "log": stage.lines[-50:],
    }
    return passed, outcome


def _shown(row: queries.Unsettled, struck: Mapping[int, Trouble]) -> Mapping[str, Any]:
    # What was never begun met nothing, whatever was on order for it.
    trouble = struck.get(row.row_no) if row.first_sent_at is not None else None
    return {
        "no": row.row_no,
        "currency": row.currency,
        "amount": Money(row.amount_minor, row.currency).plain(),
        "state": row.state.value,
        "trouble": trouble.value if trouble else "",
    }


@contextmanager
def _serving(store: Store) -> Iterator[str]:
    """The sandbox on a free port of this machine, in a thread, for as long as the block lasts."""
    listener = listen(0)
    server = SandboxServer(store)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="rehearsal", daemon=True)
    thread.start()
    try:
        _await(lambda: server.started or not thread.is_alive())
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(START_S)
        listener.close()


def _await(holds: Callable[[], bool]) -> None:
    clock = SystemClock()
    end = clock.monotonic() + START_S
    while not holds() and clock.monotonic() < end:
        clock.sleep(0.005)
