"""Balances on the ledger page: what was off and what became of it, and a look that somebody asks for."""

import pytest

from finops_core import VERSION, ledger
from finops_core.catalog.checks import CHECKS
from finops_core.kernel.actor import worker_actor
from finops_core.kernel.money import Money
from finops_core.platform import queue
from finops_core.upkeep import checking
from tests.pages.conftest import press, shown
from tests.tampering import tamper
from tests.world import World


@pytest.fixture(scope="module")
def ann(world: World) -> str:
    with world.desk.work(world.actor("ana")) as work:
        wallet_id = ledger.open_wallet(work, "party_ann", "USD")
        ledger.deposit(work, wallet_id, Money(10_000, "USD"))
    return wallet_id


def change(world: World, wallet_id: str, minor: int) -> None:
    tamper(world.desk.settings, "UPDATE ledger_balance SET posted_minor = :to WHERE id = :id", to=minor, id=wallet_id)


def type_in(screen, label: str, text: str) -> None:
    next(field for field in screen.text_input if field.label == label).input(text)


def balance(world: World, wallet_id: str) -> Money:
    with world.desk.read(world.actor("eva")) as reading:
        return ledger.wallet(reading, wallet_id).balance


def test_before_the_first_look_the_page_says_when_one_comes(world, at):
    told = shown(at("eva", "ledger", ledger_view="Balances"))
    assert "The worker looks on schedule" in told
    assert f"Release {VERSION} since " in told
    assert "Look now" not in [button.label for button in at("eva", "ledger", ledger_view="Balances").button]


def test_whoever_sees_the_ledger_sees_how_its_checks_stood_at_their_last_run(world, ann, at):
    # Given the checks that have never run, for Carla, who does not see the desk's health
    assert "Never ran" in shown(at("carla", "ledger", ledger_view="Balances"))

    # When they have, and a balance had been changed past the desk
    change(world, ann, 12_345)
    with world.desk.work(worker_actor("")) as work:
        queue.enqueue(work, checking.CHECK_JOB, {}, key=checking.CHECK_JOB, org_id="")
    world.work_off()

    # Then she reads which ones failed, what that means, and no check of anything else
    told = shown(at("carla", "ledger", ledger_view="Balances"))
    check = CHECKS["ledger.balances"]
    assert f"{check.title}: 1 violation." in told
    assert check.hint in told
    assert CHECKS["payouts.I1"].title not in told


def test_a_look_that_was_asked_for_puts_a_balance_back_and_keeps_what_it_was(world, ann, at):
    # Given a balance somebody changed past the desk
    change(world, ann, 12_345)

    # When Carla asks for a dry run, and then for a real one
    for dry in (True, False):
        screen = at("carla", "ledger", ledger_view="Balances", do="look")
        next(each for each in screen.toggle if each.label.startswith("Only look")).set_value(dry)
        type_in(screen, "Why", "the numbers look odd")
        told = shown(press(screen, "Look at them now"))
        assert "The worker is looking at the balances" in told
        world.work_off()
        assert balance(world, ann) == Money(12_345 if dry else 10_000, "USD")

    # Then both stand there with what was found, also on the wallet's own page
    told = shown(at("eva", "ledger", ledger_view="Balances"))
    assert "123.45 USD" in told
    assert "Left as it is" in told
    assert "Put back" in told
    assert "the numbers look odd" in told
    assert "nothing is put back" in told
    assert "When it was off" in shown(at("dan", "ledger", account=ann))


def test_one_wallet_is_checked_on_its_page_with_a_reason(world, ann, at):
    change(world, ann, 1)
    screen = at("carla", "ledger", account=ann, do="check")
    assert "needs a reason" in shown(press(screen, "Check it now"))
    assert balance(world, ann) == Money(1, "USD")
    type_in(screen, "Why", "ticket 9")
    press(screen, "Check it now")

    assert balance(world, ann) == Money(10_000, "USD")
    assert "ticket 9" in shown(at("eva", "ledger", ledger_view="Balances"))


@pytest.mark.parametrize("who", ["ana", "dan", "eva"])
def test_who_may_not_adjust_can_only_read(world, ann, at, who: str):
    for query in ({"ledger_view": "Balances", "do": "look"}, {"account": ann, "do": "check"}):
        labels = {button.label for button in at(who, "ledger", **query).button}
        assert not labels & {"Look now", "Look at them now", "Check it now", "Check balance"}
