"""Money set aside, taken back, stopped by its kind and held off locked days: each by hand, through the pages."""

import re
from datetime import date, timedelta

import pytest

from finops_core import ledger, reference
from tests.e2e.backstage import Backstage
from tests.e2e.screens import WAIT_MS, Screen
from tests.e2e.test_books import WHY, all_as_before, fill, funded, move

__all__ = ["all_as_before"]
pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.deep]


def choose(screen: Screen, label: str, option: str) -> None:
    """An option of a select box in the open dialog."""
    screen.drawer.get_by_role("combobox", name=label).click()
    screen.page.get_by_role("option", name=option, exact=True).click()
    screen.settle()


def test_what_is_set_aside_goes_to_another_wallet_or_back_to_its_own(backstage: Backstage, enter):
    # Given two wallets with 100.00 USD each, and Ana at the first
    one, other = funded(backstage, "party_giver"), funded(backstage, "party_taker")
    ana = enter("ana", one.address)
    ana.heading("Wallet of party_giver")

    # When she holds some in escrow and releases it to the other wallet, chosen by whose it is
    move(ana, "Escrow hold", "30.00")
    assert (one.now(), other.now()) == ((7_000, 3_000), (10_000, 0))
    ana.press("Move money", ana.main)
    choose(ana, "What", "Escrow release")
    choose(ana, "To the wallet", "party_taker, USD")
    fill(ana, "Book it", Amount_in_USD="30.00", Why=WHY)
    assert (one.now(), other.now()) == ((7_000, 0), (13_000, 0))

    # and sets some aside for a withdrawal, which she gives back
    ana.press("Set aside", ana.main)
    fill(ana, "Set it aside", Amount_in_USD="20.00", Why="an order")
    ana.sees("20.00 USD is set aside: withdrawal.", ana.main)
    assert one.now() == (5_000, 2_000)
    ana.look("120-set-aside")
    ana.press("Give back", ana.main)
    fill(ana, "Give it back", Why="cancelled")
    assert one.now() == (7_000, 0)

    # and some for a transfer, of which she posts a part
    ana.press("Set aside", ana.main)
    choose(ana, "For", "Transfer")
    choose(ana, "To the wallet", "party_taker, USD")
    fill(ana, "Set it aside", Amount_in_USD="25.00", Why="an order")
    ana.press("Post", ana.main)
    fill(ana, "Post it", Amount_in_USD="15.00")

    # Then the rest is hers again, and her page says each step
    assert (one.now(), other.now()) == ((5_500, 0), (14_500, 0))
    assert len(ana.table("Statement")) >= 7
    ana.look("121-posted-in-part")


def test_an_adjustment_is_taken_back_and_one_kind_is_stopped(backstage: Backstage, enter, all_as_before):
    # Given an adjustment of Carla's that waits for somebody else
    wallet = funded(backstage, "party_stopped")
    carla = enter("carla", wallet.address)
    carla.press("Adjust", carla.main)
    fill(carla, "Adjust it", Amount_in_USD="1500.00", Why=WHY)
    carla.sees("1,500.00 USD waits for approval", carla.main)

    # When she takes it back, nothing waits any more
    carla.press("Take it back", carla.main)
    carla.main.get_by_text("1,500.00 USD waits for approval").wait_for(state="detached", timeout=WAIT_MS)
    with backstage.app.desk.read(backstage.actor("eva")) as reading:
        assert ledger.proposals(reading, wallet.id, waiting=True) == ()
    assert wallet.now() == (10_000, 0)

    # When she stops fees, then Ana's fee is held with her words and a transfer goes on
    carla.move("ledger?ledger_view=Money+stops")
    carla.press("Stop money", carla.main)
    choose(carla, "How much", "One kind of operation")
    choose(carla, "Kind", "Fee")
    fill(carla, "Stop it now", Why="the price list is wrong")
    carla.sees("Fee is stopped.", carla.main)
    carla.look("122-one-kind-stopped")
    ana = enter("ana", wallet.address)
    move(ana, "Fee", "1.00", closes=False)
    ana.sees(re.compile("the price list is wrong"), ana.drawer)
    choose(ana, "What", "Deposit")
    fill(ana, "Book it", Amount_in_USD="1.00", Why=WHY)
    assert wallet.now() == (10_100, 0)


def test_nothing_is_booked_into_locked_days_until_they_are_opened(backstage: Backstage, enter):
    # Given Carla, who locks the month before last
    wallet = funded(backstage, "party_locked")
    with backstage.app.desk.read(backstage.actor("eva")) as reading:
        today = reference.today(reading)
    last = (today.replace(day=1) - timedelta(days=1)).replace(day=1) - timedelta(days=1)
    with backstage.app.desk.work(backstage.actor("carla")) as work:
        ledger.lock_period(work, last.replace(day=1), last, "it is reported")
    carla = enter("carla", "ledger?ledger_view=Periods")
    carla.sees(last.isoformat(), carla.main)
    carla.look("123-periods")

    # When Ana books a fee for its last day, she is told which days are locked
    ana = enter("ana", wallet.address)
    ana.press("Move money", ana.main)
    choose(ana, "What", "Fee")
    counted_for(ana, last)
    fill(ana, "Book it", closes=False, Amount_in_USD="1.00", Why=WHY)
    ana.sees(f"{last.isoformat()} lies in a locked period.", ana.drawer)
    assert wallet.now() == (10_000, 0)
    ana.look("124-locked-day")

    # Then, once Carla has opened them on her page, the same act is booked
    carla.press("Open one again", carla.main)
    fill(carla, "Open it now", Why="one came late")
    carla.sees("Earlier locks", carla.main)
    fill(ana, "Book it")
    assert wallet.now() == (9_900, 0)


def counted_for(screen: Screen, day: date) -> None:
    """The day that an act counts for, typed."""
    group = screen.drawer.get_by_role("group", name="Counts for")
    for part, digits in (("year", f"{day.year:04}"), ("month", f"{day.month:02}"), ("day", f"{day.day:02}")):
        field = group.locator(f'[data-type="{part}"]')
        field.click()
        field.press_sequentially(digits)
    screen.settle()
