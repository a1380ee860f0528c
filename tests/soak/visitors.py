"""Sessions that click through the pages without a browser, each a person with a menu of their own.

Now and then one loads the page anew: its old session stays behind at the server, as those of closed tabs do.
"""

import asyncio
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random  # noqa: TID251 - seeded: the same walks in every run

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

from finops_core.api.session import COOKIE
from tests.soak.tally import Tally

THINK_S = 5.0
CLICKS_A_LOAD = 20
CLICK_PATIENCE_S = 30.0
COME_BACK_S = 1.0
EVERYBODY = ("", "search?q=10.01", "work", "notices", "executions", "executions?execution={number}", "payouts", "me")
MENUS = {
    "ana": (*EVERYBODY, "run", "operations", "files"),
    "ben": (*EVERYBODY, "approvals"),
    "carla": (*EVERYBODY, "approvals", "audit", "files"),
    "eva": (*EVERYBODY, "approvals", "audit", "files", "operations"),
    "adam": ("", "search?q=ana", "notices", "work", "audit", "people", "connections", "health", "operations"),
}
# What a page says when it could not be drawn, as it stands in the messages to the browser.
TROUBLES = {
    b"The database does not answer": "a page without a database",
    b"Something went wrong on our side": "a page that broke",
    b"Not part of your role": "a page refused",
    b"sign_in": "a page signed out",
    b"Traceback": "a traceback on a page",
}


@dataclass
class Visitor:
    """One session. ``number``: of an execution there is, to look at."""

    url: str
    cookie: str
    who: str
    tally: Tally
    number: Callable[[], str]
    chance: Random

    async def live(self, wait_s: float) -> None:
        await asyncio.sleep(wait_s)
        while not self.tally.over.is_set():
            try:
                async with _tab(self.url, self.cookie) as tab:
                    await self._look_around(tab)
            except (OSError, WebSocketException, TimeoutError) as error:
                if not self.tally.over.is_set():
                    self.tally.fault(f"a session cut off ({type(error).__name__})")
                await asyncio.sleep(COME_BACK_S)

    async def _look_around(self, tab: ClientConnection) -> None:
        for turn in range(CLICKS_A_LOAD):
            begun = time.monotonic()
            place = "" if turn == 0 else self.chance.choice(MENUS[self.who])
            await self._click(tab, place.format(number=self.number()))
            rest = THINK_S * self.chance.uniform(0.5, 1.5) - (time.monotonic() - begun)
            await asyncio.sleep(max(0.0, rest))
            if self.tally.over.is_set():
                return

    async def _click(self, tab: ClientConnection, place: str) -> None:
        page, _, query = place.partition("?")
        asked = BackMsg()
        asked.rerun_script.page_name, asked.rerun_script.query_string = page, query
        begun_s = self.tally.now_s()
        await tab.send(asked.SerializeToString())
        troubles: set[str] = set()
        async with asyncio.timeout(CLICK_PATIENCE_S):
            while True:
                raw = await tab.recv(decode=False)
                told = ForwardMsg()
                told.ParseFromString(raw)
                kind = told.WhichOneof("type")
                if kind == "delta":
                    troubles |= {what for mark, what in TROUBLES.items() if mark in raw}
                if kind == "script_finished" and told.script_finished != ForwardMsg.FINISHED_EARLY_FOR_RERUN:
                    break
        for trouble in troubles:
            self.tally.fault(f"{trouble} ({page or 'home'})" if not self.tally.out else trouble)
        if not troubles:
            self.tally.clicked(begun_s)


def _tab(url: str, cookie: str) -> connect:
    return connect(
        f"{url.replace('http', 'ws', 1)}/_stcore/stream",
        subprotocols=["streamlit"],  # type: ignore[list-item]
        additional_headers={"Cookie": f"{COOKIE}={cookie}", "Origin": url},
        max_size=None,
        open_timeout=10,
    )


def set_out(visitors: Sequence[Visitor]) -> threading.Thread:
    """Let them click, in a thread, until it is over."""

    async def all_of_them() -> None:
        pauses = [number * THINK_S / len(visitors) for number in range(len(visitors))]
        await asyncio.gather(*(each.live(wait_s) for each, wait_s in zip(visitors, pauses, strict=True)))

    thread = threading.Thread(target=lambda: asyncio.run(all_of_them()), name="visitors", daemon=True)
    thread.start()
    return thread
