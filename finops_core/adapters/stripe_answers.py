"""What Stripe's answers mean for a payout. Pure: JSON in, the provider's answers of the kernel out.

Sources: https://docs.stripe.com/error-low-level, https://docs.stripe.com/error-codes and
https://docs.stripe.com/api/idempotent_requests. Only an answer that Stripe itself wrote in full can say "not
executed"; everything else leaves it open, and what is open is looked up before anything is sent again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from email.utils import parsedate_to_datetime
from urllib.parse import parse_qsl

from finops_core.adapters.stripe_currencies import balance_from_api, from_api, is_supported
from finops_core.kernel.errors import FinOpsError
from finops_core.kernel.provider import (
    AccountFacts,
    Answer,
    Balance,
    BankAccount,
    CancelAnswer,
    Canceled,
    Created,
    Mode,
    Movement,
    NotCanceled,
    OurFault,
    PayoutStatus,
    ProviderPayout,
    Rejected,
    RetryLater,
    Scope,
    Unknown,
)

Document = Mapping[str, object]
OK, CONFLICT, TOO_MANY = 200, 409, 429
BAD_REQUEST, UNAUTHORIZED, FORBIDDEN = 400, 401, 403
DEFINITE = frozenset((BAD_REQUEST, UNAUTHORIZED, 402, FORBIDDEN, 404))
KNOWN_TYPES = frozenset(("card_error", "invalid_request_error"))
# Codes that will meet every further payout of the account in the same way.
BATCH_CODES = frozenset(("account_invalid", "payouts_not_allowed"))
UNREADABLE = "Stripe's answer was broken and cannot be read."
CONFLICT_PAUSE_S, LOCK_PAUSE_S, RATE_PAUSE_S, PAUSE_MAX_S = 1.0, 0.5, 2.0, 60.0


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a stored request body asks for, in API units; an answer must say the same."""

    amount: int
    currency: str
    destination: str
    params: Document


@dataclass(frozen=True, slots=True)
class Reply:
    """What of an answer stands outside its JSON."""

    request_id: str
    replayed: bool
    retry_after: str
    raw: bytes


def wanted(body: bytes) -> Wanted:
    """Read a stored request body; ValueError when it is not one of ours."""
    params: dict[str, object] = {}
    metadata: dict[str, str] = {}
    for name, value in parse_qsl(body.decode("ascii"), keep_blank_values=True, strict_parsing=True):
        if name.startswith("metadata[") and name.endswith("]"):
            metadata[name[len("metadata[") : -1]] = value
        else:
            params[name] = value
    if metadata:
        params["metadata"] = metadata
    amount, currency = str(params.get("amount", "")), str(params.get("currency", ""))
    if not currency:
        raise ValueError("the currency is missing")
    return Wanted(int(amount), currency, str(params.get("destination", "")), params)


def created(document: Document, asked: Wanted, mode: Mode, reply: Reply) -> Answer:
    """An answer of success: ``Created`` when it is the payout we asked for, ``Unknown`` when anything differs."""
    wrong = _difference(document, asked, mode)
    if wrong:
        return Unknown(f"The answer does not match the request: {wrong}.", reply.request_id, reply.raw)
    try:
        payout = payout_of(document)
    except (KeyError, TypeError, ValueError, FinOpsError):
        return Unknown(UNREADABLE, reply.request_id, reply.raw)
    return Created(payout, reply.request_id, reply.replayed, reply.raw)


def _difference(document: Document, asked: Wanted, mode: Mode) -> str:
    destination = _id_of(document.get("destination"))
    checks = {
        "not a payout": document.get("object") == "payout" and str(document.get("id", "")).startswith("po_"),
        "another amount": document.get("amount") == asked.amount,
        "another currency": document.get("currency") == asked.currency,
        "another mode": document.get("livemode") is (mode is Mode.LIVE),
        "another bank account": not asked.destination or destination == asked.destination,
    }
    return next((wrong for wrong, holds in checks.items() if not holds), "")


def refused(status: int, error: Document, reply: Reply) -> Answer:
    """An answer of failure. ``error`` is Stripe's error object, empty when the answer had none."""
    code, kind = str(error.get("code") or ""), str(error.get("type") or "")
    message = str(error.get("message") or "")[:500]
    if status in (CONFLICT, TOO_MANY):
        return _later(status, code, reply)
    if kind == "idempotency_error":
        return OurFault(message or "Key and request do not belong together.", reply.request_id, reply.raw)
    if status in DEFINITE and kind in KNOWN_TYPES:
        return Rejected(code or kind, message, _scope(status, code), reply.request_id, reply.raw)
    why = UNREADABLE if status == OK else f"Stripe answered with an error of its own ({status})."
    return Unknown(why, reply.request_id, reply.raw)


def _later(status: int, code: str, reply: Reply) -> RetryLater:
    if status == CONFLICT:
        why = "Stripe is still working on the same request."
        return RetryLater(_pause(reply, CONFLICT_PAUSE_S), why, reply.request_id, reply.raw, executing=True)
    locked = code == "lock_timeout"
    why = "Another request holds the account." if locked else "Stripe asks us to slow down."
    return RetryLater(_pause(reply, LOCK_PAUSE_S if locked else RATE_PAUSE_S), why, reply.request_id, reply.raw)


def canceled(document: Document, payout_id: str, mode: Mode, reply: Reply) -> CancelAnswer:
    """An answer of success to a cancellation: ``Canceled`` when it is that payout and says so, else ``Unknown``."""
    try:
        payout = payout_of(document)
    except (KeyError, TypeError, ValueError, FinOpsError):
        return Unknown(UNREADABLE, reply.request_id, reply.raw)
    if (payout.id, payout.mode, payout.status) != (payout_id, mode, PayoutStatus.CANCELED):
        return Unknown("The answer does not say that this payout is cancelled.", reply.request_id, reply.raw)
    return Canceled(payout, reply.request_id, reply.raw)


def not_canceled(status: int, error: Document, reply: Reply) -> CancelAnswer:
    """An answer of failure to a cancellation. ``error`` is Stripe's error object, empty when the answer had none."""
    answer = refused(status, error, reply)
    if isinstance(answer, Rejected):
        return NotCanceled(answer.code, answer.message, reply.request_id, reply.raw)
    if isinstance(answer, RetryLater):
        return answer
    # A key that belongs to another request says nothing about this one.
    why = UNREADABLE if status == OK else f"Stripe answered with an error of its own ({status})."
    return Unknown(why, reply.request_id, reply.raw)


def _scope(status: int, code: str) -> Scope:
    if status in (UNAUTHORIZED, FORBIDDEN) or code in BATCH_CODES:
        return Scope.BATCH
    return Scope.CURRENCY if code == "balance_insufficient" else Scope.ROW


def _pause(reply: Reply, default_s: float) -> float:
    # Stripe promises no Retry-After; when something sends one, it is obeyed within reason.
    text = reply.retry_after.strip()
    if text.isascii() and text.isdigit():
        return min(max(float(text), default_s), PAUSE_MAX_S)
    return default_s


def payout_of(document: Document) -> ProviderPayout:
    """A payout in our words; KeyError, TypeError or ValueError when it is not one."""
    metadata = document.get("metadata") or {}
    if not isinstance(metadata, Mapping):
        raise TypeError("metadata")
    currency = str(document["currency"]).upper()
    if not is_supported(currency):
        raise ValueError("currency")
    return ProviderPayout(
        id=str(document["id"]),
        status=PayoutStatus(str(document["status"])),
        amount_minor=from_api(currency, _whole(document["amount"])),
        currency=currency,
        created_at=datetime.fromtimestamp(_whole(document["created"]), UTC),
        arrival_on=_day(document["arrival_date"]),
        destination=_id_of(document.get("destination")),
        metadata={str(name): str(text) for name, text in metadata.items()},
        mode=_mode(document["livemode"]),
        failure_code=str(document.get("failure_code") or ""),
        failure_message=str(document.get("failure_message") or ""),
        movement_id=_id_of(document.get("balance_transaction")),
        return_id=_id_of(document.get("failure_balance_transaction")),
        trace=_trace(document.get("trace_id")),
        reversed_by=_id_of(document.get("reversed_by")),
    )


def _trace(trace: object) -> str:
    return str(trace.get("value") or "") if isinstance(trace, Mapping) else ""


def movements_of(documents: Sequence[Document]) -> list[Movement]:
    """Balance transactions of payouts in our words; KeyError, TypeError or ValueError when one is not readable.

    One in a currency whose decimals we don't know is left out: no payout of ours can be in it.
    """
    return [movement for document in documents if (movement := _movement_of(document)) is not None]


def _movement_of(document: Document) -> Movement | None:
    currency = str(document["currency"]).upper()
    if not is_supported(currency):
        return None
    return Movement(
        id=str(document["id"]),
        payout_id=_id_of(document.get("source")),
        currency=currency,
        amount_minor=from_api(currency, _whole(document["amount"])),
        fee_minor=from_api(currency, _whole(document["fee"])),
        net_minor=from_api(currency, _whole(document["net"])),
        created_at=datetime.fromtimestamp(_whole(document["created"]), UTC),
    )


def balances_of(document: Document) -> tuple[Balance, ...]:
    """Balances by currency. A currency whose decimals we don't know is left out: it could not be paid either."""
    available, pending = _lines(document["available"]), _lines(document["pending"])
    return tuple(
        Balance(
            currency=currency,
            available_minor=balance_from_api(currency, _whole(available.get(currency, {}).get("amount", 0))),
            pending_minor=balance_from_api(currency, _whole(pending.get(currency, {}).get("amount", 0))),
            by_source=_sources(currency, available.get(currency, {})),
        )
        for currency in sorted(available.keys() | pending.keys())
        if is_supported(currency)
    )


def facts_of(
    balance: Document, account: Document, settings: Document, external: Sequence[Document], told_at: datetime | None
) -> AccountFacts:
    """What four answers tell of an account; KeyError, TypeError or ValueError when they don't."""
    return AccountFacts(
        account=str(account["id"]),
        mode=_mode(balance["livemode"]),
        payouts_enabled=account.get("payouts_enabled") is True,
        balances=balances_of(balance),
        bank_accounts=_bank_accounts(external),
        schedule=_schedule(settings),
        country=str(account.get("country") or ""),
        told_at=told_at,
    )


def http_date(text: str) -> datetime | None:
    """The instant in a Date header (RFC 9110, section 5.6.7), None when there is none or it cannot be read."""
    try:
        found = parsedate_to_datetime(text)
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def _schedule(settings: Document) -> str:
    here: object = settings
    for name in ("payments", "payouts", "schedule", "interval"):
        here = here.get(name) if isinstance(here, Mapping) else None
    return str(here or "unknown")


def _bank_accounts(documents: Sequence[Document]) -> tuple[BankAccount, ...]:
    # Debit cards are external accounts too, but no place for a payout of ours.
    return tuple(
        BankAccount(
            id=str(bank["id"]),
            name=str(bank.get("bank_name") or ""),
            last4=str(bank["last4"]),
            currency=str(bank["currency"]).upper(),
            country=str(bank["country"]),
            is_default=bank.get("default_for_currency") is True,
            fingerprint=str(bank.get("fingerprint") or ""),
        )
        for bank in documents
        if bank.get("object") == "bank_account"
    )


def _lines(lines: object) -> dict[str, Document]:
    if not isinstance(lines, list):
        raise TypeError("balance")
    return {str(line["currency"]).upper(): line for line in lines}


def _sources(currency: str, line: Document) -> dict[str, int]:
    sources = line.get("source_types") or {}
    if not isinstance(sources, Mapping):
        raise TypeError("source_types")
    return {str(name): balance_from_api(currency, _whole(amount)) for name, amount in sources.items()}


def _id_of(reference: object) -> str:
    return str(reference.get("id", "")) if isinstance(reference, Mapping) else str(reference or "")


def _whole(number: object) -> int:
    if not isinstance(number, int) or isinstance(number, bool):
        raise TypeError("whole number")
    return number


def _day(seconds: object) -> date:
    return datetime.fromtimestamp(_whole(seconds), UTC).date()


def _mode(livemode: object) -> Mode:
    if not isinstance(livemode, bool):
        raise TypeError("livemode")
    return Mode.LIVE if livemode else Mode.TEST
