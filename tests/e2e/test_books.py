"""The books by hand, through the real pages: a wallet's money from its deposit to a stop that is lifted again."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from finops_core import ledger, reference
from finops_core.kernel.money import Money
from finops_core.ledger.checks import CHECKS
from tests.e2e.backstage import Backstage
from tests.e2e.screens import WAIT_MS, Screen

pytestmark = [pytest.mark.browser, pytest.mark.slow]
WHY = "an order that was counted twice"
TOPS = "cells => cells.map(cell => cell.getBoundingClientRect().top)"


@dataclass
class Wallet:
    """A wallet on the pages of several people; ``id`` as its address names it."""

    backstage: Backstage
    id: str

    @property
    def address(self) -> str:
        return f"ledger?account={self.id}"

    def now(self) -> tuple[int, int]:
        """What it holds and what is set aside, as the desk has it."""
        with self.backstage.app.desk.read(self.backstage.actor("eva")) as reading:
            seen = ledger.wallet(reading, self.id)
        return seen.balance.minor, seen.held.minor

    def newest(self, kind: str) -> str:
        with self.backstage.app.desk.read(self.backstage.actor("eva")) as reading:
            found = ledger.statement(reading, self.id).lines
        return next(line.journal_id for line in found if line.type == kind)


@pytest.fixture
def all_as_before(backstage: Backstage) -> Iterator[None]:
    """Whatever becomes of the test, no stop is left for the next one."""
    yield
    with backstage.app.desk.work(backstage.actor("carla")) as work:
        for stop in ledger.stops(work):
            ledger.resume(work, stop.id, "the test is over")


def fill(screen: Screen, send: str, *, closes: bool = True, **typed: str) -> None:
    """The fields of the open dialog by their labels, and its button; it closes when it was done."""
    for label, text in typed.items():
        screen.drawer.get_by_role("textbox", name=label.replace("_", " ")).fill(text)
    screen.press(send, screen.drawer)
    if closes:
        screen.drawer.wait_for(state="detached", timeout=WAIT_MS)


def move(screen: Screen, kind: str, amount: str, *, closes: bool = True) -> None:
    """One act of the wallet that is on the screen."""
    screen.press("Move money", screen.main)
    if kind != "Deposit":
        screen.drawer.get_by_role("combobox", name="What").click()
        screen.page.get_by_role("option", name=kind, exact=True).click()
        screen.settle()
    fill(screen, "Book it", closes=closes, Amount_in_USD=amount, Why=WHY)


def planted(backstage: Backstage, wallet: Wallet, by: int) -> None:
    """Somebody changes the balance past the desk."""
    backstage.tamper("UPDATE ledger_balance SET posted_minor = posted_minor + :by WHERE id = :id", by=by, id=wallet.id)


def wrong(backstage: Backstage) -> dict[str, list[str]]:
    with backstage.app.desk.read(backstage.actor("eva")) as reading:
        return {check.id: told for check in CHECKS if (told := check.find(reading))}


def funded(backstage: Backstage, holder: str) -> Wallet:
    """A wallet with 100.00 USD."""
    with backstage.app.desk.work(backstage.actor("ana")) as work:
        wallet = Wallet(backstage, ledger.open_wallet(work, holder, "USD"))
        ledger.deposit(work, wallet.id, Money(10_000, "USD"))
    return wallet


def opened(screen: Screen, backstage: Backstage, holder: str) -> Wallet:
    """A wallet opened on the page, and gone to."""
    screen.press("Open a wallet", screen.main)
    choice = screen.drawer.get_by_role("combobox", name="Holder")
    choice.fill(holder)
    choice.press("Enter")
    fill(screen, "Open it")
    with backstage.app.desk.read(backstage.actor("eva")) as reading:
        (made,) = ledger.wallets(reading, holder)
    screen.follow(f"…{made.id[-8:]}")
    return Wallet(backstage, made.id)


@pytest.mark.deep
def test_a_wallet_from_its_deposit_to_an_adjustment_with_approval_and_a_reversal(backstage: Backstage, enter):
    # Given a wallet that Ana has opened
    ana = enter("ana", "ledger?ledger_view=Wallets")
    wallet = opened(ana, backstage, "party_books")

    # When she books what happens to it
    seen = []
    for kind, amount in (
        ("Deposit", "2000.00"),
        ("Escrow hold", "500.00"),
        ("Escrow release", "200.00"),
        ("Payout", "300.00"),
        ("Fee", "5.00"),
        ("Refund", "10.00"),
    ):
        move(ana, kind, amount)
        seen.append(wallet.now())
    assert seen == [
        (200_000, 0),
        (150_000, 50_000),
        (170_000, 30_000),
        (140_000, 30_000),
        (139_500, 30_000),
        (138_500, 30_000),
    ]
    # Then her page says so, line by line
    rows = ana.table("Statement")
    assert [row["Balance"].split(" USD")[0] for row in rows] == [
        "1,385.00",
        "1,395.00",
        "1,400.00",
        "1,700.00",
        "1,500.00",
        "2,000.00",
    ]
    ana.look("110-wallet")

    # When Carla adjusts it by more than she may alone, and Ben agrees
    carla = enter("carla", wallet.address)
    carla.press("Adjust", carla.main)
    fill(carla, "Adjust it", Amount_in_USD="1500.00", Why=WHY)
    carla.sees("1,500.00 USD waits for approval", carla.main)
    assert wallet.now() == seen[-1]
    with backstage.app.desk.read(backstage.actor("eva")) as reading:
        (proposal,) = ledger.proposals(reading, wallet.id, waiting=True)
    ben = enter("ben", f"approvals?request={proposal.request_id}")
    ben.sees(WHY, ben.drawer)
    ben.look("111-adjustment")
    ben.press("Approve", ben.drawer)
    ben.drawer.wait_for(state="detached", timeout=WAIT_MS)
    assert wallet.now() == (288_500, 30_000)

    # When she reverses the fee
    carla.move(f"ledger?entry={wallet.newest('FEE')}")
    carla.press("Reverse", carla.main)
    fill(carla, "Reverse it", Why=WHY)
    carla.sees("Undone by", carla.main)
    assert wallet.now() == (289_000, 30_000)
    assert wrong(backstage) == {}


@pytest.mark.deep
def test_a_drift_is_found_and_repaired_and_money_is_stopped_and_let_go_on(backstage: Backstage, enter, all_as_before):
    # Given a wallet with 100.00 USD, whose balance somebody changed past the desk
    wallet = funded(backstage, "party_drift")
    planted(backstage, wallet, 7)
    assert set(wrong(backstage)) == {"ledger.balances", "ledger.control"}
    carla = enter("carla", "ledger?ledger_view=Wallets&holder=party_drift")
    assert [row["Balance"] for row in carla.table("Wallets")] == ["100.07 USD"]

    # When Carla looks, it is found; when she has it mended, it is put back
    carla.follow(f"…{wallet.id[-8:]}")
    carla.press("Check balance", carla.main)
    carla.drawer.get_by_text("Only look, put nothing back").click()
    fill(carla, "Check it now", Why=WHY)
    carla.sees("Left as it is", carla.main)
    assert wallet.now() == (10_007, 0)
    carla.press("Check balance", carla.main)
    fill(carla, "Check it now", Why=WHY)
    carla.sees("Put back", carla.main)
    assert wallet.now() == (10_000, 0)
    carla.look("112-repaired")

    # When she stops all money, Ana is refused with her words
    carla.move("ledger?ledger_view=Money+stops")
    carla.press("Stop money", carla.main)
    fill(carla, "Stop it now", Why="two cents are missing")
    carla.sees("All money is stopped.", carla.main)
    ana = enter("ana", wallet.address)
    move(ana, "Fee", "1.00", closes=False)
    ana.sees(re.compile("stopped: two cents are missing"), ana.drawer)
    assert wallet.now() == (10_000, 0)
    ana.look("113-refused")

    # Then, once she lets it go on, the same act is booked
    carla.press("Let it go on", carla.main)
    fill(carla, "Let it go on now", Why="found them")
    carla.sees("No money is stopped", carla.main)
    fill(ana, "Book it")
    assert wallet.now() == (9_900, 0)
    assert wrong(backstage) == {}


def test_money_is_moved_by_thumb(backstage: Backstage, enter):
    # Given Ana with her phone, on the page of a wallet with money
    wallet = funded(backstage, "party_thumb")
    ana = enter("ana", wallet.address, size="phone")
    assert (ana.too_wide(), ana.low_buttons()) == ([], [])

    # When she sets some of it aside
    ana.press("Move money", ana.main)
    assert (ana.too_wide(), ana.low_buttons()) == ([], [])
    ana.look("114-move")
    ana.drawer.get_by_role("combobox", name="What").click()
    ana.page.get_by_role("option", name="Escrow hold", exact=True).click()
    ana.settle()
    fill(ana, "Book it", Amount_in_USD="30.00", Why=WHY)

    # Then it is, and her page shows both
    assert wallet.now() == (7_000, 3_000)
    ana.sees("30.00 USD", ana.main)
    assert ana.too_wide() == []


def test_a_card_on_a_phone_begins_with_what_it_is_and_keeps_each_side_with_its_account(backstage: Backstage, enter):
    # Given an exchange, which has four sides, and Eva with her phone
    wallet = funded(backstage, "party_cards")
    with backstage.app.desk.work(backstage.actor("carla")) as work:
        reference.note_rate(work, "USD", "NOK", "10.50", reference.today(work))
    with backstage.app.desk.work(backstage.actor("ana")) as work:
        ledger.exchange(work, wallet.id, ledger.open_wallet(work, "party_cards", "NOK"), Money(1_000, "USD"))

    # When she looks at what was booked, then each card's first cell is above the others
    eva = enter("eva", "ledger?ledger_view=Activity", size="phone")
    kinds = eva.main.locator("table").filter(has=eva.page.locator("caption", has_text="Entries by kind"))
    tops = kinds.locator("tbody tr").first.locator("td").evaluate_all(TOPS)
    assert tops[0] < min(tops[1:])

    # And no side of an entry stands on another line than its account
    eva.move("ledger?ledger_view=Entries")
    sides = eva.main.locator('td[data-label="Accounts"]').first.locator("div > span")
    assert sides.evaluate_all("spans => spans.map(span => span.getClientRects().length)") == [1, 1, 1, 1]
