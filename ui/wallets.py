"""Wallets on screen: the list, and of one what it holds and what can be done with it."""

from collections.abc import Mapping, Sequence
from functools import partial

import streamlit as st

from finops_core import ledger as core
from finops_core import parties
from finops_core.kernel.permissions import Permission
from finops_core.ledger import PAGE, AccountState, PendingView, ProposalView, WalletView
from finops_core.parties import PartyFilter
from ui import drifts, filters, html, ledger, pending, wallet_acts, widgets
from ui.dialogs import attempt
from ui.format import Format, words
from ui.html import Cell, Column, Markup
from ui.session import Here

HOLDER = "holder"
COLUMNS = (
    Column("Wallet"),
    Column("Holder"),
    Column("State"),
    Column("Held", number=True),
    Column("Balance", number=True),
)


def section(here: Here, after: str) -> str:
    """The wallets, oldest first, and the way to a new one; gives when they were read."""
    with filters.bar(ledger.fresh) as bar:
        holder = bar.search(HOLDER, "Name or id", "Holder", width=260)
    sees_parties = here.may(Permission.PARTY_VIEW)
    with here.read() as reading:
        found = parties.parties(reading, PartyFilter(holder, closed=True)) if holder and sees_parties else ()
        rows = core.wallets(reading, [holder, *(each.id for each in found)] if holder else "", PAGE + 1, after)
        names = parties.names(reading, {row.party_id for row in rows})
        now = here.shown.as_of(reading.now)
    page = rows[:PAGE]
    if page:
        html.draw(table(page, here.shown, names))
        kept = {ledger.VIEW: "Wallets", **({HOLDER: holder} if holder else {})}
        html.draw(ledger.older(kept, page[-1].id if len(rows) > PAGE else "", "More →"))
    elif holder or after:
        widgets.empty("filter_alt_off", "Nothing matches", "Loosen the filter above.")
    else:
        widgets.empty("wallet", "There is no wallet yet", "A wallet holds money for somebody, in one currency.")
    if here.may(Permission.LEDGER_POST) and st.button("Open a wallet", icon=":material/add:", key="tall_open_wallet"):
        wallet_acts.ask(wallet_acts.OPEN)
    wallet_acts.open_asked(here)
    return now


def table(rows: Sequence[WalletView], shown: Format, names: Mapping[str, str]) -> Markup:
    """Wallets with what is free in them and what is held for their holders; ``names`` of those that are parties."""
    return html.table(COLUMNS, [_row(row, shown, names) for row in rows], "Wallets")


def panel(
    here: Here,
    wallet: WalletView,
    holder: str,
    waiting: Sequence[ProposalView] = (),
    moves: Sequence[PendingView] = (),
) -> None:
    """What a wallet has set aside, why it is frozen, and the buttons of those who may move its money.

    ``holder``: what its holder is called.
    """
    held = here.shown.amount(wallet.held.minor, wallet.currency) if wallet.held.minor else ""
    html.draw(html.facts([("Held for the holder", held), ("Frozen because", wallet.state_reason)]))
    asks = [
        (wallet_acts.MOVE, "Move money", "swap_horiz", here.may(Permission.LEDGER_POST) and _open(wallet)),
        (wallet_acts.ADJUST, "Adjust", "tune", here.may(Permission.LEDGER_ADJUST) and _open(wallet)),
        (wallet_acts.FREEZE, "Freeze", "ac_unit", here.may(Permission.LEDGER_STOP) and _open(wallet)),
        (wallet_acts.UNFREEZE, "Open again", "lock_open", here.may(Permission.LEDGER_STOP) and _frozen(wallet)),
    ]
    with st.container(horizontal=True, key="tall_wallet_acts"):
        for what, label, icon, may in asks:
            if may and st.button(label, icon=f":material/{icon}:", key=f"wallet_{what}"):
                wallet_acts.ask(what)
        if asks[0][3] and st.button("Set aside", icon=":material/hourglass_top:", key="wallet_pend"):
            pending.ask(pending.BEGIN)
        if here.may(Permission.LEDGER_ADJUST) and st.button("Check balance", icon=":material/balance:", key="check"):
            drifts.DIALOGS.ask(drifts.WALLET)
    for proposal in waiting:
        _proposed(here, proposal)
    pending.section(here, wallet, moves)
    pending.open_asked(here, wallet, holder, moves)
    wallet_acts.open_asked(here, wallet, holder)
    drifts.ask_wallet(here, wallet, holder)


def _proposed(here: Here, proposal: ProposalView) -> None:
    """An adjustment that waits for somebody else, and for whoever asked the way to take it back."""
    amount = proposal.asked.amount
    told = f"An adjustment of {here.shown.amount(amount.minor, amount.currency)} waits for approval."
    sees = here.may(Permission.APPROVALS_VIEW)
    link = html.link("Open the request", "approvals", {"request": proposal.request_id}) if sees else ""
    html.draw(html.told("hourglass_top", told, html.lines(proposal.asked.reason, link), "amber"))
    if proposal.proposed_by == here.actor.id:
        with st.container(key=f"tall_back_{proposal.id}"):
            act = partial(attempt, partial(wallet_acts.take_back, here, proposal.id))
            st.button("Take it back", icon=":material/undo:", key=f"back_{proposal.id}", on_click=act)


def _open(wallet: WalletView) -> bool:
    return wallet.state is AccountState.OPEN


def _frozen(wallet: WalletView) -> bool:
    return wallet.state is AccountState.FROZEN


def _row(row: WalletView, shown: Format, names: Mapping[str, str]) -> tuple[Cell, ...]:
    held = shown.amount(row.held.minor, row.currency) if row.held.minor else ""
    return (
        ledger.wallet_link(row.id),
        ledger.holder(row.party_id, names),
        words(row.state) if _open(row) else html.badge(words(row.state), "amber"),
        held,
        html.strong(shown.amount(row.balance.minor, row.currency)),
    )
