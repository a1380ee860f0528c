"""The outside world as the core sees it. Implementations live in ``adapters`` and are wired in ``desk``."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol

from finops_core.kernel.clock import Clock
from finops_core.kernel.errors import Invalid
from finops_core.kernel.operation import Operation
from finops_core.kernel.provider import (
    AccountFacts,
    Answer,
    CancelAnswer,
    Capabilities,
    Movement,
    PayoutOrder,
    ProviderEvent,
    ProviderPayout,
    Right,
)
from finops_core.platform.crypto import Vault
from finops_core.platform.settings import Settings


class PayoutProvider(Protocol):
    """Somebody who can pay out a balance. Business answers are values, never exceptions.

    Reads raise ``Unavailable`` when there is no answer and ``NotAllowed`` when the key may not.
    """

    def capabilities(self) -> Capabilities:
        """What it can do; no call leaves the machine."""
        ...

    def facts(self, account: str) -> AccountFacts:
        """Mode, balances and bank accounts of an account ("" for the connection's own)."""
        ...

    def problems_of(self, order: PayoutOrder) -> list[Invalid]:
        """Everything that keeps an order from being sent, found before anybody is asked to approve it."""
        ...

    def request_body(self, order: PayoutOrder) -> bytes:
        """The exact form body that ``submit`` sends: stored before the call, the same at every re-send."""
        ...

    def submit(self, account: str, body: bytes, key: str) -> Answer:
        """Send a stored body once, with its idempotency key."""
        ...

    def find(self, account: str, metadata: Mapping[str, str], since: datetime) -> list[ProviderPayout]:
        """Every payout created since then whose metadata holds all of these pairs; all pages."""
        ...

    def get(self, account: str, payout_id: str) -> ProviderPayout:
        """One payout as it stands now; ``NotFound`` when there is none."""
        ...

    def cancel(self, account: str, payout_id: str, key: str) -> CancelAnswer:
        """Take a payout back while that can be done; ``key`` makes a second sending harmless."""
        ...

    def statement(self, account: str, since: datetime) -> list[Movement]:
        """Every movement of the balance since then that belongs to a payout; all pages."""
        ...

    def rights(self) -> Mapping[Right, bool]:
        """What the key may do, found out without changing anything; what cannot be found out is left out."""
        ...


class WebhookReader(Protocol):
    """Reads a provider's news. Pure: no call leaves the machine."""

    def __call__(self, body: bytes, signature: str, secrets: Sequence[str], now: datetime) -> ProviderEvent:
        """The news in a request body that one of the secrets has signed.

        Raises Invalid ``WEBHOOK_SIGNATURE_BAD``, ``WEBHOOK_AGE_BAD`` (older or newer than five minutes) and
        ``WEBHOOK_BODY_BAD``; never anything else, whatever the bytes are.
        """
        ...


@dataclass(frozen=True, slots=True)
class ProviderCredentials:
    """What an adapter needs to speak for an organisation. ``secret`` never appears in a repr.

    ``account``: the connected account it acts for, "" for the secret's own. ``connection_id``: keeps apart what
    adapters store by themselves.
    """

    provider: str
    secret: str
    base_url: str
    account: str = ""
    connection_id: str = ""

    def __repr__(self) -> str:
        return f"ProviderCredentials({self.provider!r}, secret=…, base_url={self.base_url!r})"


class FileStore(Protocol):
    """Keeps sealed bytes under a name we choose; knows nothing of what they mean."""

    def put(self, name: str, chunks: Iterator[bytes]) -> None:
        """Store whole or not at all; the same name again with the same bytes is no error."""
        ...

    def get(self, name: str) -> Iterator[bytes]:
        """The bytes, in chunks; ``NotFound`` when absent."""
        ...

    def exists(self, name: str) -> bool:
        """Whether it is there."""
        ...

    def delete(self, name: str) -> None:
        """Remove it; no error when absent."""
        ...

    def names(self) -> Sequence[str]:
        """Every stored name."""
        ...


Subject = Callable[[Any, str], str]
"""Of a reading and an id (or number): the thing's own id, or its area's refusal when the person may not see it."""


@dataclass(frozen=True, slots=True)
class Letter:
    """One mail to one person, as plain text; the same for each try.

    Attributes:
        id: becomes its Message-ID, by which a mail that was sent twice is known.
        at: when it was written.
    """

    id: str
    name: str
    address: str
    subject: str
    text: str
    at: datetime


class Delivery(StrEnum):
    """What became of a letter. LATER: not taken now. NO_SERVER: as LATER, and so it would go with any other letter."""

    SENT = "sent"
    LATER = "later"
    NO_SERVER = "no_server"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class MailAnswer:
    """The mail server's answer, in its own words as far as it gave any."""

    delivery: Delivery
    words: str


class MailConnection(Protocol):
    """A mail server that is kept on the line for some letters."""

    def send(self, letter: Letter) -> MailAnswer:
        """Hand one letter over. Never raises for what a server says or does."""
        ...


class MailServer(Protocol):
    """Somebody who takes mail for everybody."""

    def connection(self) -> AbstractContextManager[MailConnection]:
        """For some letters, one after the other; it calls the server when the first one is sent."""
        ...


@dataclass(frozen=True, slots=True)
class Posting:
    """A JSON body for an address outside. The address can be a secret in itself: neither appears in a repr."""

    url: str = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class PostAnswer:
    """What came back.

    Attributes:
        status: the answer's code; 0 when none came, or nothing was sent.
        words: the first words of the answer, or why there is none.
    """

    status: int
    words: str


class Poster(Protocol):
    """Somebody who carries a posting out, to public addresses and those the settings name."""

    def __call__(self, posting: Posting) -> PostAnswer:
        """Send it once, within a bounded time. Never raises for what an address says or does."""
        ...


@dataclass(frozen=True, slots=True)
class Ports:
    """Everything a verb may reach beside the database; the same instance for the life of a desk.

    ``mail``: None while nobody has set a mail server. ``post``: None where nothing may leave. ``rates``: a file of
    published exchange rates, ``Unavailable`` where there is no answer; None while no address of them is set.
    """

    clock: Clock
    settings: Settings
    vault: Vault
    file_store: FileStore
    provider: Callable[[ProviderCredentials], PayoutProvider]
    webhooks: Mapping[str, WebhookReader]
    operations: Mapping[str, Operation]
    mail: MailServer | None = None
    post: Poster | None = None
    rates: Callable[[], bytes] | None = None
    subjects: Mapping[str, Subject] = field(default_factory=dict)
