"""One real browser: what a person reads while a part of the desk is gone, and when the page works again."""

import re
import time
from collections.abc import Callable
from dataclasses import dataclass

from playwright.sync_api import Error, Page

from finops_core.api.session import COOKIE
from tests.e2e.screens import Screen
from tests.soak.house import House
from tests.soak.tally import Tally
from tests.webapp import WebApp

CLICK_S = 1.5
DOWN_S = 15.0
PATIENCE_S = 120.0
NO_WORKER = "The worker is not there: nothing is planned"  # the notice of it, which stays, says only the first half
# Without its icons, whose names are text.
WORDS = """told => {
  const copy = told.cloneNode(true);
  const icons = '[aria-hidden="true"], [data-testid="stIconMaterial"], [role="img"]';
  copy.querySelectorAll(icons).forEach(each => each.remove());
  copy.querySelectorAll('br').forEach(each => each.replaceWith(' '));
  return copy.textContent;
}"""
NO_DATABASE = "The database does not answer"
# Streamlit's own words for a server that is gone.
OWN_WORDS = re.compile(
    r"Connecting|Connection error|Is Streamlit still running|server is not responding", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Outage:
    """One kill: what the page said and when, how long the part was out, and when the page was whole again.

    ``told_s`` counts from the kill, ``back_s`` from the start of the part. ``signed_in``: without signing in anew.
    """

    part: str
    at_s: float
    said: str
    told_s: float | None
    out_s: float
    back_s: float
    signed_in: bool


class Onlooker:
    """Adam at his Home page."""

    def __init__(self, app: WebApp, page: Page, cookie: str, house: House, tally: Tally) -> None:
        page.context.add_cookies([{"name": COOKIE, "value": cookie, "url": app.url}])
        self._page, self._house, self._tally = page, house, tally
        self.screen = Screen(app, page)
        self.screen.open("")
        self.screen.heading("Home")

    def click_until(self, over: Callable[[], bool]) -> None:
        """Go to Home every few seconds until it is over."""
        while not over():
            self._click()
            self._page.wait_for_timeout(CLICK_S * 2000)

    def worker_killed(self) -> Outage:
        """The line on every page, from the next click after its lease has run out."""
        return self._outage("worker", self._house.worker, lambda: self._text_of(NO_WORKER))

    def web_killed(self) -> Outage:
        """Streamlit's own word for it; then the page connects anew."""
        return self._outage("web process", self._house.web, self._own_words)

    def database_killed(self) -> Outage:
        """A sentence in place of the page, which comes back without a click."""
        return self._outage("PostgreSQL", self._house.database, lambda: self._text_of(NO_DATABASE))

    def _outage(self, name: str, part: object, says: Callable[[], str]) -> Outage:
        self._tally.out = name
        at_s, killed = self._tally.now_s(), time.monotonic()
        part.kill()  # type: ignore[attr-defined]
        said, told_s = "", None
        while (passed := time.monotonic() - killed) < DOWN_S or (not said and passed < PATIENCE_S):
            if not said and (said := says()):
                told_s = time.monotonic() - killed
                self.screen.page.screenshot(path=self._house.folder / f"{name.replace(' ', '-')}.png")
            elif not said:
                self._click()
            self._page.wait_for_timeout(CLICK_S * 1000)
        out_s, started = time.monotonic() - killed, time.monotonic()
        part.start()  # type: ignore[attr-defined]
        while not self._stands():
            assert time.monotonic() - started < PATIENCE_S, f"the page does not come back: {self.screen.text()[:2000]}"
            self._page.wait_for_timeout(250)
        back_s = time.monotonic() - started
        signed_in = self._page.get_by_label("Username").count() == 0
        self._until_well()
        self._tally.out = ""
        return Outage(name, at_s, said, told_s, out_s, back_s, signed_in)

    def _stands(self) -> bool:
        """Home is drawn, with nothing that says that something is missing."""
        text = self._body()
        if NO_WORKER in text or NO_DATABASE in text or self._own_words():
            return False
        return bool(self._rests() and self.screen.main.get_by_role("heading", name="Home").count())

    def _rests(self) -> bool:
        return self._page.locator('[data-testid="stApp"][data-test-script-state="notRunning"]').count() == 1

    def _until_well(self) -> None:
        """Until the health check says so: only then a fault is a fault again."""
        until = time.monotonic() + PATIENCE_S
        while not self._house.healthy():
            assert time.monotonic() < until, "the desk does not get well"
            self._page.wait_for_timeout(500)
        self._page.wait_for_timeout(3000)

    def _click(self) -> None:
        """Once the last click has been worked off: who clicks faster than pages are drawn sees none of them."""
        if not self._rests():
            return
        try:
            self._page.get_by_test_id("stSidebarNavLink").first.click(timeout=1000)
        except Error:  # the menu is gone with the page
            return

    def _text_of(self, beginning: str) -> str:
        """The whole of what begins like this, as one line."""
        found = self._page.locator('[data-testid="stAlert"], .to-told').filter(has_text=beginning)
        told: list[str] = found.evaluate_all(f"all => all.map({WORDS})")
        return " ".join(told[0].split()) if told else ""

    def _own_words(self) -> str:
        for place in ('[data-testid="stStatusWidget"]', '[data-testid="stConnectionStatus"]', '[role="dialog"]'):
            for found in self._page.locator(place).all_inner_texts():  # in one look: they come and go
                text = " ".join(found.split())
                if OWN_WORDS.search(text):
                    return text
        return ""

    def _body(self) -> str:
        try:
            return self._page.locator("body").inner_text(timeout=2000)
        except Error:
            return ""
