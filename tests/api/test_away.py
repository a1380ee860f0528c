"""While PostgreSQL is gone each route says so in its own way, and each works again by itself when it is back."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from finops_core.api import figures, health
from tests.api.conftest import Site, make, served
from tests.desks import settings_for
from tests.postgres import MortalServer

METRICS = "a-token-for-prometheus"


@pytest.fixture
def site(tmp_path: Path, mortal_postgres: MortalServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """On a server that dies; what was looked at is not kept."""
    monkeypatch.setattr(figures, "KEPT_S", 0.0)
    monkeypatch.setattr(health, "KEPT_S", 0.0)
    url = mortal_postgres.server.url("a_site")
    make(tmp_path, url)
    yield from served(settings_for(tmp_path, url, metrics_token=METRICS))


def get(site: Site, path: str, token: str = METRICS) -> requests.Response:
    return requests.get(f"{site.url}{path}", headers={"Authorization": f"Bearer {token}"}, timeout=60)


def test_routes_tell_that_the_database_is_away_and_work_again_when_it_is_back(
    site: Site, mortal_postgres: MortalServer
):
    # Given a site that is well but for its worker
    site.start_worker()
    assert get(site, "/healthz").status_code == 200
    assert "tieout_database_up 1.0" in get(site, "/metrics").text

    # When its database is killed
    mortal_postgres.kill()

    # Then each route says so, none breaks
    assert get(site, "/healthz").json()["database"] == {"ok": False}
    told = get(site, "/metrics")
    assert told.status_code == 200
    assert "tieout_database_up 0.0" in told.text
    assert "tieout_http_requests_total" in told.text, "what the process counts itself is still told"
    refused = get(site, "/api/v1/me", "tieout_" + "x" * 40)
    assert (refused.status_code, refused.json()["code"]) == (503, "DATABASE_BUSY")

    # and all is well again once it is back
    mortal_postgres.start()
    assert get(site, "/healthz").status_code == 200
    assert "tieout_database_up 1.0" in get(site, "/metrics").text
    assert get(site, "/api/v1/me", "tieout_" + "x" * 40).status_code == 401
