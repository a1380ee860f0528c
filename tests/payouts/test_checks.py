"""The standing checks: each is silent over payouts as they should be, and finds damage planted in the database.

The damage is done past the guards, looked at in the same transaction, and rolled back.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, delete, func, insert, select, update

from finops_core import operations, payouts, security
from finops_core.adapters.stripe_sandbox.faults import Fault, FaultKind
from finops_core.approvals.models import approval_decision
from finops_core.audit.models import audit_record
from finops_core.catalog.checks import CHECKS
from finops_core.kernel.actor import worker_actor
from finops_core.operations.models import execution, plan, plan_row
from finops_core.payouts.checks import TOLERANCE, _every
from finops_core.payouts.models import payout, payout_call, provider_news
from finops_core.platform.db import open_owner_engine
from finops_core.platform.work import Reading
from tests.clocks import HurriedClock
from tests.payouts.walks import HARBOUR, act, again, rows_of, violations
from tests.tampering import unguard
from tests.world import World, running_world

AN_HOUR, A_DAY, A_SECOND = timedelta(hours=1), timedelta(days=1), timedelta(seconds=1)


@dataclass(frozen=True)
class Town:
    """A batch of two rows: the first paid and given back, the second refused, then paid by an approved retry."""

    world: World
    execution_id: str

    @contextmanager
    def damaged(self, damage: Callable[[Connection, str], object]) -> Iterator[Mapping[str, list[str]]]:
        """What the checks say while the damage stands."""
        engine = open_owner_engine(self.world.desk.settings)
        actor = worker_actor(self.world.orgs["harbour"])
        with engine.connect() as connection:
            unguard(connection)
            damage(connection, self.execution_id)
            reading = Reading(connection, actor, frozenset({actor.org_id}), self.world.desk.ports)
            reading.permissions = security.permissions_of(reading)
            found = {check.id: check.find(reading) for check in CHECKS.values()}
            connection.rollback()
        engine.dispose()
        yield {name: told for name, told in found.items() if told}


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def town(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    folder: Path = tmp_path_factory.mktemp("checks")
    if request.param == "sqlite":
        with running_world(folder, "", HurriedClock()) as world:
            yield built(world)
        return
    server = request.getfixturevalue("postgres")
    with server.database() as url, running_world(folder, url, HurriedClock()) as world:
        yield built(world)


def built(world: World) -> Town:
    seen = world.approved("currency,maximum\nUSD,100.00\nEUR,100.00\n")
    world.sandbox.control.fault(Fault(FaultKind.RATE_LIMIT), Fault(FaultKind.BALANCE_INSUFFICIENT, nth=2))
    world.work_off()
    act(world, payouts.retry, seen.id)
    assert again(world, seen.id).state is operations.State.COMPLETED
    first, _ = rows_of(world, seen.id)
    world.sandbox.control.transition(first.provider_id, "in_transit", "paid", "failed", account=HARBOUR)
    world.follow()
    world.run_job("payouts.reconcile")
    world.run_job("ledger.number")
    return Town(world, seen.id)


# --- damage: each is one statement that somebody, or a mistake of ours, could run


def of(execution_id: str, row_no: int, attempt: int = 1) -> Any:
    return (payout.c.execution_id == execution_id) & (payout.c.row_no == row_no) & (payout.c.attempt == attempt)


def set_payout(row_no: int, attempt: int = 1, /, **values: Any) -> Callable[[Connection, str], object]:
    return lambda db, ex: db.execute(update(payout).where(of(ex, row_no, attempt)).values(**values))


def set_calls(row_no: int, **values: Any) -> Callable[[Connection, str], object]:
    """The first call about a row."""

    def damage(db: Connection, ex: str) -> None:
        mine = select(payout.c.id).where(of(ex, row_no)).scalar_subquery()
        first = select(func.min(payout_call.c.id)).where(payout_call.c.payout_id == mine).scalar_subquery()
        assert db.execute(update(payout_call).where(payout_call.c.id == first).values(**values)).rowcount == 1

    return damage


def a_later_row_of_a_worker_that_had_lost_the_run(db: Connection, ex: str) -> None:
    """The calls about the first row were made by a later holder of the run than those about the second."""
    mine = select(payout.c.id).where(of(ex, 1)).scalar_subquery()
    assert db.execute(update(payout_call).where(payout_call.c.payout_id == mine).values(fence=9)).rowcount > 0


def set_plan(attempt: int = 1, **values: Any) -> Callable[[Connection, str], object]:
    mine = plan.c.attempt == attempt
    return lambda db, ex: db.execute(update(plan).where(plan.c.execution_id == ex, mine).values(**values))


def a_cent_less_was_approved(db: Connection, ex: str) -> None:
    plans = select(plan.c.id).where(plan.c.execution_id == ex)
    less = plan_row.c.amount_minor - 1
    assert db.execute(update(plan_row).where(plan_row.c.plan_id.in_(plans)).values(amount_minor=less)).rowcount == 3


def a_call_before_its_intent(db: Connection, ex: str) -> None:
    sent_at = db.execute(select(payout.c.first_sent_at).where(of(ex, 1))).scalar_one()
    set_calls(1, at=sent_at - AN_HOUR)(db, ex)


def an_approval_of_something_else(db: Connection, _ex: str) -> None:
    assert db.execute(update(approval_decision).values(content_hash="0" * 64)).rowcount == 2


def no_approval(db: Connection, _ex: str) -> None:
    assert db.execute(delete(approval_decision)).rowcount == 2


def a_refusal_in_its_place(db: Connection, _ex: str) -> None:
    assert db.execute(update(approval_decision).values(decision="rejected")).rowcount == 2


def an_old_approval(db: Connection, _ex: str) -> None:
    at = db.execute(select(func.min(approval_decision.c.at))).scalar_one()
    db.execute(update(approval_decision).values(at=at - A_DAY - AN_HOUR))


def an_approval_before_the_sending(by: timedelta) -> Callable[[Connection, str], object]:
    """Of the last attempt; those of others are older still."""

    def damage(db: Connection, ex: str) -> None:
        db.execute(update(approval_decision).values(at=_sent_at(db, ex) - by))

    return damage


def a_stop_before_the_sending(by: timedelta = timedelta(minutes=1)) -> Callable[[Connection, str], object]:
    def damage(db: Connection, ex: str) -> None:
        db.execute(update(execution).where(execution.c.id == ex).values(stopped_at=_sent_at(db, ex) - by))

    return damage


def _sent_at(db: Connection, ex: str) -> Any:
    return db.execute(select(payout.c.first_sent_at).where(of(ex, 2, 2))).scalar_one()


def _records(db: Connection, ex: str) -> list[Any]:
    about = db.execute(select(payout.c.id).where(of(ex, 1))).scalar_one()
    mine = audit_record.c.object == f"payout:{about}"
    return list(db.execute(select(audit_record.c.id, audit_record.c.body).where(mine).order_by(audit_record.c.id)))


def a_change_that_is_not_in_the_log(db: Connection, ex: str) -> None:
    assert db.execute(delete(audit_record).where(audit_record.c.id == _records(db, ex)[1].id)).rowcount == 1


def a_change_that_is_in_the_log_twice(db: Connection, ex: str) -> None:
    last = _records(db, ex)[-1]
    db.execute(insert(audit_record).values(id=f"{last.id}x", body=last.body.replace(last.id, f"{last.id}x")))


def paid_long_ago_and_nowhere(db: Connection, ex: str) -> None:
    sent_at = db.execute(select(payout.c.first_sent_at).where(of(ex, 2, 2))).scalar_one()
    told: dict[str, Any] = {"state": "paid", "paid_at": sent_at - 12 * A_DAY, "net_minor": None, "reconciled_at": None}
    set_payout(2, 2, **told)(db, ex)


def news_of_a_second_payout(state: str) -> Callable[[Connection, str], object]:
    """That carries the first row; ``state``: what became of the news."""

    def damage(db: Connection, ex: str) -> None:
        row = db.execute(select(payout.c.org_id, payout.c.connection_id, payout.c.created_at).where(of(ex, 1))).one()
        told = {"event_id": "evt_x", "kind": "payout.paid", "account": "", "payout_id": "po_x", "body": b""}
        at = {"told_at": row.created_at, "received_at": row.created_at, "done_at": row.created_at}
        mine = {"org_id": row.org_id, "id": "news_x", "connection_id": row.connection_id, "item": f"{ex}:1"}
        db.execute(insert(provider_news).values(**mine, **told, **at, state=state))

    return damage


DAMAGE: Mapping[str, tuple[str, Callable[[Connection, str], object]]] = {
    "a refused row that exists after all": ("I1", set_payout(2, state="created")),
    "a refused row that nobody is sure of any more": ("I1", set_payout(2, state="in_doubt")),
    "a cent more was paid": ("I2", set_payout(2, 2, amount_minor=10_001)),
    "a cent less was approved": ("I2", a_cent_less_was_approved),
    "a call before its intent": ("I3", a_call_before_its_intent),
    "a call without any intent": ("I3", set_payout(1, first_sent_at=None)),
    "another body": ("I4", set_calls(1, body_hash="0" * 64)),
    "another key": ("I4", set_payout(1, key="fod-" + "0" * 40)),
    "another content under the same key": ("I4", set_payout(1, row_hash="0" * 64)),
    "a retry of what was paid": ("I5", set_payout(2, state="paid")),
    "an approval of something else": ("I5", an_approval_of_something_else),
    "no approval at all": ("I5", no_approval),
    "a refusal in place of an approval": ("I5", a_refusal_in_its_place),
    "a completed execution in doubt": ("I6", set_payout(2, 2, state="in_doubt")),
    "a completed execution with a row for a person": ("I6", set_payout(2, 2, state="needs_review")),
    "a completed execution whose first attempt is in doubt": ("I6", set_payout(2, state="needs_review")),
    "a call of a worker that had lost the run": ("I7", set_calls(1, fence=9)),
    "a call for another row by a worker that had lost the run": ("I7", a_later_row_of_a_worker_that_had_lost_the_run),
    "a state the log does not know": ("I8", set_payout(1, state="paid")),
    "a change that is not in the log": ("I8", a_change_that_is_not_in_the_log),
    "a change that is in the log twice": ("I8", a_change_that_is_in_the_log_twice),
    "sent after the stop": ("I9", a_stop_before_the_sending()),
    "sent a little after the stop": ("I9", a_stop_before_the_sending(TOLERANCE + A_SECOND)),
    "planned for another mode": ("I10", set_plan(mode="live")),
    "approved with another key": ("I10", set_plan(2, key_fingerprint="another")),
    "approved for another connection": ("I10", set_plan(connection_id=None)),
    "paid in another mode": ("I10", set_payout(1, mode="live")),
    "an approval that had aged out": ("I11", an_old_approval),
    "an approval that had aged out a little before": (
        "I11",
        an_approval_before_the_sending(A_DAY + TOLERANCE + A_SECOND),
    ),
    "a row paid twice under two numbers": ("I12", set_payout(2, state="created", row_no=3)),
    "a second payout for a row": ("unexpected", news_of_a_second_payout("unexpected")),
    "a second payout for a row that was taken for a stranger's": ("unexpected", news_of_a_second_payout("stranger")),
    "a statement of another amount": ("statement", set_payout(2, 2, net_minor=-10_001)),
    "reversed at the provider": ("statement", set_payout(2, 2, error_code="reversed")),
    "paid long ago, and not in the statement": ("statement", paid_long_ago_and_nowhere),
    "less came back than was paid": ("statement", set_payout(1, returned_minor=9_999)),
    "paid, and its money still on its way in the ledger": ("booked", set_payout(2, 2, state="paid")),
    "money that came back of a row that is on its way": ("statement", set_payout(2, 2, returned_minor=10_000)),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_planted_damage_is_found(town: Town, name: str):
    check, damage = DAMAGE[name]

    with town.damaged(damage) as told:
        assert f"payouts.{check}" in told, told
        assert all(town.execution_id in line or "EX-" in line for line in told[f"payouts.{check}"])
    assert violations(town.world) == {}


@pytest.mark.parametrize(
    "damage",
    [a_stop_before_the_sending(TOLERANCE), an_approval_before_the_sending(A_DAY + TOLERANCE)],
    ids=["stop", "approval"],
)
def test_clocks_that_disagree_by_a_little_are_no_violation(town: Town, damage: Callable[[Connection, str], object]):
    with town.damaged(damage) as told:
        assert told == {}


def test_every_check_of_payouts_is_among_those_that_were_seen_red(town: Town):
    assert violations(town.world) == {}
    # Of a fee the damage is in test_fees, where fees are booked.
    seen = {f"payouts.{check}" for check, _ in DAMAGE.values()} | {"payouts.fees"}
    assert seen == {name for name in CHECKS if "payouts." in name}


def test_keys_are_compared_a_page_at_a_time_and_none_is_left_out(town: Town):
    with town.world.desk.read(worker_actor(town.world.orgs["harbour"])) as reading:
        whole, paged = list(_every(reading)), list(_every(reading, page=2))

    assert [row.key for row in paged] == [row.key for row in whole]
    assert len(whole) == 3
