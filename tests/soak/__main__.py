"""`make soak`: runs for SOAK_MINUTES (20), prints the report and writes it to docs/soak.md; exit code 1 if it fails.

SOAK_REPORT names another file to write to: short runs while one works on it must not replace the real one.
"""

import os
import shutil
import sys
import time
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from random import Random  # noqa: TID251 - seeded: the same walks in every run

import psycopg
from playwright.sync_api import sync_playwright

from tests.conftest import BROWSER_ARGUMENTS
from tests.desks import issued_token
from tests.e2e.backstage import Backstage
from tests.processes import ROOT
from tests.soak import books
from tests.soak.gauges import Gauges, Sample
from tests.soak.house import House, open_house
from tests.soak.onlooker import Onlooker, Outage
from tests.soak.programs import Client, Trade
from tests.soak.report import Soak, written
from tests.soak.tally import Tally
from tests.soak.verdict import Verdict, flat, no_slower
from tests.soak.visitors import MENUS, Visitor, set_out
from tests.tools.browser import browser_path
from tests.webapp import PASSWORD, WebApp

MINUTES = float(os.environ.get("SOAK_MINUTES", "20"))
REPORT = Path(os.environ.get("SOAK_REPORT", ROOT / "docs" / "soak.md"))
SESSIONS = 10
LEAVE_S = 300.0


def main() -> int:
    """The whole of it; bounded, whatever happens."""
    with open_house() as house:
        try:
            soak = _soaked(house)
        finally:
            _keep_logs(house)
    page = written(soak)
    REPORT.write_text(page, encoding="utf-8")
    sys.stdout.write(page)
    return 0 if soak.holds else 1


def _soaked(house: House) -> Soak:
    at, tally = datetime.now(UTC), Tally()  # noqa: TID251 - when it was run
    assert house.web.process is not None
    back = Backstage(WebApp(house.url, house.desk, house.sandbox, house.web.process, house.web.log))
    trade = Trade(
        Client(house.url, _token(back, "ana", "read", "run", "files"), tally),
        Client(house.url, _token(back, "ben", "read", "approve"), tally),
        house.sandbox,
        tally,
    )
    people = [list(MENUS)[number % len(MENUS)] for number in range(SESSIONS)]
    visitors = [
        Visitor(house.url, back.cookie(who), who, tally, lambda: trade.latest, Random(number))
        for number, who in enumerate(people)
    ]
    gauges = Gauges(house, tally)
    with ExitStack() as stack:
        playwright = stack.enter_context(sync_playwright())
        browser = playwright.chromium.launch(executable_path=browser_path(), args=list(BROWSER_ARGUMENTS))
        stack.callback(browser.close)
        page = browser.new_context(viewport={"width": 1440, "height": 900}).new_page()
        onlooker = Onlooker(back.app, page, back.cookie("adam"), house, tally)
        tally.begun = time.monotonic()
        gauges.thread.start()
        threads = [set_out(visitors), *trade.set_out()]
        outages = _killed_in_turn(onlooker, tally)
        ended_s = tally.now_s()
        trade.closing.set()
        for thread in threads[1:]:
            thread.join(LEAVE_S)
        tally.over.set()
        gauges.thread.join(60)
        threads[0].join(60)
    verdicts = [*_measured(gauges.samples, tally, ended_s), *_of_outages(outages), *books.closed(house, trade)]
    return Soak(at, MINUTES, _postgres(house), SESSIONS, tally, gauges.samples, outages, verdicts, ended_s)


def _killed_in_turn(onlooker: Onlooker, tally: Tally) -> list[Outage]:
    """A kill at each quarter; between them the onlooker clicks on, as people do."""
    whole_s = MINUTES * 60
    kills = (onlooker.worker_killed, onlooker.web_killed, onlooker.database_killed)
    found = []
    for number, kill in enumerate(kills, 1):
        onlooker.click_until(lambda due_s=whole_s * number / 4: tally.now_s() >= due_s)
        found.append(kill())
        sys.stdout.write(f"{found[-1]}\n")
        sys.stdout.flush()
    onlooker.click_until(lambda: tally.now_s() >= whole_s)
    return found


def _measured(samples: list[Sample], tally: Tally, ended_s: float) -> list[Verdict]:
    verdicts = []
    for name in ("web", "worker"):
        for life in sorted({getattr(each, f"{name}_life") for each in samples}):
            points = [
                (each.at_s, mib)
                for each in samples
                if getattr(each, f"{name}_life") == life and (mib := getattr(each, f"{name}_mib")) is not None
            ]
            verdicts.append(flat(f"the {'web process' if name == 'web' else name}, life {life}", points))
    clicks = [(click.at_s, click.took_s * 1000) for click in tally.clicks]
    told = "; ".join(f"{what} at {at / 60:.1f} min" for at, what in tally.faults[:5])
    faults = Verdict("no fault while nothing was out", not tally.faults, f"{len(tally.faults)} faults {told}".strip())
    waited = no_slower("a click, as its session saw it", clicks, ended_s)
    cost = no_slower("processor time of the web process for a click and all else it served", _costs(samples), ended_s)
    return [*verdicts, waited, cost, faults]


def _costs(samples: list[Sample]) -> list[tuple[float, float]]:
    """(seconds, ms a click) between two looks at the same life: unlike a wait, hardly what else the machine does."""
    return [
        (after.at_s, (after.web_cpu_s - before.web_cpu_s) * 1000 / after.clicks)
        for before, after in pairwise(samples)
        if after.web_life == before.web_life
        and not after.out
        and not before.out
        and after.clicks
        and after.web_cpu_s is not None
        and before.web_cpu_s is not None
    ]


def _of_outages(outages: list[Outage]) -> list[Verdict]:
    return [
        Verdict(
            f"{each.part} killed: the page says so, and works again without signing in",
            bool(each.said) and each.signed_in,
            f"back {each.back_s:.1f} s after its start",
        )
        for each in outages
    ]


def _token(back: Backstage, who: str, *scopes: str) -> str:
    with back.app.desk.work(back.actor(who)) as work:
        return issued_token(work, who, PASSWORD, scopes, work.now + timedelta(days=1), "soak").secret


def _postgres(house: House) -> str:
    with psycopg.connect(host=str(house.database.installation.folder), user="postgres", dbname="postgres") as line:
        return f"PostgreSQL {line.info.server_version // 10000}"


def _keep_logs(house: House) -> None:
    """For whoever looks into a failure; beside the other artefacts of tests, in no report."""
    kept = ROOT / "test-artifacts" / "soak"
    kept.mkdir(parents=True, exist_ok=True)
    for path in (*house.folder.glob("*.log"), *house.folder.glob("*.png"), house.database.installation.folder / "log"):
        shutil.copy(path, kept / (path.name if path.suffix else f"postgresql-{path.name}"))


if __name__ == "__main__":
    sys.exit(main())
