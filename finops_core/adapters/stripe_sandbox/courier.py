"""Brings events to webhook endpoints in the background, and lets time pass for payouts, beside the API's answers.

All of it runs on the server's event loop. A receiver is spoken to over a connection of its own with a limit for the
whole exchange, so one that is slow, dead or endless costs nobody else anything. Plain sockets instead of an HTTP
client, because none of its comforts may happen here: no redirect, no proxy, no other host than this machine.
"""

import asyncio
import logging
import re
import sqlite3
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit

from finops_core.adapters.stripe_sandbox import conduct, deliveries, parcels, timetable
from finops_core.adapters.stripe_sandbox.deliveries import Due
from finops_core.adapters.stripe_sandbox.parcels import Parcel
from finops_core.adapters.stripe_sandbox.store import Store

_LOG = logging.getLogger(__name__)
LOOPBACK = "127.0.0.1"
POLL_S = 0.2
REST_S, REST_BYTES = 0.5, 64 * 1024
_STATUS_LINE = re.compile(rb"HTTP/1\.[01] ([1-5]\d\d)(?: [^\r\n]*)?\r?\n")


class Courier:
    """Sends what is due; ``running`` while the server is."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._woken = asyncio.Event()
        # Which deliveries are on their way, and where to.
        self._underway: dict[int, str] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Work in the background inside the block; what is on its way when it ends is sent again after a restart."""
        rounds = asyncio.create_task(self._make_rounds())
        try:
            yield
        finally:
            for task in (rounds, *self._tasks):
                task.cancel()
            await asyncio.gather(rounds, *self._tasks, return_exceptions=True)

    def wake(self) -> None:
        """Something may be due now."""
        self._woken.set()

    async def deliver_due(self) -> list[int]:
        """Send everything that is due, and what becomes due by that; the deliveries that were tried."""
        tried: list[int] = []
        while True:
            tried += self._start_due()
            if not self._tasks:
                return tried
            await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)

    async def _make_rounds(self) -> None:
        while True:
            self._woken.clear()
            if self._make_round():
                await asyncio.sleep(0)
                continue
            with suppress(TimeoutError):
                async with asyncio.timeout(POLL_S):
                    await self._woken.wait()

    def _make_round(self) -> bool:
        """Do what is due; whether there may be more."""
        try:
            more = timetable.pass_time(self._store)
            if conduct.current(self._store).delivers_by_itself:
                self._start_due()
        except sqlite3.OperationalError:
            # Another program holds the file for a while, as seeding does: then it is done in the next round.
            return False
        except Exception:  # noqa: BLE001 - without its rounds it would look alive and never send anything again
            _LOG.exception("a round of the Stripe sandbox failed")
            return False
        return more

    def _start_due(self) -> list[int]:
        at_once = conduct.current(self._store).deliveries_at_once
        busy = Counter(self._underway.values())
        started: list[int] = []
        for endpoint in deliveries.endpoints_with_mail(self._store):
            found = deliveries.due(self._store, endpoint, at_once + busy[endpoint])
            free = [due for due in found if due.seq not in self._underway]
            for due in free[: max(0, at_once - busy[endpoint])]:
                self._start(due)
                started.append(due.seq)
        return started

    def _start(self, due: Due) -> None:
        self._underway[due.seq] = due.endpoint
        task = asyncio.create_task(self._try(due))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _try(self, due: Due) -> None:
        parcel = parcels.pack(due, self._store.now_s())
        limit_s = conduct.current(self._store).delivery_timeout_s
        try:
            status, why = await _bring(due.url, parcel, limit_s)
            # When the file is held by another program the try is not noted, and made again: at least once.
            with suppress(sqlite3.OperationalError):
                deliveries.note(self._store, due, status, why)
        finally:
            del self._underway[due.seq]
            self.wake()


async def _bring(url: str, parcel: Parcel, limit_s: float) -> tuple[int, str]:
    """The status that a receiver answered, 0 and the reason when it did not."""
    try:
        async with asyncio.timeout(limit_s):
            return await _post(url, parcel), ""
    except TimeoutError:
        return 0, f"no answer within {limit_s:g} s"
    except (OSError, ValueError, EOFError) as error:
        return 0, f"{type(error).__name__}: {error}"[:200]


async def _post(url: str, parcel: Parcel) -> int:
    parts = urlsplit(url)
    port = parts.port or 80
    target = f"{parts.path or '/'}{'?' + parts.query if parts.query else ''}"
    lines = {
        "Host": f"{parts.hostname}:{port}",
        "Content-Length": str(len(parcel.body)),
        "Connection": "close",
        **parcel.headers,
    }
    head = f"POST {target} HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in lines.items()) + "\r\n"
    reader, writer = await asyncio.open_connection(LOOPBACK, port)
    try:
        writer.write(head.encode("ascii") + parcel.body)
        await writer.drain()
        found = _STATUS_LINE.fullmatch(await reader.readline())
        if found is None:
            raise ValueError("the answer is not HTTP")
        with suppress(TimeoutError):
            # Heard out, so that a receiver may finish its sentence; what it says counts for nothing.
            async with asyncio.timeout(REST_S):
                await reader.read(REST_BYTES)
        return int(found.group(1))
    finally:
        writer.transport.abort()
