"""What every answer carries: an id the log knows, headers that browsers obey, a number for what went wrong."""

import json
from collections.abc import Iterator

import pytest
import requests
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tests.api.conftest import Site, make, served, serving
from tests.desks import settings_for

TOKEN = "a-token-for-prometheus"


@pytest.fixture
def watched_site(tmp_path) -> Iterator[Site]:
    make(tmp_path)
    yield from served(settings_for(tmp_path, metrics_token=TOKEN))


def alone(answer, **headers: str | bytes) -> requests.Response:
    """What a server gives whose only route answers so."""
    with serving([Route("/there", answer)]) as url:
        return requests.get(f"{url}/there", headers=headers, timeout=20)


def good(_request: Request) -> Response:
    return Response("here")


def breaks(_request: Request) -> Response:
    raise RuntimeError("the password=hunter22hunter22 did it")


@pytest.mark.parametrize("path", ["/healthz", "/nowhere", "/webhooks/stripe/cn_1"])
def test_every_answer_tells_browsers_what_they_may_not_do_with_it(site: Site, path: str):
    answer = requests.get(f"{site.url}{path}", timeout=20)

    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["x-frame-options"] == "DENY"
    assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
    assert "default-src 'self'" in answer.headers["content-security-policy"]
    assert answer.headers["referrer-policy"] == "same-origin"
    assert "strict-transport-security" not in answer.headers, "by plain http nothing else can be promised"


def test_behind_https_browsers_are_told_to_stay_with_it(secure_site: Site):
    answer = requests.get(f"{secure_site.url}/healthz", timeout=20)

    assert answer.headers["strict-transport-security"] == "max-age=31536000"


def test_the_id_of_a_request_is_in_its_answer_and_in_its_log(lines):
    answer = alone(good)

    (line,) = [each for each in map(json.loads, lines.getvalue().splitlines()) if each["logger"] == "tieout.http"]
    assert line["request"] == answer.headers["x-request-id"]
    assert line["message"].startswith("GET /there 200 in ")


def test_a_proxys_id_is_kept_and_a_strange_one_is_not():
    assert alone(good, **{"X-Request-Id": "proxy-0001"}).headers["x-request-id"] == "proxy-0001"
    for strange in ("short", "x" * 65, 'say "hello" to me', "ein-schöner-Name"):
        given = {"X-Request-Id": strange.encode("latin-1")}
        assert alone(good, **given).headers["x-request-id"].startswith("rq_")


def test_what_breaks_gets_a_number_that_the_log_knows_and_says_nothing_else(lines):
    answer = alone(breaks)

    told = answer.json()
    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["x-frame-options"] == "DENY", "its headers are those of every answer"
    assert "hunter22" not in answer.text
    assert "RuntimeError" not in answer.text
    assert told["error"] in lines.getvalue()
    assert told["instance"] == f"urn:tieout:request:{answer.headers['x-request-id']}"
    assert "hunter22" not in lines.getvalue()


def test_figures_are_for_the_holder_of_the_token_and_there_is_no_such_page_for_others(watched_site: Site):
    watched_site.start_worker()
    url = f"{watched_site.url}/metrics"

    for strange in (None, "Bearer wrong", f"Basic {TOKEN}", TOKEN, "Bearer "):
        assert requests.get(url, headers={"Authorization": strange} if strange else {}, timeout=20).status_code == 404
    told = requests.get(url, headers={"Authorization": f"Bearer {TOKEN}"}, timeout=20)

    assert told.status_code == 200
    assert 'tieout_executions{state="completed"} 0.0' in told.text
    assert "tieout_worker_lease_age_seconds -" in told.text, "below zero while it is held"
    assert 'tieout_http_requests_total{method="GET",route="/metrics",status="404"}' in told.text
    assert "Harbour" not in told.text, "no organisation is named"


def test_without_a_token_set_nobody_gets_figures(site: Site):
    for given in ("Bearer ", "Bearer x"):
        assert requests.get(f"{site.url}/metrics", headers={"Authorization": given}, timeout=20).status_code == 404


def test_a_method_somebody_made_up_is_counted_with_the_others(watched_site: Site):
    requests.request("BREW", f"{watched_site.url}/healthz", timeout=20)

    told = requests.get(f"{watched_site.url}/metrics", headers={"Authorization": f"Bearer {TOKEN}"}, timeout=20).text
    assert "BREW" not in told
    assert 'method="other"' in told
