"""What a payout provider answers, in our words. Amounts are ISO 4217 minor units; adapters translate."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum


class Mode(StrEnum):
    """Whether real money can move."""

    TEST = "test"
    LIVE = "live"


class Scope(StrEnum):
    """How much of a batch a refusal stops (notes on answers: balance_insufficient stops its currency, 401/403 all)."""

    ROW = "row"
    CURRENCY = "currency"
    BATCH = "batch"


@dataclass(frozen=True, slots=True)
class CurrencyRule:
    """What a provider can pay out in a currency.

    Attributes:
        currency: ISO 4217, upper case.
        step_minor: payouts must be a multiple of this many ISO minor units (1, 10, 100 …).
        minimum_minor: the smallest payout.
        reason: the rule in words, "" when every minor unit can be paid.
    """

    currency: str
    step_minor: int
    minimum_minor: int
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Balance:
    """What one account holds in one currency. Amounts can be negative."""

    currency: str
    available_minor: int
    pending_minor: int
    by_source: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class BankAccount:
    """Where money goes: only what may be shown, never the full number."""

    id: str
    name: str
    last4: str
    currency: str
    country: str
    is_default: bool


@dataclass(frozen=True, slots=True)
class AccountFacts:
    """What must be known of an account before a plan: its mode, balances and bank accounts.

    ``schedule`` is the provider's own sweep: "manual", "daily" …; anything but manual races with us.
    """

    account: str
    mode: Mode
    payouts_enabled: bool
    balances: tuple[Balance, ...]
    bank_accounts: tuple[BankAccount, ...]
    schedule: str
    country: str


@dataclass(frozen=True, slots=True)
class PayoutOrder:
    """One payout to make. Everything in it stands in the stored request body, so a re-send is the same bytes."""

    account: str
    currency: str
    amount_minor: int
    destination: str
    source_type: str
    method: str
    descriptor: str
    metadata: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class ProviderPayout:
    """A payout as the provider tells it."""

    id: str
    status: str
    amount_minor: int
    currency: str
    created_at: datetime
    arrival_on: date
    destination: str
    metadata: Mapping[str, str]
    mode: Mode
    failure_code: str = ""
    failure_message: str = ""


@dataclass(frozen=True, slots=True)
class Created:
    """It exists, with the amount and currency we asked for."""

    payout: ProviderPayout
    request_id: str
    replayed: bool
    raw: bytes = b""


@dataclass(frozen=True, slots=True)
class Rejected:
    """Definitely not executed. ``scope`` says what else must stop; ``code`` is the provider's."""

    code: str
    message: str
    scope: Scope
    request_id: str = ""
    raw: bytes = b""


@dataclass(frozen=True, slots=True)
class RetryLater:
    """Not executed yet: the same key and body again after a pause."""

    after_s: float
    why: str
    request_id: str = ""
    raw: bytes = b""


@dataclass(frozen=True, slots=True)
class Unknown:
    """Nobody can say yet whether it was executed; look it up before anything else."""

    why: str
    request_id: str = ""
    raw: bytes = b""


@dataclass(frozen=True, slots=True)
class OurFault:
    """The provider says that key and body do not belong together: our bug; stop the batch, a person must look."""

    message: str
    request_id: str = ""
    raw: bytes = b""


Answer = Created | Rejected | RetryLater | Unknown | OurFault


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a provider can do.

    ``key_lifetime_s`` is how long the same idempotency key is sure to be recognised, with a margin taken off.
    """

    name: str
    key_lifetime_s: int
    can_cancel: bool
    rules: Mapping[str, CurrencyRule]
    descriptor_max: int
