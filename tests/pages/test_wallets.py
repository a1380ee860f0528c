"""Wallets on the ledger page: opened, moved, adjusted, frozen and reversed by whoever may; seen by everybody else."""

from datetime import date
from zoneinfo import ZoneInfo

import pytest

from finops_core import ledger, parties
from finops_core.kernel.errors import FinOpsError
from finops_core.kernel.money import Money
from finops_core.ledger import EntryFilter, EntryType, Terms, WalletView
from finops_core.parties import PartyKind
from tests.pages.conftest import press, shown
from tests.payouts.walks import rows_of
from tests.world import World


def wallet(world: World, holder: str, minor: int = 0) -> str:
    with world.desk.work(world.actor("ana")) as work:
        wallet_id = ledger.open_wallet(work, holder, "USD")
        if minor:
            ledger.deposit(work, wallet_id, Money(minor, "USD"))
    return wallet_id


def held(world: World, wallet_id: str) -> WalletView:
    with world.desk.read(world.actor("eva")) as reading:
        return ledger.wallet(reading, wallet_id)


def type_in(screen, label: str, text: str) -> None:
    next(field for field in screen.text_input if field.label in {label, f"{label} in USD"}).input(text)


def pick(screen, label: str, value: str) -> None:
    """A choice; an id is typed in tests/e2e, since nothing new can be typed here."""
    next(box for box in screen.selectbox if box.label == label).set_value(value)


def party(world: World, name: str) -> str:
    with world.desk.work(world.actor("carla")) as work:
        return parties.add_party(work, PartyKind.COMPANY, name)


def labels(screen) -> list[str]:
    return [button.label for button in screen.button]


def test_the_first_wallet_is_opened_on_the_page(world, at):
    # Given no wallet
    assert "There is no wallet yet" in shown(at("ana", "ledger", ledger_view="Wallets"))
    first = party(world, "First AG")
    screen = at("ana", "ledger", ledger_view="Wallets", do="open")

    # When Ana chooses its holder
    pick(screen, "Holder", first)
    type_in(screen, "Currency", "eur")
    press(screen, "Open it")

    # Then it stands in the list
    with world.desk.read(world.actor("eva")) as reading:
        (made,) = ledger.wallets(reading, first)
    assert (made.currency, made.balance) == ("EUR", Money(0, "EUR"))
    told = shown(at("eva", "ledger", ledger_view="Wallets"))
    assert "First AG" in told
    assert f"account={made.id}" in told


def test_a_wallet_of_nobody_is_refused(world, at):
    screen = at("ana", "ledger", ledger_view="Wallets", do="open")

    assert "needs the id of whoever holds it" in shown(press(screen, "Open it"))
    with world.desk.read(world.actor("eva")) as reading:
        assert [each for each in ledger.wallets(reading) if not each.party_id] == []


def test_money_is_moved_once_however_often_the_act_is_sent(world, at):
    ann = wallet(world, "party_ann", 10_000)
    screen = at("ana", "ledger", account=ann, do="move")
    for _ in range(2):
        screen.query_params["do"] = "move"
        screen.session_state["act_spent"] = False  # as if the click had been on its way before the dialog was gone
        screen.run()
        next(box for box in screen.selectbox if box.label == "What").select(EntryType.ESCROW_HOLD).run()
        type_in(screen, "Amount", "30.00")
        type_in(screen, "Why", "for the order")
        press(screen, "Book it")

    now = held(world, ann)
    assert (now.balance, now.held) == (Money(7_000, "USD"), Money(3_000, "USD"))
    told = shown(at("eva", "ledger", account=ann))
    assert "Held for the holder" in told
    assert "30.00 USD" in told
    assert "30.00 USD" in shown(at("eva", "ledger", ledger_view="Wallets", holder="party_ann"))
    assert "nothing was booked now" in screen.toast[0].value


@pytest.mark.parametrize("way", ["button", "address"])
def test_an_act_that_is_asked_for_anew_moves_money_anew(world, at, way: str):
    ann = wallet(world, f"party_twice_{way}", 10_000)
    screen = at("ana", "ledger", account=ann)
    for _ in range(2):
        if way == "button":
            press(screen, "Move money")
        else:
            screen.query_params["do"] = "move"
            screen.run()
        next(box for box in screen.selectbox if box.label == "What").select(EntryType.FEE).run()
        type_in(screen, "Amount", "1.00")
        press(screen, "Book it")

    assert held(world, ann).balance == Money(9_800, "USD")


def test_a_transfer_goes_to_the_wallet_that_was_named(world, at):
    one, two = wallet(world, "party_one", 500), wallet(world, "party_two")
    screen = at("ana", "ledger", account=one, do="move")
    next(box for box in screen.selectbox if box.label == "What").select(EntryType.TRANSFER).run()
    type_in(screen, "Amount", "2.00")
    assert "Name the wallet it goes to" in shown(press(screen, "Book it"))
    pick(screen, "To the wallet", two)
    press(screen, "Book it")

    assert [held(world, each).balance.minor for each in (one, two)] == [300, 200]


def test_wallets_are_found_by_part_of_their_holders_name_or_by_the_id(world, at):
    holders = party(world, "Quill & Sons"), "party_without_a_name"
    with world.desk.work(world.actor("ana")) as work:
        for holder in holders:
            ledger.deposit(work, ledger.open_wallet(work, holder, "USD"), Money(4_242, "USD"))

    by_name, by_id = (
        shown(at("eva", "ledger", ledger_view="Wallets", holder=text)) for text in ("quill", "party_without_a_name")
    )

    assert ("Quill &amp; Sons" in by_name, "party_without_a_name" in by_name) == (True, False)
    assert ("Quill &amp; Sons" in by_id, "party_without_a_name" in by_id) == (False, True)


def test_holders_and_wallets_are_chosen_by_name(world, at):
    # Given two companies of one name, with a wallet each
    first, second = party(world, "Twin GmbH"), party(world, "Twin GmbH")
    with world.desk.work(world.actor("ana")) as work:
        one, _ = (ledger.open_wallet(work, each, "USD") for each in (first, second))
        ledger.open_wallet(work, second, "EUR")

    # Then either is offered by its name, told apart by the end of its id, and a wallet of the same currency alone
    opening = at("ana", "ledger", ledger_view="Wallets", do="open")
    offered = next(box for box in opening.selectbox if box.label == "Holder").options
    assert {f"Twin GmbH …{each[-6:]}" for each in (first, second)} <= set(offered)
    moving = at("ana", "ledger", account=one, do="move")
    screen = next(box for box in moving.selectbox if box.label == "What").select(EntryType.TRANSFER).run()
    offered = next(box for box in screen.selectbox if box.label == "To the wallet").options
    assert "Twin GmbH, USD" in offered
    assert not [each for each in offered if "EUR" in each or one[-6:] in each]


def test_more_than_there_is_and_what_is_no_amount_are_refused_in_the_dialog(world, at):
    poor = wallet(world, "party_poor", 100)
    screen = at("ana", "ledger", account=poor, do="move")
    next(box for box in screen.selectbox if box.label == "What").select(EntryType.WITHDRAWAL).run()
    type_in(screen, "Amount", "1.01")
    assert "1.00 USD to give; 1.01 USD was asked for" in shown(press(screen, "Book it"))
    type_in(screen, "Amount", "1,01")
    assert "error" in str(press(screen, "Book it").error).lower()
    assert held(world, poor).balance.minor == 100


def test_the_controller_adjusts_with_a_reason_and_what_it_is_about(world, at):
    ann = wallet(world, "party_adjusted", 100)
    screen = at("carla", "ledger", account=ann, do="adjust")
    next(radio for radio in screen.radio if radio.label == "Side").set_value("Take away")
    type_in(screen, "Amount", "-0.40")
    assert "Give it without a sign" in shown(press(screen, "Adjust it"))
    type_in(screen, "Amount", "0.40")
    assert "needs a reason" in shown(press(screen, "Adjust it"))
    type_in(screen, "Why", "counted twice")
    type_in(screen, "About", "TICKET-9")
    press(screen, "Adjust it")

    assert held(world, ann).balance.minor == 60
    with world.desk.read(world.actor("eva")) as reading:
        newest = ledger.entries(reading)[0]
    assert (newest.type, newest.reason, newest.source) == ("ADJUSTMENT", "counted twice", ("other", "TICKET-9"))


def test_a_frozen_wallet_says_why_and_is_opened_again(world, at):
    cold = wallet(world, "party_cold", 100)
    screen = at("carla", "ledger", account=cold, do="freeze")
    type_in(screen, "Why", "asked by the bank")
    press(screen, "Freeze it now")

    screen = at("carla", "ledger", account=cold)
    assert "asked by the bank" in shown(screen)
    assert "Open again" in labels(screen)
    assert not {"Move money", "Adjust", "Freeze"} & set(labels(screen))
    assert "Book it" not in labels(at("ana", "ledger", account=cold, do="move"))

    screen = at("carla", "ledger", account=cold, do="unfreeze")
    type_in(screen, "Why", "settled")
    press(screen, "Open it now")
    assert held(world, cold).state == "open"


def test_an_entry_is_reversed_once(world, at):
    ann = wallet(world, "party_undone")
    with world.desk.work(world.actor("ana")) as work:
        entry = ledger.deposit(work, ann, Money(100, "USD"), Terms(reason="meant for another")).id
    screen = at("carla", "ledger", entry=entry, do="reverse")
    type_in(screen, "Why", "the wrong wallet")
    press(screen, "Reverse it")

    assert held(world, ann).balance.minor == 0
    with world.desk.read(world.actor("eva")) as reading:
        undone = ledger.entry(reading, entry)
    screen = at("carla", "ledger", entry=entry)
    assert undone.reversed_by in shown(screen)
    assert "Reverse" not in labels(screen)


@pytest.mark.parametrize(
    ("who", "acts"),
    [
        ("ana", {"Move money"}),
        ("carla", {"Adjust", "Freeze"}),
        ("dan", set()),
        ("eva", set()),
    ],
)
def test_each_sees_the_acts_they_may_do_and_no_address_opens_another(world, at, who: str, acts: set[str]):
    ann = wallet(world, "party_seen", 100)
    every = {"Move money", "Adjust", "Freeze", "Open again"}

    assert every & set(labels(at(who, "ledger", account=ann))) == acts
    sends = {"move": "Book it", "adjust": "Adjust it", "freeze": "Freeze it now"}
    opened = {
        name
        for name, act in zip(sends, ("Move money", "Adjust", "Freeze"), strict=True)
        if sends[name] in labels(at(who, "ledger", account=ann, do=name))
    }
    assert {("Move money", "Adjust", "Freeze")[list(sends).index(name)] for name in opened} == acts


def test_the_statement_turns_to_the_time_of_booking(world, at):
    ann = wallet(world, "party_dated", 100)

    early = Terms(effective_on=date(2026, 1, 1))
    with world.desk.work(world.actor("ana")) as work:
        booked = ledger.deposit(work, ann, Money(5, "USD"), early).booked_at

    told = shown(at("eva", "ledger", account=ann, by="the time it was booked"))

    assert "for 2026-01-01" in told
    assert f"{booked.astimezone(ZoneInfo('America/New_York')):%Y-%m-%d %H:%M}" in told
    assert "for 2026-01-01" not in shown(at("eva", "ledger", account=ann))


def test_another_view_begins_at_its_own_first_row(world, at):
    wallet(world, "party_row", 100)
    screen = at("ana", "ledger", ledger_view="Wallets", older="acc_zzz")
    assert "Nothing matches" in shown(screen)

    next(box for box in screen.segmented_control if box.label == "Show").set_value("Entries").run()

    assert "Deposit" in shown(screen)


def test_what_became_of_a_payout_cannot_be_reversed_by_hand(world, at):
    seen = world.approved("currency,maximum\nUSD,100.00\n")
    world.work_off()
    (row,) = rows_of(world, seen.id)
    with world.desk.read(world.actor("eva")) as reading:
        (entry,) = ledger.entries(reading, EntryFilter(source_id=row.id))

    assert "Reverse" not in labels(at("carla", "ledger", entry=entry.id))
    with world.desk.work(world.actor("carla")) as work, pytest.raises(FinOpsError) as caught:
        ledger.reverse(work, entry.id, Terms(reason="why not"))
    assert caught.value.code == "FOLLOWS_ITS_DOCUMENT"
