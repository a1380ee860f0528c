"""Connections on screen: what each one is, what its last test found, and how its provider's news comes in."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

import streamlit as st

from finops_core import connections, payouts
from finops_core.connections import ConnectionView, SecretView
from finops_core.kernel.actor import SYSTEM_ID
from finops_core.kernel.provider import Mode, Right
from finops_core.payouts import Inbox
from finops_core.platform.work import Reading
from ui import html
from ui.format import Format, ago, plural
from ui.html import Cell, Column, Markup

STRIPE, BANK_FILE = "stripe", "bank_file"
TITLES = {STRIPE: "Stripe", BANK_FILE: "Bank file"}
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
ALONE_S, TOO_FAR_S = 60, 300
RETIRED = (
    Column("Name"),
    Column("Provider"),
    Column("Key"),
    Column("Added", fixed=True),
    Column("Retired", fixed=True),
)
RIGHTS = (Column("The key may"), Column("Allowed", fixed=True))


@dataclass(frozen=True, slots=True)
class News:
    """How a connection's news is proven, and how its inbox stands."""

    secrets: tuple[SecretView, ...]
    inbox: Inbox | None


def news_of(reading: Reading, view: ConnectionView) -> News | None:
    """None for a provider that sends none."""
    if view.provider != STRIPE:
        return None
    return News(connections.webhook_secrets(reading, view.id), payouts.inbox(reading, view.id))


def people(views: Sequence[ConnectionView]) -> set[str]:
    """Everybody who added one, by id."""
    return {view.created_by for view in views}


def in_order(views: Sequence[ConnectionView]) -> list[ConnectionView]:
    """Those in use, one provider after the other."""
    return sorted((view for view in views if view.active), key=lambda view: list(TITLES).index(view.provider))


def head(view: ConnectionView) -> Markup:
    """Name, provider and mode."""
    mode = html.badge("Test mode", "amber") if view.mode is Mode.TEST else html.badge("Live mode", "red")
    name = Markup(f'<span class="to-big">{html.text(view.name)}</span>')
    return html.line(name, html.badge(TITLES.get(view.provider, view.provider), "blue"), mode)


def facts(view: ConnectionView, names: Mapping[str, str], shown: Format, sandbox: str) -> Markup:
    """What may be known of the key and where it goes."""
    stripe = view.provider == STRIPE
    key: tuple[str, Cell] = ("Key" if stripe else "Bank account", Markup(f"<code>{html.text(view.shown)}</code>"))
    address = f"{view.base_url} (the sandbox on this machine)" if view.base_url == sandbox else view.base_url
    where: list[tuple[str, Cell]] = [("Account", view.account or "The key's own"), ("Sent to", address)]
    added = f"{shown.instant(view.created_at)}, {_adder(view.created_by, names)}"
    return html.facts([key, *(where if stripe else []), ("Added", added)])


def tested(view: ConnectionView, shown: Format, now: datetime, *, open_: bool) -> Markup:
    """What the last test found, and what to do about it."""
    told = view.test_told
    if view.tested_at is None:
        sentence = "Not tested yet. A test asks the provider, and changes nothing there."
        return html.line(html.join(html.icon("help", "gray"), sentence))
    when = html.faint(f"Tested {ago(view.tested_at, now)}, {shown.instant(view.tested_at)}", small=False)
    if view.test_passed:
        said = html.line(html.join(html.icon("check_circle", "green"), html.strong("The test passed.")), when)
    else:
        problem = f"The test failed: {told.get('problem', '')}"
        said = Markup(html.line(when) + html.told("error", problem, str(told.get("hint", "")), "red"))
    rights = _rights(view, told, open_=open_ or not view.test_passed)
    return Markup(f'<div class="to-part">{said}{_seen(told)}{_warned(told)}{rights}</div>')


def address_of(view: ConnectionView, base: str) -> str:
    """Where the provider must send this connection's news."""
    return f"{base}/webhooks/{view.provider}/{view.id}"


def base_address(public_url: str) -> str:
    """Where this desk is reached: what the settings say, else what the browser calls it by."""
    if public_url:
        return public_url
    parts = urlsplit(st.context.url or "")
    path = (st.get_option("server.baseUrlPath") or "").strip("/")
    return f"{parts.scheme or 'http'}://{parts.netloc or 'localhost'}" + (f"/{path}" if path else "")


def reach(view: ConnectionView, base: str, sandbox: str) -> str:
    """What to say of an address that its provider may not be able to reach; "" when it looks well."""
    if view.base_url == sandbox:
        return "The sandbox on this machine knows this address by itself."
    if urlsplit(base).hostname in LOOPBACK:
        return (
            "Nobody outside this machine reaches this address. Set TIEOUT_PUBLIC_URL to the desk's address on the "
            "internet; then the right one stands here."
        )
    return ""


def secrets(news: News, shown: Format) -> Markup:
    """What signs the news: the newest secret, and older ones while they still count."""
    if not news.secrets:
        hint = "The provider shows it beside the endpoint's address; it starts with whsec_."
        return html.told("lock_open", "No signing secret is set, so all news is refused.", hint, "amber")
    newest, *older = news.secrets
    lines = [html.line("Signed with", _code(newest.shown), f"since {shown.instant(newest.created_at)}")]
    lines += [
        html.line(
            html.badge("Being replaced", "amber"), _code(each.shown), f"counts until {shown.instant(each.until_at)}"
        )
        for each in older
    ]
    return Markup("".join(lines))


def heard(news: News, now: datetime) -> Markup:
    """When the last news came, and how much of it nobody has looked into."""
    inbox = news.inbox
    if inbox is None:
        return html.line(html.join(html.icon("inbox", "gray"), "No news has come yet."))
    waiting = html.badge(f"{plural(inbox.waiting, 'piece')} waiting", "amber") if inbox.waiting else ""
    icon = html.icon("mark_email_read", "green")
    return html.line(html.join(icon, "Last news:", html.strong(inbox.last_kind), ago(inbox.last_at, now)), waiting)


def retired_table(views: Sequence[ConnectionView], shown: Format) -> Markup:
    """Those that no new work may use."""
    rows: list[tuple[Cell, ...]] = [
        (
            view.name,
            TITLES.get(view.provider, view.provider),
            _code(view.shown),
            shown.instant(view.created_at),
            shown.instant(view.retired_at),
        )
        for view in views
    ]
    return html.table(RETIRED, rows, "Retired connections")


def _adder(actor: str, names: Mapping[str, str]) -> str:
    return "at the installation" if actor == SYSTEM_ID else f"by {names.get(actor, 'somebody')}"


def _seen(told: Mapping[str, Any]) -> Markup:
    """What the provider said of the account; nothing when it could not be asked."""
    if not told.get("account"):
        return Markup()
    currencies: list[str] = sorted(told.get("currencies", ()))
    return html.facts(
        [
            ("Account at the provider", told["account"]),
            ("Currencies", ", ".join(currencies)),
            ("Bank accounts", str(told["banks"]) if told.get("banks") else ""),
            ("Clocks", _clocks(told.get("skew_s"))),
        ]
    )


def _clocks(skew_s: int | None) -> str:
    if skew_s is None:
        return ""
    if abs(skew_s) <= 1:
        return "Agree"
    return f"This machine is {abs(skew_s):,} s {'ahead' if skew_s > 0 else 'behind'}"


def _warned(told: Mapping[str, Any]) -> Markup:
    """What a test does not fail for, and what will be in the way all the same."""
    skew_s, schedule = told.get("skew_s") or 0, told.get("schedule") or "manual"
    warned = []
    if abs(skew_s) > ALONE_S:
        hint = (
            f"Set this machine's clock right: when they are more than {TOO_FAR_S // 60} minutes apart, nothing is paid."
        )
        warned.append(html.told("schedule", "This machine's clock and the provider's differ.", hint, "amber"))
    if schedule != "manual":
        hint = "Set the payout schedule to manual there, or the same balance may be paid out before a plan is."
        warned.append(html.told("event_repeat", f"The provider pays out by itself ({schedule}).", hint, "amber"))
    return Markup("".join(warned))


def _rights(view: ConnectionView, told: Mapping[str, Any], *, open_: bool) -> Markup:
    rights: Mapping[str, bool] = told.get("rights") or {}
    if view.provider != STRIPE or not rights:
        return Markup()
    held = sum(rights.values())
    rows = [(right.value.capitalize(), _allowed(right.value, rights)) for right in Right]
    summary = f"What the key may do: {held} of {len(Right)} rights that payouts need"
    return html.more(summary, html.table(RIGHTS, rows, f"What the key of {view.name} may do", cards=False), open_=open_)


def _allowed(right: str, rights: Mapping[str, bool]) -> Markup:
    if right not in rights:
        return html.badge("Not found out", "gray")
    return html.badge("Yes", "green") if rights[right] else html.badge("No", "red")


def _code(value: str) -> Markup:
    return Markup(f"<code>{html.text(value)}</code>")
