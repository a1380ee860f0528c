"""One thing of the ledger on a page of its own: an entry, the accounts of a line, an account's statement."""

from contextlib import suppress
from datetime import date

import streamlit as st

from finops_core import ledger as core
from finops_core import parties, security
from finops_core.kernel.errors import NotFound
from finops_core.kernel.permissions import Permission
from finops_core.ledger import Dated, EntryType
from ui import drifts, html, ledger, log, pending, stops, wallet_acts, wallets, widgets
from ui.format import words
from ui.session import Here

DATED = "by"
BY = {Dated.EFFECTIVE: "the day it counts for", Dated.BOOKED: "the time it was booked"}


def until() -> date | None:
    """The day up to whose end everything counts, None for now."""
    chosen: date | None = st.date_input(
        "As of the end of", None, key="day", bind="query-params", format="YYYY-MM-DD", width=150, on_change=ledger.fresh
    )
    return chosen


def _dated() -> Dated:
    """By which date the statement runs."""
    chosen = st.selectbox("By", list(BY.values()), key=DATED, bind="query-params", width=190, on_change=ledger.fresh)
    return next(dated for dated, told in BY.items() if told == chosen)


def as_of(day: date | None, now_told: str) -> str:
    """The words beside a title that say when it is true."""
    return f"as of the end of {day.isoformat()}" if day else f"as of {now_told}"


def _back() -> None:
    """The way to the whole ledger."""
    html.draw(html.line(html.link("← Ledger", ledger.PAGE)))


def entry(here: Here, entry_id: str) -> None:
    """One entry and its sides."""
    _back()
    with here.read() as reading:
        found = core.entry(reading, entry_id)
        behind = None
        with suppress(NotFound):  # an id that a caller gave may name nothing
            behind = core.proposal(reading, found.source[1]) if found.source[0] == core.ADJUSTMENT_ITEM else None
        numbers = core.numbers(reading, [found.reverses, found.reversed_by])
        names = security.names(reading, [found.created_by, *([behind.proposed_by] if behind else [])])
        holders = parties.names(reading, {each.account.party_id for each in found.postings})
    widgets.head("Entry", here.around.name, found.number or found.id)
    html.draw(ledger.facts(found, here.shown, lambda who: log.actor_name(who, names), numbers))
    if behind is not None:
        kind, about = behind.asked.about
        sees = here.may(Permission.APPROVALS_VIEW)
        request = html.link("Open it", "approvals", {"request": behind.request_id}) if sees else behind.request_id
        proposed = log.actor_name(behind.proposed_by, names)
        told = f"{words(kind)} {about}" if about else ""
        html.draw(html.facts([("Proposed by", proposed), ("About", told), ("Request", request)]))
    html.draw(ledger.postings(found.postings, here.shown, holders))
    stays = found.type == EntryType.JOURNAL or (found.source[0] == "pending" and found.type.startswith("ESCROW"))
    if not (found.reversed_by or found.reverses or stays):
        wallet_acts.reversal(here, found.id)


def line(here: Here, code: str, currency: str, older: str) -> None:
    """The accounts of a line of the chart."""
    _back()
    with here.read() as reading:
        rows = core.accounts(reading, code, currency, core.PAGE + 1, older)
        holders = parties.names(reading, {row.party_id for row in rows})
        now = here.shown.as_of(reading.now)
    page = rows[: core.PAGE]
    if not page:
        widgets.head("Accounts", here.around.name)
        widgets.empty("account_balance", "There is no such account", "Look it up in the trial balance.")
        return
    widgets.head(f"{page[0].code} {page[0].name}", here.around.name, currency, f"as of {now}")
    html.draw(ledger.accounts(page, here.shown, holders))
    query = {ledger.LINE: code, "currency": currency}
    html.draw(ledger.older(query, page[-1].id if len(rows) > core.PAGE else ""))


def account(here: Here, account_id: str, older: str) -> None:
    """An account's statement."""
    _back()
    above = st.container()
    with st.container(horizontal=True):
        day, dated = until(), _dated()
    with here.read() as reading:
        found = core.statement(reading, account_id, before=older, until=day, dated=dated)
        wallet = core.wallet(reading, account_id) if found.account.purpose == core.WALLET else None
        held = core.stops(reading) if wallet else ()
        waiting = core.proposals(reading, account_id, waiting=True) if wallet else ()
        moves = pending.waiting_moves(reading, account_id) if wallet else ()
        off, trend = core.drifts(reading, account_id), core.drift_trend(reading, account_id)
        names = parties.names(reading, [found.account.party_id])
        now = here.shown.as_of(reading.now)
    seen = found.account
    whose = names.get(seen.party_id) or seen.party_id or ledger.OWN
    with above.container():
        line_, moment = f"{seen.code} {seen.name}", as_of(day, now)
        if wallet is None:
            widgets.head(line_, here.around.name, seen.currency, whose, moment)
        else:
            widgets.head(f"Wallet of {whose}", here.around.name, line_, seen.currency, moment)
        state = "" if seen.state == "open" else html.badge(words(seen.state), "amber")
        html.draw(html.line(html.faint("Balance", small=False), ledger.balance(found.balance, here.shown), state))
        if wallet is not None:
            stops.of_wallet(held, wallet.id)
            wallets.panel(here, wallet, whose, waiting, moves)
    if found.lines:
        html.draw(ledger.statement(found, here.shown, dated))
    else:
        widgets.empty("account_balance", "Nothing was booked here", "Choose a later day, or look at another account.")
    html.draw(drifts.of_account(off, trend, here))
    query = {ledger.ACCOUNT: account_id, **({"day": day.isoformat()} if day else {})}
    if dated is Dated.BOOKED:
        query[DATED] = BY[dated]
    html.draw(ledger.older(query, found.older))
