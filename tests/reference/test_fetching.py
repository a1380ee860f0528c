"""Rates are fetched for every organisation; an answer that is none changes nothing, and says why."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from finops_core import reference
from finops_core.adapters.rates_feed import MOST_BYTES, RatesFeed
from finops_core.catalog.jobs import JOBS
from finops_core.kernel.actor import WORKER_ID
from finops_core.kernel.errors import FinOpsError
from finops_core.platform.settings import Settings
from finops_core.reference.exchanges import FETCH_JOB
from tests.desks import area_desk, person_actor
from tests.reference.test_rates import XML

Answer = tuple[int, dict[str, str], bytes]


@contextmanager
def published(answer: Answer, *, drip_s: float = 0, short: bool = False) -> Iterator[str]:
    """An address on loopback that gives this answer; ``short``: less of it than its head says."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, headers, body = answer
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body) + (1 if short else 0)))
            self.end_headers()
            time.sleep(drip_s)
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/eurofxref-daily.xml"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_what_is_published_is_taken_in_for_every_organisation_once(tmp_path, database_url):
    with published((200, {}, XML)) as url:
        desk = area_desk(tmp_path, database_url, rates_url=url)
        orgs = desk.org(), desk.org("norrland")
        for _ in range(2):
            JOBS[FETCH_JOB].run(desk.units, None)

    for org_id in orgs:
        with desk.read(person_actor("person_eva", org_id)) as reading:
            found = reference.rates(reading)
            assert {each.quote: (each.rate, each.noted_by) for each in found} == {
                "USD": ("1.0543", WORKER_ID),
                "JPY": ("163.20", WORKER_ID),
            }
    desk.units.database.close()


def test_without_an_address_nothing_is_asked(tmp_path):
    desk = area_desk(tmp_path)
    org_id = desk.org()

    JOBS[FETCH_JOB].run(desk.units, None)

    with desk.read(person_actor("person_eva", org_id)) as reading:
        assert reference.rates(reading) == ()


@pytest.mark.parametrize(
    ("answer", "how", "code"),
    [
        ((500, {}, b"down"), {}, "RATES_NOT_FETCHED"),
        ((302, {"Location": "http://127.0.0.1:1/"}, b""), {}, "RATES_NOT_FETCHED"),
        ((200, {}, b"x" * (MOST_BYTES + 1)), {}, "RATES_NOT_FETCHED"),
        ((200, {}, XML), {"drip_s": 1.0}, "RATES_NOT_FETCHED"),
        ((200, {}, XML), {"short": True}, "RATES_NOT_FETCHED"),
        ((200, {}, b"<html>Sorry</html>"), {}, "RATES_FILE_BAD"),
    ],
    ids=["an error", "elsewhere", "without end", "too late", "cut off", "another page"],
)
def test_an_answer_that_is_none_changes_nothing(tmp_path, answer: Answer, how, code: str):
    with published(answer, **how) as url:
        desk = area_desk(tmp_path, rates_url=url, rates_timeout_s=0.3)
        org_id = desk.org()
        with pytest.raises(FinOpsError) as caught:
            JOBS[FETCH_JOB].run(desk.units, None)

    assert caught.value.code == code
    with desk.read(person_actor("person_eva", org_id)) as reading:
        assert reference.rates(reading) == ()


def test_an_address_where_nobody_answers_is_told():
    with pytest.raises(FinOpsError) as caught:
        RatesFeed("http://127.0.0.1:1/", 0.3)()

    assert caught.value.code == "RATES_NOT_FETCHED"


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://example.com/a", "https://", "https://me:it@example.com/"])
def test_an_address_of_another_kind_is_refused_at_the_start(url: str):
    with pytest.raises(ValueError, match="beginning with https"):
        Settings(_env_file=None, rates_url=url)  # type: ignore[call-arg]
