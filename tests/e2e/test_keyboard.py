"""By keyboard alone: from anywhere to a request, to the next one, and to the decision; and the desk as an app."""

import json
import urllib.request

import pytest

from finops_core.api.installing import MANIFEST_TYPE
from finops_core.operations import State
from tests.e2e.screens import Screen

pytestmark = [pytest.mark.browser, pytest.mark.slow]
TABS = 80


def tab_to(screen: Screen, link: str) -> None:
    """Press Tab until a link of the page has the focus, as somebody without a mouse does."""
    wanted = screen.main.get_by_role("link", name=link).first
    wanted.wait_for()
    for _ in range(TABS):
        screen.page.keyboard.press("Tab")
        if wanted.evaluate("each => each === document.activeElement"):
            return
    raise AssertionError(f"{link} is not reached by Tab")


def test_a_request_is_found_opened_and_approved_without_a_mouse(backstage, enter):
    # Given two requests, and Ben on his first page
    first = backstage.submitted("currency,maximum\nSEK,4.01\n")
    seen = backstage.submitted("currency,maximum\nCAD,4.02\n")
    request, before = backstage.request_number(seen.id), backstage.request_number(first.id)
    ben = enter("ben")
    keys = ben.page.keyboard

    # When he searches by "/" and opens what was found
    keys.press("/")
    keys.type("cad 4.02")
    keys.press("Enter")
    ben.heading("Search")
    ben.sees(request, ben.main)
    ben.look("70-search-by-keyboard")
    tab_to(ben, request)
    keys.press("Enter")
    ben.drawer.get_by_role("button", name="Approve").wait_for()
    ben.settle()

    # and goes on to the next request, and back to his own by its number
    keys.press("Alt+n")
    ben.page.wait_for_url(lambda address: request not in address and "request=AP-" in address)
    ben.settle()
    keys.press("Escape")
    ben.drawer.wait_for(state="detached")
    keys.press("Control+k")
    keys.type(before)
    keys.press("Enter")
    ben.heading("Search")
    tab_to(ben, before)
    keys.press("Enter")
    ben.drawer.get_by_role("button", name="Approve").wait_for()
    ben.settle()

    # Then a key approves just that one
    keys.press("Alt+a")
    ben.drawer.wait_for(state="detached")
    assert backstage.awaited(first.id, State.COMPLETED).state is State.COMPLETED
    assert backstage.execution(seen.id).state is State.AWAITING_APPROVAL


def test_a_slash_in_a_field_is_only_a_slash(backstage, enter):
    seen = backstage.submitted("currency,maximum\nSEK,4.03\n")
    ben = enter("ben", f"approvals?request={backstage.request_number(seen.id)}")
    comment = ben.drawer.get_by_label("Comment")
    comment.wait_for()
    ben.settle()

    comment.press_sequentially("and/or")

    assert comment.input_value() == "and/or"


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
