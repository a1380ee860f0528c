"""Money in flight: who sees which payouts, what needs somebody first, and what an empty list says."""

import re

import pytest

from finops_core.adapters.stripe_sandbox.faults import Fault, FaultKind
from tests.pages.conftest import shown
from tests.payouts.walks import HARBOUR, rows_of
from tests.world import World


@pytest.fixture(scope="module")
def sent(world: World) -> dict[str, str]:
    """Numbers of a batch that was paid, of one that was refused, and of one in doubt."""
    paid = world.approved("currency\nUSD\n")
    world.work_off()
    refused = world.approved("currency\nGBP\n")
    world.sandbox.control.fault(Fault(FaultKind.BALANCE_INSUFFICIENT))
    world.work_off()
    doubtful = world.approved("currency\nCAD\n")
    world.sandbox.control.fault(
        Fault(FaultKind.RESET_AFTER), Fault(FaultKind.ERROR_BEFORE, method="GET", path="/v1/payouts", times=10)
    )
    world.work_off()
    world.sandbox.control.post("reset", {"only": ["fault"]})
    world.sandbox.forgive()
    return {"paid": paid.number, "refused": refused.number, "in_doubt": doubtful.number}


def listed(screen) -> str:
    return next(element.value for element in screen.html if "<caption>Payouts</caption>" in element.value)


def test_what_needs_somebody_stands_first_with_its_execution_and_its_sum(sent, at):
    told = listed(at("carla", "payouts"))

    places = [told.index(sent[each]) for each in ("in_doubt", "refused", "paid")]
    assert places == sorted(places)
    assert f"executions?execution={sent['in_doubt']}" in told.replace("&amp;", "&")


@pytest.mark.parametrize(
    ("standing", "there", "not_there"),
    [("in_flight", "paid", "refused"), ("in_doubt", "in_doubt", "paid"), ("sent", "paid", "in_doubt")],
)
def test_an_address_with_bare_values_shows_only_those(sent, at, standing, there, not_there):
    told = listed(at("carla", "payouts", standing=standing))

    assert sent[there] in told
    assert sent[not_there] not in told


def test_each_figure_leads_to_its_rows(sent, at):
    told = shown(at("carla", "payouts"))

    for words in ("On+their+way", "Late", "In+doubt", "Came+back"):
        assert f"payouts?standing={words}" in told


@pytest.mark.parametrize(("standing", "words"), [("late", "Nothing is late"), ("returned", "Nothing came back")])
def test_an_empty_list_says_what_its_emptiness_means(sent, at, standing, words):
    assert words in shown(at("carla", "payouts", standing=standing))


def test_an_amount_opens_the_payout_beside_the_list_and_keeps_the_filters(world, sent, at):
    told = listed(at("carla", "payouts", standing="sent"))

    (row,) = rows_of(world, world.execution(sent["paid"]).id)
    link = re.search(rf'href="([^"]*payout={row.id}[^"]*)"', told)
    assert link
    assert "standing=Sent" in link[1]


def test_a_payouts_drawer_tells_its_whole_story_in_words(world, sent, at):
    # Given a payout that arrived and came back days later
    (row,) = rows_of(world, world.execution(sent["paid"]).id)
    world.sandbox.control.transition(row.provider_id, "in_transit", "paid", account=HARBOUR)
    world.follow()
    world.sandbox.control.transition(
        row.provider_id, "failed", account=HARBOUR, code="no_account", message="The bank account was closed."
    )
    world.follow()
    world.run_job("payouts.reconcile")

    # When it is opened by its provider's id
    told = shown(at("carla", "payouts", payout=row.provider_id))

    # Then every step stands there in order, then the statement with what left and what came back
    steps = ["Approved, and lined up", "About to be sent", "Made at the provider", "Arrived at the bank", "Came back"]
    places = [told.index(f"<strong>{step}") for step in steps]
    assert places == sorted(places)
    assert "Sent to the provider: it was made" in told
    assert "The bank account was closed." in told
    assert told.count("184,220.15 USD") >= 3, "title or list, what left, what came back"
    assert "Given back" in told
    assert "Agrees" in told
    assert f"executions?execution={sent['paid']}" in told.replace("&amp;", "&")
    assert f"audit?object=payout%3A{row.id}" in told
    assert not re.search(
        r"needs_review|in_doubt|PayoutState|no_account|[A-Z]{3,}_[A-Z]+", told[places[0] :].split("<style")[0]
    )


def test_a_payout_in_doubt_is_told_as_such_and_never_as_failed(world, sent, at):
    (row,) = rows_of(world, world.execution(sent["in_doubt"]).id)

    told = shown(at("carla", "payouts", payout=row.id))

    assert "nobody can say yet whether it was made" in told
    assert "Sent to the provider: no clear answer" in told
    assert "statement" not in told.split("What happened")[1].split("<style")[0]


def test_a_payout_one_may_not_see_is_not_there_and_the_list_is(world, sent, at):
    (row,) = rows_of(world, world.execution(sent["paid"]).id)

    for who, wanted in (("carla", "pay_unknown"), ("carla", "po_unknown")):
        screen = at(who, "payouts", payout=wanted)
        assert "There is no such payout" in screen.error[0].value
        assert sent["paid"] in listed(screen)
    elsewhere = at("carla", "payouts", payout=row.id, org="norrland")
    assert "There is no such payout" in elsewhere.error[0].value


def test_the_order_stands_in_the_address(sent, at):
    screen = at("carla", "payouts", sort="arrival")

    assert screen.selectbox(key="sort").value == "arrival"
    assert at("carla", "payouts").selectbox(key="sort").value == "trouble"
