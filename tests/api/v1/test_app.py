"""The API where people find it: beside the screens, on the server that `streamlit run app.py` starts."""

from datetime import timedelta
from pathlib import Path

import pytest
import requests

from finops_core import reference, security
from finops_core.kernel.actor import Actor, Via, system_actor
from tests.api.v1.programs import PASSWORD, STRIPE, Program, code_of
from tests.desks import issued_token
from tests.processes import until
from tests.webapp import running_app

pytestmark = pytest.mark.slow
TOO_MANY, UNAUTHENTICATED = 429, 401


def test_a_program_has_a_draft_planned_on_the_real_app(tmp_path: Path):
    with running_app(tmp_path) as app:
        with app.desk.read(system_actor()) as reading:
            org_id = reference.ids_by_slug(reading)["harbour"]
        with app.desk.read(system_actor(org_id)) as reading:
            ana = next(person.id for person in security.people(reading) if person.username == "ana")
        with app.desk.work(Actor(ana, org_id, Via.PAGE)) as work:
            issued = issued_token(work, "ana", PASSWORD, ["read", "run"], work.now + timedelta(days=1))
        program = Program(f"{app.url}/api/v1", issued.secret)

        drafted = program.draft().json()
        path = f"/executions/{drafted['id']}"
        until(lambda: program.get(path).json()["state"] == "ready", what="the worker has planned it")

        assert program.get(f"{path}/plan").json()["totals"][0]["currency"] == "EUR"
        assert code_of(requests.get(f"{app.url}/api/v1/me", timeout=20)) == (401, "TOKEN_NOT_VALID")
        assert code_of(program.get("/no\nsuch")) == (404, "ROUTE_UNKNOWN")
        assert "Tieout API" in requests.get(f"{app.url}/api/v1/docs", timeout=20).text
        assert requests.get(f"{app.url}/api/v1/openapi.json", timeout=20).json()["info"]["title"] == "Tieout API"
        assert program.upload(b"x" * 3_000_000).status_code == 201
        assert STRIPE in program.get("/operations").text
        assert issued.secret not in app.log.read_text(errors="replace")


def test_everybody_behind_a_named_proxy_has_an_address_of_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    # Given a proxy that the server would not know by itself, but the settings name
    monkeypatch.setenv("FORWARDED_ALLOW_IPS", "192.0.2.1")
    with running_app(tmp_path, trusted_proxies="127.0.0.1") as app:

        def guess(number: int, address: str) -> int:
            headers = {"Authorization": f"Bearer tieout_{number}", "X-Forwarded-For": address}
            return requests.get(f"{app.url}/api/v1/me", headers=headers, timeout=30).status_code

        # When somebody guesses secrets until they are held back
        until(lambda: guess(0, "198.51.100.7") == TOO_MANY, what="they are held back")

        # Then nobody else behind the proxy is
        assert guess(1, "198.51.100.8") == UNAUTHENTICATED
