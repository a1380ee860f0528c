"""Money moved in two steps on a wallet's page: set aside, posted in part, given back, and what time does."""

from datetime import timedelta

import pytest

from finops_core import ledger, parties
from finops_core.kernel.money import Money
from finops_core.ledger import EntryType, PendingMove
from tests.pages.conftest import press, shown
from tests.world import World
from ui import pending


@pytest.fixture
def two(world: World, request: pytest.FixtureRequest) -> tuple[str, str]:
    name = request.node.name[:30]
    with world.desk.work(world.actor("ana")) as work:
        one, other = (ledger.open_wallet(work, f"party_{name}{n}", "USD") for n in (1, 2))
        ledger.deposit(work, one, Money(10_000, "USD"))
    return one, other


def begun(world: World, two: tuple[str, str], minor: int = 4_000) -> str:
    one, other = two
    move = PendingMove(EntryType.TRANSFER, one, Money(minor, "USD"), timedelta(hours=5), other, "an order")
    with world.desk.work(world.actor("ana")) as work:
        return ledger.begin_pending(work, move)


def wallet(world: World, wallet_id: str) -> tuple[int, int]:
    with world.desk.read(world.actor("eva")) as reading:
        seen = ledger.wallet(reading, wallet_id)
    return seen.balance.minor, seen.held.minor


def typed(screen, **texts: str):
    for key, text in texts.items():
        next(field for field in screen.text_input if field.key == key).input(text)
    return screen


def test_it_is_set_aside_shown_to_all_and_posted_in_part(world: World, two, at):
    one, other = two
    screen = at("ana", "ledger", account=one, do="begin")
    screen.selectbox(key="pend_kind").select(EntryType.TRANSFER).run()
    screen.selectbox(key="pend_other").select(other)
    done = press(typed(screen, pend_amount="40.00", pend_why="an order"), "Set it aside")

    assert "40.00 USD is set aside" in done.toast[0].value
    assert wallet(world, one) == (6_000, 4_000)
    with world.desk.read(world.actor("eva")) as reading:
        [move] = ledger.pending_moves(reading, one, waiting=True)
    for who in ("ana", "eva"):
        assert "40.00 USD is set aside: transfer." in shown(at(who, "ledger", account=one))
    assert not [button for button in at("eva", "ledger", account=one).button if button.label in {"Post", "Give back"}]

    posted = press(typed(at("ana", "ledger", account=one, do="post", pending=move.id), pend_amount="15.00"), "Post it")

    assert "Booked: 15.00 USD" in posted.toast[0].value
    assert (wallet(world, one), wallet(world, other)) == ((8_500, 0), (1_500, 0))
    assert "is set aside" not in shown(at("ana", "ledger", account=one))


def test_the_button_opens_the_dialog(world: World, two, at):
    screen = press(at("ana", "ledger", account=two[0]), "Set aside")

    assert [field.label for field in screen.text_input if field.key == pending.AMOUNT] == ["Amount in USD"]


def test_what_can_be_done_with_the_wallet_stands_above_everything_that_waits(world: World, two, at):
    begun(world, two)

    labels = [button.label for button in at("ana", "ledger", account=two[0]).button]

    assert labels.index("Move money") < labels.index("Set aside") < labels.index("Post")


def test_given_back_needs_a_reason(world: World, two, at):
    move = begun(world, two)

    silent = press(at("ana", "ledger", account=two[0], do="void", pending=move), "Give it back")
    assert "needs a reason" in shown(silent)
    assert wallet(world, two[0]) == (6_000, 4_000)
    press(typed(at("ana", "ledger", account=two[0], do="void", pending=move), pend_why="cancelled"), "Give it back")

    assert wallet(world, two[0]) == (10_000, 0)


def test_what_is_too_much_is_refused_in_the_dialog(world: World, two, at):
    screen = at("ana", "ledger", account=two[0], do="begin")
    screen.selectbox(key="pend_kind").select(EntryType.FEE).run()

    seen = press(typed(screen, pend_amount="100.01"), "Set it aside")

    assert "has 100.00 USD to give" in shown(seen)
    assert wallet(world, two[0]) == (10_000, 0)


def test_many_that_wait_are_shown_part_by_part(world: World, two, at, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(pending, "SHOWN", 2)
    for minor in (101, 102, 103):
        begun(world, two, minor)

    newest = shown(at("ana", "ledger", account=two[0]))
    with world.desk.read(world.actor("eva")) as reading:
        last = ledger.pending_moves(reading, two[0], waiting=True)[1]
    older = shown(at("ana", "ledger", account=two[0], waiting=last.id))

    amounts = "1.03 USD", "1.02 USD", "1.01 USD"
    assert [f"{amount} is set aside" in newest for amount in amounts] == [True, True, False]
    assert [f"{amount} is set aside" in older for amount in amounts] == [False, False, True]
    assert f"waiting={last.id}" in newest
    assert "Older ones that wait" not in older


def test_the_entries_it_made_lead_to_no_reversal(world: World, two, at):
    move = begun(world, two)
    with world.desk.read(world.actor("eva")) as reading:
        held = ledger.pending_move(reading, move).held_entry

    screen = at("carla", "ledger", entry=held)

    assert move in shown(screen)
    assert "Reverse" not in [button.label for button in screen.button]


def test_the_wallet_of_a_party_goes_by_its_name(world: World, at):
    with world.desk.work(world.actor("ana")) as work:
        party_id = parties.add_party(work, parties.PartyKind.COMPANY, "Lumen Optics")
        wallet_id = ledger.open_wallet(work, party_id, "USD")
        ledger.deposit(work, wallet_id, Money(100, "USD"))

    assert "Lumen Optics" in shown(at("ana", "ledger", account=wallet_id))
    assert "The wallet of Lumen Optics has 1.00 USD" in shown(at("ana", "ledger", account=wallet_id, do="begin"))
    assert "The wallet of Lumen Optics has 1.00 USD" in shown(at("ana", "ledger", account=wallet_id, do="move"))
    assert "The wallet of Lumen Optics" in shown(at("carla", "ledger", account=wallet_id, do="check"))
