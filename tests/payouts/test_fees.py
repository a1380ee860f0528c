"""What a provider takes for a payout is in the books once its statement shows it, and never twice."""

import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest
from sqlalchemy import select, update

from finops_core import ledger
from finops_core.kernel.actor import worker_actor
from finops_core.kernel.money import Money
from finops_core.kernel.provider import Movement
from finops_core.ledger import Terms
from finops_core.ledger.models import ledger_journal
from finops_core.payouts import PayoutView, fees, settlement
from finops_core.payouts.models import payout
from tests.payouts.test_bookkeeping import move, paid, trial
from tests.payouts.walks import violations
from tests.tampering import tamper
from tests.world import World

# Time for another thread to come as far as it can while a unit is open.
BEGUN_S = 0.7
ON_ITS_WAY = {"1020 USD": 10_000, "1030 USD": -10_000, "1020 EUR": 20_000, "1030 EUR": -20_000}


def out(row: PayoutView, fee: int) -> Movement:
    """What the statement shows of a payout that left."""
    minor = row.amount_minor
    return Movement(f"txn_{row.id}", row.provider_id, row.currency, -minor, fee, -minor - fee, row.updated_at)


def back(row: PayoutView, fee: int) -> Movement:
    minor = row.amount_minor
    return Movement(f"txn_back_{row.id}", row.provider_id, row.currency, minor, fee, minor - fee, row.updated_at)


def unstated(world: World) -> tuple[PayoutView, ...]:
    """Paid payouts that no statement has shown yet: the sandbox's own, which takes no fee, has come at once."""
    rows = paid(world)
    forget = "UPDATE payout SET net_minor = NULL, fee_minor = NULL, reconciled_at = NULL, movement_id = ''"
    assert tamper(world.desk.settings, forget) == len(rows)
    return rows


def stated(world: World, row: PayoutView, *movements: Movement) -> int:
    with world.desk.work(worker_actor(world.orgs["harbour"])) as work:
        stored = work.first(select(payout).where(payout.c.org_id == work.org_id, payout.c.id == row.id))
        assert stored is not None
        return settlement.confirm(work, stored.connection_id, stored.account, movements)


def documents(world: World, row: PayoutView) -> list[str]:
    """Kinds of the entries that name a payout, oldest first."""
    with world.desk.read(worker_actor(world.orgs["harbour"])) as reading:
        mine = ledger_journal.c.org_id == reading.org_id, ledger_journal.c.source_id == row.id
        return [each.source_kind for each in reading.rows(select(ledger_journal).where(*mine).order_by("id"))]


def test_a_fee_leaves_the_cash_at_the_provider_once_its_statement_shows_it(both: World):
    first, _ = unstated(both)

    assert stated(both, first, out(first, 25)) == 1
    assert stated(both, first, out(first, 25)) == 0

    assert trial(both) == {**ON_ITS_WAY, "1020 USD": 10_025, "5010 USD": -25}
    assert documents(both, first) == ["payout", "payout_fee"]
    assert violations(both) == {}


def test_two_looks_at_one_statement_at_the_same_time_book_its_fee_once(both: World):
    first, _ = unstated(both)
    actor = worker_actor(both.orgs["harbour"])

    with ThreadPoolExecutor(1) as pool:
        with both.desk.work(actor) as work:
            stored = work.first(select(payout).where(payout.c.org_id == work.org_id, payout.c.id == first.id))
            assert settlement.confirm(work, stored.connection_id, stored.account, [out(first, 25)]) == 1
            second = pool.submit(stated, both, first, out(first, 25))
            time.sleep(BEGUN_S)
        assert second.result() == 0

    assert documents(both, first) == ["payout", "payout_fee"]
    assert violations(both) == {}


def test_two_that_book_what_is_missing_at_the_same_time_book_it_once(both: World):
    first, _ = unstated(both)
    with both.desk.work(worker_actor(both.orgs["harbour"])) as work:
        mine = payout.c.org_id == work.org_id, payout.c.id == first.id
        work.execute(update(payout).where(*mine).values(fee_minor=25, net_minor=-first.amount_minor - 25))
    missing = partial(fees._book_some, both.desk, both.orgs["harbour"])

    with ThreadPoolExecutor(2) as pool:
        done = [pool.submit(missing) for _ in range(2)]
        assert max(each.result() for each in done) == 1

    assert documents(both, first) == ["payout", "payout_fee"]


def test_of_no_fee_there_is_no_entry(world: World):
    first, _ = unstated(world)

    assert stated(world, first, out(first, 0)) == 1

    assert trial(world) == ON_ITS_WAY
    assert documents(world, first) == ["payout"]


def test_a_fee_that_comes_back_with_the_money_is_taken_back(world: World):
    first, _ = unstated(world)
    stated(world, first, out(first, 25))
    move(world, first, "failed")

    stated(world, first, out(first, 25), back(first, -25))

    assert trial(world) == {"1020 EUR": 20_000, "1030 EUR": -20_000}


def test_fees_shown_before_the_ledger_kept_any_are_booked_afterwards_and_once(world: World):
    first, _ = unstated(world)
    assert tamper(
        world.desk.settings, "UPDATE payout SET fee_minor = 25, net_minor = -10025 WHERE amount_minor = 10000"
    )
    assert violations(world) == {}, "what was shown before is the job's to book"

    for _ in range(2):
        fees.book_missing(world.desk, None)  # type: ignore[arg-type]

    assert trial(world)["5010 USD"] == -25
    assert documents(world, first) == ["payout", "payout_fee"]


def test_an_operation_that_names_a_fee_is_none(world: World):
    first, _ = unstated(world)
    with world.desk.work(world.actor("ana")) as work:
        wallet = ledger.open_wallet(work, "party_lumen", "USD")
        ledger.deposit(work, wallet, Money(1, "USD"), Terms(source=(fees.SOURCE, first.id)))
    change = "UPDATE payout SET fee_minor = 25, net_minor = -10025 WHERE amount_minor = 10000"
    assert tamper(world.desk.settings, change)

    fees.book_missing(world.desk, None)  # type: ignore[arg-type]

    assert trial(world)["5010 USD"] == -25


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE payout SET fee_minor = 24, net_minor = -10024 WHERE amount_minor = 10000",
        "DELETE FROM ledger_journal WHERE source_kind = 'payout_fee' AND source_id = '{second}'",
    ],
)
def test_a_fee_that_differs_or_is_gone_is_found(world: World, damage: str):
    first, second = unstated(world)
    for row in (first, second):
        stated(world, row, out(row, 25))
    assert violations(world) == {}

    assert tamper(world.desk.settings, damage.format(second=second.id), foreign_keys=False)

    assert "payouts.fees" in violations(world)
