"""Payouts: the checks before one is made, and how they are read, listed and described.

What becomes of them is in ``payout_steps``.
"""

import json
from datetime import UTC, datetime, time

from finops_core.adapters.stripe_currencies import payout_step_api
from finops_core.adapters.stripe_sandbox import accounts, events, ledger, objects, pages, refusals
from finops_core.adapters.stripe_sandbox.calls import Call
from finops_core.adapters.stripe_sandbox.parameters import integer
from finops_core.adapters.stripe_sandbox.refusals import Refusal
from finops_core.adapters.stripe_sandbox.wire import JsonObject
from finops_core.kernel.business_days import add_business_days
from finops_core.kernel.ids import new_id

DESCRIPTOR_MAX = 22
ARRIVES_AFTER_BUSINESS_DAYS = 2
_LISTED = pages.Listed(
    table="payout",
    noun="payout",
    url="/v1/payouts",
    equal=("destination", "status"),
    between=("created", "arrival_date"),
)


def create(call: Call) -> JsonObject:
    """POST /v1/payouts: pending, with its movement and its event; ``Refusal`` and nothing at all otherwise."""
    amount, currency = integer("amount", call.text("amount")), call.text("currency").lower()
    source_type = call.text("source_type") or "card"
    _check_may_pay(call)
    _check_amount(amount, currency)
    destination = _destination(call, currency)
    _check_covered(call, amount, currency, source_type)
    identity = new_id("po_sbx")
    movement = ledger.Movement(
        currency=currency,
        amount=-amount,
        kind="payout",
        source=identity,
        source_type=source_type,
        description="STRIPE PAYOUT",
    )
    facts = objects.PayoutFacts(
        id=identity,
        amount=amount,
        currency=currency,
        created=call.now_s,
        arrival_date=arrival_date(call.now_s, accounts.facts(call).country),
        destination=destination,
        source_type=source_type,
        balance_transaction=ledger.move(call, movement),
        description=call.text("description") or None,
        statement_descriptor=call.text("statement_descriptor") or None,
        metadata={name: str(value) for name, value in call.mapping("metadata").items() if value},
    )
    return keep(call, facts)


def keep(call: Call, facts: objects.PayoutFacts) -> JsonObject:
    """Write a new payout down and tell of it."""
    made = objects.payout(facts)
    call.store.connection.execute(
        "INSERT INTO payout (id, account, created, arrival_date, status, destination, body) "
        "VALUES (?, ?, ?, ?, ?, ?, ?)",
        (
            facts.id,
            call.account,
            facts.created,
            facts.arrival_date,
            made["status"],
            facts.destination,
            json.dumps(made),
        ),
    )
    events.record(call, "payout.created", made)
    return made


def _check_may_pay(call: Call) -> None:
    if not accounts.facts(call).payouts_enabled:
        message = "Payouts are currently not allowed for this account."
        raise Refusal(400, message, code="payouts_not_allowed")
    if call.text("method") == "instant":
        message = "This external account does not support instant payouts."
        raise Refusal(400, message, code="instant_payouts_unsupported", param="method")
    if call.text("method") not in ("", "standard"):
        raise Refusal(400, "Invalid method: must be one of instant or standard", param="method")
    if call.text("source_type") not in ("", *ledger.SOURCE_TYPES):
        raise Refusal(400, f"Invalid source_type: must be one of {', '.join(ledger.SOURCE_TYPES)}", param="source_type")
    if call.text("payout_method"):
        raise refusals.no_such("payout method", call.text("payout_method"), "payout_method", as_filter=True)
    if len(call.text("statement_descriptor")) > DESCRIPTOR_MAX:
        message = f"The statement descriptor must be at most {DESCRIPTOR_MAX} characters."
        raise Refusal(400, message, param="statement_descriptor")


def _check_amount(amount: int, currency: str) -> None:
    step = payout_step_api(currency)
    if amount % step:
        message = f"Payouts in {currency} must be in multiples of {step}."
        raise Refusal(400, message, param="amount")


def _destination(call: Call, currency: str) -> str:
    given = call.text("destination")
    row = call.store.connection.execute(
        "SELECT id, currency FROM bank_account WHERE account = ? AND (id = ? OR (? = '' AND currency = ?)) "
        "ORDER BY is_default DESC, seq LIMIT 1",
        (call.account, given, given, currency),
    ).fetchone()
    if row is None and given:
        raise refusals.no_such("external account", given, "destination", as_filter=True)
    if row is None or row["currency"] != currency:
        message = f"There is no external account in that currency ({currency})."
        raise Refusal(400, message, param="destination" if given else "currency")
    return str(row["id"])


def _check_covered(call: Call, amount: int, currency: str, source_type: str) -> None:
    if ledger.available(call, currency, source_type) < amount:
        message = (
            f"You have insufficient funds in your Stripe account for this payout. Your {source_type} balance in "
            f"{currency.upper()} is too low."
        )
        raise Refusal(400, message, code="balance_insufficient", param="amount")


def arrival_date(created_s: int, country: str) -> int:
    """Two business days of the account's country later, at 00:00 UTC, in seconds."""
    day = datetime.fromtimestamp(created_s, UTC).date()
    arrives = add_business_days(day, ARRIVES_AFTER_BUSINESS_DAYS, country)
    return int(datetime.combine(arrives, time(), UTC).timestamp())


def retrieve(call: Call) -> JsonObject:
    """GET /v1/payouts/{id}."""
    return existing(call)


def list_payouts(call: Call) -> JsonObject:
    """GET /v1/payouts, newest first."""
    return pages.page(call, _LISTED)


def update(call: Call) -> JsonObject:
    """POST /v1/payouts/{id}: metadata are merged, an empty value removes its key."""
    before = existing(call)
    kept = before["metadata"]
    metadata = dict(kept) if isinstance(kept, dict) and call.params.get("metadata") != "" else {}
    metadata.update(call.mapping("metadata"))
    changed: JsonObject = {"metadata": {name: text for name, text in metadata.items() if text}}
    return save(call, before, changed) if changed["metadata"] != kept else before


def existing(call: Call) -> JsonObject:
    """The payout that the path names; ``Refusal`` 404 when the account has none."""
    found = call.store.documents("SELECT body FROM payout WHERE account = ? AND id = ?", (call.account, call.ids[0]))
    if not found:
        raise refusals.no_such("payout", call.ids[0], "payout")
    return found[0]


def save(call: Call, before: JsonObject, changed: JsonObject) -> JsonObject:
    """Write some of its fields anew and tell of it."""
    after = {**before, **changed}
    call.store.connection.execute(
        "UPDATE payout SET status = ?, body = ? WHERE account = ? AND id = ?",
        (after["status"], json.dumps(after), call.account, after["id"]),
    )
    events.record(call, "payout.updated", after, {name: before[name] for name in changed})
    return after
