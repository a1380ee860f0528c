"""Approvals: cards, the drawer with the plan and its checks, and who may decide."""

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
    return [button.label for button in screen.form_submit_button]


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

    screen.form_submit_button[0].click().run()

    assert not screen.exception
    assert world.execution(seen.id).state is State.QUEUED


def test_rejecting_needs_a_comment(world, at):
    seen = world.submitted("currency\nHUF\n")
    screen = drawer(at, "ben", seen)

    screen.form_submit_button[1].click().run()

    assert screen.error
    assert world.execution(seen.id).state is State.AWAITING_APPROVAL

    screen.text_area[0].set_value("the amount is wrong")
    screen.form_submit_button[1].click().run()
    assert world.execution(seen.id).state is State.REJECTED


def test_somebody_without_authority_sees_why_and_has_no_buttons(world, at):
    seen = world.submitted("currency\nSEK\n")

    screen = drawer(at, "dan", seen)

    assert labels(screen) == []
    assert "no authority" in screen.info[0].value
    assert "The amounts are within your authority (not met)" in shown(screen)


def test_what_was_decided_is_kept_with_who_decided(world, at):
    seen = world.submitted("currency\nCAD\n")
    world.decide(seen, "approved")

    screen = at("carla", "approvals", show="Decided")
    screen.button(key=f"tall_review_{number_of(screen, seen)}").click().run()

    told = shown(screen)
    assert "Ben Osei" in told
    assert "as agreed" in told
    assert labels(screen) == []
