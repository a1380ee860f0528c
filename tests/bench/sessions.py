"""Many people at one process: sessions that click without a browser, changes on other screens, memory, start."""

import asyncio
import tempfile
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path

import psutil
from playwright.sync_api import sync_playwright
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.asyncio.client import ClientConnection, connect

from finops_core.api.session import COOKIE
from tests.bench.pages import EXECUTIONS, fill
from tests.bench.report import Figure, median, p90
from tests.conftest import BROWSER_ARGUMENTS
from tests.e2e.backstage import Backstage
from tests.tools.browser import browser_path
from tests.webapp import WebApp, running_app

PAGE = "executions"
LOADS = ((20, 2.0, "< 500 ms"), (50, 10.0, "< 300 ms"))
LASTS_S = 30.0
CHANGES = 8
PATIENCE_S = 60


def measure() -> list[Figure]:
    """The figures of one process with many sessions."""
    with tempfile.TemporaryDirectory() as name, running_app(Path(name)) as app:
        fill(app)
        back = Backstage(app)
        cookies = [back.cookie("eva") for _ in range(max(many for many, _, _ in LOADS))]
        figures = [figure for load in LOADS for figure in _load(app, cookies, *load)]
        figures += _changes(app, back)
    return [*figures, *_start()]


def p95(times: Sequence[float]) -> float:
    return sorted(times)[min(len(times) - 1, int(len(times) * 0.95))]


def _load(app: WebApp, cookies: Sequence[str], many: int, think_s: float, goal: str) -> list[Figure]:
    server = psutil.Process(app.process.pid)
    before = server.memory_info().rss
    times = asyncio.run(_people(app.url, cookies[:many], think_s))
    more = (server.memory_info().rss - before) / many / 2**20
    told = f"{many} sessions, a click each {think_s:g} s on {PAGE} ({EXECUTIONS:,} stored)"
    return [
        Figure(f"{told}: p95 of {len(times)}", p95(times) * 1000, "ms", goal),
        Figure("… p50", median(times) * 1000, "ms"),
        Figure("… more memory a session", more, "MiB", "< 8 MiB"),
    ]


async def _people(url: str, cookies: Sequence[str], think_s: float) -> list[float]:
    """What each click of each session took, from the click to the end of the script."""
    times: list[float] = []
    async with AsyncExitStack() as stack:
        tabs = [await stack.enter_async_context(_tab(url, cookie)) for cookie in cookies]
        for tab in tabs:
            await _click(tab)
        until = time.perf_counter() + LASTS_S
        starts = [number * think_s / len(tabs) for number in range(len(tabs))]
        await asyncio.gather(
            *(_person(tab, wait_s, think_s, until, times) for tab, wait_s in zip(tabs, starts, strict=True))
        )
    return times


async def _person(tab: ClientConnection, wait_s: float, think_s: float, until: float, times: list[float]) -> None:
    await asyncio.sleep(wait_s)
    while time.perf_counter() < until:
        begun = time.perf_counter()
        times.append(await _click(tab))
        await asyncio.sleep(max(0.0, think_s - (time.perf_counter() - begun)))


def _tab(url: str, cookie: str) -> connect:
    address = f"{url.replace('http', 'ws', 1)}/_stcore/stream"
    return connect(
        address,
        subprotocols=["streamlit"],  # type: ignore[list-item]
        additional_headers={"Cookie": f"{COOKIE}={cookie}", "Origin": url},
        max_size=None,
        open_timeout=PATIENCE_S,
    )


async def _click(tab: ClientConnection) -> float:
    """The page drawn anew, as by its entry in the menu."""
    asked = BackMsg()
    asked.rerun_script.page_name = PAGE
    begun = time.perf_counter()
    await tab.send(asked.SerializeToString())
    drawn = False
    async with asyncio.timeout(PATIENCE_S):
        while True:
            told = ForwardMsg()
            told.ParseFromString(await tab.recv(decode=False))
            kind = told.WhichOneof("type")
            drawn = drawn or (kind == "delta" and "Executions" in str(told.delta))
            if kind == "script_finished":
                assert drawn, "the page was not the list of executions"
                return time.perf_counter() - begun


def _changes(app: WebApp, back: Backstage) -> list[Figure]:
    """Somebody approves; how long until the screen of the one who asked says so."""
    took: list[float] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=browser_path(), args=list(BROWSER_ARGUMENTS))
        context = browser.new_context(viewport={"width": 1440, "height": 900})
        context.add_cookies([{"name": COOKIE, "value": back.cookie("ana"), "url": app.url}])
        page = context.new_page()
        for number in range(CHANGES):
            seen = back.submitted(f"currency,maximum\nUSD,{number + 1}.00\n")
            page.goto(f"{app.url}/{PAGE}?execution={seen.number}")
            page.get_by_text("Awaiting approval").first.wait_for()
            app.settle(page)
            page.wait_for_timeout(300 + 137 * number)
            page.evaluate(_WAIT_FOR_CHANGE)
            back.approve(seen)
            changed = time.time()
            took.append(page.evaluate("window.changed") / 1000 - changed)
        browser.close()
    return [
        Figure(f"somebody else's change on the screen, p90 of {CHANGES}", p90(took), "s", "< 1 s"),
        Figure("… median", median(took), "s"),
    ]


_WAIT_FOR_CHANGE = """() => {
  window.changed = new Promise(resolve => {
    const look = () => {
      const told = document.querySelector('[data-testid="stMain"]').innerText;
      if (told.includes('Awaiting approval')) setTimeout(look, 10);
      else resolve(Date.now());
    };
    look();
  });
}"""


def _start() -> list[Figure]:
    """From the command to the first healthy answer, of a desk that has been set up before."""
    with tempfile.TemporaryDirectory() as name:
        with running_app(Path(name)):
            pass
        begun = time.perf_counter()
        with running_app(Path(name)):
            took = time.perf_counter() - begun
    return [Figure("start to healthy, worker included", took, "s", "< 4 s")]
