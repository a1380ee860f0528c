"""Two tabs of one person in two organisations: what stands open keeps to its own, and nothing lands in the other."""

import re

import pytest

from finops_core import operations
from finops_core.operations import ExecutionFilter, State
from tests.e2e.backstage import Backstage
from tests.e2e.screens import Screen

pytestmark = [pytest.mark.browser, pytest.mark.slow]

REFUSED = "This page was drawn for Harbour Labs; you now look at Norrland Trading."


def beside(screen: Screen, path: str = "") -> Screen:
    """A second tab of the same browser."""
    other = Screen(screen.app, screen.page.context.new_page())
    other.open(path)
    return other


def switch(screen: Screen, name: str) -> None:
    screen.page.get_by_test_id("stSidebar").get_by_role("combobox", name="Organisation").click()
    screen.page.get_by_role("option", name=name).click()
    screen.heading("Home")
    screen.sees(f"{name} · as of")


def made(backstage: Backstage, org: str, name: str) -> int:
    with backstage.app.desk.read(backstage.actor("carla", org)) as reading:
        return operations.executions(reading, ExecutionFilter(text=name), limit=0).total


def test_what_stands_open_in_one_tab_does_nothing_after_a_switch_in_the_other(backstage: Backstage, enter):
    # Given a form, an open question and a page of files of Harbour's in three tabs
    seen = backstage.submitted("currency,maximum\nSEK,4.01\n")
    done = backstage.added_up("currency,amount\nEUR,4.02\n")
    form = enter("ana", "run?operation=payouts.stripe_balance")
    form.choose("two-tabs.csv", b"currency,maximum\nSEK,4.03\n")
    page = beside(form, f"executions?execution={seen.number}")
    page.main.get_by_role("button", name="Withdraw", exact=True).click()
    page.drawer.get_by_label("Reason").fill("Wrong month")
    files = beside(form, f"executions?execution={done.number}&execution_view=Result+%26+files")

    # When she switches to Norrland in a fourth
    other = beside(form)
    switch(other, "Norrland Trading")

    # Then the form makes no plan and the question cancels nothing; both name the two organisations
    form.press("Make the plan")
    form.sees(REFUSED, form.main)
    form.look("80-drawn-for-another")
    page.press("Withdraw it", page.drawer)
    page.sees(re.compile(re.escape(REFUSED)), page.drawer.get_by_role("alert"))
    assert [made(backstage, org, "two-tabs.csv") for org in ("harbour", "norrland")] == [0, 0]
    assert backstage.execution(seen.id).state is State.AWAITING_APPROVAL

    # and what a page shows can still be taken along
    with files.page.expect_download() as given:
        files.main.get_by_role("button", name="Download", exact=True).first.click()
    assert given.value.failure() is None

    # When she goes back, she finds the form again
    form.press("Back to Harbour Labs")
    form.heading("Stripe balance payout")
    form.sees("Harbour Labs", form.main)


def test_a_link_leads_to_its_organisation_even_where_numbers_are_the_same(backstage: Backstage, enter):
    # Given the first execution of each organisation, which have one number
    backstage.added_up("currency,amount\nEUR,4.04\n", org="norrland", name="of-norrland.csv")
    with backstage.app.desk.read(backstage.actor("carla", "norrland")) as reading:
        number = operations.executions(reading, ExecutionFilter(text="of-norrland.csv")).rows[0].number

    # When Carla, who looks at Harbour, opens a link as it stands in Norrland's list
    carla = enter("carla", "executions?org=norrland")
    address = carla.main.get_by_role("link", name=number).first.get_attribute("href")
    assert address is not None
    carla.open("executions?org=harbour")
    carla.sees("Harbour Labs", carla.main)
    carla.open(address.lstrip("/"))

    # Then she is in Norrland, and the page says so
    carla.sees("You now look at Norrland Trading.")
    carla.sees("of-norrland.csv", carla.main)
    carla.sees("Norrland Trading", carla.main)
