"""``/webhooks/{provider}/{connection}``: takes a provider's news, proves it, keeps it once, answers. No more than that.

Open to the internet: the signature is the proof. What the news says is read anew from the provider by the worker.
"""

import asyncio
import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
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
from finops_core.platform.db import is_read_only

# A commit costs as much for many as for one; no more than these, so that whoever else writes gets their turn.
AT_ONCE = 50
WAITING_MOST = 500
BODY_BYTES_MAX = 256 * 1024
SIGNATURE_CHARS_MAX = 4_096
TAKEN, NOT_GOOD, UNKNOWN, TOO_LARGE, BROKEN, LATER = 200, 400, 404, 413, 500, 503
# Whatever else stands in the address is no id of ours: it reaches neither the database nor the log.
_CONNECTION = re.compile(r"cn_[0-9a-f]{1,64}", re.ASCII)
_BUSY = (OperationalError, InterfaceError, PoolEmpty)
_LOG = logging.getLogger(__name__)


@dataclass(slots=True, eq=False)
class _Parcel:
    """What arrived at the door; ``status``: the answer it gets."""

    connection_id: str
    body: bytes
    signature: str
    status: int = LATER


class NewsDoor:
    """The route of one kind of provider. What arrives while something is being kept is kept together, next."""

    def __init__(self, desk: DeskGetter, provider: str, header: str, waiting_most: int = WAITING_MOST) -> None:
        self._desk, self._provider, self._header, self._most = desk, provider, header, waiting_most
        self._turn = asyncio.Lock()
        self._waiting: list[_Parcel] = []

    async def take(self, request: Request) -> Response:
        """200 when it is kept, now or before; 400 for what is not proven; 404, 413; 503 asks for it again later."""
        connection_id = request.path_params["connection"]
        if _CONNECTION.fullmatch(connection_id) is None:
            return Response(status_code=UNKNOWN)
        if len(self._waiting) >= self._most:
            return Response(status_code=LATER)
        body = await small_body(request, BODY_BYTES_MAX)
        if body is None:
            return Response(status_code=TOO_LARGE)
        signature = request.headers.get(self._header, "")[:SIGNATURE_CHARS_MAX]
        parcel = _Parcel(connection_id, body, signature)
        self._waiting.append(parcel)
        try:
            async with self._turn:
                # Who comes to the front carries those behind along; they find themselves answered.
                while parcel in self._waiting:
                    carried, self._waiting = self._waiting[:AT_ONCE], self._waiting[AT_ONCE:]
                    await run_in_threadpool(self._keep_all, carried)
        finally:
            if parcel in self._waiting:  # whoever sent it is gone
                self._waiting.remove(parcel)
        return Response(status_code=parcel.status)

    def _keep_all(self, parcels: Sequence[_Parcel]) -> None:
        by_connection: dict[str, list[_Parcel]] = {}
        for parcel in parcels:
            by_connection.setdefault(parcel.connection_id, []).append(parcel)
        for together in by_connection.values():
            # What one piece of news does to the desk must not be the others' misfortune.
            if not self._kept(together) and len(together) > 1:
                for parcel in together:
                    self._kept([parcel])

    def _kept(self, parcels: Sequence[_Parcel]) -> bool:
        """Whether these of one connection could be answered."""
        for parcel in parcels:
            parcel.status = LATER
        try:
            self._keep(parcels)
        except Exception:  # noqa: BLE001 - whatever one piece of news does, it is told apart from the others
            _LOG.exception("news for %s broke the desk", parcels[0].connection_id)
            for parcel in parcels:
                parcel.status = BROKEN
            return False
        return True

    def _keep(self, parcels: Sequence[_Parcel]) -> None:
        desk, connection_id = self._desk(), parcels[0].connection_id
        try:
            receiver = self._receiver(desk, connection_id)
            read = [(parcel, self._event(desk, receiver, parcel)) for parcel in parcels]
            proven = [(parcel, event) for parcel, event in read if event]
            # Whoever cannot sign does not get at the database's one writer either.
            if proven:
                with desk.work(webhook_actor(receiver.org_id)) as work:
                    told = [(event, parcel.body) for parcel, event in proven]
                    payouts.take_news(work, receiver.connection_id, told)
            for parcel, _ in proven:
                parcel.status = TAKEN
        except NotFound:
            for parcel in parcels:
                parcel.status = UNKNOWN
        except Unavailable as error:
            _LOG.warning("news for %s refused: %s", connection_id, error.code)
        except (DBAPIError, PoolEmpty) as error:
            if not (isinstance(error, _BUSY) or is_read_only(error)):
                raise
            _LOG.warning("news for %s could not be kept; the provider sends it again", connection_id)

    def _event(self, desk: Desk, receiver: Receiver, parcel: _Parcel) -> ProviderEvent | None:
        """What a parcel says, once it is proven."""
        read = desk.ports.webhooks[receiver.provider]
        try:
            event = read(parcel.body, parcel.signature, receiver.secrets, desk.ports.clock.now())
            connections.check_mode(receiver, event.mode)
        except FinOpsError as error:
            _LOG.warning("news for %s refused: %s", parcel.connection_id, error.code)
            parcel.status = LATER if isinstance(error, Unavailable) else NOT_GOOD
            return None
        return event

    def _receiver(self, desk: Desk, connection_id: str) -> Receiver:
        with desk.read(security.visitor(Via.WEBHOOK)) as reading:
            receiver = connections.receiver(reading, connection_id)
        if receiver.provider != self._provider:
            raise connections.unknown_connection()
        return receiver
