"""Bad days: a provider that fails, a worker that is not there, an error nobody expected. People read sentences."""

import re
import shutil
import sqlite3
from pathlib import Path

import pytest

from finops_core.adapters.stripe_sandbox.faults import Fault, FaultKind
from finops_core.operations import State
from tests.e2e.backstage import Backstage
from tests.e2e.screens import Screen
from tests.e2e.servers import bare_app
from tests.world import running_world

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.deep]

PROGRAMMERS_WORDS = re.compile(
    r"Traceback|File \"|Exception|OperationalError|sqlite|sqlalchemy|NoneType|finops_core|stripe\.\w|\bHTTP\b|\{'",
    re.IGNORECASE,
)


def only_sentences(screen: Screen) -> None:
    """Nothing on the page may be meant for programmers."""
    screen.settle()
    assert PROGRAMMERS_WORDS.findall(screen.text()) == []
    assert screen.page.get_by_test_id("stException").count() == 0


def upload(ana: Screen, name: str, content: bytes) -> None:
    ana.open("run?operation=payouts.stripe_balance")
    ana.choose(name, content)
    ana.press("Make the plan")


def test_a_provider_that_refuses_the_key_at_planning_is_told_as_a_sentence_and_another_try_works(app, enter):
    # Given a provider that refuses our key once
    app.sandbox.fault(Fault(FaultKind.FORBIDDEN, method="GET", path="/v1/balance"))
    ana = enter("ana")

    # When a plan is made
    upload(ana, "refused.csv", b"currency,maximum\nSEK,5.01\n")

    # Then Ana reads what happened and how to go on
    ana.main.get_by_role("link", name="Try again").wait_for()
    ana.sees("Stripe does not let this key see that.", ana.main)
    ana.sees("An administrator must check the connection's key", ana.main)
    only_sentences(ana)
    ana.look("70-key-refused")
    ana.follow("Try again")
    ana.heading("Stripe balance payout")


def test_a_provider_that_fails_while_paying_leaves_a_row_in_doubt_that_is_told_and_counted(app, backstage, enter):
    # Given a provider that breaks down over one currency (no other test pays it) for good, and refuses another one
    app.sandbox.fault(
        Fault(FaultKind.ERROR_BEFORE, where={"currency": "aud"}, times=20, keep=False),
        Fault(FaultKind.FORBIDDEN, where={"currency": "cad"}),
    )
    seen = backstage.submitted("currency,maximum\nAUD,1.02\nCAD,5.02\n")
    ana = enter("ana", f"executions?execution={seen.number}")

    # When the plan is approved
    backstage.approve(seen)
    ended = backstage.awaited(seen.id, State.UNSETTLED)

    # Then the page follows to the end and tells of both rows in sentences
    ana.sees(ended.message, ana.main)
    rows = ana.table("Payouts, row by row")
    assert [row["State"].split(" / ")[0] for row in rows] in (["In doubt", "Rejected"], ["Needs review", "Rejected"])
    assert all(len(row["State"].split(" / ")) > 1 for row in rows)
    only_sentences(ana)
    ana.look("71-in-doubt")

    # and the figure of the home page leads to it
    ana.go("Home")
    figure = ana.main.locator("a.to-figure").filter(has_text="In doubt")
    assert int(figure.locator(".v").inner_text()) >= 1
    figure.click()
    ana.heading("Money in flight")
    assert seen.number in [row["Execution"].split(" / ")[0] for row in ana.table("Payouts")]


@pytest.fixture(scope="module")
def quiet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the demo company, which no worker has ever seen."""
    folder = tmp_path_factory.mktemp("quiet")
    with running_world(folder):
        return folder


def test_without_a_worker_the_page_says_that_it_waits_and_for_what(quiet, visit):
    # Given the app without its worker
    with bare_app(quiet) as app:
        backstage = Backstage(app)
        ana = visit(app, cookie=backstage.cookie("ana"))

        # When Ana asks for totals, and for a plan
        ana.open("run?operation=reporting.csv_totals")
        ana.choose("waits.csv", b"currency,amount\nEUR,1.00\n")
        ana.press("Run")
        ana.sees("Waits for its turn", ana.main)
        ana.look("72-no-worker-run")
        upload(ana, "waits.csv", b"currency\nUSD\n")
        ana.sees("Waits for its turn", ana.main)

        # Then the page soon says that nothing works on it, and whom to ask
        ana.sees("no worker has taken it up yet", ana.main)
        ana.sees("ask an administrator", ana.main)
        ana.look("73-no-worker-plan")


def test_an_error_nobody_expected_is_told_with_a_number_that_stands_in_the_log(quiet, visit, tmp_path: Path):
    # Given a database that has lost a table while the app was running
    folder = tmp_path / "broken"
    shutil.copytree(quiet, folder)
    with bare_app(folder) as app:
        eva = visit(app, cookie=Backstage(app).cookie("eva"))
        eva.heading("Home")
        with sqlite3.connect(folder / "tieout.sqlite") as connection:
            connection.execute("ALTER TABLE approval_request RENAME TO lost")

        # When a page needs it
        eva.page.get_by_test_id("stSidebarNavLink").filter(has_text="Approvals").click()

        # Then the person reads a sentence and a number, and nothing of the program
        eva.sees("Something went wrong on our side.")
        only_sentences(eva)
        eva.look("74-unexpected")
        number = re.search(r"err_[0-9a-f]+", eva.text())
        assert number

        # and the log has the same number with everything
        log = app.log.read_text()
        assert number[0] in log
        assert "no such table: approval_request" in log

        # and the rest of the desk still works
        eva.go("Audit")
