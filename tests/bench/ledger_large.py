"""The ledger's page at a million postings, and whoever writes while ten million are held against their balances."""

import multiprocessing
import sqlite3
import tempfile
import time
from multiprocessing.synchronize import Event
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

from finops_core.catalog.tables import TABLES
from finops_core.kernel.money import Money
from finops_core.ledger import reconciling, service
from finops_core.platform import guards
from finops_core.platform.db import open_owner_engine
from finops_core.platform.settings import Settings
from tests.bench import postings
from tests.bench.pages import come, turns
from tests.bench.report import Figure, median, p90, p99
from tests.conftest import BROWSER_ARGUMENTS
from tests.desks import area_desk, person_actor, units_of
from tests.e2e.backstage import Backstage
from tests.tools.browser import browser_path
from tests.webapp import WebApp, running_app

WALLETS, SHOWN, CHECKED = 1_000, 1_000_000, 10_000_000
CLICKS, ALONE_S, THINK_S, START_S = 12, 10, 0.01, 120
VIEWS = ("Entries", "Wallets", "Activity", "Trial balance")


def pages() -> list[Figure]:
    """The page's reruns, view by view."""
    with tempfile.TemporaryDirectory() as name, running_app(Path(name)) as app, sync_playwright() as playwright:
        wallet = _fill(app)
        browser = playwright.chromium.launch(executable_path=browser_path(), args=list(BROWSER_ARGUMENTS))
        found = _views(browser, app) | {"a wallet": _wallet(browser, app, wallet)}
        browser.close()
    figures = []
    for view, reruns in found.items():
        figures += [
            Figure(
                f"Ledger with 1M postings, {view}: rerun p50 of {len(reruns)}", median(reruns) * 1000, "ms", "< 150 ms"
            ),
            Figure("… rerun p90", p90(reruns) * 1000, "ms", "< 300 ms"),
        ]
    return figures


def beside_the_check() -> list[Figure]:
    """A writer's waits beside the hourly look at every account."""
    with tempfile.TemporaryDirectory() as name:
        return _beside_the_check(Path(name))


def _fill(app: WebApp) -> str:
    back = Backstage(app)
    with app.desk.work(back.actor("ana")) as work:
        wallets = [service.open_wallet(work, f"party_many_{number}", "USD") for number in range(WALLETS)]
    settings = app.desk.settings
    raw = sqlite3.connect(settings.data_dir / "tieout.sqlite", isolation_level=None, timeout=30)
    postings.fill(raw, back.orgs["harbour"], wallets, SHOWN)
    raw.close()
    _guarded(settings)
    return wallets[7]


def _guarded(settings: Settings) -> None:
    engine = open_owner_engine(settings)
    with engine.begin() as connection:
        guards.ensure(connection, TABLES)
    engine.dispose()


def _views(browser: Browser, app: WebApp) -> dict[str, list[float]]:
    page = browser.new_context(viewport={"width": 1440, "height": 900}).new_page()
    app.sign_in(page, "carla", "ledger")
    page.wait_for_timeout(1000)
    found: dict[str, list[float]] = {view: [] for view in VIEWS}
    for view, took in turns(page, VIEWS * CLICKS):
        found[view].append(took)
    page.context.close()
    return {view: times[1:] for view, times in found.items()}


def _wallet(browser: Browser, app: WebApp, wallet: str) -> list[float]:
    """Its page with its statement."""
    page = browser.new_context(viewport={"width": 1440, "height": 900}).new_page()
    app.sign_in(page, "carla", f"ledger?account={wallet}")
    page.wait_for_timeout(1000)
    found = [come(page, f"/ledger?account={wallet}&again={number}") for number in range(CLICKS)]
    page.context.close()
    return found[1:]


def _beside_the_check(folder: Path) -> list[Figure]:
    desk = area_desk(folder)
    org = desk.org()
    clerk = person_actor("person_clerk", org)
    with desk.work(clerk) as work:
        wallets = [service.open_wallet(work, f"party_many_{number}", "USD") for number in range(WALLETS)]
        pair = [service.open_wallet(work, f"party_of_the_pair_{number}", "USD") for number in range(2)]
        service.deposit(work, pair[0], Money(10**9, "USD"))
    raw = sqlite3.connect(str(desk.units.database.writer.url.database), isolation_level=None)
    postings.fill(raw, org, wallets, CHECKED)
    raw.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    raw.close()
    _guarded(desk.settings)
    context = multiprocessing.get_context("spawn")
    ready, go, over = context.Event(), context.Event(), context.Event()
    checker = context.Process(target=_check, args=(folder, ready, go, over))
    checker.start()
    assert ready.wait(START_S), "the check does not begin"

    def write() -> float:
        started = time.perf_counter()
        with desk.work(clerk) as work:
            service.transfer(work, pair[0], pair[1], Money(1, "USD"))
        took = time.perf_counter() - started
        time.sleep(THINK_S)
        return took

    until, alone, beside = time.monotonic() + ALONE_S, list[float](), list[float]()
    while time.monotonic() < until:
        alone.append(write())
    go.set()
    started = time.perf_counter()
    while not over.is_set():
        beside.append(write())
    took = time.perf_counter() - started
    checker.join(START_S)
    assert checker.exitcode == 0, "the check did not end well"
    return [
        Figure("The hourly check of 10M postings", took, "s"),
        Figure(
            f"… whoever writes meanwhile waits at most, of {len(beside)}",
            max(beside) * 1000,
            "ms",
            "< 50 ms",
            max(alone) * 1000,
            "alone",
        ),
        Figure("… p99", p99(beside) * 1000, "ms", "", p99(alone) * 1000, "alone"),
    ]


def _check(folder: Path, ready: Event, go: Event, over: Event) -> None:
    """What the worker's schedule does, in a process of its own."""
    desk = units_of(folder)
    ready.set()
    go.wait()
    reconciling.reconcile_scheduled(desk, None)
    over.set()
