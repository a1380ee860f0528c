"""Accounts, their keys, bank accounts and payout settings."""

import hashlib
import json
import sqlite3
from dataclasses import asdict, dataclass, replace
from datetime import date

from pydantic import ConfigDict

from finops_core.adapters.stripe_currencies import is_supported
from finops_core.adapters.stripe_sandbox import objects, pages, refusals
from finops_core.adapters.stripe_sandbox.calls import Call, Incoming
from finops_core.adapters.stripe_sandbox.refusals import Refusal
from finops_core.adapters.stripe_sandbox.store import Store
from finops_core.adapters.stripe_sandbox.wire import JsonObject
from finops_core.kernel.business_days import is_business_day
from finops_core.kernel.errors import Invalid

ACCOUNT_PREFIX = "acct_sbx"
KEY_PREFIXES = ("sk_test_", "rk_test_")
INTERVALS = ("daily", "manual", "monthly", "weekly")
# Stripe's published test numbers; a payout to one of them is returned by the bank with this reason.
FAILING_NUMBERS = {
    "000111111116": "no_account",
    "000111111113": "account_closed",
    "000222222227": "insufficient_funds",
    "000333333335": "debit_not_authorized",
    "000444444440": "invalid_currency",
}
BANKS = pages.Listed(table="bank_account", noun="external account", url="")


@dataclass(frozen=True, slots=True)
class Bank:
    """A bank account to open; ``id`` is derived from the rest when "", so that seeding twice opens one.

    ``number`` is invented; only its last four digits are kept. Stripe's test numbers for failures work.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    currency: str
    bank_name: str = "SANDBOX BANK"
    country: str = "US"
    number: str = "000123456789"
    holder: str = "Sandbox company"
    is_default: bool = True
    id: str = ""


@dataclass(frozen=True, slots=True)
class NewAccount:
    """An account to open. ``platform`` is the id of the account it is connected to, "" for none.

    A key whose ``may_write`` is false is answered 403 on everything but reading. ``foreign``: ids of the real Stripe
    are taken too, for a sandbox that nobody but its maker can reach (a rehearsal).
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    key: str
    id: str
    country: str = "US"
    default_currency: str = "usd"
    payouts_enabled: bool = True
    schedule: str = "manual"
    banks: tuple[Bank, ...] = ()
    platform: str = ""
    may_write: bool = True
    foreign: bool = False


def open_account(store: Store, new: NewAccount) -> None:
    """Open an account with its key and bank accounts; what is there already is left as it is.

    Inside a transaction of the caller. ``Refusal`` (400) for ids and keys that could be taken for real ones.
    """
    _check_new(new)
    settings = json.dumps(asdict(objects.Settings(interval=new.schedule)))
    connection = store.connection
    connection.execute(
        "INSERT INTO account (id, platform, created, country, default_currency, payouts_enabled, settings) "
        "VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING",
        (
            new.id,
            new.platform or None,
            store.now_s(),
            new.country,
            new.default_currency.lower(),
            int(new.payouts_enabled),
            settings,
        ),
    )
    if new.key:
        _add_key(connection, new)
    for bank in new.banks:
        _open_bank(connection, new.id, bank, foreign=new.foreign)


def _check_new(new: NewAccount) -> None:
    if not (new.foreign or new.id.startswith(ACCOUNT_PREFIX)):
        raise Refusal(400, f"Sandbox accounts have ids that start with {ACCOUNT_PREFIX}.", param="id")
    if not new.key.startswith(KEY_PREFIXES) and not (new.platform and not new.key):
        raise Refusal(400, "Sandbox keys start with sk_test_ or rk_test_.", param="key")
    if new.schedule not in INTERVALS:
        raise Refusal(400, f"Invalid schedule: {new.schedule}", param="schedule")
    try:
        is_business_day(date(2026, 1, 1), new.country)
    except Invalid as error:
        raise Refusal(400, f"Country '{new.country}' is not known.", param="country") from error
    for currency in (new.default_currency, *(bank.currency for bank in new.banks)):
        if not is_supported(currency):
            raise Refusal(400, f"Invalid currency: {currency}", param="currency")


def _add_key(connection: sqlite3.Connection, new: NewAccount) -> None:
    owner = connection.execute("SELECT account FROM api_key WHERE key = ?", (new.key,)).fetchone()
    if owner is not None and owner["account"] != new.id:
        raise Refusal(400, "This key belongs to another account.", param="key")
    connection.execute(
        "INSERT INTO api_key (key, account, may_write) VALUES (?, ?, ?) ON CONFLICT (key) DO NOTHING",
        (new.key, new.id, int(new.may_write)),
    )


def _open_bank(connection: sqlite3.Connection, account: str, bank: Bank, *, foreign: bool) -> None:
    currency = bank.currency.lower()
    fingerprint = hashlib.sha256(f"{account}|{currency}|{bank.number}|{bank.bank_name}".encode()).hexdigest()
    identity = bank.id or f"ba_sbx_{fingerprint[:24]}"
    if not foreign and "_sbx" not in identity:
        raise Refusal(400, "Sandbox bank accounts have ids with _sbx in them.", param="bank_accounts")
    others = connection.execute(
        "SELECT id FROM bank_account WHERE account = ? AND currency = ? AND is_default", (account, currency)
    ).fetchone()
    is_default = bank.is_default and others is None
    facts = objects.BankFacts(
        id=identity,
        holder=bank.holder,
        bank_name=bank.bank_name,
        country=bank.country,
        currency=currency,
        last4=bank.number[-4:],
        is_default=is_default,
        fingerprint=fingerprint[:16],
    )
    connection.execute(
        "INSERT INTO bank_account (id, account, currency, is_default, failure_code, body) "
        "VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING",
        (
            identity,
            account,
            currency,
            int(is_default),
            FAILING_NUMBERS.get(bank.number, ""),
            json.dumps(objects.bank_account(facts, account)),
        ),
    )


def authenticate(store: Store, incoming: Incoming) -> tuple[str, str]:
    """The account that a request acts on, and the account of its key; ``Refusal`` 401 or 403."""
    if not incoming.secret:
        raise refusals.key_missing()
    row = store.connection.execute(
        "SELECT account, may_write FROM api_key WHERE key = ?", (incoming.secret,)
    ).fetchone()
    if row is None:
        raise refusals.key_invalid(incoming.secret)
    if incoming.method != "GET" and not row["may_write"]:
        raise refusals.not_permitted(f"{incoming.method} {incoming.path}")
    owner = str(row["account"])
    return _acting_account(store, owner, incoming), owner


def _acting_account(store: Store, owner: str, incoming: Incoming) -> str:
    wanted = incoming.connected or owner
    if wanted == owner:
        return owner
    row = store.connection.execute("SELECT id FROM account WHERE id = ? AND platform = ?", (wanted, owner)).fetchone()
    if row is None:
        key = refusals.masked(incoming.secret)
        message = f"The provided key '{key}' does not have access to account '{wanted}', or it does not exist."
        raise Refusal(403, message, code="account_invalid")
    return wanted


def facts(call: Call, account: str | None = None) -> objects.AccountFacts:
    """What is known of an account, the acting one unless named."""
    wanted = account or call.account
    row = call.store.connection.execute("SELECT * FROM account WHERE id = ?", (wanted,)).fetchone()
    if row is None:
        raise refusals.no_such("account", wanted, "account")
    return objects.AccountFacts(
        id=row["id"],
        platform=row["platform"] or "",
        created=row["created"],
        country=row["country"],
        default_currency=row["default_currency"],
        payouts_enabled=bool(row["payouts_enabled"]),
        settings=objects.Settings(**json.loads(row["settings"])),
    )


def retrieve_current(call: Call) -> JsonObject:
    """GET /v1/account."""
    return objects.account(facts(call), _banks(call, call.account))


def retrieve(call: Call) -> JsonObject:
    """GET /v1/accounts/{id}: the own account, or one that is connected to it."""
    account = _reachable(call)
    return objects.account(facts(call, account), _banks(call, account))


def list_banks(call: Call) -> JsonObject:
    """GET /v1/accounts/{id}/external_accounts."""
    account = _reachable(call)
    listed = replace(BANKS, url=f"/v1/accounts/{account}/external_accounts")
    if call.text("object") == "card":
        return objects.listing(listed.url, [], has_more=False)
    return pages.page(replace(call, account=account), listed)


def _reachable(call: Call) -> str:
    wanted = call.ids[0]
    found = facts(call, wanted)
    if call.account not in (wanted, found.platform):
        raise refusals.no_such("account", wanted, "account")
    return wanted


def _banks(call: Call, account: str) -> list[JsonObject]:
    return call.store.documents("SELECT body FROM bank_account WHERE account = ? ORDER BY seq", (account,))


def retrieve_settings(call: Call) -> JsonObject:
    """GET /v1/balance_settings."""
    known = facts(call)
    return objects.balance_settings(known.settings, payouts_enabled=known.payouts_enabled)


def update_settings(call: Call) -> JsonObject:
    """POST /v1/balance_settings."""
    known = facts(call)
    payments = call.mapping("payments")
    payouts = payments.get("payouts", {})
    schedule = payouts.get("schedule", {}) if isinstance(payouts, dict) else {}
    settings = known.settings
    if isinstance(schedule, dict) and "interval" in schedule:
        if schedule["interval"] not in INTERVALS:
            raise Refusal(400, "Invalid interval", param="payments[payouts][schedule][interval]")
        settings = replace(settings, interval=str(schedule["interval"]))
    if isinstance(payouts, dict) and "statement_descriptor" in payouts:
        settings = replace(settings, statement_descriptor=str(payouts["statement_descriptor"]))
    if "debit_negative_balances" in payments:
        settings = replace(settings, debit_negative_balances=payments["debit_negative_balances"] == "true")
    call.store.connection.execute(
        "UPDATE account SET settings = ? WHERE id = ?", (json.dumps(asdict(settings)), call.account)
    )
    return objects.balance_settings(settings, payouts_enabled=known.payouts_enabled)


def set_payouts_enabled(store: Store, account: str, *, enabled: bool) -> None:
    """Allow or stop payouts of an account, as Stripe does while it reviews one."""
    store.connection.execute("UPDATE account SET payouts_enabled = ? WHERE id = ?", (int(enabled), account))
