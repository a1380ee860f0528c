"""What is gone for a while is told on the page, and the page is whole again by itself, without a new sign-in."""

from pathlib import Path

import pytest
from playwright.sync_api import expect

from finops_core.kernel.actor import worker_actor
from finops_core.platform.queue import acquire_lease
from tests.e2e.backstage import Backstage
from tests.e2e.screens import WAIT_MS
from tests.e2e.servers import bare_app
from tests.e2e.test_failures import only_sentences
from tests.postgres import MortalServer
from tests.world import running_world

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.deep]

NO_WORKER = "The worker is not there: nothing is planned"
LONG_S = 600.0
AWAY = "The database does not answer."


def test_a_page_whose_database_is_killed_says_so_and_comes_back_without_a_click(
    visit, tmp_path: Path, mortal_postgres: MortalServer
):
    # Given somebody on a page
    url = mortal_postgres.server.url("a_company")
    with running_world(tmp_path, url):
        pass
    with bare_app(tmp_path, url) as app:
        eva = visit(app, "executions", cookie=Backstage(app).cookie("eva"))
        eva.heading("Executions")

        # When the database is killed and they click
        mortal_postgres.kill()
        eva.page.get_by_test_id("stSidebarNavLink").filter(has_text="Executions").click()

        # Then a sentence stands in the page's place
        eva.sees(AWAY)
        only_sentences(eva)
        eva.look("75-no-database")

        # and the page comes back by itself once the database does
        mortal_postgres.start()
        eva.heading("Executions")
        assert AWAY not in eva.text()
        assert eva.page.get_by_label("Username").count() == 0
        assert "Uncaught app execution" not in app.log.read_text(), "one line an error, with its ids and no secret"
        assert "a page found no database" in app.log.read_text()


def test_the_line_that_no_worker_is_there_goes_without_a_click_once_one_is(visit, tmp_path: Path):
    # Given a worker that has held its lease for a moment, and died
    with running_world(tmp_path):
        pass
    with bare_app(tmp_path, scheduler_lease_s=0.05) as app:
        with app.desk.work(worker_actor("")) as work:
            assert acquire_lease(work, "worker", "a worker", 0.05)

        # When somebody looks
        eva = visit(app, cookie=Backstage(app).cookie("eva"))
        eva.sees(NO_WORKER)

        # Then the line stands until another one is there, and goes by itself
        with app.desk.work(worker_actor("")) as work:
            assert acquire_lease(work, "worker", "another one", LONG_S)
        expect(eva.page.get_by_text(NO_WORKER)).to_have_count(0, timeout=WAIT_MS)
        eva.heading("Home")
