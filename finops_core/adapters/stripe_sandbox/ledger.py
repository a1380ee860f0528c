"""Balances. The only truth is the list of balance transactions: a balance is their sum and is stored nowhere."""

import json
from collections import defaultdict
from dataclasses import dataclass
from typing import Never

from finops_core.adapters.stripe_sandbox import objects, pages, refusals
from finops_core.adapters.stripe_sandbox.calls import Call
from finops_core.adapters.stripe_sandbox.wire import JsonObject
from finops_core.kernel.ids import new_id

SOURCE_TYPES = ("bank_account", "card", "fpx")


@dataclass(frozen=True, slots=True)
class Movement:
    """One movement of a balance, in API units; the balance changes by ``amount`` less ``fee``.

    ``reference`` makes it happen once per account: the same reference again changes nothing; "" for none.
    """

    currency: str
    amount: int
    kind: str
    source: str
    source_type: str = "card"
    fee: int = 0
    available_on: int | None = None
    description: str | None = None
    reference: str = ""


def move(call: Call, movement: Movement) -> str:
    """Write a balance transaction and return its id; "" when its reference has been used before."""
    facts = objects.TransactionFacts(
        id=new_id("txn_sbx"),
        amount=movement.amount,
        fee=movement.fee,
        currency=movement.currency,
        created=call.now_s,
        available_on=call.now_s if movement.available_on is None else movement.available_on,
        kind=movement.kind,
        source=movement.source,
        description=movement.description,
    )
    written = call.store.connection.execute(
        "INSERT INTO balance_transaction (id, account, created, available_on, currency, type, source, source_type,"
        " net, reference, body) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (account, reference) DO NOTHING",
        (
            facts.id,
            call.account,
            facts.created,
            facts.available_on,
            facts.currency,
            facts.kind,
            facts.source,
            movement.source_type,
            facts.amount - facts.fee,
            movement.reference or None,
            json.dumps(objects.balance_transaction(facts)),
        ),
    )
    return facts.id if written.rowcount else ""


def available(call: Call, currency: str, source_type: str) -> int:
    """What can be paid out now of one currency and source, in API units; can be negative."""
    row = call.store.connection.execute(
        "SELECT COALESCE(SUM(net), 0) AS net FROM balance_transaction "
        "WHERE account = ? AND currency = ? AND source_type = ? AND available_on <= ?",
        (call.account, currency, source_type, call.now_s),
    ).fetchone()
    return int(row["net"])


def balance(call: Call) -> JsonObject:
    """GET /v1/balance."""
    rows = call.store.connection.execute(
        "SELECT currency, source_type, available_on <= ? AS available, SUM(net) AS net FROM balance_transaction "
        "WHERE account = ? GROUP BY currency, source_type, available",
        (call.now_s, call.account),
    )
    sums: dict[bool, dict[str, dict[str, int]]] = {True: defaultdict(dict), False: defaultdict(dict)}
    currencies = {_default_currency(call)}
    for row in rows:
        currencies.add(row["currency"])
        sums[bool(row["available"])][row["currency"]][row["source_type"]] = row["net"]
    return {
        "object": "balance",
        "available": [_line(currency, sums[True][currency]) for currency in sorted(currencies)],
        "livemode": False,
        "pending": [_line(currency, sums[False][currency]) for currency in sorted(currencies)],
    }


def _default_currency(call: Call) -> str:
    row = call.store.connection.execute("SELECT default_currency FROM account WHERE id = ?", (call.account,)).fetchone()
    return str(row["default_currency"])


def _line(currency: str, by_source: dict[str, int]) -> JsonObject:
    sources = by_source or {"card": 0}
    return {"amount": sum(sources.values()), "currency": currency, "source_types": sources}


def list_transactions(call: Call) -> JsonObject:
    """GET /v1/balance_transactions. The payout filter knows automatic payouts only, and the sandbox makes none."""
    payout = call.text("payout")
    if payout:
        _refuse_payout_filter(call, payout)
    listed = pages.Listed(
        table="balance_transaction",
        noun="balance_transaction",
        url="/v1/balance_transactions",
        equal=("type", "source", "currency"),
        between=("created",),
    )
    found = pages.page(call, listed)
    data = found["data"]
    return {**found, "data": [_as_of(call, entry) for entry in data] if isinstance(data, list) else []}


def retrieve(call: Call) -> JsonObject:
    """GET /v1/balance_transactions/{id}."""
    found = call.store.documents(
        "SELECT body FROM balance_transaction WHERE account = ? AND id = ?", (call.account, call.ids[0])
    )
    if not found:
        raise refusals.no_such("balance transaction", call.ids[0], "id")
    return _as_of(call, found[0])


def _refuse_payout_filter(call: Call, payout: str) -> Never:
    row = call.store.connection.execute(
        "SELECT seq FROM payout WHERE account = ? AND id = ?", (call.account, payout)
    ).fetchone()
    if row is None:
        raise refusals.no_such("payout", payout, "payout", as_filter=True)
    message = "Balance transaction history can only be filtered on automatic payouts, not manual."
    raise refusals.Refusal(400, message, param="payout")


def _as_of(call: Call, entry: JsonObject) -> JsonObject:
    # A pending movement becomes available by time passing, so its status is told when it is read.
    arrived = int(str(entry["available_on"])) <= call.now_s
    return {**entry, "status": "available" if arrived else "pending"}
