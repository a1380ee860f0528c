"""The tests' own tools: a real PostgreSQL whose databases are copied and dropped, and a browser that starts."""

import os
from pathlib import Path

import psutil
import pytest
from playwright.sync_api import Browser
from sqlalchemy import create_engine, inspect, text

from tests.postgres import PostgresServer


def tables(url: str) -> list[str]:
    engine = create_engine(url)
    found = inspect(engine).get_table_names()
    engine.dispose()
    return found


def test_a_database_is_copied_from_a_template_and_gone_afterwards(postgres: PostgresServer):
    # Given a template with one table
    template = postgres.create()
    engine = create_engine(postgres.url(template))
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE kept (id int)"))
    engine.dispose()

    # When a database is copied from it
    with postgres.database(template) as url:
        copied = tables(url)

    # Then it has the table, nothing else has, and it is dropped
    engine = create_engine(postgres.url())
    with engine.connect() as connection:
        names = set(connection.execute(text("SELECT datname FROM pg_database")).scalars())
    engine.dispose()
    assert copied == ["kept"]
    assert tables(postgres.url()) == []
    assert url.split("@/")[1].split("?")[0] not in names
    postgres.drop(template)


def test_an_empty_database_is_made_for_each_test(postgres_database: str):
    assert tables(postgres_database) == []


def test_the_server_is_version_18_and_listens_on_no_port(postgres_url: str):
    engine = create_engine(postgres_url)
    with engine.connect() as connection:
        version = connection.execute(text("SHOW server_version")).scalar_one()
        listening = connection.execute(text("SHOW listen_addresses")).scalar_one()
        process = psutil.Process(connection.execute(text("SELECT pg_backend_pid()")).scalar_one())
        owner = process.uids().real
    engine.dispose()

    assert version.startswith("18.")
    assert listening == ""
    assert owner != 0 or os.getuid() != 0


@pytest.mark.browser
def test_the_browser_draws_a_page(browser: Browser, chromium_path: str):
    # Given a page of our own
    context = browser.new_context()
    page = context.new_page()
    page.set_content("<h1>Tieout</h1>")

    # When it is read, then it is what we wrote
    heading = page.get_by_role("heading").inner_text()
    context.close()
    assert heading == "Tieout"
    assert Path(chromium_path).exists()
