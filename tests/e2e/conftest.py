"""One app for the whole folder, one browser, and a wiped browser context for each person of each test."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage

from finops_core.api.session import COOKIE
from tests.e2e.backstage import Backstage
from tests.e2e.screens import PHONES_NAME, SIZES, WAIT_MS, Screen
from tests.webapp import WebApp, running_app

UPLOAD_MAX_BYTES = 512 * 1024
Visit = Callable[..., Screen]


@pytest.fixture(scope="session")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebApp]:
    """The real app with worker and sandbox; tests in it must not count on being alone."""
    with running_app(tmp_path_factory.mktemp("app"), upload_max_bytes=UPLOAD_MAX_BYTES) as running:
        yield running


@pytest.fixture(scope="session")
def backstage(app: WebApp) -> Backstage:
    return Backstage(app)


@dataclass
class Shelf:
    """Contexts that were used and wiped.

    Their cache still holds Streamlit's scripts, which a new one would take a second to load and compile.
    """

    browser: Browser
    free: dict[str, list[BrowserContext]] = field(default_factory=dict)

    def take(self, size: str) -> BrowserContext:
        if left := self.free.get(size):
            return left.pop()
        phone = size == "phone"
        context = self.browser.new_context(
            viewport=SIZES[size],  # type: ignore[arg-type]
            is_mobile=phone,
            has_touch=phone,
            user_agent=PHONES_NAME if phone else None,
            accept_downloads=True,
        )
        context.set_default_timeout(WAIT_MS)
        return context

    def give_back(self, screen: Screen) -> None:
        """Nothing of a test stays in it: no page, no cookie, nothing stored."""
        context = screen.page.context
        for page in context.pages:
            page.close()
        empty = context.new_page()
        wiped = {"origin": screen.app.url, "storageTypes": "all"}
        context.new_cdp_session(empty).send("Storage.clearDataForOrigin", wiped)
        empty.close()
        context.clear_cookies()
        context.clear_permissions()
        self.free.setdefault(screen.size, []).append(context)


@pytest.fixture(scope="session")
def shelf(browser: Browser) -> Shelf:
    return Shelf(browser)


@pytest.fixture
def visit(shelf: Shelf) -> Iterator[Visit]:
    """``visit(app, path)`` opens an address in a browser of its own; with a cookie as whoever it belongs to.

    At the end of the test no script of a page may have failed.
    """
    screens: list[Screen] = []

    def open_(app: WebApp, path: str | None = "", *, cookie: str = "", size: str = "desktop", scheme: str = "light"):
        context = shelf.take(size)
        if cookie:
            context.add_cookies([{"name": COOKIE, "value": cookie, "url": app.url}])
        screen = Screen(app, context.new_page(), size, scheme)
        screen.page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        screen.page.on("pageerror", lambda error: screen.troubles.append(str(error)))
        screen.page.on("console", lambda message: screen.troubles.extend(_complaint(message)))
        screens.append(screen)
        if path is not None:
            screen.open(path)
        return screen

    yield open_
    # Each once, the first one first: what went wrong is followed by what could not go on because of it.
    troubles = Counter(trouble for screen in screens for trouble in screen.troubles)
    for screen in screens:
        shelf.give_back(screen)
    assert not troubles, "\n".join(f"{times} x {trouble}" for trouble, times in troubles.items())


@pytest.fixture
def enter(app: WebApp, backstage: Backstage, visit: Visit) -> Callable[..., Screen]:
    """``enter("ana", "run")``: that person, already signed in, at that address of the app."""

    def open_(who: str, path: str = "", **how: str) -> Screen:
        return visit(app, path, cookie=backstage.cookie(who), **how)

    return open_


def _complaint(message: ConsoleMessage) -> list[str]:
    # A refused request is the server's to judge, not a mistake in a script; tests look at answers themselves.
    if message.type != "error" or message.text.startswith("Failed to load resource"):
        return []
    return [message.text]
