"""Money stops on the ledger page: stopped and let go on by whoever may, seen with its reason by everybody else."""

from collections.abc import Iterator

import pytest

from finops_core import ledger
from finops_core.ledger import StopWidth
from tests.pages.conftest import press, shown
from tests.world import World


@pytest.fixture(autouse=True)
def nothing_left(world: World) -> Iterator[None]:
    yield
    with world.desk.work(world.actor("carla")) as work:
        for stop in ledger.stops(work):
            ledger.resume(work, stop.id, "the test is over")


def stops(world: World) -> list[tuple[StopWidth, str, str]]:
    with world.desk.read(world.actor("carla")) as reading:
        return [(stop.width, stop.subject, stop.reason) for stop in ledger.stops(reading)]


def test_without_one_the_page_says_so_and_offers_the_act_to_whoever_may(at):
    assert "No money is stopped" in shown(at("carla", "ledger", ledger_view="Money stops"))
    assert "Stop money" in [button.label for button in at("carla", "ledger", ledger_view="Money stops").button]
    assert "Stop money" not in [button.label for button in at("eva", "ledger", ledger_view="Money stops").button]


def test_the_controller_stops_all_money_and_lets_it_go_on(world, at):
    # Given Carla in the dialog
    screen = at("carla", "ledger", ledger_view="Money stops", do="stop")

    # When she gives a reason
    next(field for field in screen.text_input if field.label == "Why").input("a drift of two cents")
    press(screen, "Stop it now")

    # Then it stands, and everybody who sees the ledger reads why
    assert stops(world) == [(StopWidth.ALL, "", "a drift of two cents")]
    told = shown(at("ana", "ledger", ledger_view="Money stops"))
    assert "All money is stopped." in told
    assert "a drift of two cents" in told
    assert "Carla" in told

    # When she lets it go on
    with world.desk.read(world.actor("carla")) as reading:
        (standing,) = ledger.stops(reading)
    screen = at("carla", "ledger", ledger_view="Money stops", do="resume", money_stop=standing.id)
    next(field for field in screen.text_input if field.label == "Why").input("explained")
    press(screen, "Let it go on now")

    # Then it stands in the record
    assert stops(world) == []
    told = shown(at("eva", "ledger", ledger_view="Money stops"))
    assert "No money is stopped" in told
    assert "explained" in told


def test_a_stop_without_a_reason_is_refused_in_the_dialog(world, at):
    screen = press(at("carla", "ledger", ledger_view="Money stops", do="stop"), "Stop it now")

    assert stops(world) == []
    assert "needs a reason" in shown(screen)


def test_one_kind_is_stopped_by_its_name(world, at):
    screen = at("carla", "ledger", ledger_view="Money stops", do="stop")
    next(box for box in screen.selectbox if box.label == "How much").select(StopWidth.TYPE).run()
    next(box for box in screen.selectbox if box.label == "Kind").select(ledger.EntryType.PAYOUT)
    next(field for field in screen.text_input if field.label == "Why").input("the bank asks us to wait")
    press(screen, "Stop it now")

    assert stops(world) == [(StopWidth.TYPE, "PAYOUT", "the bank asks us to wait")]
    assert "Payout is stopped." in shown(at("dan", "ledger", ledger_view="Money stops"))


def test_a_wallet_is_stopped_by_whose_it_is(world, at):
    with world.desk.work(world.actor("ana")) as work:
        wallet = ledger.open_wallet(work, "party_to_be_stopped", "USD")
    screen = at("carla", "ledger", ledger_view="Money stops", do="stop")
    next(box for box in screen.selectbox if box.label == "How much").select(StopWidth.WALLET).run()
    chosen = next(box for box in screen.selectbox if box.label == "Wallet")
    assert "party_to_be_stopped, USD" in chosen.options
    chosen.select(wallet)
    next(field for field in screen.text_input if field.label == "Why").input("a letter of the police")
    press(screen, "Stop it now")

    assert stops(world) == [(StopWidth.WALLET, wallet, "a letter of the police")]


def test_a_stop_of_no_wallet_is_refused(world, at):
    screen = at("carla", "ledger", ledger_view="Money stops", do="stop")
    next(box for box in screen.selectbox if box.label == "How much").select(StopWidth.WALLET).run()
    next(field for field in screen.text_input if field.label == "Why").input("why")
    press(screen, "Stop it now")

    assert stops(world) == []
    assert "There is no such wallet" in shown(screen)


@pytest.mark.parametrize("who", ["ana", "dan", "eva"])
def test_an_address_opens_no_dialog_for_whoever_may_not_stop(at, who):
    screen = at(who, "ledger", ledger_view="Money stops", do="stop")

    assert "Stop it now" not in [button.label for button in screen.button]


def test_one_that_stands_is_shown_however_many_were_lifted_since(world, at, monkeypatch):
    monkeypatch.setattr("ui.stops.MOST", 2)
    with world.desk.work(world.actor("carla")) as work:
        ledger.stop(work, StopWidth.NON_ESSENTIAL, "the oldest, and it stands")
    for number in range(3):
        with world.desk.work(world.actor("carla")) as work:
            ledger.resume(work, ledger.stop(work, StopWidth.ALL, f"short {number}"), "over")

    assert "the oldest, and it stands" in shown(at("eva", "ledger", ledger_view="Money stops"))


@pytest.mark.parametrize("width", [StopWidth.ALL, StopWidth.WALLET])
def test_the_page_of_a_wallet_says_that_its_money_is_stopped_before_anybody_types(world, at, width):
    # Given two wallets, and a stop that holds one of them, or both
    with world.desk.work(world.actor("ana")) as work:
        mine, other = (ledger.open_wallet(work, f"party_{width.value}{n}", "USD") for n in (1, 2))
    with world.desk.work(world.actor("carla")) as work:
        ledger.stop(work, width, "the owner asked for it", mine if width is StopWidth.WALLET else "")

    # Then whoever looks at what is held reads why
    assert "the owner asked for it" in shown(at("ana", "ledger", account=mine))
    held = "the owner asked for it" in shown(at("ana", "ledger", account=other))
    assert held is (width is StopWidth.ALL)
