"""The health check: says what is wrong, names nobody, and looks at most once a second."""

import json
import threading
from pathlib import Path

import pytest
import requests
from sqlalchemy import event

from finops_core.api.health import KEPT_S, STARTING_KEPT_S, HealthCheck
from finops_core.catalog.tables import TABLES
from finops_core.desk import open_desk
from finops_core.kernel.actor import worker_actor
from finops_core.platform import guards
from finops_core.platform.db import open_owner_engine
from finops_core.platform.queue import release_lease
from tests.api.conftest import LONG_S, Site, listening
from tests.desks import settings_for


def health_of(url: str) -> tuple[int, dict]:
    answer = requests.get(f"{url}/healthz", timeout=20)
    return answer.status_code, answer.json()


def as_owner(site: Site, *statements: str) -> None:
    engine = open_owner_engine(site.desk.settings)
    with engine.begin() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)
    engine.dispose()


def test_all_is_well_with_a_worker(site: Site):
    site.start_worker()

    status, told = health_of(site.url)

    assert status == 200
    assert told["healthy"] is True
    assert told["database"] == {"ok": True}
    assert told["migrations"]["ok"] is True
    assert told["migrations"]["revision"] == told["migrations"]["expected"]
    assert told["triggers"] == {"ok": True, "missing": []}
    assert told["worker"]["ok"] is True
    assert -LONG_S <= told["worker"]["lease_age_s"] < 0


def test_without_a_worker_it_is_not_healthy(site: Site):
    status, told = health_of(site.url)

    assert (status, told["healthy"]) == (503, False)
    assert told["worker"] == {"ok": False, "lease_age_s": None}


def test_a_worker_that_let_go_long_ago_does_not_count(site: Site):
    site.start_worker()
    with site.desk.work(worker_actor("")) as work:
        release_lease(work, "worker", "a worker")

    status, told = health_of(site.url)

    assert (status, told["worker"]["ok"]) == (503, False)
    assert told["worker"]["lease_age_s"] > 1_000_000


def test_a_guard_that_was_dropped_is_named(site: Site):
    site.start_worker()
    dialect = site.desk.database.dialect
    trigger = guards.expected(TABLES, dialect)[0]
    on = f' ON "{trigger.table}"' if dialect == "postgresql" else ""
    as_owner(site, f"DROP TRIGGER {trigger.name}{on}")

    status, told = health_of(site.url)

    assert status == 503
    assert told["triggers"] == {"ok": False, "missing": [trigger.name]}


def test_a_database_at_another_migration_is_not_healthy(site: Site):
    site.start_worker()
    as_owner(
        site,
        "DROP TABLE IF EXISTS alembic_version",
        "CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)",
        "INSERT INTO alembic_version VALUES ('from_the_future')",
    )

    status, told = health_of(site.url)

    assert status == 503
    assert told["migrations"]["ok"] is False
    assert told["migrations"]["revision"] == "from_the_future"


@pytest.mark.parametrize("url", ["", "postgresql+psycopg://nobody:planted-secret@127.0.0.1:1/none"])
def test_a_database_that_is_not_there_is_told_without_its_address(tmp_path: Path, url: str):
    # An empty folder: no table at all; and a server nobody listens for.
    with open_desk(settings_for(tmp_path, url)) as desk, listening(desk) as address:
        answer = requests.get(f"{address}/healthz", timeout=20)

    assert answer.status_code == 503
    assert answer.json() == {"healthy": False, "database": {"ok": False}}
    assert "planted-secret" not in answer.text


def test_it_names_no_organisation_person_path_or_key(site: Site):
    site.start_worker()
    site.post("/session/begin", site.ticket())

    told = json.dumps(health_of(site.url)[1])

    settings = site.desk.settings
    for planted in (site.org_id, site.person_id, "Harbour", "ana", settings.master_key.get_secret_value()):
        assert planted not in told
    assert str(settings.data_dir) not in told


def test_however_many_ask_it_looks_once_a_second(site: Site):
    site.start_worker()
    looks: list[str] = []
    event.listen(site.desk.database.reader, "before_cursor_execute", lambda *args: looks.append(args[2]))
    check = HealthCheck(lambda: site.desk)
    threads = [threading.Thread(target=check.look) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)

    assert len([statement for statement in looks if "lease" in statement]) == 1
    assert check.look() is check.look()


def test_a_worker_that_is_missing_is_looked_for_again_before_the_second_is_over(site: Site):
    now = 100.0
    check = HealthCheck(lambda: site.desk, lambda: now)
    assert not check.look().healthy

    site.start_worker()

    assert not check.look().healthy
    now += STARTING_KEPT_S
    found = check.look()
    assert found.healthy
    now += STARTING_KEPT_S
    assert check.look() is found
    now += KEPT_S
    assert check.look() is not found


def test_it_waits_for_no_writer(tmp_path: Path):
    from tests.api.conftest import make

    make(tmp_path)
    with open_desk(settings_for(tmp_path)) as desk, desk.work(worker_actor("")):
        found = HealthCheck(lambda: desk).look()

    assert found.database
