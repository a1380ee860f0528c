"""The very first request to a fresh server is a page's deep link: it shows the sign-in and nothing else.

Streamlit would serve files of a ``pages`` folder without the shell until some session has called ``st.navigation``;
only a process that has never run a page can show that this does not happen.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from finops_core import approvals, operations
from tests.e2e.screens import WAIT_MS
from tests.e2e.servers import bare_app
from tests.webapp import PASSWORD
from tests.world import running_world

pytestmark = [pytest.mark.browser, pytest.mark.slow]

FILE = "quarter-end-secret.csv"
CSV = "currency,maximum\nGBP,1234.56\n"
HARBOUR, KEY = "Harbour Labs", "rk_test_…0001"


@dataclass(frozen=True)
class Stored:
    """What the folder holds, in the words that pages show."""

    folder: Path
    number: str
    execution_id: str
    request: str

    @property
    def secrets(self) -> tuple[str, ...]:
        return (self.number, self.execution_id, self.request, FILE, "1,234.56", "Ana Brito", HARBOUR, KEY)


@dataclass
class Wire:
    """Everything a page gets over its websocket, as text."""

    frames: list[str] = field(default_factory=list)

    def listen(self, page: Page) -> None:
        page.on("websocket", lambda socket: socket.on("framereceived", self._keep))

    def _keep(self, payload: str | bytes) -> None:
        self.frames.append(payload if isinstance(payload, str) else payload.decode("utf-8", "replace"))

    def found(self, words: tuple[str, ...]) -> set[str]:
        return {word for word in words if any(word in frame for frame in self.frames)}


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stored]:
    """A folder with a request that waits, made without any app."""
    with running_world(tmp_path_factory.mktemp("cold")) as world:
        with world.desk.work(world.actor("ana")) as work:
            drafted = operations.draft(work, "payouts.stripe_balance", {}, operations.Upload(FILE, CSV.encode()))
            assert isinstance(drafted, operations.Drafted)
        world.work_off()
        seen = world.execution(drafted.execution_id)
        with world.desk.work(world.actor("ana")) as work:
            operations.submit(work, seen.id, seen.plan_hash)
            request = approvals.of_subject(work, "execution", seen.id)[0].number
        yield Stored(world.desk.settings.data_dir, seen.number, seen.id, request)


# Half of them in the long runs: each needs a server that has never answered.
PAGES = [
    pytest.param("", "ana", "Home", "{number}", id="home"),
    pytest.param(
        "run?execution={number}", "ana", "Stripe balance payout", "{number}", id="run", marks=pytest.mark.deep
    ),
    pytest.param("executions?execution={number}", "ana", "Stripe balance payout", "{number}", id="executions"),
    pytest.param("payouts", "eva", "Money in flight", HARBOUR, id="payouts", marks=pytest.mark.deep),
    pytest.param("approvals?request={request}", "ben", "Approvals", "{number}", id="approvals"),
    pytest.param(
        "audit?object=execution:{execution_id}", "eva", "Audit", "{number}", id="audit", marks=pytest.mark.deep
    ),
    pytest.param("notices", "ben", "Notices", "{number}", id="notices", marks=pytest.mark.deep),
    pytest.param("connections", "adam", "Connections", KEY, id="connections"),
    pytest.param("forwarding", "adam", "Forwarding", HARBOUR, id="forwarding", marks=pytest.mark.deep),
    pytest.param("health", "adam", "Health", HARBOUR, id="health", marks=pytest.mark.deep),
]


@pytest.mark.parametrize(("link", "who", "heading", "told"), PAGES)
def test_the_first_request_to_a_fresh_server_shows_only_the_sign_in(visit, stored, link, who, heading, told):
    path = link.format(number=stored.number, request=stored.request, execution_id=stored.execution_id)
    words = told.format(number=stored.number)
    with bare_app(stored.folder) as cold:
        # Given a server that has never run a page
        wire = Wire()
        screen = visit(cold, None)
        wire.listen(screen.page)

        # When the first request of its life is a page's own address
        screen.open(path)

        # Then the form is there, no entry of a menu, and nothing of the page in sight, in the document or on the wire
        expect(screen.page.get_by_label("Username")).to_be_visible(timeout=WAIT_MS)
        assert screen.page.get_by_test_id("stSidebarNavLink").count() == 0
        assert screen.page.get_by_test_id("stSidebar").count() == 0
        assert [each.inner_text() for each in screen.page.get_by_role("heading").all()] == ["Sign in"]
        assert screen.page.locator("table").count() == 0
        assert [word for word in stored.secrets if word in screen.page.content()] == []
        assert wire.found(stored.secrets) == set()
        assert "TEST" not in screen.text()

        # When the person signs in right there
        screen.page.get_by_label("Username").fill(who)
        screen.page.get_by_role("textbox", name="Password").fill(PASSWORD)
        screen.page.get_by_role("button", name="Sign in", exact=True).click()

        # Then they are at the address they came for, and the very words that were missing are there
        screen.page.get_by_test_id("stSidebarNavLink").first.wait_for()
        screen.heading(heading)
        assert screen.page.url == f"{cold.url}/{path}"
        expect(screen.main.get_by_text(words).first).to_be_visible(timeout=WAIT_MS)
        assert wire.found(stored.secrets) >= {words}
