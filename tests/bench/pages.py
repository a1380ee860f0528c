"""Every page with 10,000 executions stored: rerun in a real browser, and the first paint with an empty cache."""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright
from sqlalchemy import insert

from finops_core.kernel.actor import system_actor
from finops_core.kernel.ids import new_id
from finops_core.operations import models
from finops_core.operations.rules import PUBLIC, State
from tests.bench.report import Figure, median, p90
from tests.conftest import BROWSER_ARGUMENTS
from tests.tools.browser import browser_path
from tests.webapp import WebApp, await_health, free_port, running_app

EXECUTIONS = 10_000
CLICKS = 12
PASSWORD = "harbour-demo-2026"
BARE = """import streamlit as st
st.title("Bare")
view = st.segmented_control("Show", ["Progress", "Plan"], default="Progress", required=True)
for number in range(40):
    st.markdown(f"{view}, line {number}")
"""
PAGES = (
    ("home", "eva", ""),
    ("run", "ana", "run"),
    ("executions", "eva", "executions"),
    ("approvals", "ben", "approvals"),
    ("audit", "eva", "audit"),
)


def fill(app: WebApp) -> None:
    """10,000 executions over three months, in a few statements, with an audit record each."""
    from finops_core import audit

    desk = app.desk
    with desk.read(system_actor()) as reading:
        from finops_core import reference, security

        org_id = reference.ids_by_slug(reading)["harbour"]
    with desk.read(system_actor(org_id)) as reading:
        ana = next(person.id for person in security.people(reading) if person.username == "ana")
    states = [State.COMPLETED] * 8 + [State.FAILED, State.CANCELLED]
    with desk.work(system_actor(org_id)) as work:
        rows = []
        for index in range(EXECUTIONS):
            at = work.now - timedelta(minutes=13 * index)
            state = states[index % 10]
            rows.append(
                {
                    "org_id": org_id,
                    "id": new_id("ex"),
                    "number": f"EX-2025-{index:05d}",
                    "operation_id": "payouts.stripe_balance",
                    "operation_version": "1.0.0",
                    "title": "Stripe balance payout",
                    "category": "stripe",
                    "risk": "high",
                    "state": state,
                    "public_state": PUBLIC[state],
                    "attempt": 1,
                    "whole_attempt": 1,
                    "requested_by": ana,
                    "reason": "",
                    "params": "{}",
                    "content_key": f"{index:064x}",
                    "retry_rows": "[]",
                    "input_name": f"week-{index}.csv",
                    "input_sha256": "0" * 64,
                    "approval_required": True,
                    "plan_hash": "0" * 64,
                    "totals": json.dumps({"EUR": 6120050 + index, "USD": 18422015 + index}),
                    "mode": "test",
                    "stop_requested": False,
                    "progress_done": 2,
                    "progress_total": 2,
                    "message": "2 of 2 payouts created.",
                    "error_code": "",
                    "hint": "",
                    "created_at": at,
                    "submitted_at": at,
                    "started_at": at,
                    "ended_at": at + timedelta(seconds=2),
                }
            )
        work.execute(insert(models.execution), rows)
        for row in rows:
            audit.record(work, "execution.completed", f"execution:{row['id']}", detail={"number": row["number"]})


def measure() -> list[Figure]:
    """The figures of every page."""
    figures: list[Figure] = []
    with tempfile.TemporaryDirectory() as name, running_app(Path(name)) as app, sync_playwright() as playwright:
        fill(app)
        browser = playwright.chromium.launch(executable_path=browser_path(), args=list(BROWSER_ARGUMENTS))
        for page_name, who, path in PAGES:
            first, reruns = _one(browser, app, who, path)
            figures += [
                Figure(f"{page_name}, {EXECUTIONS:,} executions: first paint", first, "s", "< 2.5 s"),
                Figure(f"… rerun p50 of {CLICKS}", median(reruns) * 1000, "ms", "< 150 ms"),
                Figure("… rerun p90", p90(reruns) * 1000, "ms", "< 300 ms"),
            ]
        browser.close()
    return figures


def _one(browser: Browser, app: WebApp, who: str, path: str) -> tuple[float, list[float]]:
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    page = context.new_page()
    app.sign_in(page, who)
    cookies = context.cookies()
    context.close()
    cold = browser.new_context(viewport={"width": 1440, "height": 900})
    cold.add_cookies(cookies)  # type: ignore[arg-type] - what the same browser gave
    page = cold.new_page()
    started = time.perf_counter()
    page.goto(f"{app.url}/{path}")
    page.locator("h1").first.wait_for()
    app.settle(page)
    first = time.perf_counter() - started
    page.wait_for_timeout(1000)
    own = f'[data-testid="stSidebar"] a[href$="/{path}"]' if path else '[data-testid="stSidebar"] a'
    reruns = [rerun(page, own) for _ in range(CLICKS)]
    cold.close()
    return first, reruns[1:]


def bare(browser: Browser, folder: Path) -> float:
    """The floor of a rerun on this machine: a Streamlit script of two views of 40 lines, median seconds."""
    (folder / "bare.py").write_text(BARE, encoding="utf-8")
    port = free_port()
    options = ("--server.port", str(port), "--server.address", "127.0.0.1", "--server.headless", "true")
    command = [sys.executable, "-m", "streamlit", "run", "bare.py", *options]
    log = folder / "bare.log"
    with log.open("wb") as out:
        process = subprocess.Popen(command, cwd=folder, stdout=out, stderr=subprocess.STDOUT)
    try:
        await_health(f"http://127.0.0.1:{port}", process, log)
        page = browser.new_context(viewport={"width": 1440, "height": 900}).new_page()
        page.goto(f"http://127.0.0.1:{port}")
        page.locator("h1").first.wait_for()
        page.wait_for_timeout(1000)
        views = ("Plan", "Progress") * (CLICKS // 2)
        found = [_watched(page, f'[data-testid="stMain"] button:has-text("{view}")') for view in views]
        page.context.close()
    finally:
        process.terminate()
        process.wait(20)
    return median([each for each in found if each])


def rerun(page: Page, pressed: str) -> float:
    """One rerun of the whole page by a click on the first of these: to the script's end, timed in the browser."""
    return _seen(page, pressed)


def turns(page: Page, views: Sequence[str]) -> list[tuple[str, float]]:
    """Reruns by turning from view to view. One that the page did not show is left out: again it would do nothing."""
    seen = [(view, _watched(page, f'[data-testid="stMain"] button:has-text("{view}")')) for view in views]
    found = [(view, took) for view, took in seen if took]
    assert len(found) > len(views) / 2, "the page is not drawn anew"
    return found


def come(page: Page, address: str) -> float:
    """The same by another address of the page, come to as by a link."""
    return _seen(page, '[data-testid="stMain"]', address)


def _seen(page: Page, pressed: str, address: str = "") -> float:
    # So fast that the page never showed that it ran: once more.
    found = _watched(page, pressed, address) or _watched(page, pressed, address)
    assert found, "the page was not drawn anew"
    return found


def _watched(page: Page, pressed: str, address: str = "") -> float:
    """Seconds, or 0 for a run that the page did not show."""
    page.locator(pressed).first.wait_for()
    # A part that renews itself may run just now; its end would be taken for the click's.
    page.locator('[data-test-script-state="notRunning"]').first.wait_for()
    return max(0.0, float(page.locator(pressed).first.evaluate(_WATCH, address))) / 1000


_WATCH = """(pressed, address) => new Promise(resolve => {
  const app = document.querySelector('[data-testid="stApp"]');
  const started = performance.now();
  let ran = false;
  const watch = new MutationObserver(() => {
    const state = app.getAttribute('data-test-script-state');
    if (state === 'running') ran = true;
    if (ran && state === 'notRunning') { watch.disconnect(); resolve(performance.now() - started); }
  });
  watch.observe(app, {attributes: true});
  if (address) {
    history.pushState({}, '', address);
    window.dispatchEvent(new PopStateEvent('popstate'));
  } else pressed.click();
  setTimeout(() => { watch.disconnect(); resolve(-1); }, 5000);
})"""
