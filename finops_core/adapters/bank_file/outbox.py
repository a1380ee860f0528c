"""The outbox: each order a sealed fragment, written once; which were taken back, and which left in which file.

Everything lies in one folder of a file store, under names that follow from the content, so that two processes meet
on the same name: ``<order>.order``, ``<order>.canceled``, ``<message>.document`` and ``<message>.export``. An order
is exported from the moment its message's ``.export`` is there: one file, so a message is exported whole or not at
all. Taking back and exporting hold the outbox alone; adding needs no lock.
"""

import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, field
from datetime import date, datetime
from typing import Any, Protocol

from finops_core.adapters.bank_file import orders
from finops_core.kernel.canonical import canonical_bytes
from finops_core.kernel.errors import Conflict, NotFound, Unavailable
from finops_core.kernel.provider import PayoutOrder
from finops_core.platform.crypto import Vault
from finops_core.platform.ports import FileStore

ID_PREFIX = "bf_"
_ID_HEX = 32
_ID = re.compile(rf"{ID_PREFIX}[0-9a-f]{{{_ID_HEX}}}")
_ORDER, _CANCELED, _DOCUMENT, _EXPORT = ".order", ".canceled", ".document", ".export"


class OnceStore(FileStore, Protocol):
    """A file store in which a name can be taken once and held alone, across processes (``FolderFileStore``)."""

    def put_new(self, name: str, chunks: Iterator[bytes]) -> bool:
        """Store unless the name is taken: whether this call stored it."""
        ...

    def alone(self, name: str) -> AbstractContextManager[None]:
        """Hold a name for the block."""
        ...

    def names(self, under: str = "") -> Sequence[str]:
        """The stored names whose first part is ``under``."""
        ...


def order_id(end_to_end_id: str) -> str:
    """The id of the order that the bank calls so."""
    return ID_PREFIX + hashlib.sha256(end_to_end_id.encode()).hexdigest()[:_ID_HEX]


@dataclass(frozen=True, slots=True)
class Fragment:
    """One stored order. ``account`` is the debtor account it was given to; ``body`` holds the payee's number."""

    key: str
    account: str
    created_at: datetime
    body: bytes = field(repr=False)

    @property
    def id(self) -> str:
        """Follows from the end-to-end id, so that no two orders of an outbox can share one."""
        return order_id(self.end_to_end_id)

    @property
    def end_to_end_id(self) -> str:
        """What the bank calls it by."""
        return orders.end_to_end_id(self.key)

    @property
    def order(self) -> PayoutOrder:
        """The order as it was given."""
        return orders.order_of(self.body)


@dataclass(frozen=True, slots=True)
class Exported:
    """A message that left the outbox.

    Attributes:
        sha256: of the document, 64 hex digits.
        blocks: end-to-end id -> the payment block (PmtInfId) it stands in.
        ids: the orders in it, sorted.
    """

    message_id: str
    execution_on: date
    exported_at: datetime
    sha256: str
    ids: tuple[str, ...]
    blocks: dict[str, str]


class Outbox:
    """The orders of one connection.

    Args:
        store: where the files lie.
        vault: seals them; each is bound to its name.
        name: the folder in the store, one for each connection.

    Raises Unavailable FILE_STORE_FAILED, FILE_STORE_BUSY and SEAL_BROKEN.
    """

    def __init__(self, store: OnceStore, vault: Vault, name: str) -> None:
        self._store = store
        self._vault = vault
        self._name = name

    def alone(self) -> AbstractContextManager[None]:
        """Hold the outbox: nobody else takes back or exports meanwhile."""
        return self._store.alone(self._path("outbox"))

    def add(self, fragment: Fragment) -> tuple[Fragment, bool]:
        """What stands under the fragment's id afterwards, and whether this call put it there."""
        told = {
            "key": fragment.key,
            "account": fragment.account,
            "created_at": fragment.created_at.isoformat(),
            "body": fragment.body.decode(),
        }
        if self._put_new(fragment.id + _ORDER, told):
            return fragment, True
        return self.fragment(fragment.id), False

    def holds(self, fragment_id: str) -> bool:
        """Whether an order is there."""
        return self._store.exists(self._path(fragment_id + _ORDER))

    def fragment(self, fragment_id: str) -> Fragment:
        """One order; NotFound BANK_ORDER_UNKNOWN when there is none."""
        told = self._get(fragment_id + _ORDER) if _ID.fullmatch(fragment_id) and self.holds(fragment_id) else None
        if told is None:
            raise NotFound(
                "BANK_ORDER_UNKNOWN",
                "The outbox has no such order.",
                hint="Look for it in the list of orders.",
                order=fragment_id[:100],
            )
        created_at = datetime.fromisoformat(told["created_at"])
        return Fragment(told["key"], told["account"], created_at, told["body"].encode())

    def fragments(self) -> Iterator[Fragment]:
        """Every order, taken back and exported ones too, in the order of their ids."""
        for name in self._names(_ORDER):
            yield self.fragment(name)

    def cancel(self, fragment_id: str, key: str, at: datetime) -> None:
        """Take an order back, for ever; a second time changes nothing."""
        self._put_new(fragment_id + _CANCELED, {"key": key, "at": at.isoformat()})

    def is_canceled(self, fragment_id: str) -> bool:
        """Whether an order was taken back."""
        return self._store.exists(self._path(fragment_id + _CANCELED))

    def canceled(self) -> frozenset[str]:
        """The ids of all orders that were taken back."""
        return frozenset(self._names(_CANCELED))

    def exports(self) -> tuple[Exported, ...]:
        """Every message that left, oldest first."""
        found = [self._exported(name + _EXPORT) for name in self._names(_EXPORT)]
        return tuple(sorted(found, key=lambda exported: (exported.exported_at, exported.message_id)))

    def export(self, message_id: str) -> Exported | None:
        """The message with this id, if it left."""
        name = _message_name(message_id) + _EXPORT
        return self._exported(name) if self._store.exists(self._path(name)) else None

    def document(self, exported: Exported) -> bytes:
        """The bytes that left."""
        name = _message_name(exported.message_id) + _DOCUMENT
        content = self._open(name)
        if hashlib.sha256(content).hexdigest() != exported.sha256:
            message = "The stored bank file is not the one that was exported."
            raise Unavailable("BANK_FILE_CHANGED", message, hint="Restore it from a backup.", name=name)
        return content

    def record(self, exported: Exported, content: bytes) -> None:
        """The message leaves: its document is stored, then, at one stroke, the fact. Hold the outbox ``alone``."""
        name = _message_name(exported.message_id)
        # Replaces what a run that died before the next line has left; nobody has been given that.
        self._store.put(self._path(name + _DOCUMENT), iter([self._seal(name + _DOCUMENT, content)]))
        told = asdict(exported)
        told |= {"execution_on": exported.execution_on.isoformat(), "exported_at": exported.exported_at.isoformat()}
        if not self._put_new(name + _EXPORT, {**told, "ids": list(exported.ids)}):
            message = f"A bank file {exported.message_id} was exported before."
            raise Conflict("BANK_FILE_EXPORTED", message, hint="Use another message id.")

    def _exported(self, name: str) -> Exported:
        told = self._get(name)
        return Exported(
            message_id=told["message_id"],
            execution_on=date.fromisoformat(told["execution_on"]),
            exported_at=datetime.fromisoformat(told["exported_at"]),
            sha256=told["sha256"],
            ids=tuple(told["ids"]),
            blocks=told["blocks"],
        )

    def _names(self, suffix: str) -> list[str]:
        names = (name.rpartition("/")[2] for name in self._store.names(self._name))
        return [name.removesuffix(suffix) for name in names if name.endswith(suffix)]

    def _put_new(self, name: str, told: dict[str, Any]) -> bool:
        return self._store.put_new(self._path(name), iter([self._seal(name, canonical_bytes(told))]))

    def _get(self, name: str) -> dict[str, Any]:
        told: dict[str, Any] = json.loads(self._open(name))
        return told

    def _seal(self, name: str, content: bytes) -> bytes:
        return self._vault.seal(content, self._place(name))

    def _open(self, name: str) -> bytes:
        return self._vault.open(b"".join(self._store.get(self._path(name))), self._place(name))

    def _path(self, name: str) -> str:
        return f"{self._name}/{name}"

    def _place(self, name: str) -> str:
        return f"bank_file|{self._name}|{name}"


def _message_name(message_id: str) -> str:
    # Message ids may hold characters that file names may not.
    return "msg_" + hashlib.sha256(message_id.encode()).hexdigest()[:_ID_HEX]
