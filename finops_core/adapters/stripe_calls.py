"""Asking Stripe: one client of its SDK, answers as plain JSON, and what a read without an answer means.

Nothing is sent twice. Answers are read as plain JSON (the SDK's ``raw_request``), not as the SDK's typed objects: in
16.1.0 those break on a map that is null, as ``minimum_balance_by_currency`` is in Stripe's own example of the balance
settings. What an answer means for a payout is in ``stripe_answers``.
"""

import logging
import re
import socket
import ssl
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import ParamSpec, TypeVar
from urllib.parse import urlsplit

import requests
import stripe

from finops_core.adapters import stripe_answers
from finops_core.adapters.stripe_answers import Document, Reply
from finops_core.adapters.stripe_wire import Exchange, RecordingClient, is_loopback
from finops_core.kernel.errors import FinOpsError, Invalid, NotAllowed, NotFound, Unavailable
from finops_core.kernel.provider import Mode
from finops_core.platform.ports import ProviderCredentials

LOG = logging.getLogger("tieout.stripe")
PAGE_SIZE = 100
PAGES_MAX = 1_000
_KEY = re.compile(r"(?:sk|rk)_(test|live)_[A-Za-z0-9_]{1,240}", re.ASCII)
_ACCOUNT_ID = re.compile(r"acct_[A-Za-z0-9_]{1,200}", re.ASCII)
_SILENCES: tuple[tuple[tuple[type[BaseException], ...], str], ...] = (
    ((ConnectionRefusedError,), "the connection was refused"),
    ((socket.gaierror,), "its address was not found"),
    ((ssl.SSLError, requests.exceptions.SSLError), "its certificate was not accepted"),
    ((TimeoutError, requests.exceptions.Timeout), "it took too long"),
    ((requests.exceptions.ConnectionError, requests.exceptions.ChunkedEncodingError), "the connection broke off"),
)
_T = TypeVar("_T")
_P = ParamSpec("_P")


@dataclass(frozen=True, slots=True)
class Told:
    """What came of one request, whatever it was.

    Attributes:
        status: the HTTP status, 0 when no answer came.
        document: the answer of a request that worked; None when it was refused or could not be read.
        error: Stripe's error object, empty when there is none.
        reply: what stands outside the JSON.
        why: why nothing can be read from it, "" when ``status`` tells.
    """

    status: int
    document: Document | None
    error: Document
    reply: Reply
    why: str = ""


class StripeCalls:
    """A key's way to Stripe; safe to use from several threads.

    ``STRIPE_KEY_BAD`` and ``STRIPE_URL_BAD`` when the credentials cannot be right.
    """

    def __init__(self, credentials: ProviderCredentials, timeout_s: float) -> None:
        self.mode = _mode_of_key(credentials.secret)
        self.own_account = credentials.account
        base_url = _checked_url(credentials.base_url)
        self.wire = RecordingClient(base_url, timeout_s)
        self._client = stripe.StripeClient(
            credentials.secret,
            base_addresses={"api": base_url},
            max_network_retries=0,
            http_client=self.wire,
        )

    def options(self, account: str) -> dict[str, str]:
        """Whom a request acts for; "" is the account of the connection, and the key's own only when it names none.

        Without the header Stripe takes the key's own account, so a named one always sends it: leaving it out would
        pay from the platform's balance. ``STRIPE_ACCOUNT_BAD`` for a text that is no account id.
        """
        wanted = account or self.own_account
        if not wanted:
            return {}
        if not _ACCOUNT_ID.fullmatch(wanted):
            raise Invalid(
                "STRIPE_ACCOUNT_BAD",
                f"{wanted[:40]!r} is not a Stripe account.",
                hint="An account id starts with acct_; leave it empty for the connection's own account.",
            )
        return {"stripe_account": wanted}

    def send(
        self,
        method: str,
        address: str,
        params: Document,
        options: Mapping[str, str],
        *,
        body: bytes | None = None,
        keyless: bool = False,
    ) -> Told:
        """Send one request, once. Never raises for what Stripe, the network or a bad answer does."""
        with self.wire.watched(body, keyless=keyless) as exchange:
            try:
                document = self._ask(method, address, params, options)
            except stripe.StripeError as error:
                return _told_by(error, exchange)
            except Exception:
                # The request is out: whatever broke, it may have been executed.
                LOG.exception("an answer of Stripe's broke our reading of it")
                return Told(exchange.status, None, {}, _reply(exchange), stripe_answers.UNREADABLE)
            return Told(exchange.status, document, {}, _reply(exchange))

    def read(self, address: str, options: Mapping[str, str], params: Document | None = None) -> Document:
        """One object; raises what the port promises for reads."""
        try:
            return self._ask("get", address, params or {}, options)
        except stripe.StripeError as error:
            raise _read_error(error) from error
        except (TypeError, ValueError, AttributeError) as error:
            raise _unreadable(error) from error

    def pages(self, address: str, options: Mapping[str, str], params: Document) -> Iterator[list[Document]]:
        """Every page of a list, newest first; ``PROVIDER_TOO_MANY`` after 100,000 objects, not half an answer."""
        asked: dict[str, object] = {**params, "limit": PAGE_SIZE}
        for _ in range(PAGES_MAX):
            page = self.read(address, options, asked)
            documents = items(page)
            yield documents
            if page.get("has_more") is not True or not documents:
                return
            asked["starting_after"] = str(documents[-1].get("id"))
        raise Unavailable(
            "PROVIDER_TOO_MANY",
            "Stripe lists more since then than can be read at once.",
            hint="A person must look in Stripe's dashboard.",
        )

    def _ask(self, method: str, address: str, params: Document, options: Mapping[str, str]) -> Document:
        document = self._client.raw_request(method, address, **params, **options).data
        if not isinstance(document, dict):
            raise TypeError("not an object")
        return document


def items(page: Document) -> list[Document]:
    """The objects on a page of a list."""
    data = page.get("data")
    return [item for item in data if isinstance(item, Mapping)] if isinstance(data, list) else []


def readable(read: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
    """What a reading of an answer gives; ``PROVIDER_ANSWER_BAD`` when it cannot be read."""
    try:
        return read(*args, **kwargs)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError, OSError, FinOpsError) as error:
        raise _unreadable(error) from error


def not_found(**context: object) -> NotFound:
    """The refusal for an id that names nothing."""
    hint = "Check the id, and that it belongs to this account."
    return NotFound("PROVIDER_NOT_FOUND", "Stripe does not know that.", hint=hint, **context)


def _told_by(error: stripe.StripeError, exchange: Exchange) -> Told:
    reply = _reply(exchange)
    if error.http_status is None:
        return Told(0, None, {}, reply, f"No answer came: {_silence(error)}.")
    body = error.json_body
    inner = body.get("error") if isinstance(body, Mapping) else None
    return Told(error.http_status, None, inner if isinstance(inner, Mapping) else {}, reply)


def _silence(error: BaseException) -> str:
    """Why there is no answer, as people say it."""
    causes = tuple(_causes(error))
    for kinds, told in _SILENCES:
        if any(isinstance(cause, kinds) for cause in causes):
            return told
    return "the connection failed"


def _causes(error: object, depth: int = 8) -> Iterator[BaseException]:
    """An error and what it came from; requests and urllib3 hand the cause on as an argument or a reason."""
    if not isinstance(error, BaseException) or not depth:
        return
    yield error
    for inner in (error.__cause__, error.__context__, getattr(error, "reason", None), *error.args):
        yield from _causes(inner, depth - 1)


def _cause(error: BaseException) -> str:
    """For the log and for those who maintain it."""
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
        return not_found(**context)
    if status == stripe_answers.BAD_REQUEST:
        hint = "The log has Stripe's own words; an administrator must look."
        return Invalid("PROVIDER_REFUSED", "Stripe did not accept the question.", hint=hint, **context)
    return Unavailable(
        "PROVIDER_UNAVAILABLE", "Stripe gave no usable answer.", hint="Nothing was changed; try again later.", **context
    )


def _unreadable(error: Exception) -> Unavailable:
    return Unavailable(
        "PROVIDER_ANSWER_BAD",
        "Stripe's answer could not be read.",
        hint="Nothing was changed; try again later, and tell an administrator when it stays.",
        reason=repr(error)[:200],
    )


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
