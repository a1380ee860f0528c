"""The recipes for containers, held against the program they start: no daemon is needed to see that they fit."""

import re
from pathlib import Path
from typing import Any

import yaml

from finops_core.__main__ import app
from finops_core.platform.settings import Settings

ROOT = Path(__file__).parents[1]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())
OURS = ("web", "worker")


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
        assert given <= known_settings(), name


def test_no_secret_stands_in_the_recipe_and_none_has_a_default():
    text = (ROOT / "compose.yaml").read_text()

    for variable in ("POSTGRES_PASSWORD", "TIEOUT_MASTER_KEY"):
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
