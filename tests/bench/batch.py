"""A batch of 1,000 payouts in the running app: our own share of each row, memory, its page, and the news of it."""

import http.client
import json
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random  # noqa: TID251 - seeded: the same order in every run
from urllib.parse import urlsplit

import psutil
import requests
from playwright.sync_api import Browser, Page, sync_playwright
from sqlalchemy import func, select

from finops_core import audit, connections, operations
from finops_core.adapters.stripe_sandbox.accounts import Bank, NewAccount
from finops_core.adapters.stripe_sandbox.parcels import signature
from finops_core.adapters.stripe_sandbox.seeding import Funding, seed
from finops_core.audit import AuditFilter
from finops_core.kernel.actor import system_actor, worker_actor
from finops_core.operations import ExecutionView
from finops_core.payouts.models import payout, provider_news
from finops_core.payouts.news import OPEN
from finops_core.upkeep.demo import SANDBOX_FILE
from tests.bench.pages import bare, rerun, turns
from tests.bench.report import Figure, fsync_s, median, p90, p99
from tests.conftest import BROWSER_ARGUMENTS
from tests.e2e.backstage import Backstage
from tests.tools.browser import browser_path
from tests.webapp import WebApp, running_app

ROWS = 1_000
CURRENCIES = ("USD", "EUR", "GBP", "JPY", "CAD", "CHF", "SEK", "NOK", "DKK", "AUD")
HARBOUR, HARBOUR_KEY = "acct_sbx_harbour", "rk_test_sbx_harbour_demo_0001"
EARLY, SAMPLE_S = 100, 0.1
CLICKS = 12
# Somebody at a page looks before clicking again; the browser takes its share of the two cores, too.
THINK_MS = 500
GIVEN_UP_S = 120
EVENTS, SENDERS = 2_000, 8
SECRET = "whsec_of_the_bench_0001"
COUNTING = {"payout_rate_per_s": 1e6, "payout_burst": 10**6, "payout_refresh_s": 10**6}


def measure() -> list[Figure]:
    """The figures of the batch, its page and its news."""
    with tempfile.TemporaryDirectory() as name, running_app(Path(name), **COUNTING) as app:
        floor = fsync_s(Path(name))
        app.sandbox.settings(delivers_by_itself=False, moves_by_itself=False)
        seen, share_ms, provider_ms, growth_mb = _pay(app, Path(name))
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=browser_path(), args=list(BROWSER_ARGUMENTS))
            bare_ms = bare(browser, Path(name)) * 1000
            reruns = _views(browser, app, seen)
            news = _burst(browser, app, seen)
            browser.close()
    what = f"Batch of {ROWS:,}: our own share of a row"
    return [
        # The goal is of a machine on which the sandbox answers in 5 ms: twice its share.
        Figure(what, share_ms, "ms", "< 10 ms", provider_ms, "sandbox"),
        Figure("… the provider's share of a row", provider_ms, "ms", "", floor * 1000, "1 fsync"),
        Figure(f"… more memory from row {EARLY} to row {ROWS:,}", growth_mb, "MB", "flat"),
        Figure(f"… its page, rerun p50 of {CLICKS}", median(reruns) * 1000, "ms", "< 150 ms", bare_ms, "bare page"),
        Figure("… its page, rerun p90", p90(reruns) * 1000, "ms", "< 300 ms"),
        *news,
    ]


def _pay(app: WebApp, folder: Path) -> tuple[ExecutionView, float, float, float]:
    """The batch from approval to its end: milliseconds a row without the provider's, the provider's, and megabytes."""
    back = Backstage(app)
    accounts = [f"acct_sbx_bench{number:03d}" for number in range(ROWS // len(CURRENCIES))]
    banks = tuple(Bank(code.lower(), "BANK", "US") for code in CURRENCIES)
    opened = [NewAccount(id=account, key="", platform=HARBOUR, banks=banks) for account in accounts]
    funds = [Funding(account, code, 100_000) for account in accounts for code in CURRENCIES]
    seed(folder / SANDBOX_FILE, opened, funds)
    lines = [f"{code},{account},{_maximum(code)}" for account in accounts for code in CURRENCIES]
    seen = back.submitted("\n".join(["currency,account,maximum", *lines]), by_s=300)
    before = {child.pid for child in psutil.Process(app.process.pid).children(recursive=True)}
    sizes: list[tuple[int, float]] = []
    back.approve(seen)
    while (now := back.execution(seen.id)).state not in operations.OVER:
        sizes.append((now.progress_done, _newest_mb(app, before)))
        time.sleep(SAMPLE_S)
    assert now.state is operations.State.COMPLETED, now.message
    with app.desk.read(worker_actor(back.orgs["harbour"])) as reading:
        told = next(line.data for line in operations.log(reading, seen.id, 0, 10_000) if "provider_ms" in line.data)
    assert now.started_at is not None
    assert now.ended_at is not None
    own_ms = (now.ended_at - now.started_at).total_seconds() * 1000 - told["provider_ms"] - told["paced_ms"]
    # Until its first rows are paid the progress is still the plan's, of which all rows are done.
    begun = next(place for place, (done, _) in enumerate(sizes) if done < EARLY)
    running = [size for done, size in sizes[begun:] if done >= EARLY and size]
    return now, own_ms / ROWS, told["provider_ms"] / ROWS, max(running) - running[0]


def _maximum(currency: str) -> str:
    return "10" if currency == "JPY" else "10.00"


def _newest_mb(app: WebApp, before: set[int]) -> float:
    """What the child that carries the batch holds; 0 while there is none."""
    found = 0.0
    for process in psutil.Process(app.process.pid).children(recursive=True):
        if process.pid not in before:
            try:
                found = max(found, process.memory_info().rss / 2**20)
            except psutil.Error:
                continue
    return found


def _views(browser: Browser, app: WebApp, seen: ExecutionView) -> list[float]:
    """The execution's page, drawn anew by turning between its views."""
    page = browser.new_context(viewport={"width": 1440, "height": 900}).new_page()
    app.sign_in(page, "ana", f"executions?execution={seen.number}")
    page.wait_for_timeout(1000)
    views = ("Plan", "Progress") * (CLICKS // 2)
    found = [took for _, took in turns(page, views)]
    page.context.close()
    return found


def _burst(browser: Browser, app: WebApp, seen: ExecutionView) -> list[Figure]:
    """2,000 events, a third of them twice, shuffled, while somebody clicks through pages."""
    org_id = Backstage(app).orgs["harbour"]
    with app.desk.work(system_actor(org_id)) as work:
        connection = next(each.id for each in connections.listed(work) if each.provider == "stripe" and each.active)
        connections.set_webhook_secret(work, connection, SECRET)
    bodies = _bodies(app, org_id, seen)
    page = browser.new_context(viewport={"width": 1440, "height": 900}).new_page()
    app.sign_in(page, "eva", "executions")
    page.wait_for_timeout(1000)
    started = time.perf_counter()
    answers: list[float] = []
    sending = threading.Thread(target=_send_all, args=(app.url, connection, bodies, answers))
    sending.start()
    reruns = []
    sent_s = done_s = 0.0
    while not done_s:
        page.wait_for_timeout(THINK_MS)
        meanwhile = sending.is_alive()
        took = rerun(page, '[data-testid="stSidebar"] a[href*="executions"]')
        if meanwhile:
            reruns.append(took)
        passed = time.perf_counter() - started
        assert passed < GIVEN_UP_S, "not all news is looked into"
        sent_s = sent_s or (0.0 if sending.is_alive() else passed)
        done_s = passed if sent_s and not _open(app, org_id) else 0.0
    floor = _plain_answers(page, app)
    page.context.close()
    _one_effect_each(app, org_id, len({json.loads(body)["data"]["object"]["id"] for body in bodies}))
    return [
        Figure(f"{EVENTS:,} events, a third twice, shuffled: all looked into", done_s, "s", "< 60 s"),
        Figure(f"… taken in, {SENDERS} senders", sent_s, "s"),
        Figure("… receiver p50", median(answers) * 1000, "ms", "< 50 ms", median(floor) * 1000, "bare answer"),
        Figure("… receiver p99", p99(answers) * 1000, "ms", "< 100 ms", p99(floor) * 1000, "bare answer"),
        Figure(
            f"… pages meanwhile, a click each half second, p90 of {len(reruns)}",
            p90(reruns) * 1000,
            "ms",
            "< 300 ms",
        ),
    ]


def _plain_answers(page: Page, app: WebApp) -> list[float]:
    """The floor of the receiver: as many ask the same server whether it lives, while somebody clicks as before."""
    answers: list[float] = []

    def ask(count: int) -> None:
        host = urlsplit(app.url)
        line = http.client.HTTPConnection(str(host.hostname), host.port, timeout=30)
        for _ in range(count):
            begun = time.perf_counter()
            line.request("GET", "/_stcore/health")
            line.getresponse().read()
            answers.append(time.perf_counter() - begun)
        line.close()

    with ThreadPoolExecutor(SENDERS) as pool:
        asking = [pool.submit(ask, EVENTS // SENDERS) for _ in range(SENDERS)]
        while not all(each.done() for each in asking):
            page.wait_for_timeout(THINK_MS)
            rerun(page, '[data-testid="stSidebar"] a[href*="executions"]')
    return answers


def _bodies(app: WebApp, org_id: str, seen: ExecutionView) -> list[bytes]:
    """Everything that is said of payouts on their way to the bank, half of it twice, in any order (of a fixed seed)."""
    chance = Random(20261126)
    with app.desk.read(system_actor(org_id)) as reading:
        mine = payout.c.org_id == org_id, payout.c.execution_id == seen.id
        columns = payout.c.account, payout.c.provider_id
        rows = reading.rows(select(*columns).where(*mine).order_by(payout.c.row_no).limit(EVENTS // 3 + 1))
    for row in rows:
        app.sandbox.transition(row.provider_id, "in_transit", "paid", account=row.account)
    found = []
    for account in sorted({row.account for row in rows}):
        listed = requests.get(
            f"{app.sandbox.url}/v1/events",
            params={"limit": 100},
            headers={"Authorization": f"Bearer {HARBOUR_KEY}", "Stripe-Account": account},
            timeout=30,
        ).json()["data"]
        found += [{**event, "account": account} for event in listed if event["type"] in _MOVES]
    unique = [json.dumps(event).encode() for event in found]
    told = unique[: EVENTS * 2 // 3]
    assert len(told) == EVENTS * 2 // 3, f"only {len(unique)} events"
    told += chance.sample(told, EVENTS - len(told))
    chance.shuffle(told)
    return told


_MOVES = {"payout.updated", "payout.paid"}


def _send_all(url: str, connection: str, bodies: list[bytes], answers: list[float]) -> None:
    host = urlsplit(url)
    shares = [bodies[number::SENDERS] for number in range(SENDERS)]

    def send(share: list[bytes]) -> None:
        line = http.client.HTTPConnection(str(host.hostname), host.port, timeout=30)
        for body in share:
            headers = {"Stripe-Signature": signature(body, (SECRET,), int(time.time()))}
            begun = time.perf_counter()
            line.request("POST", f"/webhooks/stripe/{connection}", body, headers)
            answer = line.getresponse()
            answer.read()
            answers.append(time.perf_counter() - begun)
            assert answer.status == 200, answer.status
        line.close()

    with ThreadPoolExecutor(SENDERS) as pool:
        list(pool.map(send, shares))


def _open(app: WebApp, org_id: str) -> int:
    with app.desk.read(system_actor(org_id)) as reading:
        mine = provider_news.c.org_id == org_id, provider_news.c.state.in_(OPEN)
        return int(reading.scalar(select(func.count()).select_from(provider_news).where(*mine)) or 0)


def _one_effect_each(app: WebApp, org_id: str, told_of: int) -> None:
    """Each payout that was told of arrived, once."""
    with app.desk.read(system_actor(org_id)) as reading:
        mine = payout.c.org_id == org_id, payout.c.state == "paid"
        paid = reading.scalar(select(func.count()).select_from(payout).where(*mine))
        recorded = audit.records(reading, AuditFilter(verb="payout.paid"), limit=1).total
    assert paid == recorded == told_of, (paid, recorded, told_of)
