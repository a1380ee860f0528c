"""What came of an act is told in the browser each time, though the page is drawn anew at once; toasts are counted."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from finops_core import notifications
from tests.e2e.backstage import Backstage
from tests.e2e.screens import WAIT_MS, Screen
from tests.listener import Listener, listening, said
from tests.webapp import running_app

pytestmark = [pytest.mark.browser, pytest.mark.slow]

TIMES = 3
# Toasts leave by themselves, so whatever comes is written down.
WRITTEN_DOWN = """() => {
    window.toasts = [];
    new MutationObserver(changes => changes.forEach(change => change.addedNodes.forEach(node => {
        if (node.nodeType !== 1) return;
        const found = [...node.querySelectorAll('[data-testid="stToast"]')];
        if (node.matches('[data-testid="stToast"]')) found.push(node);
        found.forEach(each => window.toasts.push(each.innerText));
    }))).observe(document.body, { childList: true, subtree: true });
}"""


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Backstage]:
    """An app that holds back what is approved, and forwards to this machine."""
    with running_app(tmp_path_factory.mktemp("told"), hold_back_s=300, forwarding_inside="127.0.0.1") as app:
        yield Backstage(app)


@pytest.fixture
def listener() -> Iterator[Listener]:
    with listening() as made:
        yield made


def toasts(screen: Screen) -> list[str]:
    found: list[str] = screen.page.evaluate("window.toasts")
    return found


def expect_told(screen: Screen, press: str, words: str, times: int = TIMES) -> None:
    """Press so often, and see the words as often."""
    for count in range(1, times + 1):
        # One that still stands with the same words is not put up a second time.
        expect(screen.page.get_by_test_id("stToast")).to_have_count(0, timeout=WAIT_MS)
        screen.main.get_by_role("button", name=press, exact=True).first.click()
        screen.page.wait_for_function(
            "([words, count]) => window.toasts.filter(each => each.includes(words)).length >= count",
            arg=[words, count],
            timeout=WAIT_MS,
        )
        screen.settle()


def test_a_forwarding_test_and_a_pause_are_told_each_time_and_a_failure_stands_on_the_card(
    office: Backstage, visit, listener: Listener
):
    with office.app.desk.work(office.actor("adam")) as work:
        notifications.add_endpoint(
            work, channel="webhook", name="Ledger", url=listener.url(), kinds=("payout.returned",)
        )
    adam = visit(office.app, "forwarding", cookie=office.cookie("adam"))
    adam.page.evaluate(WRITTEN_DOWN)

    listener.always = said(500, "broken")
    expect_told(adam, "Test", "The test failed: It answered 500.")
    adam.sees("The last test failed: It answered 500.", adam.main)

    listener.always = said(200, "ok")
    expect_told(adam, "Test", "The test passed: It answered 200.")
    expect(adam.main.get_by_text("The last test failed")).to_have_count(0, timeout=WAIT_MS)

    expect_told(adam, "Pause", "Ledger is paused.", 1)
    expect_told(adam, "Resume", "forwarded to Ledger again", 1)
    expect_told(adam, "Pause", "Ledger is paused.", 1)


def test_a_test_of_a_connection_is_expect_told(office: Backstage, visit):
    adam = visit(office.app, "connections", cookie=office.cookie("adam"))
    adam.page.evaluate(WRITTEN_DOWN)

    expect_told(adam, "Test", "The test passed")


def test_an_approval_is_told_with_the_time_left_to_stop_it(office: Backstage, visit):
    ben = visit(office.app, "approvals", cookie=office.cookie("ben"))
    ben.page.evaluate(WRITTEN_DOWN)
    for amount in ("11.00", "12.00"):
        seen = office.submitted(f"currency,maximum\nUSD,{amount}\n")
        number = office.request_number(seen.id)
        ben.move(f"approvals?request={number}")
        ben.press("Approve", ben.drawer)
        expect(ben.drawer).to_have_count(0, timeout=WAIT_MS)
        ben.settle()
        told, *_ = [each for each in toasts(ben) if number in each]
        assert re.search(rf"{number} approved; leaves in [45]:\d\d, can be stopped", told)
