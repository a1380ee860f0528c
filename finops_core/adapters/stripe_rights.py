"""What a Stripe key may do, found out by asking: Stripe has no list of a key's permissions.

Reads change nothing. Whether payouts may be created is asked with a request that cannot create one: it has neither
amount nor currency, which Stripe requires, and no idempotency key under which an answer could be kept. Stripe refuses
a key without the permission by 403 (https://docs.stripe.com/keys#limit-access), the empty request by 400.
"""

from collections.abc import Mapping
from urllib.parse import quote

from finops_core.adapters import stripe_answers
from finops_core.adapters.stripe_calls import StripeCalls, Told
from finops_core.kernel.provider import Right

_REFUSED = (stripe_answers.UNAUTHORIZED, stripe_answers.FORBIDDEN)
_ONE = {"limit": 1}
_LISTS = {
    Right.READ_PAYOUTS: "/v1/payouts",
    Right.READ_MOVEMENTS: "/v1/balance_transactions",
    Right.READ_EVENTS: "/v1/events",
}


def of_key(calls: StripeCalls) -> Mapping[Right, bool]:
    """Each right of the key towards the connection's account; what no answer told is left out.

    ``STRIPE_ACCOUNT_BAD`` when the connection's account is no account id; never raises for answers.
    """
    options = calls.options("")
    verdicts = {
        Right.READ_BALANCE: _may_read(calls.send("get", "/v1/balance", {}, options)),
        Right.READ_ACCOUNT: _may_read_account(calls, options),
        **{right: _may_read(calls.send("get", address, _ONE, options)) for right, address in _LISTS.items()},
        Right.CREATE_PAYOUTS: _may_create(calls.send("post", "/v1/payouts", {}, options, keyless=True)),
    }
    return {right: verdict for right, verdict in verdicts.items() if verdict is not None}


def _may_read(told: Told) -> bool | None:
    if told.status in _REFUSED:
        return False
    return True if told.document is not None and told.status == stripe_answers.OK else None


def _may_read_account(calls: StripeCalls, options: Mapping[str, str]) -> bool | None:
    told = calls.send("get", "/v1/account", {}, options)
    if told.document is None or isinstance(told.document.get("external_accounts"), Mapping):
        return _may_read(told)
    account = quote(str(told.document.get("id")), safe="")
    return _may_read(calls.send("get", f"/v1/accounts/{account}/external_accounts", _ONE, options))


def _may_create(told: Told) -> bool | None:
    if told.status in _REFUSED:
        return False
    refused_as_empty = told.status == stripe_answers.BAD_REQUEST and told.error.get("type") == "invalid_request_error"
    return True if refused_as_empty else None
