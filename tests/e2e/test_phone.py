"""On a phone by thumb."""

import re

import pytest
from playwright.sync_api import expect

from finops_core.operations import State
from tests.e2e.screens import THUMB_PX, Screen

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def height(screen: Screen, name: str) -> float:
    box = screen.drawer.get_by_role("button", name=name).bounding_box()
    assert box is not None
    return box["height"]


def test_a_payout_is_approved_by_thumb(backstage, enter):
    # Given a request, and Ben with his phone
    seen = backstage.submitted("currency,maximum,descriptor\nSEK,3.01,PHONE\nCAD,3.01,\n")
    request = backstage.request_number(seen.id)
    ben = enter("ben", "approvals", size="phone")

    # When he taps his way through the card and its drawer
    ben.review(request).tap()
    approve = ben.drawer.get_by_role("button", name="Approve")
    approve.wait_for()
    ben.settle()

    # Then both decisions are as high as a thumb, and nothing has to be pushed sideways
    assert min(height(ben, "Approve"), height(ben, "Reject")) >= THUMB_PX
    assert ben.too_wide() == []
    ben.look("50-drawer-of-one")

    # and one tap approves
    approve.scroll_into_view_if_needed()
    ben.look("51-drawer-buttons")
    approve.tap()
    ben.drawer.wait_for(state="detached")
    assert backstage.awaited(seen.id, State.COMPLETED).state is State.COMPLETED


@pytest.mark.parametrize(("width", "shown"), [(1440, True), (390, False)])
def test_keys_are_named_only_where_there_is_room_for_them(backstage, enter, width: int, shown: bool):
    # Given a browser that does not say it is a phone's
    seen = backstage.submitted("currency,maximum\nSEK,3.02\n")
    ben = enter("ben", f"approvals?request={backstage.request_number(seen.id)}")
    ben.page.set_viewport_size({"width": width, "height": 844})

    # Then the buttons name their keys beside their words, or only do what they say
    approve = ben.drawer.get_by_role("button", name="Approve")
    expect(approve.locator("kbd")).to_be_visible(visible=shown)
    assert ("Alt" in approve.inner_text()) == shown


@pytest.mark.parametrize("way", ["the person", "the news", "a search"])
def test_what_is_chosen_in_the_open_menu_is_seen_on_a_phone(enter, way: str):
    # Given the menu open over the page
    screen = enter("ana", size="phone")
    page = screen.page
    page.get_by_test_id("stExpandSidebarButton").click()
    menu = page.get_by_test_id("stSidebar")
    expect(menu).to_have_attribute("data-collapsed", "false")

    # When something in it is chosen
    if way == "the person":
        menu.locator("a.to-chip").click()
    elif way == "the news":
        menu.get_by_role("link", name=re.compile("News")).click()
    else:
        menu.locator("input[name=q]").fill("EX-")
        menu.locator("input[name=q]").press("Enter")

    # Then the page is there, and the menu out of its way
    heading = {"the person": "Me", "the news": "Notices", "a search": "Search"}[way]
    expect(page.get_by_role("heading", name=heading, level=1)).to_be_visible()
    expect(menu).to_have_attribute("data-collapsed", "true")
