"""A person at a screen: opens addresses, presses, reads tables, uploads; and keeps pictures of what was seen."""

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

from playwright.sync_api import Download, Locator, Page, Response, expect

from tests.e2e.traffic import Traffic
from tests.processes import ROOT
from tests.webapp import WebApp

PICTURES = ROOT / "test-artifacts"
SIZES = {"desktop": {"width": 1440, "height": 900}, "phone": {"width": 390, "height": 844}}
PHONES_NAME = "Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) AppleWebKit/605.1.15 Mobile/15E148 Safari/604.1"
WAIT_MS = 20_000
THUMB_PX = 44
WIDER = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
MOVE = "address => { history.pushState({}, '', address); window.dispatchEvent(new PopStateEvent('popstate')); }"
IN_SCHEME = """scheme => {
  const app = document.querySelector('[data-testid="stApp"]');
  return app !== null && [app, document.documentElement].every(each => getComputedStyle(each).colorScheme === scheme);
}"""
# Streamlit's main column and drawers scroll by themselves, so the page as a whole never seems too wide.
SCROLLED = """() => [...document.querySelectorAll('[data-testid="stMain"], [role="dialog"], [role="dialog"] *')]
    .filter(box => box.scrollWidth > box.clientWidth + 1
        && ['auto', 'scroll'].includes(getComputedStyle(box).overflowX))
    .map(box => `${box.tagName} ${box.dataset.testid || box.className}: ${box.scrollWidth} > ${box.clientWidth}`)"""
# Lines of a cell end in <br>; whether they stand below each other is the style's affair.
ROWS = """table => [...table.querySelectorAll('tbody tr')].map(row => Object.fromEntries([...row.cells].map(cell => {
    const copy = cell.cloneNode(true);
    copy.querySelectorAll('br').forEach(each => each.replaceWith('\\n'));
    return [cell.dataset.label, copy.textContent.split('\\n').map(each => each.trim()).filter(Boolean).join(' / ')];
})))"""
LOW = """least => [...document.querySelectorAll(
    ':is([data-testid="stMain"], [role="dialog"]) button:is([data-testid^="stBaseButton-primary"], '
    + '[data-testid^="stBaseButton-secondary"], [data-testid^="stBaseButton-tertiary"])')]
    .map(button => [button, button.getBoundingClientRect()])
    .filter(([button, { width, height }]) => button.checkVisibility() && width && height && height < least)
    .map(([button, { height }]) => `${button.innerText.trim() || button.ariaLabel}: ${Math.round(height)}`)"""
CSV = "text/csv"


@dataclass
class Screen:
    """One page of one browser context; ``troubles`` are errors of scripts in it."""

    app: WebApp
    page: Page
    size: str = "desktop"
    scheme: str = "light"
    troubles: list[str] = field(default_factory=list)

    @property
    def main(self) -> Locator:
        """What the page's own file has drawn."""
        return self.page.get_by_test_id("stMain")

    @property
    def drawer(self) -> Locator:
        return self.page.get_by_role("dialog")

    def __post_init__(self) -> None:
        self.traffic = Traffic(self.page)

    def open(self, path: str = "") -> None:
        """An address, loaded anew."""
        before = self.traffic.ended
        self.page.goto(f"{self.app.url}/{path}")
        self._stand(before)

    def move(self, path: str = "") -> None:
        """An address, come to as by a link of the page: nothing is loaded anew."""
        before = self.traffic.ended
        self.page.evaluate(MOVE, f"/{path}")
        self._stand(before)

    def reload(self) -> None:
        before = self.traffic.ended
        self.page.reload()
        self._stand(before)

    def _stand(self, before: int) -> None:
        self.traffic.wait(before + 1)
        self.page.locator('[data-testid="stApp"][data-test-script-state="notRunning"]').wait_for(timeout=WAIT_MS)

    def settle(self) -> None:
        """Return once what was pressed has been worked off and drawn."""
        self._stand(-1)

    def heading(self, name: str | re.Pattern[str]) -> None:
        """Wait for a page's title."""
        self.main.get_by_role("heading", name=name).first.wait_for(timeout=WAIT_MS)
        self.settle()

    def listening(self) -> None:
        """Wait for the page's own script: on a slow machine it is there some time after what it listens to."""
        self.page.wait_for_function("window.tieoutLinks === true", timeout=WAIT_MS)

    def menu(self) -> list[str]:
        """The names in the menu, from top to bottom."""
        return [name.strip() for name in self.page.get_by_test_id("stSidebarNavLink").locator("p").all_inner_texts()]

    def go(self, name: str) -> None:
        """A menu entry, on a phone after opening the menu."""
        entry = self.page.get_by_test_id("stSidebarNavLink").filter(has_text=name)
        if self.size == "phone":
            self.page.get_by_test_id("stExpandSidebarButton").click()
        self.listening()
        entry.click()
        self.heading(name)

    def press(self, name: str, within: Locator | None = None) -> None:
        """A button by its name; waits until what it began has ended."""
        (within or self.page).get_by_role("button", name=name).click()
        self.settle()

    def follow(self, name: str, within: Locator | None = None) -> None:
        """A link by its name."""
        (within or self.main).get_by_role("link", name=name).first.click()
        self.settle()

    def turn_to(self, name: str) -> None:
        """One of the views that a page offers side by side."""
        self.main.get_by_role("radio", name=name).click()
        self.settle()

    def type(self, label: str, text: str) -> None:
        """A text into a field of the page, sent with Enter."""
        field_ = self.main.get_by_label(label)
        field_.fill(text)
        field_.press("Enter")
        self.settle()

    def pick(self, label: str, option: str) -> None:
        """An option of a select box of the page."""
        self.main.get_by_role("combobox", name=label).click()
        self.page.get_by_role("option", name=option, exact=True).click()
        self.settle()

    def query(self) -> dict[str, str]:
        """What the address asks for."""
        return dict(parse_qsl(urlsplit(self.page.url).query))

    def sees(self, text: str | re.Pattern[str], within: Locator | None = None) -> None:
        """Wait until a text is visible."""
        expect((within or self.page).get_by_text(text).first).to_be_visible(timeout=WAIT_MS)

    def text(self) -> str:
        """Everything readable on the page, drawers and menu too."""
        return self.page.locator("body").inner_text()

    def table(self, name: str, within: Locator | None = None) -> list[dict[str, str]]:
        """The rows of a table by its columns' titles; lines inside a cell are told apart by " / "."""
        found = (within or self.page).locator("table").filter(has=self.page.locator("caption", has_text=name)).first
        found.wait_for(timeout=WAIT_MS)
        rows: list[dict[str, str]] = found.evaluate(ROWS)
        return rows

    def review(self, request: str) -> Locator:
        """The button that opens a request's drawer."""
        return self.page.locator(f'[class*="review_{request}"]').get_by_role("button", name="Review")

    def choose(self, name: str, content: bytes) -> None:
        """Give a file to the uploader; ends when the server has it."""
        with self.page.expect_response(_uploaded, timeout=WAIT_MS):
            self.drop(name, content)

    def drop(self, name: str, content: bytes) -> None:
        """Give a file to the uploader, whatever becomes of it."""
        file = {"name": name, "mimeType": CSV, "buffer": content}
        self.page.locator('input[type="file"]').set_input_files(file)  # type: ignore[arg-type]

    def download(self, button: Locator, folder: Path) -> Path:
        """Press a download button; the file lies in the folder under the name it was given."""
        with self.page.expect_download(timeout=WAIT_MS) as waited:
            button.click()
        given: Download = waited.value
        path = folder / given.suggested_filename
        given.save_as(path)
        self.settle()
        return path

    def turn(self, scheme: str) -> None:
        """Have the browser ask for light or dark, and wait until the page stands in it."""
        self.page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        self.page.wait_for_function(IN_SCHEME, arg=scheme)
        self.scheme = scheme

    def look(self, station: str) -> None:
        """Keep a picture of the whole page; drawers and bars slide in, so it waits for them to stand."""
        self.page.wait_for_function("document.getAnimations().every(each => each.playState !== 'running')")
        PICTURES.mkdir(exist_ok=True)
        path = PICTURES / f"{station}-{self.size}{'-dark' if self.scheme == 'dark' else ''}.png"
        self.page.screenshot(path=path, full_page=True)

    def too_wide(self) -> list[str]:
        """What has to be scrolled sideways; tables of figures that scroll in their own frame do not count."""
        page = self.page.evaluate(WIDER)
        return [*([f"the page by {page} px"] if page > 0 else []), *self.page.evaluate(SCROLLED)]

    def low_buttons(self) -> list[str]:
        """Buttons that a thumb could miss, with their heights."""
        found: list[str] = self.page.evaluate(LOW, THUMB_PX)
        return found

    def cookies(self) -> dict[str, dict[str, object]]:
        """The browser's cookies by name."""
        return {str(cookie["name"]): json.loads(json.dumps(cookie)) for cookie in self.page.context.cookies()}


def _uploaded(response: Response) -> bool:
    return "/_stcore/upload_file/" in response.url and response.request.method in {"PUT", "POST"} and response.ok
