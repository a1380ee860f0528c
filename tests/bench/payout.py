"""A ten-currency payout: from the approval's commit to the last row created, and our own share of it."""

import tempfile
import time
from pathlib import Path

from finops_core import operations
from finops_core.kernel.actor import worker_actor
from finops_core.platform import queue
from tests.bench.report import Figure, fsync_s, median
from tests.processes import running_worker, until
from tests.world import World, running_world

TEN = "currency\nUSD\nEUR\nGBP\nJPY\nCAD\nCHF\nSEK\nHUF\nKWD\nAUD\n"
HARBOUR = "acct_sbx_harbour"
TURNS = 3


def measure() -> list[Figure]:
    """The figures of a payout, with a real worker process and the real SDK."""
    whole, own = [], []
    with tempfile.TemporaryDirectory() as name:
        floor = fsync_s(Path(name))
    for _ in range(TURNS):
        with tempfile.TemporaryDirectory() as name, running_world(Path(name)) as world:
            seconds, provider_s = _one(world)
            whole.append(seconds)
            own.append(seconds - provider_s)
    commits = floor * 22
    return [
        Figure("Ten-currency payout, approval to last row created", median(whole), "s", "< 3 s"),
        Figure("… our own share (without the provider's time)", median(own), "s", "< 0.5 s", commits, "22 fsyncs"),
    ]


def _one(world: World) -> tuple[float, float]:
    seen = world.submitted(TEN)
    with running_worker(world.desk.settings):
        until(lambda: _idle(world), what="the worker is up")
        time.sleep(1.5)  # the forkserver warms up once per worker, not per run
        started = time.perf_counter()
        world.decide(seen)
        until(lambda: len(world.sandbox.control.payouts(HARBOUR)) == 10, what="ten payouts")
        until(lambda: world.execution(seen.id).state in operations.FINAL, what="the end")
        seconds = time.perf_counter() - started
    with world.desk.read(worker_actor(world.orgs["harbour"])) as reading:
        waited = [line.data["provider_ms"] for line in operations.log(reading, seen.id) if "provider_ms" in line.data]
    return seconds, sum(waited) / 1000


def _idle(world: World) -> bool:
    with world.desk.read(worker_actor("")) as reading:
        age = queue.lease_age_s(reading, "worker")
    return age is not None and age < 0
