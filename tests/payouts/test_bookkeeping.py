"""Every payout is in the ledger: from where the money lay, on its way, to where it arrives, and back."""

from collections import Counter
from typing import Any

import pytest
from sqlalchemy import select

from finops_core import ledger, operations, payouts
from finops_core.adapters.stripe_sandbox.accounts import Bank, NewAccount
from finops_core.kernel.actor import worker_actor
from finops_core.kernel.errors import FinOpsError
from finops_core.kernel.money import Money
from finops_core.ledger import Terms, chart
from finops_core.ledger.models import ledger_journal
from finops_core.payouts import PayoutView, bookkeeping, queries, service
from finops_core.payouts.models import payout
from finops_core.payouts.rules import PayoutState
from finops_core.platform.work import Work
from tests.payouts.test_bank_transfers import approved
from tests.payouts.walks import HARBOUR, rows_of, violations
from tests.tampering import tamper
from tests.world import World

TWO_CURRENCIES = "currency,maximum\nUSD,100.00\nEUR,200.00\n"


def trial(world: World) -> dict[str, int]:
    """Line of the chart and currency -> what it holds; a line that is back at zero is left out."""
    with world.desk.read(world.actor("carla")) as reading:
        lines = ledger.trial_balance(reading)
    sums = Counter[str]()
    for line in lines:
        sums[line.total.currency] += line.total.minor
    assert set(sums.values()) <= {0}
    return {f"{line.code} {line.total.currency}": line.total.minor for line in lines if line.total.minor}


def entries(world: World, row: PayoutView) -> list[Any]:
    with world.desk.read(worker_actor(world.orgs["harbour"])) as reading:
        wanted = ledger_journal.c.org_id == reading.org_id, ledger_journal.c.source_id == row.id
        return list(reading.rows(select(ledger_journal).where(*wanted).order_by(ledger_journal.c.id)))


def paid(world: World, csv: str = TWO_CURRENCIES) -> tuple[PayoutView, ...]:
    seen = world.approved(csv)
    world.work_off()
    return rows_of(world, seen.id)


def move(world: World, row: PayoutView, *states: str, account: str = HARBOUR) -> None:
    world.sandbox.control.transition(row.provider_id, *states, account=account)
    world.follow()


def test_money_leaves_the_provider_for_the_way_and_arrives_at_the_bank(both: World):
    first, second = paid(both)
    on_its_way = {"1020 USD": 10_000, "1030 USD": -10_000, "1020 EUR": 20_000, "1030 EUR": -20_000}
    assert trial(both) == on_its_way

    move(both, first, "in_transit", "paid")

    arrived = {"1020 USD": 10_000, "1010 USD": -10_000, "1020 EUR": 20_000, "1030 EUR": -20_000}
    assert trial(both) == arrived
    assert [entry.type for entry in entries(both, first)] == ["JOURNAL", "JOURNAL"]
    assert [(entry.source_kind, entry.source_id) for entry in entries(both, second)] == [("payout", second.id)]
    assert violations(both) == {}


@pytest.mark.parametrize("states", [("failed",), ("in_transit", "failed"), ("in_transit", "paid", "failed")])
def test_what_comes_back_is_where_it_was(world: World, states: tuple[str, ...]):
    first, _ = paid(world)

    move(world, first, *states)

    assert trial(world) == {"1020 EUR": 20_000, "1030 EUR": -20_000}
    assert violations(world) == {}


def test_what_was_never_made_is_in_no_entry(world: World):
    seen = world.approved(TWO_CURRENCIES)
    with world.desk.work(world.actor("ana")) as work:
        operations.cancel(work, seen.id, "a mistake")
    world.work_off()

    assert trial(world) == {}


def test_a_bank_file_takes_money_of_the_own_bank_to_outside(world: World):
    approved(world)
    world.work_off()

    # 1,250.00 and 480.50 are with the bank, not yet with the payees.
    assert trial(world) == {"1010 EUR": 173_050, "1030 EUR": -173_050}
    assert violations(world) == {}


def test_what_a_connected_account_is_paid_is_not_at_the_own_bank(world: World):
    world.sandbox.control.open(NewAccount("", "acct_sbx_nordwind", platform=HARBOUR, banks=(Bank("usd"),)))
    world.sandbox.control.fund(5_000, account="acct_sbx_nordwind")
    (row,) = paid(world, "currency,account,maximum\nUSD,acct_sbx_nordwind,10.00\n")
    move(world, row, "in_transit", "paid", account="acct_sbx_nordwind")

    assert trial(world) == {"1020 USD": 1_000, "1090 USD": -1_000}
    assert violations(world) == {}


def test_the_own_account_named_by_its_id_is_the_own_account(world: World):
    (row,) = paid(world, f"currency,account,maximum\nUSD,{HARBOUR},10.00\n")
    move(world, row, "in_transit", "paid")

    assert trial(world) == {"1020 USD": 1_000, "1010 USD": -1_000}


def test_a_stop_of_all_money_does_not_keep_the_books_from_what_has_happened(world: World):
    first, _ = paid(world)
    with world.desk.work(world.actor("carla")) as work:
        ledger.stop(work, ledger.StopWidth.ALL, "drift found")

    move(world, first, "in_transit", "paid")

    assert trial(world)["1010 USD"] == -10_000


def test_a_move_that_somebody_else_made_first_is_booked_once(world: World):
    first, _ = paid(world)
    with world.desk.read(worker_actor(world.orgs["harbour"])) as reading:
        row = queries.unsettled(
            reading.rows(select(payout).where(payout.c.org_id == reading.org_id, payout.c.id == first.id))[0]
        )

    def arrive(work: Work) -> None:
        service._move(work, row, PayoutState.PAID, {"paid_at": work.now})

    with world.desk.work(worker_actor(world.orgs["harbour"])) as work:
        arrive(work)
    with pytest.raises(FinOpsError) as caught, world.desk.work(worker_actor(world.orgs["harbour"])) as work:
        arrive(work)

    assert caught.value.code == "PAYOUT_MOVED_ON"
    assert len(entries(world, first)) == 2
    assert trial(world)["1010 USD"] == -10_000


def forget(world: World, *rows: PayoutView) -> None:
    """As a release that kept no payouts in the ledger has left them."""
    settings = world.desk.ports.settings
    for row in rows:
        heads = "SELECT id FROM ledger_journal WHERE source_id = :id"
        tamper(settings, f"DELETE FROM ledger_posting WHERE journal_id IN ({heads})", foreign_keys=False, id=row.id)
        tamper(settings, "DELETE FROM ledger_journal WHERE source_id = :id", foreign_keys=False, id=row.id)


def test_payouts_from_before_the_ledger_kept_any_are_booked_afterwards(both: World):
    first, second = paid(both)
    move(both, first, "in_transit", "paid")
    forget(both, first, second)
    assert trial(both) == {}

    both.run_job(bookkeeping.BOOK_JOB)
    both.run_job(bookkeeping.BOOK_JOB)

    assert trial(both) == {"1020 USD": 10_000, "1010 USD": -10_000, "1020 EUR": 20_000, "1030 EUR": -20_000}
    assert [entry.reason for entry in entries(both, first)] == [bookkeeping.LATE]
    assert violations(both) == {}


def test_an_adjustment_that_names_a_payout_is_not_taken_for_its_booking(world: World):
    first, second = paid(world)
    forget(world, first, second)
    with world.desk.work(world.actor("ana")) as work:
        wallet = ledger.open_wallet(work, "party_ann", "USD")
    with world.desk.work(world.actor("carla")) as work:
        ledger.adjust(work, wallet, Money(5, "USD"), Terms(reason="for it", source=("payout", first.id)))

    world.run_job(bookkeeping.BOOK_JOB)

    assert trial(world)["1030 USD"] == -10_000
    assert violations(world) == {}


def test_one_that_arrives_before_it_was_booked_afterwards_leaves_nothing_on_its_way(world: World):
    first, second = paid(world)
    forget(world, first, second)

    move(world, first, "in_transit", "paid")

    assert trial(world) == {"1020 USD": 10_000, "1010 USD": -10_000}


def test_the_check_tells_of_a_payout_whose_entries_say_something_else(world: World):
    first, second = paid(world)
    tamper(world.desk.ports.settings, "UPDATE payout SET state = 'paid' WHERE id = :id", id=first.id)

    said = violations(world)["payouts.booked"]

    assert said == [f"{first.execution_id}:{first.row_no} is paid; its entries differ"]

    forget(world, second)
    assert len(violations(world)["payouts.booked"]) == 2


def test_places_follow_the_state():
    lies = [state for state in PayoutState if bookkeeping.place(state) is bookkeeping.Place.LIES]

    assert set(PayoutState) - set(lies) == {PayoutState.CREATED, PayoutState.IN_TRANSIT, PayoutState.PAID}
    assert bookkeeping.FROM_BANK.at(bookkeeping.Place.ARRIVED) == chart.EXTERNAL
    assert payouts.PayoutState is PayoutState
