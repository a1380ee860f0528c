"""Paying out a Stripe balance by Stripe's own SDK. Retries, look-ups and records are the caller's, never made here.

Units and steps are in ``stripe_currencies``, the meaning of answers in ``stripe_answers``, the wire in
``stripe_wire``. This is the only module that builds Stripe requests.

Answers are read as plain JSON (the SDK's ``raw_request``), not as the SDK's typed objects: in 16.1.0 those break on a
map that is null, as ``minimum_balance_by_currency`` is in Stripe's own example of the balance settings.
"""

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import ParamSpec, TypeVar
from urllib.parse import quote, urlencode, urlsplit

import stripe

from finops_core.adapters import stripe_answers, stripe_currencies
from finops_core.adapters.stripe_answers import Document, Reply
from finops_core.adapters.stripe_wire import Exchange, RecordingClient, is_loopback
from finops_core.kernel.errors import FinOpsError, Invalid, NotAllowed, NotFound, Unavailable
from finops_core.kernel.provider import (
    AccountFacts,
    Answer,
    Capabilities,
    CurrencyRule,
    Mode,
    OurFault,
    PayoutOrder,
    ProviderPayout,
    Rejected,
    Scope,
    Unknown,
)
from finops_core.platform.ports import ProviderCredentials

# Stripe may forget a key after 24 hours and would then pay again; one hour is kept as a margin.
KEY_LIFETIME_S = 23 * 3600
DESCRIPTOR_MAX = 22
PAGE_SIZE = 100
PAGES_MAX = 1_000
_KEY = re.compile(r"(?:sk|rk)_(test|live)_[A-Za-z0-9_]{1,240}", re.ASCII)
_PAYOUT_ID = re.compile(r"po_[A-Za-z0-9_]{1,200}", re.ASCII)
_ACCOUNT_ID = re.compile(r"acct_[A-Za-z0-9_]{1,200}", re.ASCII)
_T = TypeVar("_T")
_P = ParamSpec("_P")


class StripePayouts:
    """A Stripe account (and those connected to it) as a ``PayoutProvider``; safe to use from several threads.

    Args:
        credentials: a secret or restricted key in test or live mode, and the API's address; https, unless loopback.
        timeout_s: longest silence while an answer is awaited.
        minimums_minor: the smallest payout by currency, where the account's country asks for more than one unit.

    ``STRIPE_KEY_BAD`` and ``STRIPE_URL_BAD`` when the credentials cannot be right.
    """

    def __init__(
        self,
        credentials: ProviderCredentials,
        timeout_s: float,
        minimums_minor: Mapping[str, int] | None = None,
    ) -> None:
        self._mode = _mode_of_key(credentials.secret)
        self._own_account = credentials.account
        self._minimums = dict(minimums_minor or {})
        base_url = _checked_url(credentials.base_url)
        self._wire = RecordingClient(base_url, timeout_s)
        self._client = stripe.StripeClient(
            credentials.secret,
            base_addresses={"api": base_url},
            max_network_retries=0,
            http_client=self._wire,
        )

    def __repr__(self) -> str:
        return f"StripePayouts(mode={self._mode.value!r}, account={self._own_account!r})"

    def capabilities(self) -> Capabilities:
        """What Stripe can pay out. Cancelling is not part of the port yet."""
        return Capabilities(
            name="stripe",
            key_lifetime_s=KEY_LIFETIME_S,
            can_cancel=False,
            rules={code: self._rule(code) for code in sorted(stripe_currencies.SUPPORTED)},
            descriptor_max=DESCRIPTOR_MAX,
        )

    def _rule(self, currency: str) -> CurrencyRule:
        return stripe_currencies.payout_rule(currency, self._minimums.get(currency))

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
            options = {**self._options(account), "idempotency_key": key}
        except Invalid as error:
            return Rejected("account_invalid", error.message, Scope.ROW)
        with self._wire.watched(body) as exchange:
            try:
                document = self._ask("post", "/v1/payouts", asked.params, options)
            except stripe.StripeError as error:
                return _failure(error, exchange)
            except Exception as error:  # noqa: BLE001 - the request is out: whatever broke, it may have been executed
                return Unknown(f"The answer broke our reading of it ({type(error).__name__}).", raw=exchange.raw())
            if exchange.status != stripe_answers.OK:
                return Unknown(f"Stripe answered with status {exchange.status}.", raw=exchange.raw())
            return stripe_answers.created(document, asked, self._mode, _reply(exchange))

    def find(self, account: str, metadata: Mapping[str, str], since: datetime) -> list[ProviderPayout]:
        """Every payout created since then whose metadata hold all of these pairs, newest first.

        Stripe has no search for payouts, so all pages are read and compared here; ``PROVIDER_TOO_MANY`` after
        100,000 payouts rather than half an answer.
        """
        found: list[ProviderPayout] = []
        params: dict[str, object] = {"created": {"gte": int(since.timestamp())}, "limit": PAGE_SIZE}
        options = self._options(account)
        for _ in range(PAGES_MAX):
            page = self._read("/v1/payouts", options, params)
            documents = _items(page)
            found += _readable(_payouts_among, documents, metadata)
            if page.get("has_more") is not True or not documents:
                return found
            params["starting_after"] = str(documents[-1].get("id"))
        raise Unavailable(
            "PROVIDER_TOO_MANY",
            "Stripe lists more payouts since then than can be read at once.",
            hint="A person must look for this payout in Stripe's dashboard.",
        )

    def get(self, account: str, payout_id: str) -> ProviderPayout:
        """One payout as it stands now; ``PROVIDER_NOT_FOUND`` when there is none."""
        if not _PAYOUT_ID.fullmatch(payout_id):
            raise _not_found(payout_id=payout_id[:100])
        document = self._read(f"/v1/payouts/{payout_id}", self._options(account))
        return _readable(stripe_answers.payout_of, document)

    def facts(self, account: str) -> AccountFacts:
        """Mode, balances, bank accounts and payout schedule of an account ("" for the key's own)."""
        options = self._options(account)
        balance = self._read("/v1/balance", options)
        known = self._read("/v1/account", options)
        settings = self._read("/v1/balance_settings", options)
        banks = self._external_accounts(known, options)
        return _readable(stripe_answers.facts_of, balance, known, settings, banks)

    def _external_accounts(self, known: Document, options: Mapping[str, str]) -> list[Document]:
        # Stripe shows them inside the account only to whoever controls it; others may still list them, or may not
        # see them at all. Without them a payout goes to the currency's default account.
        inside = known.get("external_accounts")
        if isinstance(inside, Mapping) and inside.get("has_more") is False:
            return _items(inside)
        address = f"/v1/accounts/{quote(str(known.get('id')), safe='')}/external_accounts"
        try:
            return _items(self._read(address, options, {"limit": PAGE_SIZE}))
        except (Invalid, NotAllowed, NotFound):
            return []

    def _read(self, address: str, options: Mapping[str, str], params: Document | None = None) -> Document:
        try:
            return self._ask("get", address, params or {}, options)
        except stripe.StripeError as error:
            raise _read_error(error) from error
        except (TypeError, ValueError, AttributeError) as error:
            raise _unreadable(error) from error

    def _ask(self, method: str, address: str, params: Document, options: Mapping[str, str]) -> Document:
        document = self._client.raw_request(method, address, **params, **options).data
        if not isinstance(document, dict):
            raise TypeError("not an object")
        return document

    def _options(self, account: str) -> dict[str, str]:
        if account in ("", self._own_account):
            return {}
        if not _ACCOUNT_ID.fullmatch(account):
            raise Invalid(
                "STRIPE_ACCOUNT_BAD",
                f"{account[:40]!r} is not a Stripe account.",
                hint="An account id starts with acct_; leave it empty for the connection's own account.",
            )
        return {"stripe_account": account}


def _failure(error: stripe.StripeError, exchange: Exchange) -> Answer:
    if error.http_status is None:
        return Unknown(f"No answer came ({_cause(error)}).", raw=exchange.raw())
    return stripe_answers.refused(error.http_status, _error_object(error), _reply(exchange))


def _error_object(error: stripe.StripeError) -> Document:
    body = error.json_body
    inner = body.get("error") if isinstance(body, Mapping) else None
    return inner if isinstance(inner, Mapping) else {}


def _cause(error: BaseException) -> str:
    return type(error.__cause__ or error).__name__


def _reply(exchange: Exchange) -> Reply:
    return Reply(
        request_id=exchange.header("request-id"),
        replayed=exchange.header("idempotent-replayed") == "true",
        retry_after=exchange.header("retry-after"),
        raw=exchange.raw(),
    )


def _read_error(error: stripe.StripeError) -> FinOpsError:
    status = error.http_status
    context = {"status": status, "request_id": error.request_id, "reason": _cause(error)}
    if status in (stripe_answers.UNAUTHORIZED, stripe_answers.FORBIDDEN):
        message = "Stripe does not let this key see that."
        hint = "An administrator must check the connection's key and its permissions in Stripe."
        return NotAllowed("PROVIDER_KEY_REFUSED", message, hint=hint, **context)
    if status == 404:  # noqa: PLR2004 - the usual meaning
        return _not_found(**context)
    if status == stripe_answers.BAD_REQUEST:
        hint = "The log has Stripe's own words; an administrator must look."
        return Invalid("PROVIDER_REFUSED", "Stripe did not accept the question.", hint=hint, **context)
    return Unavailable(
        "PROVIDER_UNAVAILABLE", "Stripe gave no usable answer.", hint="Nothing was changed; try again later.", **context
    )


def _not_found(**context: object) -> NotFound:
    hint = "Check the id, and that it belongs to this account."
    return NotFound("PROVIDER_NOT_FOUND", "Stripe does not know that.", hint=hint, **context)


def _readable(read: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
    try:
        return read(*args, **kwargs)
    except (KeyError, TypeError, ValueError, AttributeError, FinOpsError) as error:
        raise _unreadable(error) from error


def _unreadable(error: Exception) -> Unavailable:
    return Unavailable(
        "PROVIDER_ANSWER_BAD",
        "Stripe's answer could not be read.",
        hint="Nothing was changed; try again later, and tell an administrator when it stays.",
        reason=repr(error)[:200],
    )


def _items(page: Document) -> list[Document]:
    data = page.get("data")
    return [item for item in data if isinstance(item, Mapping)] if isinstance(data, list) else []


def _payouts_among(documents: list[Document], metadata: Mapping[str, str]) -> list[ProviderPayout]:
    return [stripe_answers.payout_of(document) for document in documents if _holds(document, metadata)]


def _holds(document: Document, metadata: Mapping[str, str]) -> bool:
    held = document.get("metadata")
    return isinstance(held, Mapping) and all(held.get(name) == value for name, value in metadata.items())


def _mode_of_key(secret: str) -> Mode:
    found = _KEY.fullmatch(secret)
    if found is None:
        raise Invalid(
            "STRIPE_KEY_BAD",
            "This is not a Stripe secret or restricted key.",
            hint="It starts with sk_test_, rk_test_, sk_live_ or rk_live_; copy it whole, without spaces.",
        )
    return Mode(found.group(1))


def _checked_url(url: str) -> str:
    parts = urlsplit(url)
    if parts.hostname is None or not (parts.scheme == "https" or (parts.scheme == "http" and is_loopback(url))):
        raise Invalid(
            "STRIPE_URL_BAD",
            "The address of the Stripe API must start with https://.",
            hint="Use https://api.stripe.com, or the sandbox's address on this machine.",
        )
    return url.rstrip("/")
