"""What a page and its server say to each other, to know when a script run that a person began has ended.

The page itself shows "running" only once the server has said so; a test that looks right after a click would still
see the rest before it. On the wire the order is plain: a rerun is asked for, and later a run has finished.
"""

from playwright.sync_api import Page, WebSocket
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

from tests.webapp import START_S

STEP_MS = 15
# Longer messages are content; the one that ends a run is short.
SHORT = 400


class Traffic:
    """Counts what was asked for and what has ended on one page."""

    def __init__(self, page: Page) -> None:
        self.ended = 0
        self._page = page
        self._asked = False
        page.on("websocket", self._listen)

    def wait(self, ended: int = 0) -> None:
        """Return once every run that was asked for has ended, and at least ``ended`` runs altogether."""
        for _ in range(int(START_S * 1000 / STEP_MS)):
            self._page.wait_for_timeout(STEP_MS)
            if not self._asked and self.ended >= ended:
                return
        raise AssertionError("the page's script does not end")

    def _listen(self, socket: WebSocket) -> None:
        # A new page load has a new socket; what the old one still owed does not matter any more.
        self._asked = False
        socket.on("framesent", self._sent)
        socket.on("framereceived", self._received)

    def _sent(self, payload: str | bytes) -> None:
        if isinstance(payload, bytes):
            self._asked = self._asked or BackMsg.FromString(payload).HasField("rerun_script")

    def _received(self, payload: str | bytes) -> None:
        if not isinstance(payload, bytes) or len(payload) > SHORT:
            return
        message = ForwardMsg.FromString(payload)
        # A run that was cut short is followed by the one it made room for.
        if message.HasField("script_finished") and message.script_finished != ForwardMsg.FINISHED_EARLY_FOR_RERUN:
            self._asked = False
            self.ended += 1
