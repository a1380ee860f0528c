"""What an entry must be, whatever stores it: types, signs, codes, and the words of each refusal. Pure.

Signs: a debit is negative and a credit positive, so that a wallet, which the organisation owes to its holder, shows
its balance as it is. An entry's postings add up to zero in each currency.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum

from finops_core.kernel.canonical import plain_hash
from finops_core.kernel.errors import Conflict, FinOpsError, Invalid, NotFound
from finops_core.kernel.money import MAX_MINOR, Money

REASON_MAX_CHARS = 500
KEY_MAX_CHARS = 200
WALLET, ESCROW, PENDING = "wallet", "escrow", "pending"
"""What a holder's accounts are for: money to use, money set aside, and money on its way in two steps."""
ASIDE = (ESCROW, PENDING)


class EntryType(StrEnum):
    """The nine things that can happen to wallets, the change of their currency, and those of the own books."""

    DEPOSIT = "DEPOSIT"
    WITHDRAWAL = "WITHDRAWAL"
    ESCROW_HOLD = "ESCROW_HOLD"
    ESCROW_RELEASE = "ESCROW_RELEASE"
    PAYOUT = "PAYOUT"
    FEE = "FEE"
    REFUND = "REFUND"
    TRANSFER = "TRANSFER"
    ADJUSTMENT = "ADJUSTMENT"
    EXCHANGE = "EXCHANGE"
    REVERSAL = "REVERSAL"
    JOURNAL = "JOURNAL"


class AccountClass(StrEnum):
    """The five classes of a chart of accounts."""

    ASSET = "asset"
    LIABILITY = "liability"
    EQUITY = "equity"
    INCOME = "income"
    EXPENSE = "expense"


DEBIT_CLASSES = frozenset({AccountClass.ASSET, AccountClass.EXPENSE})


class AccountState(StrEnum):
    """Whether an account takes postings. A frozen one may be opened again, a closed one may not."""

    OPEN = "open"
    FROZEN = "frozen"
    CLOSED = "closed"


class ReconcileWidth(StrEnum):
    """How much a reconciliation looks at: each account, each account and how its postings go on, or one wallet."""

    HOURLY = "hourly"
    FULL = "full"
    WALLET = "wallet"


class StopWidth(StrEnum):
    """How much money a stop holds."""

    ALL = "all"
    NON_ESSENTIAL = "non_essential"
    TYPE = "type"
    WALLET = "wallet"


WIDE_STOPS = frozenset({StopWidth.ALL, StopWidth.NON_ESSENTIAL})
ESSENTIAL = frozenset({EntryType.DEPOSIT, EntryType.ADJUSTMENT, EntryType.REVERSAL, EntryType.JOURNAL})
"""What goes on while all that can wait is stopped: money that has come, and putting things right."""


@dataclass(frozen=True, slots=True)
class Line:
    """One posting asked for: what an account is credited with (positive) or debited (negative), in minor units.

    ``purpose``: what the account must be for, "" when any will do. ``worth``: minor units of the base currency and the
    rates they follow from, where they are settled; else they follow from the rates of the day.
    """

    account_id: str
    amount: Money
    purpose: str = ""
    worth: tuple[int | None, str] | None = None


@dataclass(frozen=True, slots=True)
class Dimensions:
    """What a posting is also counted by; "" where nothing is said."""

    department: str = ""
    project: str = ""
    product: str = ""
    cost_centre: str = ""


@dataclass(frozen=True, slots=True)
class Entry:
    """A journal entry asked for.

    Attributes:
        lines: two or more; they add up to zero in each currency.
        effective_on: the business day it counts for; None for the day it is booked, in the organisation's zone.
        key: whoever asks again with the same key and content is given the first result; "" for none.
        reason: why, for whoever reads it later; an adjustment must have one.
        source: what it comes from, kind and id: ``("payout", "pay_…")``.
        reverses: the entry that this one undoes, "" for none.
        asked: what was asked for, where the lines follow from it and from a rate that may be another one the next
            time; the same content under a key is the same of this then.
    """

    type: EntryType
    lines: tuple[Line, ...]
    effective_on: date | None = None
    key: str = ""
    reason: str = ""
    source: tuple[str, str] = ("", "")
    reverses: str = ""
    dimensions: Dimensions = field(default_factory=Dimensions)
    asked: tuple[str, ...] = ()

    def content_hash(self) -> str:
        """What two requests with one key must have in common."""
        return plain_hash(
            {
                "type": self.type.value,
                "lines": list(self.asked) or [[line.account_id, str(line.amount)] for line in self.lines],
                "effective_on": self.effective_on.isoformat() if self.effective_on else "",
                "reason": self.reason,
                "source": list(self.source),
                "reverses": self.reverses,
                "dimensions": [
                    self.dimensions.department,
                    self.dimensions.project,
                    self.dimensions.product,
                    self.dimensions.cost_centre,
                ],
            }
        )


def check_entry(entry: Entry) -> None:
    """Refuse what could never be posted: ``INVALID_AMOUNT``, ``ENTRY_UNBALANCED``, ``REASON_MISSING``, ``KEY_BAD``."""
    if len(entry.lines) < 2 or any(not line.amount.minor for line in entry.lines):  # noqa: PLR2004 - from and to
        raise invalid_amount("An entry has two postings or more, none of them of zero.")
    for currency, minor in sums(entry.lines).items():
        if minor:
            raise Invalid(
                "ENTRY_UNBALANCED",
                f"The postings in {currency} add up to {Money(minor, currency)}, not to zero.",
                hint="Every entry takes from somewhere what it gives elsewhere.",
            )
    if entry.type is EntryType.ADJUSTMENT:
        check_reason(entry.reason, "An adjustment")
    elif len(entry.reason) > REASON_MAX_CHARS:
        raise reason_long()
    check_key(entry.key)


def check_key(key: str) -> None:
    """Refuse an idempotency key that is longer than an index takes: ``KEY_BAD``."""
    if len(key) > KEY_MAX_CHARS:
        raise Invalid("KEY_BAD", f"An idempotency key has at most {KEY_MAX_CHARS} characters.")


def check_reason(reason: str, what: str) -> None:
    """Refuse a reason that says nothing, ``REASON_MISSING``, or too much, ``REASON_LONG``."""
    if not reason.strip():
        raise reason_missing(what)
    if len(reason) > REASON_MAX_CHARS:
        raise reason_long()


def sums(lines: Iterable[Line]) -> Mapping[str, int]:
    """Currency -> what the lines add up to, in minor units."""
    found: dict[str, int] = {}
    for line in lines:
        found[line.amount.currency] = found.get(line.amount.currency, 0) + line.amount.minor
    return found


def check_amount(amount: Money) -> None:
    """Refuse an amount that moves nothing or goes the other way: ``INVALID_AMOUNT``."""
    if amount.minor <= 0:
        raise invalid_amount(f"{amount} cannot be moved.")


def named(purpose: str) -> str:
    """What an account is called in a refusal."""
    return f"The {purpose} account"


def after(balance: int, amount: Money, min_minor: int | None, purpose: str) -> int:
    """The balance of an account of this purpose with an amount posted, in minor units.

    ``INSUFFICIENT_BALANCE``, and ``INVALID_AMOUNT`` past 2^53.
    """
    left = balance + amount.minor
    if amount.minor < 0 and min_minor is not None and left < min_minor:
        free = Money(max(balance - min_minor, 0), amount.currency)
        raise Conflict(
            "INSUFFICIENT_BALANCE",
            f"{named(purpose)} has {free} to give; {-amount} was asked for.",
            hint="Add money first, or take less. What is held for somebody cannot be given twice.",
        )
    if abs(left) > MAX_MINOR:
        raise invalid_amount(f"{named(purpose)} would hold more than can be counted exactly.")
    return left


def invalid_amount(message: str) -> Invalid:
    """``INVALID_AMOUNT``."""
    return Invalid("INVALID_AMOUNT", message, hint="Give a whole number of minor units above zero.")


def reason_missing(what: str) -> Invalid:
    """``REASON_MISSING``."""
    return Invalid("REASON_MISSING", f"{what} needs a reason.", hint="Say why, for whoever reads it later.")


def reason_long() -> Invalid:
    """``REASON_LONG``."""
    return Invalid("REASON_LONG", f"A reason has at most {REASON_MAX_CHARS} characters.", hint="Say it shorter.")


def account_unknown() -> NotFound:
    """``LEDGER_ACCOUNT_UNKNOWN``: none, or none that one may know of."""
    return NotFound("LEDGER_ACCOUNT_UNKNOWN", "There is no such account here.", hint="Look it up in the chart.")


def wallet_unknown() -> NotFound:
    """``WALLET_NOT_FOUND``: none, or none that one may know of."""
    return NotFound("WALLET_NOT_FOUND", "There is no such wallet here.", hint="Look it up in the list of wallets.")


def currency_mismatch(amount: Money, currency: str, what: str) -> FinOpsError:
    """``CURRENCY_MISMATCH``."""
    return Invalid(
        "CURRENCY_MISMATCH",
        f"{what} is kept in {currency}; {amount} was given.",
        hint="Use a wallet of that currency, or exchange at a stored rate first.",
    )


def not_open(state: AccountState, what: str, reason: str) -> Conflict:
    """``ACCOUNT_FROZEN`` or ``ACCOUNT_CLOSED``."""
    told = f"{what} is {state.value}" + (f": {reason}." if reason else ".")
    if state is AccountState.CLOSED:
        return Conflict("ACCOUNT_CLOSED", told, hint="Use another one; a closed account stays closed.")
    return Conflict("ACCOUNT_FROZEN", told, hint="Ask whoever looks after the ledger.")


def duplicate(key: str) -> Conflict:
    """``DUPLICATE_TRANSACTION``: the key was used for something else."""
    return Conflict(
        "DUPLICATE_TRANSACTION",
        "This idempotency key was used for another entry.",
        hint="Use a new key for a new entry; the same key only to ask again for the same one.",
        key=key,
    )


def period_locked(day: date) -> Conflict:
    """``PERIOD_LOCKED``."""
    return Conflict(
        "PERIOD_LOCKED",
        f"{day.isoformat()} lies in a locked period.",
        hint="Have it count for a later day, or have the period opened.",
    )


_STOPPED = {
    StopWidth.ALL: "All money operations are stopped",
    StopWidth.NON_ESSENTIAL: "All but essential money operations are stopped",
    StopWidth.TYPE: "Money operations of this kind are stopped",
    StopWidth.WALLET: "The money of this wallet is stopped",
}


def money_stopped(reason: str, width: StopWidth = StopWidth.TYPE) -> Conflict:
    """``MONEY_STOPPED``: a stop that stands holds this."""
    told = f": {reason}." if reason else "."
    return Conflict(
        "MONEY_STOPPED",
        f"{_STOPPED[width]}{told}",
        hint="Nothing was booked. Ask whoever looks after the ledger when they go on.",
    )


def follows_its_document(kind: str) -> Conflict:
    """``FOLLOWS_ITS_DOCUMENT``: an entry that was booked because of what happened outside."""
    return Conflict(
        "FOLLOWS_ITS_DOCUMENT",
        f"This entry says what became of a {kind}; it cannot be reversed by hand.",
        hint="It is taken back by itself when the money comes back. Adjust a wallet for anything else.",
    )


def reversed_before() -> Conflict:
    """``ALREADY_REVERSED``."""
    return Conflict("ALREADY_REVERSED", "This entry was reversed before.", hint="Open it to see what undid it.")
