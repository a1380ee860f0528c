"""Webhook endpoints: where events are sent. Only this machine: the sandbox must not be a way into a network."""

import hashlib
import json
import re
import secrets
from dataclasses import dataclass
from urllib.parse import urlsplit

from pydantic import ConfigDict

from finops_core.adapters.stripe_sandbox import objects, pages, refusals
from finops_core.adapters.stripe_sandbox.calls import Call
from finops_core.adapters.stripe_sandbox.refusals import Refusal
from finops_core.adapters.stripe_sandbox.store import Store
from finops_core.adapters.stripe_sandbox.wire import JsonObject, Param
from finops_core.kernel.ids import new_id

LOOPBACK_NAMES = ("127.0.0.1", "localhost")
URL_MAX = 2_048
ENABLED, DISABLED = "enabled", "disabled"
_EVENT_TYPE = re.compile(r"\*|[a-z0-9_]+(\.[a-z0-9_]+)+", re.ASCII)
_VERSION = re.compile(r"\d{4}-\d{2}-\d{2}(\.[a-z]+)?", re.ASCII)
_SECRET = re.compile(r"whsec_[!-~]{4,200}", re.ASCII)
_PRINTABLE = re.compile(r"[!-~]+", re.ASCII)
_LISTED = pages.Listed(table="webhook_endpoint", noun="webhook endpoint", url="/v1/webhook_endpoints")


@dataclass(frozen=True, slots=True)
class NewEndpoint:
    """An endpoint whose secret the caller chooses, as the API does not allow.

    Attributes:
        account: whose events it gets: its own, or those of the accounts connected to it when ``connect`` is set.
        secret: starts with whsec_.
        old_secret: also signs, as Stripe does for a while after a secret was rolled; "" for none.
        id: derived from account, address and ``connect`` when "", so that registering twice makes one endpoint. Give
            it where the address can change: the same id then gets the new one.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    account: str
    url: str
    secret: str
    enabled_events: tuple[str, ...] = ("*",)
    connect: bool = False
    old_secret: str = ""
    id: str = ""


def register(store: Store, new: NewEndpoint) -> str:
    """Add an endpoint, or give a known one this address, these secrets and these events; its id.

    Inside a transaction of the caller. ``Refusal`` (400) for what is not on this machine.
    """
    digest = hashlib.sha256(f"{new.account}|{new.url}|{new.connect}".encode()).hexdigest()
    facts = objects.EndpointFacts(
        id=new.id or f"we_sbx_{digest[:24]}",
        created=store.now_s(),
        url=_checked_url(new.url),
        enabled_events=_checked_events(new.enabled_events),
        status=ENABLED,
        description=None,
        api_version=None,
        metadata={},
    )
    if "_sbx" not in facts.id:
        raise Refusal(400, "Sandbox webhook endpoints have ids with _sbx in them.", param="id")
    signing = tuple(secret for secret in (new.secret, new.old_secret) if secret)
    if not signing or not all(_SECRET.fullmatch(secret) for secret in signing):
        raise Refusal(400, "A webhook secret starts with whsec_.", param="secret")
    _require_account(store, new.account)
    _keep(store, new.account, facts, signing, connect=new.connect)
    return facts.id


def _require_account(store: Store, account: str) -> None:
    if store.connection.execute("SELECT 1 FROM account WHERE id = ?", (account,)).fetchone() is None:
        raise refusals.no_such("account", account, "account")


def _keep(
    store: Store, account: str, facts: objects.EndpointFacts, signing: tuple[str, ...], *, connect: bool
) -> JsonObject:
    body = objects.webhook_endpoint(facts)
    store.connection.execute(
        "INSERT INTO webhook_endpoint (id, account, created, connect, status, url, secrets, body) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET connect = excluded.connect, "
        "status = excluded.status, url = excluded.url, secrets = excluded.secrets, body = excluded.body",
        (
            facts.id,
            account,
            facts.created,
            int(connect),
            facts.status,
            facts.url,
            json.dumps(signing),
            json.dumps(body),
        ),
    )
    return body


def create(call: Call) -> JsonObject:
    """POST /v1/webhook_endpoints; the only answer that tells the secret."""
    version = call.text("api_version") or None
    if version is not None and not _VERSION.fullmatch(version):
        raise Refusal(400, f"Invalid API version: {version[:40]}", param="api_version")
    facts = objects.EndpointFacts(
        id=new_id("we_sbx"),
        created=call.now_s,
        url=_checked_url(call.text("url")),
        enabled_events=_events_of(call),
        status=ENABLED,
        description=call.text("description") or None,
        api_version=version,
        metadata={name: str(value) for name, value in call.mapping("metadata").items() if value},
    )
    secret = f"whsec_sbx{secrets.token_hex(24)}"
    made = _keep(call.store, call.account, facts, (secret,), connect=call.text("connect") == "true")
    return {**made, "secret": secret}


def list_endpoints(call: Call) -> JsonObject:
    """GET /v1/webhook_endpoints, newest first."""
    return pages.page(call, _LISTED)


def retrieve(call: Call) -> JsonObject:
    """GET /v1/webhook_endpoints/{id}."""
    return _existing(call)


def update(call: Call) -> JsonObject:
    """POST /v1/webhook_endpoints/{id}."""
    after = dict(_existing(call))
    if "url" in call.params:
        after["url"] = _checked_url(call.text("url"))
    if "enabled_events" in call.params:
        after["enabled_events"] = list(_events_of(call))
    if "description" in call.params:
        after["description"] = call.text("description") or None
    if "disabled" in call.params:
        after["status"] = DISABLED if call.text("disabled") == "true" else ENABLED
    if "metadata" in call.params:
        after["metadata"] = _merged(after["metadata"], call.params["metadata"])
    call.store.connection.execute(
        "UPDATE webhook_endpoint SET status = ?, url = ?, body = ? WHERE account = ? AND id = ?",
        (after["status"], after["url"], json.dumps(after), call.account, call.ids[0]),
    )
    return after


def delete(call: Call) -> JsonObject:
    """DELETE /v1/webhook_endpoints/{id}: what was still to be sent there is given up."""
    identity = _existing(call)["id"]
    call.store.connection.execute("DELETE FROM webhook_endpoint WHERE id = ?", (identity,))
    call.store.connection.execute(
        "UPDATE delivery SET state = 'abandoned' WHERE endpoint = ? AND state IN ('waiting', 'held')", (identity,)
    )
    return {"id": identity, "object": "webhook_endpoint", "deleted": True}


def _existing(call: Call) -> JsonObject:
    found = call.store.documents(
        "SELECT body FROM webhook_endpoint WHERE account = ? AND id = ?", (call.account, call.ids[0])
    )
    if not found:
        raise refusals.no_such("webhook endpoint", call.ids[0], "webhook_endpoint")
    return found[0]


def _merged(kept: object, given: Param) -> JsonObject:
    before = dict(kept) if isinstance(kept, dict) and given != "" else {}
    before.update(given if isinstance(given, dict) else {})
    return {name: text for name, text in before.items() if text}


def _events_of(call: Call) -> tuple[str, ...]:
    return _checked_events(tuple(str(kind) for kind in call.mapping("enabled_events").values()))


def _checked_events(kinds: tuple[str, ...]) -> tuple[str, ...]:
    if not kinds:
        raise refusals.missing("enabled_events")
    for position, kind in enumerate(kinds):
        if not _EVENT_TYPE.fullmatch(kind):
            raise Refusal(400, f"Invalid enabled_events[{position}]: {kind[:50]}", param=f"enabled_events[{position}]")
    return kinds


def _checked_url(url: str) -> str:
    """The address, when a request to it stays on this machine and is one line of HTTP."""
    try:
        parts = urlsplit(url)
        known = parts.scheme == "http" and parts.hostname in LOOPBACK_NAMES and parts.port != 0
    except ValueError:
        known = False
    if not known or len(url) > URL_MAX or not _PRINTABLE.fullmatch(url) or "@" in parts.netloc or "#" in url:
        message = "Invalid URL: the sandbox delivers to this machine only, such as http://127.0.0.1:8501/webhooks."
        raise Refusal(400, message, code="url_invalid", param="url")
    return url
