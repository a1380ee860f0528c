"""A page whose PostgreSQL is gone: a sentence and nothing of the program, and the page once it is back."""

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from tests.pages.conftest import shown
from tests.postgres import MortalServer
from tests.world import COMPANY, World, running_world

AWAY = "**The database does not answer.**"


@pytest.fixture
def world(tmp_path: Path, mortal_postgres: MortalServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """The demo company on a server that dies."""
    url = mortal_postgres.server.url("a_company")
    with running_world(tmp_path, url) as made:
        monkeypatch.setenv("TIEOUT_DATA_DIR", str(tmp_path))
        monkeypatch.setenv("TIEOUT_DEMO_FILE", str(COMPANY))
        monkeypatch.setenv("TIEOUT_MASTER_KEY", made.desk.settings.master_key.get_secret_value())
        monkeypatch.setenv("TIEOUT_STRIPE_SANDBOX_URL", made.desk.settings.stripe_sandbox_url)
        monkeypatch.setenv("DATABASE_URL", url)
        st.cache_resource.clear()
        yield made
        st.cache_resource.clear()


def a_page():
    """Reads, then draws; an error comes to where ``st.App`` brings it."""
    import streamlit as st

    from finops_core import reference
    from finops_core.kernel.actor import system_actor
    from ui import errors
    from ui.session import the_desk

    try:
        with the_desk().read(system_actor()) as reading:
            found = len(reference.all_ids(reading))
    except Exception as error:  # noqa: BLE001 - as Streamlit does
        errors.shown(error)
    else:
        st.title(f"{found} organisations")


def test_a_page_says_in_words_that_the_database_is_away_and_is_drawn_again_once_it_is_back(
    world: World, mortal_postgres: MortalServer
):
    # Given a page that stands
    screen = AppTest.from_function(a_page, default_timeout=60).run()
    assert screen.title[0].value == "2 organisations"

    # When the database is killed and somebody clicks
    mortal_postgres.kill()
    screen.run()

    # Then they read a sentence, and nothing of the program
    assert AWAY in shown(screen)
    assert "err_" not in shown(screen)
    assert "psycopg" not in shown(screen)
    assert not screen.exception
    # and once it is back the page is there again
    mortal_postgres.start()
    screen.run()
    assert AWAY not in shown(screen)
    assert screen.title[0].value == "2 organisations"


def test_streamlit_logs_no_error_of_a_page_by_itself(caplog: pytest.LogCaptureFixture):
    from ui import errors

    assert errors.LOG.name == "tieout.ui"
    noted: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: noted.append(record.getMessage())  # type: ignore[method-assign]
    logger = logging.getLogger("streamlit.error_util")
    logger.addHandler(handler)
    logger.error("Uncaught app execution", exc_info=ValueError("the key is sk_live_0001"))
    logger.error("Failed to display uncaught app exception")
    logger.removeHandler(handler)

    assert noted == ["Failed to display uncaught app exception"]
