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


class PayoutStatus(StrEnum):
    """Where a payout stands at the provider. PAID is not the end: a bank can return it days later."""

    PENDING = "pending"
    IN_TRANSIT = "in_transit"
    PAID = "paid"
    FAILED = "failed"
    CANCELED = "canceled"


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
    """Where money goes: only what may be shown, never the full number.

    ``fingerprint`` is the provider's own for the number behind it, "" when it tells none: the same id with another
    fingerprint is another bank account.
    """

    id: str
    name: str
    last4: str
    currency: str
    country: str
    is_default: bool
    fingerprint: str = ""


@dataclass(frozen=True, slots=True)
class AccountFacts:
    """What must be known of an account before a plan: its mode, balances and bank accounts.

    Attributes:
        account: its id at the provider, also when the connection's own was asked for.
        schedule: the provider's own sweep: "manual", "daily" …; anything but manual races with us.
        told_at: the provider's clock when it answered; None when it does not tell. A machine whose clock is far from
            it would look for its payouts in the wrong hours.
    """

    account: str
    mode: Mode
    payouts_enabled: bool
    balances: tuple[Balance, ...]
    bank_accounts: tuple[BankAccount, ...]
    schedule: str
    country: str
    told_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Address:
    """A structured postal address, as ISO 20022 wants it from November 2026 on: town and country at least."""

    town: str
    country: str
    street: str = ""
    building: str = ""
    post_code: str = ""


@dataclass(frozen=True, slots=True)
class Creditor:
    """Whom a bank transfer pays, for providers that don't keep bank accounts themselves. ``iban`` is never shown."""

    name: str
    iban: str
    bic: str
    address: Address

    def __repr__(self) -> str:
        return f"Creditor(iban=…{self.iban[-4:]})"


@dataclass(frozen=True, slots=True)
class PayoutOrder:
    """One payout to make. Everything in it stands in the stored request body, so a re-send is the same bytes.

    ``creditor`` is for providers that pay to a bank account given with the order; others know ``destination`` by id.
    """

    account: str
    currency: str
    amount_minor: int
    destination: str
    source_type: str
    method: str
    descriptor: str
    metadata: Mapping[str, str]
    creditor: Creditor | None = None


@dataclass(frozen=True, slots=True)
class ProviderPayout:
    """A payout as the provider tells it.

    Attributes:
        movement_id: the movement of the balance that it made, "" while unknown.
        return_id: the movement that gave the money back, "" when none did.
        trace: the bank's own reference, to ask the bank by; "" while there is none.
        reversed_by: the payout the other way that is to bring the money back, "" when nobody asked for one. It may
            fail like any other, so until its money is there the payout itself counts as made.
    """

    id: str
    status: PayoutStatus
    amount_minor: int
    currency: str
    created_at: datetime
    arrival_on: date
    destination: str
    metadata: Mapping[str, str]
    mode: Mode
    failure_code: str = ""
    failure_message: str = ""
    movement_id: str = ""
    return_id: str = ""
    trace: str = ""
    reversed_by: str = ""


@dataclass(frozen=True, slots=True)
class Movement:
    """One change of a provider's balance that belongs to a payout.

    ``amount_minor`` is negative when money leaves the balance and positive when it comes back; the balance changes by
    ``net_minor`` = ``amount_minor`` - ``fee_minor``.
    """

    id: str
    payout_id: str
    currency: str
    amount_minor: int
    fee_minor: int
    net_minor: int
    created_at: datetime


@dataclass(frozen=True, slots=True)
class ProviderEvent:
    """News from the provider, proven to be its own; what it says of a payout is only a reason to look.

    Attributes:
        kind: the provider's name for it, such as ``payout.paid``.
        account: the connected account it concerns, "" for the connection's own.
        payout_id: the payout it is about, "" when it is about something else.
        metadata: the payout's, which finds the row of a payout whose answer has not come yet.
    """

    id: str
    kind: str
    account: str
    payout_id: str
    metadata: Mapping[str, str]
    mode: Mode
    created_at: datetime


class Right(StrEnum):
    """What a provider's key may be allowed to do, as far as payouts need it."""

    READ_BALANCE = "read the balance"
    READ_ACCOUNT = "read the account and its bank accounts"
    READ_PAYOUTS = "read payouts"
    CREATE_PAYOUTS = "create payouts"
    READ_MOVEMENTS = "read balance transactions"
    READ_EVENTS = "read events"


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
    """Not executed by this call: the same key and body again after a pause.

    ``executing``: an earlier call with this key is being executed right now, so nobody can say "not executed" of the
    row itself (409); otherwise it was turned away before anything ran (429), and sending must slow down.
    """

    after_s: float
    why: str
    request_id: str = ""
    raw: bytes = b""
    executing: bool = False


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
class Canceled:
    """It is taken back; the money is in the balance again."""

    payout: ProviderPayout
    request_id: str = ""
    raw: bytes = b""


@dataclass(frozen=True, slots=True)
class NotCanceled:
    """It cannot be taken back any more: it goes on as it was."""

    code: str
    message: str
    request_id: str = ""
    raw: bytes = b""


CancelAnswer = Canceled | NotCanceled | RetryLater | Unknown


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a provider can do.

    Attributes:
        key_lifetime_s: how long the same idempotency key is sure to be recognised, with a margin taken off.
        can_cancel: whether ``cancel`` can ever succeed.
        tells_status: whether ``get`` and ``statement`` follow a payout after it was created; otherwise news comes
            only from what people bring back (a bank's status file).
        rate_per_s: how many payouts a second it takes without complaint.
    """

    name: str
    key_lifetime_s: int
    can_cancel: bool
    rules: Mapping[str, CurrencyRule]
    descriptor_max: int
    tells_status: bool = True
    rate_per_s: float = 5.0
