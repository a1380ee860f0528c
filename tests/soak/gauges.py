"""Looks at the processes every ten seconds: memory, processor time, what waits, and how the clicks went."""

import os
import re
import threading
import urllib.request
from dataclasses import dataclass

import psutil

from tests.soak.house import METRICS_TOKEN, House, Part
from tests.soak.tally import Tally
from tests.soak.verdict import middle, share

EVERY_S = 10.0
_WAITING = re.compile(r'^tieout_jobs\{.*standing="waiting".*\} (\S+)', re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Sample:
    """One look. Memory in MiB, None while the process is out; ``lives``: which life of web and worker.

    ``busy``: the share of the machine's cores in use since the last look, by anybody.
    """

    at_s: float
    web_mib: float | None
    worker_mib: float | None
    web_life: int
    worker_life: int
    clicks: int
    p50_ms: float | None
    p95_ms: float | None
    waiting: int | None
    faults: int
    out: str
    busy: float
    load: float
    web_cpu_s: float | None


class Gauges:
    """The thread that looks."""

    def __init__(self, house: House, tally: Tally) -> None:
        self._house, self._tally = house, tally
        self.samples: list[Sample] = []
        self.thread = threading.Thread(target=self._look_on, name="gauges", daemon=True)

    def _look_on(self) -> None:
        psutil.cpu_percent()
        since = 0.0
        while not self._tally.over.wait(EVERY_S):
            self.samples.append(self._look(since))
            since = self.samples[-1].at_s

    def _look(self, since: float) -> Sample:
        took = [each * 1000 for each in self._tally.clicks_since(since)]
        return Sample(
            at_s=self._tally.now_s(),
            web_mib=_mib(self._house.web),
            worker_mib=_mib(self._house.worker, helpers=True),
            web_life=self._house.web.lives,
            worker_life=self._house.worker.lives,
            clicks=len(took),
            p50_ms=middle(took) if took else None,
            p95_ms=share(took, 0.95) if took else None,
            waiting=self._waiting(),
            faults=self._tally.faults_since(since),
            out=self._tally.out,
            busy=psutil.cpu_percent() / 100,
            load=os.getloadavg()[0],
            web_cpu_s=_cpu_s(self._house.web),
        )

    def _waiting(self) -> int | None:
        asked = urllib.request.Request(  # noqa: S310 - our own loopback address
            f"{self._house.url}/metrics", headers={"Authorization": f"Bearer {METRICS_TOKEN}"}
        )
        try:
            with urllib.request.urlopen(asked, timeout=5) as answer:  # noqa: S310
                return round(sum(float(found) for found in _WAITING.findall(answer.read().decode())))
        except OSError:
            return None


def _mib(part: Part, *, helpers: bool = False) -> float | None:
    """What a process holds; with what it keeps beside it for good (``helpers``), not the children of single runs."""
    if not part.alive():
        return None
    assert part.process is not None
    try:
        here = psutil.Process(part.process.pid)
        beside = here.children() if helpers else []
        return sum(each.memory_info().rss for each in (here, *beside)) / 2**20
    except psutil.Error:
        return None


def _cpu_s(part: Part) -> float | None:
    if not part.alive():
        return None
    assert part.process is not None
    try:
        times = psutil.Process(part.process.pid).cpu_times()
    except psutil.Error:
        return None
    return float(times.user + times.system)
