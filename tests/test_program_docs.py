"""What the documents for programs show is run, in their order: the curl calls of the API and the commands."""

import json
import re
import shlex
from pathlib import Path
from string import Template
from typing import Any

import pytest
import requests

from tests import house
from tests.api.v1.programs import Office, open_office
from tests.commands.terminal import command

pytestmark = pytest.mark.slow
CSV = "currency,maximum\nEUR,1.25\n"
BLOCK = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)


def lines_of(name: str) -> list[str]:
    blocks = BLOCK.findall((house.ROOT / "docs" / name).read_text(encoding="utf-8"))
    return [line for block in blocks for line in block.splitlines() if line]


def curl(words: list[str], folder: Path) -> requests.Response:
    """The few options of curl that the document uses."""
    given = iter(words[1:])
    url, headers, body = "", {}, None
    for word in given:
        if word == "-H":
            name, _, value = next(given).partition(": ")
            headers[name] = value
        elif word == "-d":
            body = next(given).encode()
        elif word == "--data-binary":
            body = (folder / next(given).removeprefix("@")).read_bytes()
        else:
            assert not url, word
            url = word
    return requests.request("POST" if body is not None else "GET", url, headers=headers, data=body, timeout=60)


def learned(url: str, told: dict[str, Any]) -> dict[str, str]:
    """What a reader takes from an answer for the calls that follow."""
    if "/files?" in url:
        return {"FILE": told["id"]}
    if url.endswith("/executions"):
        return {"EXECUTION": told["id"]}
    if url.endswith("/plan"):
        return {"PLAN": told["hash"]}
    if url.endswith("/approvals"):
        return {"REQUEST": told["items"][0]["id"], "CONTENT": told["items"][0]["content_hash"]}
    return {}


def test_the_curl_calls_of_the_api_document_lead_from_a_file_to_its_result(tmp_path: Path):
    (tmp_path / "payouts.csv").write_text(CSV)
    with open_office(tmp_path / "desk") as office:
        known = {
            "TIEOUT_URL": office.url,
            "TIEOUT_TOKEN": office.token("ana").secret,
            "APPROVERS_TOKEN": office.token("ben", "approve").secret,
            "AUDITORS_TOKEN": office.token("eva", "audit").secret,
            "KEY": "walk",
        }
        states = []
        for line in lines_of("api.md"):
            office.world.work_off()
            answer = curl(shlex.split(Template(line).substitute(known)), tmp_path)
            assert answer.ok, f"{line}\n{answer.text}"
            if answer.headers["content-type"] == "application/json":
                told = json.loads(answer.text)
                known |= learned(answer.url, told)
                states.append(told.get("state", ""))

        assert answer.json()["total"] == 1, "the walk's own execution is in its history"
        assert [state for state in states if state] == ["planning", "ready", "awaiting_approval", "pending", "approved"]


def test_the_commands_of_the_command_line_document_work_in_their_order(tmp_path: Path):
    (tmp_path / "payouts.csv").write_text(CSV)
    with open_office(tmp_path / "desk") as office:
        known: dict[str, str] = {}
        for line in lines_of("command-line.md"):
            office.world.work_off()
            words = shlex.split(Template(line).substitute(known))
            assert words[:3] == ["python", "-m", "finops_core"]
            files = [str(tmp_path / word) if word.endswith(".csv") else word for word in words[3:]]
            said = command(office.world.desk.settings, _who(office, words[3]), *files, "--json")
            assert said.code == 0, f"{line}\n{said.err}"
            known |= _taken(words[3], said.answer)

        assert said.answer["items"][0]["shown"].startswith("tieout_")


def _who(office: Office, verb: str) -> str:
    return office.program("ben" if verb in {"approvals", "decide"} else "ana").secret


def _taken(verb: str, told: dict[str, Any]) -> dict[str, str]:
    if verb == "run":
        return {"EXECUTION": told["number"]}
    if verb == "plan":
        return {"PLAN": told["hash"]}
    if verb == "approvals" and "items" in told:
        return {"REQUEST": told["items"][0]["number"], "CONTENT": told["items"][0]["content_hash"]}
    return {}
