"""The words of the OpenAPI document, the webhooks in it, and the page that shows it without any script."""

import html
from typing import Any

from fastapi import FastAPI, Header, Request

CSP = "default-src 'none'; style-src 'unsafe-inline'"
TOKEN = "A personal API token, made on the page Me; sent as `Authorization: Bearer tieout_…`."  # noqa: S105 - words
ABOUT = """
Everything people do on the screens, for programs: bring a file, draft, look at the plan, submit, watch, decide.

* **Tokens.** A token stands for one person in one organisation, for its scopes only (`read`, `run`, `approve`,
  `settle`, `files`, `audit`, `ledger`, `parties`). What the person may no longer do, the token may no longer do, from
  the next call on.
* **Errors** are `application/problem+json` (RFC 9457) with a stable `code`, a message and a hint.
* **Doing things once.** Send an `Idempotency-Key` with a POST: asked again within a day, it gives the first answer.
* **Lists** take `limit` and `offset`, and tell `total` and `next`; a `Link` header leads to the next page.
* **Rates.** Too many calls are refused with 429; `Retry-After` says how many seconds to wait.
* **Amounts** are whole minor units beside their currency.
"""
TAGS = [
    {"name": "account", "description": "Who acts, and their tokens."},
    {"name": "catalogue", "description": "What can be run."},
    {"name": "files", "description": "Bring and take files."},
    {"name": "executions", "description": "Draft, plan, submit, watch, stop, take the record."},
    {"name": "payouts", "description": "Where each payout stands; rehearse, retry, send on, take back, settle."},
    {"name": "approvals", "description": "What waits for a decision, and deciding it."},
    {"name": "ledger", "description": "Wallets and what is done with them, entries, statements, stops, checks."},
    {"name": "upkeep", "description": "When the desk looks after itself."},
    {"name": "parties", "description": "Whom one deals with: bank details that take two people, and identity."},
    {"name": "search", "description": "One question to every area."},
]


def add_webhooks(app: FastAPI) -> None:
    """What a payout provider sends to the desk; documented here, received beside the API."""

    @app.webhooks.post("stripe", tags=["webhooks"], summary="News of Stripe, sent to /webhooks/stripe/{connection}")
    def stripe(
        request: Request, stripe_signature: str = Header(description="t=…,v1=…, by the webhook secret.")
    ) -> None:
        """Set this up at Stripe: `POST {desk}/webhooks/stripe/{connection}`, the address the page Connections shows.

        Needs no token: the signature is the proof. Answers: 200 kept, now or before; 400 not proven; 404 no such
        connection; 413 too large; 503 send it again later. What it says is read anew from Stripe by the worker.
        """
        raise AssertionError(request, stripe_signature)  # only its description is used


def page(openapi: dict[str, Any]) -> str:
    """The document as one page of plain HTML."""
    rows = "".join(
        f"<tr><td><code>{method.upper()}</code></td><td><code>{html.escape(path)}</code></td>"
        f"<td><b>{html.escape(str(told.get('summary', '')))}</b><br>{_plain(told)}</td></tr>"
        for path, methods in openapi["paths"].items()
        for method, told in methods.items()
    )
    base = html.escape(str(openapi["servers"][0]["url"]))
    return (
        "<!doctype html><html lang=en><meta charset=utf-8><title>Tieout API</title>"
        "<meta name=viewport content='width=device-width, initial-scale=1'><style>:root{color-scheme:light dark}"
        "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}"
        "td{vertical-align:top;padding:.5rem;border-top:1px solid #8884}code{overflow-wrap:anywhere}</style>"
        f"<h1>Tieout API</h1><p>All addresses begin with <code>{base}</code>. The whole description, with every field, "
        f"is <a href='{base}/openapi.json'>openapi.json</a>; any OpenAPI tool reads it.</p>"
        f"<pre style='white-space:pre-wrap'>{html.escape(ABOUT.strip())}</pre><table>{rows}</table></html>"
    )


def _plain(told: dict[str, Any]) -> str:
    return html.escape(str(told.get("description", ""))).replace("\n", "<br>")
