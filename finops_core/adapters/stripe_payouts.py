"""Paying out a Stripe balance by Stripe's own SDK. Retries, look-ups and records are the caller's, never made here.

Units and steps are in ``stripe_currencies``, the meaning of answers in ``stripe_answers``, how they are asked for in
``stripe_calls``, the wire in ``stripe_wire``. This is the only module that builds Stripe requests about money.
"""

import re
from collections.abc import Mapping
from datetime import datetime
from urllib.parse import quote, urlencode

from finops_core.adapters import stripe_answers, stripe_currencies, stripe_rights
from finops_core.adapters.stripe_answers import Document
from finops_core.adapters.stripe_calls import PAGE_SIZE, StripeCalls, items, not_found, readable
from finops_core.kernel.errors import Invalid, NotAllowed, NotFound
from finops_core.kernel.provider import (
    AccountFacts,
    Answer,
    CancelAnswer,
    Capabilities,
    CurrencyRule,
    Movement,
    NotCanceled,
    OurFault,
    PayoutOrder,
    ProviderPayout,
    Rejected,
    Right,
    Scope,
    Unknown,
)
from finops_core.platform.ports import ProviderCredentials

# Stripe may forget a key after 24 hours and would then pay again; one hour is kept as a margin.
KEY_LIFETIME_S = 23 * 3600
# Fifteen creations a second are refused by Stripe at the latest; a third of it leaves room for the company's others.
RATE_PER_S = 5.0
DESCRIPTOR_MAX = 22
# The types of balance transactions that belong to a payout, from the SDK's own list (16.1.0). A reversal is a payout
# of its own, so it has no type; holds of a minimum balance belong to no payout.
MOVEMENT_TYPES = ("payout", "payout_failure", "payout_cancel")
_PAYOUT_ID = re.compile(r"po_[A-Za-z0-9_]{1,200}", re.ASCII)


class StripePayouts:
    """A Stripe account (and those connected to it) as a ``PayoutProvider``; safe to use from several threads.

    Args:
        credentials: a secret or restricted key in test or live mode, and the API's address; https, unless loopback.
            ``account`` is the connected account that the connection acts for, "" for the key's own.
        timeout_s: longest silence while an answer is awaited.
        minimums_minor: the smallest payout by currency, where the account's country asks for more than one unit.

    ``STRIPE_KEY_BAD`` and ``STRIPE_URL_BAD`` when the credentials cannot be right; each call that names an account
    raises or answers with ``STRIPE_ACCOUNT_BAD`` when that is no account id.
    """

    def __init__(
        self,
        credentials: ProviderCredentials,
        timeout_s: float,
        minimums_minor: Mapping[str, int] | None = None,
    ) -> None:
        self._minimums = dict(minimums_minor or {})
        self._calls = StripeCalls(credentials, timeout_s)

    def __repr__(self) -> str:
        return f"StripePayouts(mode={self._calls.mode.value!r}, account={self._calls.own_account!r})"

    def capabilities(self) -> Capabilities:
        """What Stripe can pay out, and what it lets be undone."""
        return Capabilities(
            name="stripe",
            key_lifetime_s=KEY_LIFETIME_S,
            can_cancel=True,
            rules={code: self._rule(code) for code in sorted(stripe_currencies.SUPPORTED)},
            descriptor_max=DESCRIPTOR_MAX,
            rate_per_s=RATE_PER_S,
        )

    def _rule(self, currency: str) -> CurrencyRule:
        return stripe_currencies.payout_rule(currency, self._minimums.get(currency))

    def problems_of(self, order: PayoutOrder) -> list[Invalid]:
        """What Stripe could not take: its currency, step or text, one at most."""
        try:
            self.request_body(order)
        except Invalid as problem:
            return [problem]
        return []

    def request_body(self, order: PayoutOrder) -> bytes:
        """The form body of an order: the same order gives the same bytes.

        ``STRIPE_CURRENCY_UNSUPPORTED``, ``STRIPE_AMOUNT_STEP`` and ``STRIPE_DESCRIPTOR_LONG`` when Stripe could not
        take it. The account is no part of it: it travels as a header, given to ``submit``.
        """
        rule = self._rule(order.currency)
        if order.amount_minor <= 0 or order.amount_minor % rule.step_minor:
            raise Invalid(
                "STRIPE_AMOUNT_STEP",
                f"Stripe pays out {rule.currency} in steps of {rule.step_minor} minor units only.",
                hint="Round the amount down to the step that the plan shows.",
                amount_minor=order.amount_minor,
            )
        if len(order.descriptor) > DESCRIPTOR_MAX:
            raise Invalid(
                "STRIPE_DESCRIPTOR_LONG",
                f"The text for the bank statement is longer than {DESCRIPTOR_MAX} characters.",
                hint="Shorten it.",
            )
        fields = {
            "amount": str(stripe_currencies.to_api(order.currency, order.amount_minor)),
            "currency": order.currency.lower(),
            "destination": order.destination,
            "source_type": order.source_type,
            "method": order.method,
            "statement_descriptor": order.descriptor,
        }
        pairs = [(name, value) for name, value in fields.items() if value]
        pairs += [(f"metadata[{name}]", order.metadata[name]) for name in sorted(order.metadata)]
        return urlencode(pairs).encode("ascii")

    def submit(self, account: str, body: bytes, key: str) -> Answer:
        """Send a stored body once. Never raises for what Stripe, the network or a bad answer does."""
        try:
            asked = stripe_answers.wanted(body)
        except ValueError:
            return OurFault("The stored request cannot be read; nothing was sent.")
        try:
            options = {**self._calls.options(account), "idempotency_key": key}
        except Invalid as error:
            return Rejected("account_invalid", error.message, Scope.ROW)
        told = self._calls.send("post", "/v1/payouts", asked.params, options, body=body)
        if told.why:
            return Unknown(told.why, told.reply.request_id, told.reply.raw)
        if told.document is not None and told.status == stripe_answers.OK:
            return stripe_answers.created(told.document, asked, self._calls.mode, told.reply)
        return stripe_answers.refused(told.status, told.error, told.reply)

    def cancel(self, account: str, payout_id: str, key: str) -> CancelAnswer:
        """Take a payout back, which Stripe allows while it is pending. Never raises for what is answered.

        ``NotCanceled`` says only that this request cancelled nothing: Stripe refuses a payout that is canceled
        already in the same words, so its status must be read before anybody says that it goes on.
        """
        if not _PAYOUT_ID.fullmatch(payout_id):
            return NotCanceled("resource_missing", "This is not the id of a payout; nothing was sent.")
        try:
            options = {**self._calls.options(account), "idempotency_key": key}
        except Invalid as error:
            return NotCanceled("account_invalid", error.message)
        told = self._calls.send("post", f"/v1/payouts/{payout_id}/cancel", {}, options)
        if told.why:
            return Unknown(told.why, told.reply.request_id, told.reply.raw)
        if told.document is not None and told.status == stripe_answers.OK:
            return stripe_answers.canceled(told.document, payout_id, self._calls.mode, told.reply)
        return stripe_answers.not_canceled(told.status, told.error, told.reply)

    def find(self, account: str, metadata: Mapping[str, str], since: datetime) -> list[ProviderPayout]:
        """Every payout created since then whose metadata hold all of these pairs, newest first.

        Stripe has no search for payouts, so all pages are read and compared here; ``PROVIDER_TOO_MANY`` after
        100,000 payouts rather than half an answer.
        """
        found: list[ProviderPayout] = []
        for documents in self._calls.pages("/v1/payouts", self._calls.options(account), _since(since)):
            found += readable(_payouts_among, documents, metadata)
        return found

    def get(self, account: str, payout_id: str) -> ProviderPayout:
        """One payout as it stands now; ``PROVIDER_NOT_FOUND`` when there is none."""
        if not _PAYOUT_ID.fullmatch(payout_id):
            raise not_found(payout_id=payout_id[:100])
        document = self._calls.read(f"/v1/payouts/{payout_id}", self._calls.options(account))
        return readable(stripe_answers.payout_of, document)

    def statement(self, account: str, since: datetime) -> list[Movement]:
        """Every movement of the balance since then that a payout made, or its failure or cancellation; oldest first.

        ``PROVIDER_TOO_MANY`` after 100,000 movements of a kind rather than half an answer.
        """
        options = self._calls.options(account)
        found: list[Movement] = []
        for kind in MOVEMENT_TYPES:
            for documents in self._calls.pages("/v1/balance_transactions", options, {**_since(since), "type": kind}):
                found += readable(stripe_answers.movements_of, documents)
        return sorted(found, key=lambda movement: (movement.created_at, movement.id))

    def rights(self) -> Mapping[Right, bool]:
        """What the key may do with the connection's account, found out without changing anything."""
        return stripe_rights.of_key(self._calls)

    def facts(self, account: str) -> AccountFacts:
        """Mode, balances, bank accounts, payout schedule and clock of an account ("" for the connection's own)."""
        options = self._calls.options(account)
        with self._calls.wire.watched() as exchange:
            balance = self._calls.read("/v1/balance", options)
            known = self._calls.read("/v1/account", options)
            settings = self._calls.read("/v1/balance_settings", options)
            banks = self._external_accounts(known, options)
        told_at = stripe_answers.http_date(exchange.header("date"))
        return readable(stripe_answers.facts_of, balance, known, settings, banks, told_at)

    def _external_accounts(self, known: Document, options: Mapping[str, str]) -> list[Document]:
        # Stripe shows them inside the account only to whoever controls it; others may still list them, or may not
        # see them at all. Without them a payout goes to the currency's default account.
        inside = known.get("external_accounts")
        if isinstance(inside, Mapping) and inside.get("has_more") is False:
            return items(inside)
        address = f"/v1/accounts/{quote(str(known.get('id')), safe='')}/external_accounts"
        try:
            return items(self._calls.read(address, options, {"limit": PAGE_SIZE}))
        except (Invalid, NotAllowed, NotFound):
            return []


def _since(since: datetime) -> dict[str, object]:
    return {"created": {"gte": int(since.timestamp())}}


def _payouts_among(documents: list[Document], metadata: Mapping[str, str]) -> list[ProviderPayout]:
    return [stripe_answers.payout_of(document) for document in documents if _holds(document, metadata)]


def _holds(document: Document, metadata: Mapping[str, str]) -> bool:
    held = document.get("metadata")
    return isinstance(held, Mapping) and all(held.get(name) == value for name, value in metadata.items())
