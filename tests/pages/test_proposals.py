"""An adjustment above the limit, from the wallet's page to the approver's drawer and into the books."""

import pytest

from finops_core import approvals, ledger
from finops_core.kernel.money import Money
from tests.pages.conftest import press, shown
from tests.world import World

WHY = "a fee of May was charged twice"


@pytest.fixture
def wallet(world: World, request: pytest.FixtureRequest) -> str:
    with world.desk.work(world.actor("ana")) as work:
        wallet_id = ledger.open_wallet(work, f"party_{request.node.name[:40]}", "USD")
        ledger.deposit(work, wallet_id, Money(500_000, "USD"))
    return wallet_id


def adjust(at, wallet_id: str, amount: str):
    screen = at("carla", "ledger", account=wallet_id, do="adjust")
    assert "needs somebody else's approval" in shown(screen)
    for key, text in (("act_amount", amount), ("act_why", WHY)):
        next(field for field in screen.text_input if field.key == key).input(text)
    return press(screen, "Adjust it")


def balance(world: World, wallet_id: str) -> Money:
    with world.desk.read(world.actor("eva")) as reading:
        return ledger.wallet(reading, wallet_id).balance


def waiting(world: World, wallet_id: str) -> ledger.ProposalView:
    with world.desk.read(world.actor("eva")) as reading:
        [found] = ledger.proposals(reading, wallet_id, waiting=True)
    return found


def test_it_is_asked_for_seen_on_the_wallet_and_booked_once_the_approver_agrees(world, wallet, at):
    done = adjust(at, wallet, "1500.00")
    assert "Asked for approval" in done.toast[0].value
    assert balance(world, wallet) == Money(500_000, "USD")

    # It stands on the wallet's page for everybody, with the way back for whoever asked alone.
    seen = waiting(world, wallet)
    own, others = at("carla", "ledger", account=wallet), at("ana", "ledger", account=wallet)
    for screen in (own, others):
        assert "1,500.00 USD waits for approval" in shown(screen)
    assert "Take it back" in [button.label for button in own.button]
    assert "Take it back" not in [button.label for button in others.button]

    drawer = at("ben", "approvals", request=seen.request_id)
    told = shown(drawer)
    assert WHY in told
    assert "+1,500.00 USD" in told
    assert "What is booked is what you see here" in told
    assert "first payment" not in told
    press(drawer, "Approve")

    assert balance(world, wallet) == Money(650_000, "USD")
    assert "waits for approval" not in shown(at("carla", "ledger", account=wallet))


def test_what_the_books_refuse_stands_in_the_drawer_and_the_request_waits_on(world, wallet, at):
    with world.desk.work(world.actor("carla")) as work:
        ledger.propose_adjustment(work, ledger.Proposal(wallet, Money(-500_001, "USD"), WHY))
    seen = waiting(world, wallet)

    told = shown(press(at("ben", "approvals", request=seen.request_id), "Approve"))

    assert "5,000.00 USD to give" in told or "5000.00 USD to give" in told
    with world.desk.read(world.actor("ben")) as reading:
        assert approvals.request_view(reading, seen.request_id).state is approvals.State.PENDING


def test_whoever_asked_takes_it_back(world, wallet, at):
    adjust(at, wallet, "1500.00")
    press(at("carla", "ledger", account=wallet), "Take it back")

    with world.desk.read(world.actor("eva")) as reading:
        [found] = ledger.proposals(reading, wallet)
    assert found.state is ledger.ProposalState.WITHDRAWN
    assert balance(world, wallet) == Money(500_000, "USD")


def test_up_to_the_limit_it_is_booked_at_once(world, wallet, at):
    done = adjust(at, wallet, "1000.00")

    assert done.toast[0].value == "Adjusted."
    assert balance(world, wallet) == Money(600_000, "USD")
