"""Stripe's objects as JSON. Every field here stands in Stripe's published types; tests validate each answer."""

from dataclasses import dataclass

from finops_core.adapters.stripe_sandbox.wire import JsonObject

API_VERSION = "2026-10-28.endive"
# https://docs.stripe.com/reports/reporting-categories: both give a payout's money back.
_REPORTED_AS = {"payout_failure": "payout_reversal", "payout_cancel": "payout_reversal"}


@dataclass(frozen=True, slots=True)
class PayoutFacts:
    """What a new payout is made of; amounts in API units, times in seconds since 1970."""

    id: str
    amount: int
    currency: str
    created: int
    arrival_date: int
    destination: str
    source_type: str
    balance_transaction: str
    description: str | None
    statement_descriptor: str | None
    metadata: dict[str, str]
    original_payout: str | None = None


def payout(facts: PayoutFacts) -> JsonObject:
    """A manual payout to a bank account that has just been made."""
    return {
        "id": facts.id,
        "object": "payout",
        "amount": facts.amount,
        "application_fee": None,
        "application_fee_amount": None,
        "arrival_date": facts.arrival_date,
        "automatic": False,
        "balance_transaction": facts.balance_transaction,
        "created": facts.created,
        "currency": facts.currency,
        "description": facts.description,
        "destination": facts.destination,
        "failure_balance_transaction": None,
        "failure_code": None,
        "failure_message": None,
        "livemode": False,
        "metadata": facts.metadata,
        "method": "standard",
        "original_payout": facts.original_payout,
        "payout_method": None,
        "reconciliation_status": "not_applicable",
        "reversed_by": None,
        "source_type": facts.source_type,
        "statement_descriptor": facts.statement_descriptor,
        "status": "pending",
        "trace_id": {"status": "pending", "value": None},
        "type": "bank_account",
    }


@dataclass(frozen=True, slots=True)
class TransactionFacts:
    """What a balance transaction is made of; ``net`` is ``amount`` less ``fee``."""

    id: str
    amount: int
    fee: int
    currency: str
    created: int
    available_on: int
    kind: str
    source: str
    description: str | None


def balance_transaction(facts: TransactionFacts) -> JsonObject:
    """A movement of a balance; its status is told at the time of reading, see ``ledger``."""
    fees: list[JsonObject] = []
    if facts.fee:
        fees.append(
            {
                "amount": facts.fee,
                "application": None,
                "currency": facts.currency,
                "description": "Stripe processing fees",
                "type": "stripe_fee",
            }
        )
    return {
        "id": facts.id,
        "object": "balance_transaction",
        "amount": facts.amount,
        "available_on": facts.available_on,
        "balance_type": "payments",
        "created": facts.created,
        "currency": facts.currency,
        "description": facts.description,
        "exchange_rate": None,
        "fee": facts.fee,
        "fee_details": fees,
        "net": facts.amount - facts.fee,
        "reporting_category": _REPORTED_AS.get(facts.kind, facts.kind),
        "source": facts.source,
        "status": "pending",
        "type": facts.kind,
    }


def listing(url: str, data: list[JsonObject], *, has_more: bool) -> JsonObject:
    """A page of objects."""
    return {"object": "list", "data": data, "has_more": has_more, "url": url}


@dataclass(frozen=True, slots=True)
class BankFacts:
    """A bank account as it may be shown: never its full number."""

    id: str
    holder: str
    bank_name: str
    country: str
    currency: str
    last4: str
    is_default: bool
    fingerprint: str


def bank_account(facts: BankFacts, account: str) -> JsonObject:
    """A bank account that payouts can go to."""
    return {
        "id": facts.id,
        "object": "bank_account",
        "account": account,
        "account_holder_name": facts.holder,
        "account_holder_type": "company",
        "account_type": None,
        "available_payout_methods": ["standard"],
        "bank_name": facts.bank_name,
        "country": facts.country,
        "currency": facts.currency,
        "default_for_currency": facts.is_default,
        "fingerprint": facts.fingerprint,
        "last4": facts.last4,
        "metadata": {},
        "routing_number": None,
        "status": "new",
    }


@dataclass(frozen=True, slots=True)
class Settings:
    """What an account has set for its payouts; ``interval`` "manual" means no sweep."""

    interval: str = "manual"
    statement_descriptor: str | None = None
    debit_negative_balances: bool = False
    delay_days: int = 2


def balance_settings(settings: Settings, *, payouts_enabled: bool) -> JsonObject:
    """An account's payout schedule and descriptor."""
    return {
        "object": "balance_settings",
        "payments": {
            "debit_negative_balances": settings.debit_negative_balances,
            "payouts": {
                "automatic_transfer_rules_by_currency": None,
                "minimum_balance_by_currency": None,
                "schedule": {"interval": settings.interval},
                "statement_descriptor": settings.statement_descriptor,
                "status": "enabled" if payouts_enabled else "disabled",
            },
            "settlement_timing": {"delay_days": settings.delay_days},
        },
    }


@dataclass(frozen=True, slots=True)
class AccountFacts:
    """An account of the sandbox; ``platform`` is the account it is connected to, "" for none."""

    id: str
    platform: str
    created: int
    country: str
    default_currency: str
    payouts_enabled: bool
    settings: Settings


def account(facts: AccountFacts, banks: list[JsonObject]) -> JsonObject:
    """An account with its bank accounts."""
    settings = facts.settings
    return {
        "id": facts.id,
        "object": "account",
        "business_type": "company",
        "capabilities": {"card_payments": "active", "transfers": "active"},
        "charges_enabled": True,
        "controller": {"type": "application" if facts.platform else "account"},
        "country": facts.country,
        "created": facts.created,
        "default_currency": facts.default_currency,
        "details_submitted": True,
        "email": None,
        "external_accounts": listing(f"/v1/accounts/{facts.id}/external_accounts", banks, has_more=False),
        "metadata": {},
        "payouts_enabled": facts.payouts_enabled,
        "settings": {
            "branding": {"icon": None, "logo": None, "primary_color": None, "secondary_color": None},
            "card_payments": {"statement_descriptor_prefix": None},
            "dashboard": {"display_name": facts.id, "timezone": "Etc/UTC"},
            "payments": {"statement_descriptor": None},
            "payouts": {
                "debit_negative_balances": settings.debit_negative_balances,
                "schedule": {"delay_days": settings.delay_days, "interval": settings.interval},
                "statement_descriptor": settings.statement_descriptor,
            },
        },
        "type": "standard",
    }


@dataclass(frozen=True, slots=True)
class EventFacts:
    """What happened, to which object as it stood then, on whose request."""

    id: str
    created: int
    kind: str
    subject: JsonObject
    previous: JsonObject | None
    request_id: str | None
    idempotency_key: str | None


def event(facts: EventFacts) -> JsonObject:
    """A snapshot event."""
    data: JsonObject = {"object": facts.subject}
    if facts.previous is not None:
        data["previous_attributes"] = facts.previous
    return {
        "id": facts.id,
        "object": "event",
        "api_version": API_VERSION,
        "created": facts.created,
        "data": data,
        "livemode": False,
        "pending_webhooks": 0,
        "request": {"id": facts.request_id, "idempotency_key": facts.idempotency_key},
        "type": facts.kind,
    }


@dataclass(frozen=True, slots=True)
class EndpointFacts:
    """A webhook endpoint; its secret is told once, by whoever creates it."""

    id: str
    created: int
    url: str
    enabled_events: tuple[str, ...]
    status: str
    description: str | None
    api_version: str | None
    metadata: dict[str, str]


def webhook_endpoint(facts: EndpointFacts) -> JsonObject:
    """Where events are sent."""
    return {
        "id": facts.id,
        "object": "webhook_endpoint",
        "api_version": facts.api_version,
        "application": None,
        "created": facts.created,
        "description": facts.description,
        "enabled_events": list(facts.enabled_events),
        "livemode": False,
        "metadata": facts.metadata,
        "status": facts.status,
        "url": facts.url,
    }
