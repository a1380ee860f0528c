"""By keyboard alone: from anywhere to a request, to the next one, and to the decision; and the desk as an app."""

import json
import urllib.request

import pytest
from playwright.sync_api import Locator, expect

from finops_core.api.installing import MANIFEST_TYPE
from finops_core.operations import State
from tests.e2e.screens import Screen

pytestmark = [pytest.mark.browser, pytest.mark.slow]
TABS = 80


def has_focus(wanted: Locator) -> bool:
    return bool(wanted.evaluate("each => each === document.activeElement"))


def tab_to(screen: Screen, wanted: Locator) -> None:
    """Press Tab until something of the page has the focus, as somebody without a mouse does."""
    wanted.wait_for()
    for _ in range(TABS):
        screen.page.keyboard.press("Tab")
        if has_focus(wanted):
            return
    raise AssertionError(f"{wanted} is not reached by Tab")


def link(screen: Screen, name: str) -> Locator:
    return screen.main.get_by_role("link", name=name).first


def look_for(screen: Screen, key: str, words: str) -> None:
    """Search by keys, as fast as somebody types who saw the box before beginning."""
    box = screen.page.get_by_role("search").get_by_role("searchbox")
    box.wait_for()
    screen.page.wait_for_function("window.tieoutLinks")
    screen.page.keyboard.press(key)
    expect(box).to_be_focused()
    screen.page.keyboard.type(words)
    expect(box).to_have_value(words)
    screen.page.keyboard.press("Enter")
    screen.heading("Search")


def test_a_request_is_found_opened_and_approved_without_a_mouse(backstage, enter):
    # Given two requests, and Ben on his first page
    first = backstage.submitted("currency,maximum\nSEK,4.01\n")
    seen = backstage.submitted("currency,maximum\nCAD,4.02\n")
    request, before = backstage.request_number(seen.id), backstage.request_number(first.id)
    ben = enter("ben")
    keys = ben.page.keyboard

    # When he searches by "/" and opens what was found
    look_for(ben, "/", "cad 4.02")
    ben.sees(request, ben.main)
    ben.look("70-search-by-keyboard")
    tab_to(ben, link(ben, request))
    keys.press("Enter")
    ben.drawer.get_by_role("button", name="Approve").wait_for()
    ben.settle()

    # and goes on to the next request, and back to his own by its number
    keys.press("Alt+n")
    ben.page.wait_for_url(lambda address: request not in address and "request=AP-" in address)
    ben.settle()
    keys.press("Escape")
    ben.drawer.wait_for(state="detached")
    look_for(ben, "Control+k", before)
    tab_to(ben, link(ben, before))
    keys.press("Enter")
    ben.drawer.get_by_role("button", name="Approve").wait_for()
    ben.settle()

    # Then a key approves just that one
    keys.press("Alt+a")
    ben.drawer.wait_for(state="detached")
    assert backstage.awaited(first.id, State.COMPLETED).state is State.COMPLETED
    assert backstage.execution(seen.id).state is State.AWAITING_APPROVAL


def test_a_request_is_rejected_without_a_mouse_and_a_drawer_gives_the_focus_back(backstage, enter):
    # Given a request, and Ben at the list
    seen = backstage.submitted("currency,maximum\nSEK,4.04\n")
    request = backstage.request_number(seen.id)
    ben = enter("ben", "approvals")
    keys, review = ben.page.keyboard, ben.review(request)

    # When he opens its drawer and puts it away
    tab_to(ben, review)
    keys.press("Enter")
    ben.drawer.get_by_role("button", name="Reject").wait_for()
    ben.settle()
    keys.press("Escape")
    ben.drawer.wait_for(state="detached")
    ben.settle()

    # Then he is where he was
    expect(review).to_be_focused()

    # When he opens it again and rejects without saying why, and then with a reason
    keys.press("Enter")
    comment = ben.drawer.get_by_label("Comment")
    comment.wait_for()
    ben.settle()
    keys.press("Alt+j")
    ben.sees("comment", ben.drawer.get_by_role("alert"))
    tab_to(ben, comment)
    keys.type("Too much for this week")
    keys.press("Alt+j")

    # Then the preparer reads it
    ben.drawer.wait_for(state="detached")
    assert backstage.awaited(seen.id, State.REJECTED).state is State.REJECTED
    ana = enter("ana", f"executions?execution={seen.number}")
    ana.sees("Too much for this week", ana.main)


def test_a_drawer_that_a_link_opened_gives_the_focus_back_to_that_link(backstage, enter):
    # Given a list of files, which another one joins while a drawer is open: its links are drawn anew
    backstage.planned("currency,maximum\nSEK,4.05\n", name="by-keys.csv")
    ana = enter("ana", "files")
    file = link(ana, "by-keys.csv")

    # When one is opened and put away by keys
    tab_to(ana, file)
    ana.page.keyboard.press("Enter")
    ana.drawer.get_by_role("button", name="Download").wait_for()
    ana.settle()
    backstage.planned("currency,maximum\nSEK,4.06\n", name="meanwhile.csv")
    ana.page.keyboard.press("Escape")
    ana.drawer.wait_for(state="detached")
    ana.sees("meanwhile.csv", ana.main)

    # Then the next key goes on from there, once the page is drawn anew
    ana.settle()
    expect(file).to_be_focused(timeout=10_000)


def test_a_slash_in_a_field_is_only_a_slash(backstage, enter):
    seen = backstage.submitted("currency,maximum\nSEK,4.03\n")
    ben = enter("ben", f"approvals?request={backstage.request_number(seen.id)}")
    comment = ben.drawer.get_by_label("Comment")
    comment.wait_for()
    ben.settle()

    comment.press_sequentially("and/or")

    assert comment.input_value() == "and/or"


def test_a_search_is_kept_from_a_page_with_a_search_of_its_own_and_its_words_stay_there(backstage, enter):
    # Given Ana, who looks for something among the parties
    seen = backstage.planned("currency,maximum\nSEK,4.06\n", name="kept-apart.csv")
    ana = enter("ana", "parties")
    ana.type("Search", "nobody")

    # When she searches everything from there
    look_for(ana, "Control+k", seen.number)

    # Then it is found
    ana.sees("kept-apart.csv", ana.main)

    # and what she then looks for among the executions narrows no other list
    ana.go("Executions")
    ana.type("Search", seen.number)
    ana.go("Files")
    ana.sees("kept-apart.csv", ana.main)
    assert ana.query() == {}
    ana.go("Executions")
    assert ana.query() == {"text": seen.number}


def test_a_browser_is_told_how_to_install_the_desk(app, visit):
    # Given somebody on the sign-in page
    screen = visit(app, "")

    # When the browser reads what the page's head names
    screen.page.locator('head link[rel="apple-touch-icon"]').wait_for(state="attached")
    links = screen.page.evaluate(
        "() => Object.fromEntries([...document.head.querySelectorAll('link[rel=manifest], link[rel=apple-touch-icon]')]"
        ".map(each => [each.rel, each.href]))"
    )
    colours = screen.page.locator('head meta[name="theme-color"]')
    with urllib.request.urlopen(links["manifest"]) as answer:  # noqa: S310 - our own loopback address
        kind, manifest = answer.headers["content-type"], json.loads(answer.read())

    # Then it is a manifest whose pictures are there, in the sizes it says
    assert kind == MANIFEST_TYPE
    assert (manifest["display"], manifest["start_url"], manifest["scope"]) == ("standalone", "./", "./")
    assert {icon["sizes"] for icon in manifest["icons"]} == {"192x192", "512x512"}
    assert "maskable" in {icon["purpose"] for icon in manifest["icons"]}
    sizes = {
        address: screen.page.evaluate(
            "async address => { const image = new Image(); image.src = address; await image.decode();"
            " return `${image.naturalWidth}x${image.naturalHeight}`; }",
            address,
        )
        for address in (f"{app.url}/{icon['src']}" for icon in manifest["icons"])
    }
    assert list(sizes.values()) == [icon["sizes"] for icon in manifest["icons"]]
    with urllib.request.urlopen(links["apple-touch-icon"]) as answer:  # noqa: S310 - our own loopback address
        assert answer.headers["content-type"] == "image/png"
    assert colours.count() == 2

    # and Chromium itself finds no fault with it
    tools = screen.page.context.new_cdp_session(screen.page)
    assert tools.send("Page.getAppManifest")["errors"] == []
    assert tools.send("Page.getInstallabilityErrors")["installabilityErrors"] in (
        [],
        [{"errorId": "in-incognito", "errorArguments": []}],
    )
