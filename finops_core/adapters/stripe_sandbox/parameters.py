"""Which parameters each endpoint takes, and how they are checked before anything runs.

Taken from the request types of stripe-python 16.1. A request refused here has not begun: its answer is not kept
under its idempotency key (https://docs.stripe.com/api/idempotent_requests).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from finops_core.adapters.stripe_currencies import is_supported
from finops_core.adapters.stripe_sandbox import refusals
from finops_core.adapters.stripe_sandbox.refusals import Refusal
from finops_core.adapters.stripe_sandbox.wire import Param, Params

MAX_INTEGER = 2**53 - 1
PAGE_MAX = 100
METADATA_KEYS, METADATA_KEY_LENGTH, METADATA_VALUE_LENGTH = 50, 40, 500


class Kind(StrEnum):
    """What a parameter must look like."""

    TEXT = "text"
    CLEARABLE = "clearable"
    CURRENCY = "currency"
    POSITIVE = "positive"
    LIMIT = "limit"
    FLAG = "flag"
    METADATA = "metadata"
    RANGE = "range"
    LIST = "list"


Shape = Kind | Mapping[str, "Shape"]


@dataclass(frozen=True, slots=True)
class Spec:
    """The parameters of one endpoint."""

    shapes: Mapping[str, Shape] = field(default_factory=dict)
    required: tuple[str, ...] = ()


_PAGE: dict[str, Shape] = {
    "ending_before": Kind.TEXT,
    "expand": Kind.LIST,
    "limit": Kind.LIMIT,
    "starting_after": Kind.TEXT,
}
EXPAND_ONLY = Spec({"expand": Kind.LIST})
PAYOUT_CREATE = Spec(
    {
        "amount": Kind.POSITIVE,
        "currency": Kind.CURRENCY,
        "description": Kind.TEXT,
        "destination": Kind.TEXT,
        "expand": Kind.LIST,
        "metadata": Kind.METADATA,
        "method": Kind.TEXT,
        "payout_method": Kind.TEXT,
        "source_type": Kind.TEXT,
        "statement_descriptor": Kind.TEXT,
    },
    required=("amount", "currency"),
)
PAYOUT_UPDATE = Spec({"expand": Kind.LIST, "metadata": Kind.METADATA})
PAYOUT_LIST = Spec(
    {**_PAGE, "arrival_date": Kind.RANGE, "created": Kind.RANGE, "destination": Kind.TEXT, "status": Kind.TEXT}
)
TRANSACTION_LIST = Spec(
    {
        **_PAGE,
        "created": Kind.RANGE,
        "currency": Kind.TEXT,
        "payout": Kind.TEXT,
        "source": Kind.TEXT,
        "type": Kind.TEXT,
    }
)
EVENT_LIST = Spec(
    {**_PAGE, "created": Kind.RANGE, "delivery_success": Kind.FLAG, "type": Kind.TEXT, "types": Kind.LIST}
)
ENDPOINT_CREATE = Spec(
    {
        "api_version": Kind.TEXT,
        "connect": Kind.FLAG,
        "description": Kind.CLEARABLE,
        "enabled_events": Kind.LIST,
        "expand": Kind.LIST,
        "metadata": Kind.METADATA,
        "url": Kind.TEXT,
    },
    required=("enabled_events", "url"),
)
ENDPOINT_UPDATE = Spec(
    {
        "description": Kind.CLEARABLE,
        "disabled": Kind.FLAG,
        "enabled_events": Kind.LIST,
        "expand": Kind.LIST,
        "metadata": Kind.METADATA,
        "url": Kind.TEXT,
    }
)
ENDPOINT_LIST = Spec(_PAGE)
NOTHING = Spec()
BANK_LIST = Spec({**_PAGE, "object": Kind.TEXT})
# The parts of Stripe's settings that a payout depends on; other settings are unknown to the sandbox.
SETTINGS_UPDATE = Spec(
    {
        "expand": Kind.LIST,
        "payments": {
            "debit_negative_balances": Kind.FLAG,
            "payouts": {"schedule": {"interval": Kind.TEXT}, "statement_descriptor": Kind.TEXT},
        },
    }
)


def check(params: Params, spec: Spec) -> None:
    """Raises the ``Refusal`` that Stripe would answer for the first parameter that is wrong."""
    for name in params:
        if name not in spec.shapes:
            raise refusals.unknown(name)
    for name in spec.required:
        if name not in params:
            raise refusals.missing(name)
    for name, value in params.items():
        _check_one(name, value, spec.shapes[name])
    if "starting_after" in params and "ending_before" in params:
        raise Refusal(400, "Received both starting_after and ending_before parameters. Please pass in only one.")
    _check_expand(params.get("expand", {}))


def integer(name: str, text: str) -> int:
    """A whole number that a computer can hold exactly; ``Refusal`` otherwise."""
    digits = text.removeprefix("-")
    if not digits.isascii() or not digits.isdigit() or len(digits) > len(str(MAX_INTEGER)):
        raise refusals.not_an_integer(name, text[:50])
    number = int(text)
    if abs(number) > MAX_INTEGER:
        raise refusals.not_an_integer(name, text)
    return number


def _check_one(name: str, value: Param, shape: Shape) -> None:
    if isinstance(shape, Mapping):
        _check_inside(name, value, shape)
    elif shape is Kind.METADATA:
        _check_metadata(value)
    elif shape is Kind.RANGE:
        _check_range(name, value)
    elif shape is Kind.LIST:
        if not isinstance(value, dict) or not all(isinstance(item, str) for item in value.values()):
            raise Refusal(400, "Invalid array", param=name)
    elif not isinstance(value, str):
        raise Refusal(400, f"Invalid string: {value}", param=name)
    else:
        _check_text(name, value, shape)


def _check_inside(name: str, value: Param, shapes: Mapping[str, Shape]) -> None:
    if not isinstance(value, dict):
        raise Refusal(400, "Invalid object", param=name)
    for inner, part in value.items():
        if inner not in shapes:
            raise refusals.unknown(f"{name}[{inner}]")
        _check_one(f"{name}[{inner}]", part, shapes[inner])


def _check_text(name: str, value: str, kind: Kind) -> None:
    if value == "" and kind is not Kind.CLEARABLE:
        message = f"You passed an empty string for '{name}'. Leave the parameter out instead."
        raise Refusal(400, message, code="parameter_invalid_empty", param=name)
    if kind is Kind.POSITIVE and integer(name, value) < 1:
        raise refusals.too_small(name, 1)
    if kind is Kind.LIMIT:
        if integer(name, value) < 1:
            raise refusals.too_small(name, 1)
        if integer(name, value) > PAGE_MAX:
            raise refusals.too_large(name, PAGE_MAX)
    if kind is Kind.FLAG and value not in ("true", "false"):
        raise Refusal(400, f"Invalid boolean: {value}", param=name)
    if kind is Kind.CURRENCY and not is_supported(value):
        message = f"Invalid currency: {value[:20]}. Stripe currently supports these currencies: usd, aed, afn, ..."
        raise Refusal(400, message, param=name)


def _check_metadata(value: Param) -> None:
    if value == "":
        return
    if not isinstance(value, dict):
        raise Refusal(400, "Invalid object", param="metadata")
    if len(value) > METADATA_KEYS:
        raise Refusal(400, f"Metadata can have up to {METADATA_KEYS} keys.", param="metadata")
    for key, text in value.items():
        if not isinstance(text, str):
            raise Refusal(400, f"Invalid string: {text}", param=f"metadata[{key}]")
        if len(key) > METADATA_KEY_LENGTH or len(text) > METADATA_VALUE_LENGTH:
            raise Refusal(400, "Metadata key or value is too long.", param=f"metadata[{key[:50]}]")


def _check_range(name: str, value: Param) -> None:
    if isinstance(value, str):
        integer(name, value)
        return
    for bound, number in value.items():
        if bound not in ("gt", "gte", "lt", "lte"):
            raise refusals.unknown(f"{name}[{bound}]")
        if not isinstance(number, str):
            raise Refusal(400, "Invalid timestamp", param=f"{name}[{bound}]")
        integer(f"{name}[{bound}]", number)


def _check_expand(value: Param) -> None:
    # Saying no is honest; an answer with an id where an object was asked for would not be.
    if isinstance(value, dict):
        for path in value.values():
            raise Refusal(400, f"This property cannot be expanded here ({path}).", param="expand")
