"""``/webhooks/{provider}/{connection}``: takes a provider's news, proves it, keeps it once, answers. No more than that.

Open to the internet: the signature is the proof. What the news says is read anew from the provider by the worker.
"""

import asyncio
import logging
import re

from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolEmpty
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from finops_core import connections, payouts, security
from finops_core.api.requests import DeskGetter, small_body
from finops_core.connections import Receiver
from finops_core.desk import Desk
from finops_core.kernel.actor import Via, webhook_actor
from finops_core.kernel.errors import FinOpsError, NotFound, Unavailable
from finops_core.kernel.provider import ProviderEvent

# A burst shares one interpreter with everybody's pages; the database takes one writer at a time anyway.
AT_ONCE = 2
BODY_BYTES_MAX = 256 * 1024
SIGNATURE_CHARS_MAX = 4_096
TAKEN, NOT_GOOD, UNKNOWN, TOO_LARGE, LATER = 200, 400, 404, 413, 503
# Whatever else stands in the address is no id of ours: it reaches neither the database nor the log.
_CONNECTION = re.compile(r"cn_[0-9a-f]{1,64}", re.ASCII)
_BUSY = (OperationalError, InterfaceError, PoolEmpty)
_LOG = logging.getLogger(__name__)


class NewsDoor:
    """The route of one kind of provider."""

    def __init__(self, desk: DeskGetter, provider: str, header: str) -> None:
        self._desk, self._provider, self._header = desk, provider, header
        self._turns = asyncio.Semaphore(AT_ONCE)

    async def take(self, request: Request) -> Response:
        """200 when it is kept, now or before; 400 for what is not proven; 404, 413; 503 asks for it again later."""
        body = await small_body(request, BODY_BYTES_MAX)
        if body is None:
            return Response(status_code=TOO_LARGE)
        signature = request.headers.get(self._header, "")[:SIGNATURE_CHARS_MAX]
        async with self._turns:
            status = await run_in_threadpool(self._keep, request.path_params["connection"], body, signature)
        return Response(status_code=status)

    def _keep(self, connection_id: str, body: bytes, signature: str) -> int:
        desk = self._desk()
        try:
            receiver = self._receiver(desk, connection_id)
            event = self._proven(desk, receiver, body, signature)
            with desk.work(webhook_actor(receiver.org_id)) as work:
                payouts.take_news(work, receiver.connection_id, event, body)
        except NotFound:
            return UNKNOWN
        except FinOpsError as error:
            _LOG.warning("news for %s refused: %s", connection_id, error.code)
            return LATER if isinstance(error, Unavailable) else NOT_GOOD
        except _BUSY:
            _LOG.warning("news for %s could not be kept; the provider sends it again", connection_id)
            return LATER
        return TAKEN

    def _receiver(self, desk: Desk, connection_id: str) -> Receiver:
        if _CONNECTION.fullmatch(connection_id) is None:
            raise connections.unknown_connection()
        with desk.read(security.visitor(Via.WEBHOOK)) as reading:
            receiver = connections.receiver(reading, connection_id)
        if receiver.provider != self._provider:
            raise connections.unknown_connection()
        return receiver

    def _proven(self, desk: Desk, receiver: Receiver, body: bytes, signature: str) -> ProviderEvent:
        read = desk.ports.webhooks[receiver.provider]
        event = read(body, signature, receiver.secrets, desk.ports.clock.now())
        connections.check_mode(receiver, event.mode)
        return event
