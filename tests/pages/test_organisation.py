"""Two organisations and one session: pages say whose they are, links carry it, and no act lands in the wrong one."""

import pytest

from finops_core import approvals, operations
from finops_core.operations import ExecutionFilter, State
from tests.pages.conftest import press, shown
from ui.navigation import ROOMS

PAYOUT = "payouts.stripe_balance"
OFFICE = tuple(room for room in ROOMS if room.section == "Administration")
MOVED = "This page was drawn for Harbour Labs; you now look at Norrland Trading."


def switch(world, screen, org):
    """In another tab of the same session."""
    from finops_core import security
    from ui.session import SESSION

    session_id = screen.session_state[SESSION]
    with world.desk.read(security.visitor()) as reading:
        actor = security.session_of(reading, session_id=session_id).actor()
    with world.desk.work(actor) as work:
        security.switch_organisation(work, session_id, world.orgs[org])


def drafts(world, org):
    with world.desk.read(world.actor("carla", org)) as reading:
        return operations.executions(reading, ExecutionFilter(), limit=0).total


def request_of(world, seen, org="harbour"):
    with world.desk.read(world.actor("carla", org)) as reading:
        return approvals.of_subject(reading, "execution", seen.id)[0]


@pytest.mark.parametrize(
    ("who", "page", "query"),
    [
        *(("carla", room.path, {}) for room in ROOMS if room.path and room.path != "run" and room not in OFFICE),
        *(("adam", room.path, {}) for room in OFFICE),
        ("carla", "home", {}),
        ("ana", "run", {}),
        ("ana", "run", {"operation": PAYOUT}),
        ("carla", "payouts", {"standing": "in_doubt"}),
    ],
)
def test_every_page_says_whose_it_is(at, who, page, query):
    assert "Harbour Labs" in shown(at(who, page, **query)).replace("The organisation", "")


def test_plan_execution_and_drawer_say_whose_they_are(world, at):
    ready = world.planned("currency\nUSD\n")
    waiting = world.submitted("currency\nEUR\n")

    for screen in (
        at("ana", "run", execution=ready.number),
        at("ana", "executions", execution=waiting.number),
    ):
        assert any("Harbour Labs" in element.value and "to-line" in element.value for element in screen.html)
    drawer = at("ben", "approvals", request=request_of(world, waiting).number)
    assert any("<strong>Harbour Labs</strong>" in element.value for element in drawer.html)


def test_a_form_drawn_for_another_organisation_does_nothing_when_it_is_sent(world, at):
    # Given Ana's form for Harbour, and a switch to Norrland in another tab
    form = at("ana", "run", operation=PAYOUT)
    form.file_uploader[0].upload("mine.csv", b"currency\nEUR\n")
    before = drafts(world, "harbour"), drafts(world, "norrland")
    switch(world, form, "norrland")

    # When she sends the form
    press(form, "Make the plan")

    # Then she reads both names, and nothing was made in either
    assert MOVED in form.warning[0].value
    assert "Nothing was done." in form.warning[0].value
    assert (drafts(world, "harbour"), drafts(world, "norrland")) == before
    assert not form.file_uploader

    # When she goes back, it is Harbour's form again
    press(form, "Back to Harbour Labs")
    assert form.title[0].value == "Stripe balance payout"
    assert "Harbour Labs" in form.caption[0].value


def test_from_there_one_can_go_on_with_the_other_organisation_from_its_start(world, at):
    seen = world.planned("currency\nGBP\n")
    screen = at("ana", "run", execution=seen.number)
    switch(world, screen, "norrland")
    press(screen, "Start over")
    assert world.execution(seen.id).state is State.READY

    press(screen, "Go on with Norrland Trading")

    # Not to the same number in the other organisation
    assert screen.title[0].value == "Home"
    assert "Norrland Trading" in screen.caption[0].value
    assert seen.number not in shown(screen)


def test_an_act_of_a_drawer_that_stood_open_is_refused(world, at):
    seen = world.submitted("currency\nNOK\n", org="norrland")
    drawer = at("carla", "approvals", request=request_of(world, seen, "norrland").number, org="norrland")
    assert "Approve" in [button.label for button in drawer.form_submit_button]
    switch(world, drawer, "harbour")

    press(drawer, "Approve")

    assert world.execution(seen.id, "norrland").state is State.AWAITING_APPROVAL
    assert "you now look at Harbour Labs" in shown(drawer)


def test_links_carry_the_organisation_and_lead_there(world, at):
    # Given the same number in both organisations
    here, there = world.submitted("currency\nCHF\n"), world.submitted("currency\nSEK\n", org="norrland")
    number = request_of(world, there, "norrland").number
    assert f"request={request_of(world, here).number}&amp;org=harbour" in shown(at("ben"))

    # When Carla, who looks at Harbour, opens a link into Norrland
    screen = at("carla", "approvals", request=number, org="norrland")

    # Then it is Norrland's request, the page says so, and the way home stays there
    assert "You now look at Norrland Trading." in screen.toast[0].value
    assert f"Stripe balance payout {there.number}" in shown(screen)
    assert "<strong>Norrland Trading</strong>" in shown(screen)
    assert screen.sidebar.selectbox[0].value == world.orgs["norrland"]
    assert "org=norrland" in shown(screen)


def test_an_old_tab_is_not_switched_back_by_its_own_address(world, at):
    screen = at("ana", "executions", org="harbour")
    switch(world, screen, "norrland")

    screen.run()

    assert MOVED in screen.warning[0].value


@pytest.mark.parametrize("org", ["norrland", "no-such-organisation", "<b>x"])
def test_a_link_into_an_organisation_without_a_role_shows_nothing_of_either(world, at, org):
    seen = world.submitted(f"currency,maximum\nHUF,{len(org)}00.00\n")

    screen = at("ben", "approvals", request=request_of(world, seen).number, org=org)

    assert screen.title[0].value == "Not one of your organisations"
    assert seen.number not in shown(screen)
    assert not screen.main.button
