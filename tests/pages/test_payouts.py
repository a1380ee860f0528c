"""Money in flight: who sees which payouts, what needs somebody first, and what an empty list says."""

import pytest

from finops_core.adapters.stripe_sandbox.faults import Fault, FaultKind
from tests.pages.conftest import shown
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
