"""The API on one process: status reads a second, and what a 50 MB upload costs in memory."""

import http.client
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import psutil

from finops_core import operations, reference, security
from finops_core.desk import open_desk
from finops_core.kernel.actor import Actor, Via, system_actor
from finops_core.platform.settings import Settings
from finops_core.start import prepare
from tests.bench.report import Figure, p99
from tests.desks import issued_token, settings_for
from tests.processes import ROOT, environment, until
from tests.world import COMPANY, company

CLIENTS, SECONDS = 8, 10.0
UPLOAD_BYTES, PIECE = 50 * 1024 * 1024, 64 * 1024
SERVER = """
import asyncio, sys, uvicorn
from starlette.applications import Starlette
from finops_core import api
from finops_core.desk import open_desk
sys.setswitchinterval(0.001)
with open_desk() as desk:
    uvicorn.run(Starlette(routes=api.routes(lambda: desk)), port=int(sys.argv[1]), log_level="error", access_log=False)
"""


@contextmanager
def serving(settings: Settings) -> Iterator[tuple[str, psutil.Process]]:
    """The routes on one uvicorn process of its own, and that process."""
    from tests.webapp import free_port

    port = free_port()
    process = subprocess.Popen([sys.executable, "-c", SERVER, str(port)], cwd=ROOT, env=environment(settings))
    try:
        until(lambda: _answers(port), what="the server answers")
        yield f"127.0.0.1:{port}", psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait(20)


def office(settings: Settings) -> tuple[str, str]:
    """The demo company with one draft of Ana's: her token's secret and the draft's number."""
    prepare(settings).close()
    with open_desk(settings) as desk:
        with desk.read(system_actor()) as reading:
            org_id = reference.ids_by_slug(reading)["harbour"]
        with desk.read(system_actor(org_id)) as reading:
            ana = next(person.id for person in security.people(reading) if person.username == "ana")
        with desk.work(Actor(ana, org_id, Via.PAGE)) as work:
            end = work.now + timedelta(days=1)
            issued = issued_token(work, "ana", company()["password"], ["read", "run", "files"], end, "bench")
            upload = operations.Upload("currencies.csv", b"currency\nEUR\n")
            drafted = operations.draft(work, "payouts.stripe_balance", {}, upload)
        assert isinstance(drafted, operations.Drafted)
        return issued.secret, drafted.number


def measure() -> list[Figure]:
    with tempfile.TemporaryDirectory() as name:
        settings = settings_for(
            Path(name), demo=True, demo_file=COMPANY, api_rate_per_s=1e6, api_burst=1_000_000, upload_max_bytes=2**30
        )
        secret, number = office(settings)
        with serving(settings) as (address, server):
            per_s, slow_s = _status_reads(address, secret, number)
            more = _upload(address, server, secret)
    return [
        Figure(f"status reads over HTTP, {CLIENTS} clients, one process", per_s, "/s", "200"),
        Figure("one of these, p99", slow_s * 1000, "ms"),
        Figure("more memory while 50 MiB are uploaded", more / 2**20, "MiB", "under 30"),
    ]


def _status_reads(address: str, secret: str, number: str) -> tuple[float, float]:
    times: list[float] = []
    headers = {"Authorization": f"Bearer {secret}"}
    end = time.perf_counter() + SECONDS + 1
    counted_from = end - SECONDS

    def client() -> None:
        connection = http.client.HTTPConnection(address)
        mine = []
        while (started := time.perf_counter()) < end:
            connection.request("GET", f"/api/v1/executions/{number}", headers=headers)
            answer = connection.getresponse()
            body = answer.read()
            assert answer.status == 200, body
            if started >= counted_from:
                mine.append(time.perf_counter() - started)
        times.extend(mine)

    threads = [threading.Thread(target=client) for _ in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return len(times) / SECONDS, p99(times)


def upload(address: str, secret: str, size: int = UPLOAD_BYTES) -> int:
    """Send so many bytes that do not repeat, a piece at a time; gives the status."""
    connection = http.client.HTTPConnection(address, timeout=120)
    headers = {"Authorization": f"Bearer {secret}", "Content-Length": str(size), "Content-Type": "text/csv"}
    pieces = (os.urandom(PIECE // 2).hex().encode() for _ in range(size // PIECE))
    connection.request("POST", "/api/v1/files?name=large.csv", body=pieces, headers=headers)
    answer = connection.getresponse()
    told = json.loads(answer.read())
    assert answer.status != 201 or told["size_bytes"] == size
    return answer.status


def _upload(address: str, server: psutil.Process, secret: str) -> int:
    assert upload(address, secret, PIECE) == 201  # what is imported at the first one is no memory of an upload
    return grown(server, lambda: upload(address, secret))


def grown(server: psutil.Process, call: Callable[[], object]) -> int:
    """The most that a process's memory grows while something is done."""
    before = most = server.memory_info().rss
    done = threading.Event()

    def watch() -> None:
        nonlocal most
        while not done.wait(0.005):
            most = max(most, server.memory_info().rss)

    watching = threading.Thread(target=watch)
    watching.start()
    try:
        call()
    finally:
        done.set()
        watching.join()
    return most - before


def _answers(port: int) -> bool:
    try:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        connection.request("GET", "/api/v1/openapi.json")
        return connection.getresponse().status == 200
    except OSError:
        return False
