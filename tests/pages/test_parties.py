"""Parties on screen: added, given bank details by two people, known or not, and shown no more of than is needed."""

from datetime import timedelta

import pytest

from finops_core import approvals, ledger, parties
from finops_core.kernel.money import Money
from finops_core.parties import BankDetails, IdentityCheck, IdentityStatus, PartyKind
from tests.pages.conftest import press, shown
from tests.world import World
from ui import request_cards

IBAN = "DE89370400440532013000"


def type_in(screen, **texts: str) -> None:
    for key, text in texts.items():
        next(field for field in screen.text_input if field.key == key).input(text)


def labels(screen) -> set[str]:
    return {button.label for button in screen.button}


@pytest.fixture
def lumen(world: World, request: pytest.FixtureRequest) -> str:
    with world.desk.work(world.actor("ana")) as work:
        return parties.add_party(work, PartyKind.COMPANY, f"Lumen {request.node.name}")


def propose(world: World, party_id: str, account: str = IBAN) -> str:
    with world.desk.work(world.actor("ana")) as work:
        return parties.propose_details(work, party_id, BankDetails("Lumen Ltd", account), "their letter")


def seen(world: World, party_id: str) -> parties.PartyView:
    with world.desk.read(world.actor("eva")) as reading:
        return parties.party(reading, party_id)


def test_with_none_the_page_says_so_and_a_party_is_added(world, at):
    assert "There is no party yet" in shown(at("eva", "parties"))
    screen = at("ana", "parties", do="add")
    assert "This name cannot be used" in shown(press(screen, "Add it"))
    type_in(screen, party_name="<b>Brightwater</b> & Sons")
    assert "Added: <b>Brightwater</b> & Sons." in press(screen, "Add it").toast[0].value

    told = shown(at("dan", "parties"))
    assert "&lt;b&gt;Brightwater&lt;/b&gt; &amp; Sons" in told
    assert "Not checked" in told
    assert "Add a party" not in labels(at("eva", "parties"))


def test_those_without_the_right_see_nothing(world, at, lumen):
    told = shown(at("adam", "parties"))

    assert "Lumen" not in told
    assert "Lumen" not in shown(at("adam", "parties", party=lumen))


def test_bank_details_are_proposed_with_every_fault_at_once(world, at, lumen):
    screen = at("ana", "parties", party=lumen, do="propose")
    type_in(screen, bank_account="DE89370400440532013001", bank_bic="NO", party_why="x")
    told = shown(press(screen, "Ask for approval"))
    for part in ("holder&#x27;s name is missing", "check digits do not fit", "The BIC is not one"):
        assert part.replace("&#x27;", "'") in told
    assert "0532013001" not in told

    type_in(
        screen, bank_holder="Lumen Ltd", bank_account="DE89 3704 0044 0532 0130 00", bank_bic="", party_why="letter"
    )
    press(screen, "Ask for approval")

    coming = seen(world, lumen).details.coming
    assert (coming.last4, coming.reason) == ("3000", "letter")
    told = shown(at("eva", "parties", party=lumen))
    assert "wait for approval" in told
    assert "Waits for approval" in told
    assert "Change bank details" not in labels(at("ana", "parties", party=lumen))


def test_the_approver_sees_old_and_new_and_agrees_in_the_drawer(world, at, lumen):
    first = propose(world, lumen)
    with world.desk.work(world.actor("ben")) as work:
        request = approvals.of_subject(work, "bank_details", first)[0]
        approvals.decide(work, request.id, approvals.Decision.APPROVED, "", request.content_hash)
    second = propose(world, lumen, "GB29NWBK60161331926819")
    with world.desk.read(world.actor("ben")) as reading:
        number = approvals.of_subject(reading, "bank_details", second)[0].number

    screen = at("ben", "approvals", request=number)
    told = shown(screen)
    for part in (
        "•••• 3000",
        "GB •••• 6819",
        "their letter",
        "What will count is what you see here",
        "it counts at once",
    ):
        assert part in told
    assert "(not met)" not in told
    assert "cools off" not in told
    assert "amounts are within" not in told
    assert "You have the authority for requests of this kind" in told
    assert "cools off for 24 hours" in request_cards.checks(request, same_plan=False, cool_off_h=24)
    press(screen, "Approve")

    assert seen(world, lumen).details.current.last4 == "6819"
    told = shown(at("eva", "parties", party=lumen))
    assert "Replaced" in told
    assert "Counts" in told


def test_whoever_prepared_them_is_not_offered_to_decide_nor_the_whole_account(world, at, lumen):
    propose(world, lumen)
    screen = at("ana", "parties", party=lumen)

    assert not {label for label in labels(screen) if label.startswith("Show the account")}
    assert IBAN not in shown(screen)


def test_the_whole_account_is_shown_once_to_who_may(world, at, lumen):
    propose(world, lumen)
    screen = at("ben", "parties", party=lumen)
    assert IBAN not in shown(screen)
    assert IBAN in shown(press(screen, "Show the account that is to count"))

    assert IBAN not in shown(screen.run())


def test_what_is_wrong_is_withdrawn_with_a_reason(world, at, lumen):
    propose(world, lumen)
    assert "Withdraw it" not in labels(at("ben", "parties", party=lumen))
    screen = press(at("carla", "parties", party=lumen), "Withdraw it")
    next(button for button in screen.button if button.key != "party_withdraw" and button.label == "Withdraw it").click()
    assert "needs a reason" in shown(screen.run())
    type_in(screen, party_why="they never wrote that")
    next(button for button in screen.button if button.key != "party_withdraw" and button.label == "Withdraw it").click()
    assert not screen.run().exception

    assert seen(world, lumen).details.coming is None
    assert "they never wrote that" in shown(at("eva", "parties", party=lumen))


def test_an_identity_is_noted_with_its_last_day_and_shown_as_run_out_after_it(world, at, lumen):
    screen = at("carla", "parties", party=lumen, do="verify")
    told = shown(press(screen, "Note it"))
    assert "Say what was looked at." in told
    assert "must be checked anew" in told
    type_in(screen, kyc_evidence="Register extract, folder 12")
    today = world.desk.ports.clock.now().date()
    next(field for field in screen.date_input if field.key == "kyc_until").set_value(today + timedelta(days=90))
    press(screen, "Note it")

    told = shown(at("eva", "parties", party=lumen))
    assert f"Verified until {(today + timedelta(days=90)).isoformat()}" in told
    assert "Register extract, folder 12" in told
    assert "Note identity" not in labels(at("ana", "parties", party=lumen))


def test_one_page_shows_what_is_held_for_a_party_and_the_ledger_calls_it_by_its_name(world, at, lumen):
    with world.desk.work(world.actor("ana")) as work:
        wallet = ledger.open_wallet(work, lumen, "USD")
        ledger.deposit(work, wallet, Money(12_345, "USD"))

    told = shown(at("eva", "parties", party=lumen))
    assert f"account={wallet}" in told
    assert "123.45 USD" in told
    with world.desk.read(world.actor("eva")) as reading:
        [line] = ledger.statement(reading, wallet).lines
    for query in ({"ledger_view": "Wallets"}, {"entry": line.journal_id}, {"line": "2010", "currency": "USD"}):
        assert f"party={lumen}" in shown(at("eva", "ledger", **query)), query


def test_an_adjustment_is_decided_by_the_name_of_the_holder(world, at, lumen):
    with world.desk.work(world.actor("ana")) as work:
        wallet = ledger.open_wallet(work, lumen, "USD")
    with world.desk.work(world.actor("carla")) as work:
        ledger.adjust_or_propose(work, wallet, Money(500_000, "USD"), ledger.Terms(reason="a deposit that was missed"))
        [asked] = ledger.proposals(work, wallet, waiting=True)
        called = seen(world, lumen).name

    # Ben decides without seeing the ledger: nothing leads him where he may not go.
    ben, eva = (at(who, "approvals", request=asked.request_id) for who in ("ben", "eva"))
    for screen in (ben, eva):
        assert f"Adjustment of 5000.00 USD for {called}" in shown(screen)
        assert f"party={lumen}" in shown(screen)
    assert f"account={wallet}" not in shown(ben)
    assert f"account={wallet}" in shown(eva)


def test_parties_are_found_renamed_and_closed(world, at, lumen):
    with world.desk.work(world.actor("carla")) as work:
        until = world.desk.ports.clock.now().date() + timedelta(days=30)
        check = IdentityCheck(IdentityStatus.VERIFIED, evidence="x", expires_on=until)
        parties.note_identity(work, lumen, check)
    screen = at("ana", "parties", party=lumen, do="rename")
    type_in(screen, party_name="Kestrel")
    press(screen, "Rename it")
    assert "Kestrel" in shown(at("eva", "parties", find_party="kest"))
    assert "Nothing matches" in shown(at("eva", "parties", find_party="nobody"))

    screen = at("ana", "parties", party=lumen, do="close")
    type_in(screen, party_why="merged")
    press(screen, "Close it")
    assert "Nothing matches" in shown(at("eva", "parties", find_party="kest"))
    told = at("ana", "parties", party=lumen)
    assert "merged" in shown(told)
    assert not {"Change bank details", "Rename", "Close"} & labels(told)


def test_a_party_that_is_none_is_told(world, at):
    assert "There is no such party here" in shown(at("eva", "parties", party="party_none"))
