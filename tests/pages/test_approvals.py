"""Approvals: cards, the drawer with the plan and its checks, and who may decide."""

import pytest

from finops_core import approvals, operations
from finops_core.operations import State
from tests.pages.conftest import shown


def drawer(at, who, seen):
    screen = at(who, "approvals")
    screen.button(key=f"tall_review_{number_of(screen, seen)}").click().run()
    assert not screen.exception
    return screen


def number_of(screen, seen):
    keys = [button.key for button in screen.button if button.key and button.key.startswith("tall_review_")]
    told = [element.value for element in screen.html if "to-line" in element.value and "AP-" in element.value]
    cards = [index for index, text in enumerate(told) if seen.number in text]
    return keys[cards[0]].removeprefix("tall_review_")


def labels(screen):
    return [button.label for button in screen.form_submit_button if button.label in {"Approve", "Reject"}]


def decide(screen, label):
    next(button for button in screen.form_submit_button if button.label == label).click().run()


def test_without_requests_the_page_says_what_will_come(at):
    assert "Nothing waits for a decision" in shown(at("ben", "approvals"))


def test_a_card_shows_what_by_whom_how_much_and_one_button(world, at):
    seen = world.submitted("currency\nUSD\n")

    screen = at("ben", "approvals")

    told = shown(screen)
    assert f"Stripe balance payout {seen.number}" in told
    assert "Ana Brito" in told
    assert "184,220.15 USD" in told
    assert "expires in" in told
    assert [button.label for button in screen.main.button] == ["Review"]


def test_the_drawer_holds_the_plan_the_checks_and_both_decisions(world, at):
    seen = world.submitted("currency,minimum_to_leave\nEUR,100.00\n")

    screen = drawer(at, "ben", seen)

    told = shown(screen)
    assert "61,100.50 EUR" in told
    assert "Banco Atlantico" in told
    assert "The plan is the one that was submitted" in told
    assert "(not met)" not in told
    assert labels(screen) == ["Approve", "Reject"]


def test_the_address_opens_the_drawer(world, at):
    seen = world.submitted("currency\nGBP\n")

    screen = at("ben", "approvals", request=seen.approval_request_id)

    assert labels(screen) == ["Approve", "Reject"]


def test_an_address_that_names_no_request_says_so(at):
    assert "There is no such approval request." in shown(at("ben", "approvals", request="AP-1999-0001"))


def test_approving_sets_the_run_going(world, at):
    seen = world.submitted("currency\nKWD\n")
    screen = drawer(at, "ben", seen)

    decide(screen, "Approve")

    assert not screen.exception
    assert world.execution(seen.id).state is State.QUEUED


def test_rejecting_needs_a_comment(world, at):
    seen = world.submitted("currency\nHUF\n")
    screen = drawer(at, "ben", seen)

    decide(screen, "Reject")

    assert screen.error
    assert world.execution(seen.id).state is State.AWAITING_APPROVAL

    next(each for each in screen.text_area if each.label == "Comment").set_value("the amount is wrong")
    decide(screen, "Reject")
    assert world.execution(seen.id).state is State.REJECTED


@pytest.mark.parametrize(("who", "told"), [("dan", "no authority"), ("eva", "not allowed to decide")])
def test_somebody_who_may_not_decide_sees_why_and_neither_buttons_nor_checks(world, at, who, told):
    seen = world.submitted(f"currency,maximum\nSEK,{len(told)}.00\n")

    screen = drawer(at, who, seen)

    assert labels(screen) == []
    assert told in screen.info[0].value
    assert "within your authority" not in shown(screen)


def test_what_was_decided_is_kept_with_who_decided_and_its_checks_are_over(world, at):
    seen = world.submitted("currency\nCAD\n")
    world.decide(seen, "approved")

    screen = at("carla", "approvals", show="Decided")
    assert "by Ben Osei" in shown(screen)
    assert "asked for by Ana Brito" in shown(screen)
    screen.button(key=f"tall_review_{number_of(screen, seen)}").click().run()

    told = shown(screen)
    assert "as agreed" in told
    assert "within your authority" not in told
    assert labels(screen) == []


def test_a_request_that_was_replaced_says_so_and_leads_to_the_new_one(world, at):
    # Given a request, and a plan that pays less since
    old = world.submitted("currency\nAUD\n")
    number = request_of(world, old).number
    with world.desk.work(world.actor("ana")) as work:
        operations.replan(work, old.id)

    # When Ben opens it while the new plan is being made
    told = shown(at("ben", "approvals", request=number))

    # Then it says that it is over, and that nothing was decided
    assert f"{number} does not count any more: a new plan was made." in told
    assert "Nothing was decided." in told
    assert "4.20 AUD" in told

    # When the new plan has been submitted
    world.work_off()
    with world.desk.work(world.actor("ana")) as work:
        operations.submit(work, old.id, world.execution(old.id).plan_hash)
    screen = at("ben", "approvals", request=number)

    # Then the old request leads to the new one
    new = request_of(world, old).number
    assert f"It was replaced by {new}." in shown(screen)
    assert f"request={new}" in shown(screen)
    assert labels(screen) == []


def test_a_card_shows_the_organisations_own_currency_first(world, at):
    world.submitted("currency,maximum\nCHF,2.00\nEUR,9000.00\nGBP,\nUSD,1.25\n")

    assert "<strong>1.25 USD</strong></span><br><span><strong>9,042.10 GBP</strong>" in shown(at("ben", "approvals"))


def test_a_page_past_the_last_shows_the_last(world, at):
    seen = world.submitted("currency,maximum\nUSD,1.99\n")

    assert seen.number in shown(at("ben", "approvals", approvals_page="99"))


def request_of(world, seen):
    with world.desk.read(world.actor("carla")) as reading:
        return approvals.of_subject(reading, "execution", seen.id)[0]


PAYEES = (
    "name,iban,bic,currency,amount,reference,street,building,post_code,town,country\n"
    "Nordlicht GmbH,DE02120300000000202051,,EUR,10.00,,,,,Hamburg,DE\n"
)


def test_the_drawer_says_what_paid_the_same_file_since_the_plan_was_made_and_that_its_payee_is_new_no_more(world, at):
    # Given two plans of one file, each with a new payee, of which one waits for Ben
    transfers = {"operation": "payouts.bank_transfers", "reason": "both are meant"}
    first = world.planned(PAYEES, **transfers)
    second = world.submitted(PAYEES, **transfers, params={"execute_on": "2099-01-05"})
    screen = at("ben", "approvals", request=second.approval_request_id)
    assert "1 new destination." in shown(screen)
    assert "Nothing was paid there" in shown(screen)
    assert first.number not in shown(screen)

    # When the other one is paid while the drawer stands open, and Ben approves
    with world.desk.work(world.actor("ana")) as work:
        operations.submit(work, first.id, first.plan_hash)
    world.decide(first)
    world.work_off()
    decide(screen, "Approve")

    # Then nothing is decided: the drawer now says what he had not seen
    assert world.execution(second.id).state is State.AWAITING_APPROVAL
    told = shown(screen)
    assert "since you opened this" in told
    assert f"This file ran before, as {first.number}" in told
    assert f"{first.number} paid, or is about to pay, where 1 payment of this plan goes" in told
    assert "Nothing was paid there" not in told
    assert "1 new destination when it was planned." in told

    # And once he has seen it, his word counts
    decide(screen, "Approve")
    assert world.execution(second.id).state is State.QUEUED


def test_the_checks_of_a_bank_file_speak_of_no_balance(world, at):
    by_file = world.submitted(PAYEES.replace("10.00", "12.00"), operation="payouts.bank_transfers")
    by_stripe = world.submitted("currency,maximum\nUSD,7.77\n")

    told = [shown(at("ben", "approvals", request=each.approval_request_id)) for each in (by_file, by_stripe)]

    assert "A bank file looks at no balance." in told[0]
    assert "row 1 · line 2 of the file" in told[0]
    assert "Paid from" in told[0]
    assert "Harbour Labs Inc" in told[0]
    assert "Paid from" not in told[1]
    assert "Balances are looked at again" not in told[0]
    assert "Balances are looked at again" in told[1]
