"""The real app for browser tests: `streamlit run app.py` in a process, with worker and sandbox, in its own folder."""

import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Page

from finops_core.desk import Desk, open_desk
from tests.desks import settings_for
from tests.processes import ROOT, environment
from tests.sandbox import SandboxControl
from tests.world import COMPANY

PASSWORD = "harbour-demo-2026"
START_S = 240


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


@dataclass
class WebApp:
    """A running app; ``desk`` looks at the same database from outside."""

    url: str
    desk: Desk
    sandbox: SandboxControl
    process: subprocess.Popen[bytes]
    log: Path

    def sign_in(self, page: Page, who: str, path: str = "") -> None:
        """Through the form, as a person does; ends when the page behind it stands."""
        page.goto(f"{self.url}/{path}")
        page.get_by_label("Username").fill(who)
        page.get_by_role("textbox", name="Password").fill(PASSWORD)
        page.get_by_role("button", name="Sign in", exact=True).click()
        page.get_by_role("button", name="Sign out").first.wait_for(state="attached", timeout=20_000)
        self.settle(page)
        # The cookie is set by a request of its own; a test that navigates at once would come too early.
        until_cookie(page)

    @staticmethod
    def settle(page: Page) -> None:
        """Wait for the script run to begin (or not) and end."""
        page.wait_for_timeout(80)
        page.locator('[data-testid="stApp"][data-test-script-state="notRunning"]').wait_for(timeout=20_000)


def until_cookie(page: Page) -> None:
    """Return once the session cookie is there."""
    for _ in range(100):
        if any(cookie["name"] == "tieout_session" for cookie in page.context.cookies()):
            return
        page.wait_for_timeout(50)
    raise AssertionError("no session cookie came")


@contextmanager
def running_app(folder: Path, **overrides: object) -> Iterator[WebApp]:
    """The app on free ports; ended with its children at the end of the block."""
    port, sandbox_port = free_port(), free_port()
    sandbox_url = f"http://127.0.0.1:{sandbox_port}"
    defaults: dict[str, object] = {"job_lease_s": 15, "scheduler_lease_s": 15}
    settings = settings_for(
        folder, demo=True, demo_file=COMPANY, stripe_sandbox_url=sandbox_url, **{**defaults, **overrides}
    )
    log = folder / "app.log"
    command = [sys.executable, "-m", "streamlit", "run", "app.py", "--server.port", str(port)]
    command += ["--server.address", "127.0.0.1", "--server.headless", "true"]
    with log.open("wb") as out:
        process = subprocess.Popen(command, cwd=ROOT, env=environment(settings), stdout=out, stderr=subprocess.STDOUT)
    url = f"http://127.0.0.1:{port}"
    try:
        await_health(url, process, log)
        with open_desk(settings) as desk:
            yield WebApp(url, desk, SandboxControl(sandbox_url), process, log)
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def await_health(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    """Return once it answers; what it wrote is told when it does not."""
    end = time.monotonic() + START_S
    while True:
        try:
            with urllib.request.urlopen(f"{url}/healthz", timeout=2) as answer:  # noqa: S310 - our own loopback address
                if answer.status == 200:
                    return
        except OSError:
            pass
        if process.poll() is not None or time.monotonic() > end:
            raise AssertionError(f"the app did not come up:\n{log.read_text(errors='replace')[-4000:]}")
        time.sleep(0.1)
