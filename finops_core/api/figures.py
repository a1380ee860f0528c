"""``/metrics`` for Prometheus: this process's counts and how the whole desk stands. Closed unless a token is set."""

import hmac
import threading
import time
from collections.abc import Iterable, Iterator
from functools import partial

from prometheus_client import generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.registry import Collector, CollectorRegistry
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from finops_core.api.requests import DeskGetter
from finops_core.kernel.actor import system_actor
from finops_core.platform.db import is_away
from finops_core.platform.metrics import REGISTRY
from finops_core.upkeep.queries import Gauge, gauges

KEPT_S = 5.0
_BEARER = "bearer "


class Figures:
    """Looks at the database at most every five seconds, however many ask."""

    def __init__(self, desk: DeskGetter) -> None:
        self._desk = desk
        self._registry = CollectorRegistry()
        self._registry.register(_Standing(desk))

    async def answer(self, request: Request) -> Response:
        """200 and the figures for the token's holder; 404 for everybody else, as if there were nothing."""
        wanted = (await run_in_threadpool(self._desk)).settings.metrics_token.get_secret_value()
        given = request.headers.get("authorization", "")
        holder = given[: len(_BEARER)].lower() == _BEARER and hmac.compare_digest(
            given[len(_BEARER) :].encode(), wanted.encode()
        )
        if not wanted or not holder:
            return Response(status_code=404)
        return Response(await run_in_threadpool(self._told), media_type=CONTENT_TYPE_PLAIN_0_0_4)

    def _told(self) -> bytes:
        return generate_latest(REGISTRY) + generate_latest(self._registry)


class _Standing(Collector):
    """The desk's own figures, read when asked."""

    def __init__(self, desk: DeskGetter) -> None:
        self._desk = desk
        self._one_at_a_time = threading.Lock()
        self._found: tuple[Gauge, ...] = ()
        self._fresh_until = 0.0

    def collect(self) -> Iterable[Metric]:
        """One family a name."""
        with self._one_at_a_time:
            if time.monotonic() >= self._fresh_until:
                self._found = self._look()
                self._fresh_until = time.monotonic() + KEPT_S
        return _families(self._found)

    def _look(self) -> tuple[Gauge, ...]:
        """Without its database the process still tells what it counts itself."""
        up = partial(Gauge, "tieout_database_up", "Whether the database answers.")
        try:
            with self._desk().read(system_actor()) as reading:
                return (up(1), *gauges(reading))
        except Exception as error:
            if not is_away(error):
                raise
            return (up(0),)


def _families(found: Iterable[Gauge]) -> Iterator[Metric]:
    families: dict[str, GaugeMetricFamily] = {}
    for gauge in found:
        names = [name for name, _ in gauge.labels]
        family = families.setdefault(gauge.name, GaugeMetricFamily(gauge.name, gauge.help, labels=names))
        family.add_metric([value for _, value in gauge.labels], gauge.value)
    yield from families.values()
