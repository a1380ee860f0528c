"""What only a real browser shows: whether things can be read, stand whole, and are where somebody looks."""

import re

import pytest
from playwright.sync_api import Locator, expect

from finops_core import parties
from finops_core.operations import State
from tests.e2e.backstage import Backstage
from tests.e2e.screens import WAIT_MS, Screen

pytestmark = [pytest.mark.browser, pytest.mark.slow]

PAYOUT_FORM = "run?operation=payouts.stripe_balance"
# Relative luminance and contrast of WCAG 2.2; colours that let the ground shine through are laid over it first.
CONTRAST = """element => {
    const rgba = text => (text.match(/[\\d.]+/g) || []).map(Number);
    const over = ([r, g, b, a = 1], ground) => [r, g, b].map((part, place) => part * a + ground[place] * (1 - a));
    const grounds = [];
    for (let box = element; box; box = box.parentElement) grounds.unshift(rgba(getComputedStyle(box).backgroundColor));
    const ground = grounds.reduce((below, colour) => over(colour, below), [255, 255, 255]);
    const light = colour => {
        const [r, g, b] = colour.map(part => part / 255).map(part =>
            part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const [one, two] = [light(over(rgba(getComputedStyle(element).color), ground)), light(ground)];
    return (Math.max(one, two) + 0.05) / (Math.min(one, two) + 0.05);
}"""
# A disabled control needs no contrast by WCAG, but a label that is there must be seen to be there.
FAINTEST = 2.0
LINES = "cell => Math.round(cell.getBoundingClientRect().height / parseFloat(getComputedStyle(cell).lineHeight))"


def contrast(label: Locator) -> float:
    return float(label.evaluate(CONTRAST))


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_button_that_cannot_be_pressed_can_still_be_read(backstage: Backstage, enter, scheme: str):
    # Given a plan that pays nothing
    seen = backstage.planned("currency,minimum_to_leave\nAUD,9999.00\n")

    # When its preparer looks at it
    ana = enter("ana", f"run?execution={seen.number}", scheme=scheme)
    button = ana.main.get_by_role("button", name="Submit for approval")
    expect(button).to_be_disabled()

    # Then the dead button has a label, and the live one of the form a strong one
    assert contrast(button.locator("p")) >= FAINTEST
    ana.open(PAYOUT_FORM)
    assert contrast(ana.main.get_by_role("button", name="Make the plan").locator("p")) >= 4.5


def test_icons_of_what_needs_somebody_are_whole(backstage: Backstage, enter):
    # A line that is longer than its place shrinks what stands before it, unless that is told not to.
    seen = backstage.planned("currency,maximum\nSEK,5.01\n")
    ana = enter("ana")
    ana.page.set_viewport_size({"width": 1024, "height": 800})
    icon = ana.main.locator(f'.to-needs a[href*="{seen.number}"] .to-icon')
    icon.wait_for()

    box, text = icon.bounding_box(), float(icon.evaluate("icon => parseFloat(getComputedStyle(icon).fontSize)"))
    assert box is not None
    assert box["width"] >= text


def test_dates_and_bank_accounts_stand_on_one_line_and_nothing_is_spelled_two_ways(backstage: Backstage, enter):
    # Given rows with and without a reason, so that the state's column is wide
    app = backstage.app
    from finops_core.adapters.stripe_sandbox.faults import Fault, FaultKind

    app.sandbox.fault(Fault(FaultKind.FORBIDDEN, where={"currency": "chf"}))
    seen = backstage.approved("currency,maximum\nSEK,5.02\nCHF,5.02\n")
    backstage.awaited(seen.id, State.FAILED, State.COMPLETED)
    ana = enter("ana", f"executions?execution={seen.number}")
    ana.table("Payouts, row by row")

    # Then no date is broken, and the bank's last four digits stay with their dots
    for cell in ana.main.locator('td[data-label="Expected"] div').all():
        assert cell.evaluate(LINES) <= 1
    for tail in ana.main.locator('td[data-label="To bank account"] .to-fix').all():
        assert re.fullmatch(r"•••• \d{4}", tail.inner_text())
        assert tail.evaluate("tail => tail.getClientRects().length") == 1


@pytest.mark.parametrize("size", ["desktop", "phone"])
def test_what_is_wrong_with_a_file_is_what_one_sees_after_sending_it(enter, size: str):
    # Given a wrong file in the form
    ana = enter("ana", PAYOUT_FORM, size=size)
    for content in (b"currency,maximum\nEURO,1\nXXX,2\n", b"currency,maximum\nEURO,1\nXX,2\nYY,3\n"):
        ana.choose("wrong.csv", content)

        # When it is sent, and another one after that
        ana.press("Make the plan")

        # Then the first screen says how much is to be mended
        told = ana.main.get_by_text(f"{content.count(b',') - 1} things to mend in wrong.csv")
        expect(told).to_be_in_viewport(timeout=WAIT_MS)
    ana.look("81-to-mend")


@pytest.mark.parametrize("size", ["desktop", "phone"])
def test_an_ended_session_leaves_one_sentence_and_no_empty_frame(backstage: Backstage, enter, size: str):
    # Given somebody at work
    person_id = backstage.add_person(f"kim-{size}", "preparer")
    screen: Screen = enter(f"kim-{size}", "run", size=size)
    screen.heading("Upload & run")

    # When their session is ended, and they go on
    backstage.sign_out_everywhere(person_id)
    screen.main.get_by_role("link", name="CSV totals").click()

    # Then the form says why it is there, and no sidebar stands beside it
    screen.sees("Your session has ended.")
    screen.settle()
    expect(screen.page.get_by_test_id("stSidebar")).not_to_be_visible()
    expect(screen.page.get_by_test_id("stExpandSidebarButton")).not_to_be_visible()
    screen.look("82-session-ended")


def test_on_a_phone_closed_filters_say_what_is_set_and_one_tap_clears_them(backstage: Backstage, enter):
    # Given a link with filters that leave nothing
    seen = backstage.planned("currency,maximum\nSEK,5.03\n")
    ana = enter("ana", "executions?text=no+such+thing&state=Failed", size="phone")
    ana.sees("Nothing matches")

    # Then the folded filters say so
    expect(ana.main.get_by_label("Search")).not_to_be_visible()
    ana.sees("Search: no such thing")
    ana.sees("State: Failed")
    ana.look("83-filters-set")

    # When they are cleared
    ana.main.get_by_role("button", name="Clear all").tap()
    ana.settle()

    # Then the rows are there again, and stay after a reload
    ana.sees(seen.number)
    ana.reload()
    ana.sees(seen.number)
    assert ana.query().keys().isdisjoint({"text", "state"})


def test_a_filtered_list_is_kept_and_handed_on_by_its_link(backstage: Backstage, enter):
    # Given a list that Ana has filtered
    seen = backstage.planned("currency,maximum\nSEK,5.04\n", name="kept-view.csv")
    ana = enter("ana", "executions")
    ana.type("Search", "kept-view")
    ana.pick("State", "Pending")
    ana.page.context.grant_permissions(["clipboard-read", "clipboard-write"])

    # When she copies its link
    ana.main.get_by_role("button", name="Copy link").click()
    ana.sees("Copied", ana.main)
    link = ana.page.evaluate("navigator.clipboard.readText()")

    # Then somebody else opens the same rows by it
    assert link == ana.page.url
    carla = enter("carla", link.removeprefix(f"{backstage.app.url}/"))
    assert [row["Number"] for row in carla.table("Executions")] == [seen.number]
    carla.sees("Search: kept-view")
    carla.sees("State: Pending")


def test_a_long_badge_stays_inside_its_card_on_a_phone(backstage: Backstage, enter):
    # Given a party whose bank details wait for approval
    given = parties.BankDetails("Badge Ltd", "DE89370400440532013000")
    with backstage.app.desk.work(backstage.actor("ana")) as work:
        party = parties.add_party(work, parties.PartyKind.COMPANY, "Badge")
        parties.propose_details(work, party, given, "Their letter")

    # When the list is read on a phone
    carla = enter("carla", "parties", size="phone")
    badge = carla.main.locator(".to-badge", has_text="waits for approval").first
    badge.wait_for()

    # Then it is no wider than its place
    assert badge.evaluate("it => it.getBoundingClientRect().right <= it.closest('td').getBoundingClientRect().right")
