"""Choosing a holder or a wallet by name instead of by its id, which can still be typed."""

from collections import Counter
from collections.abc import Callable, Mapping

import streamlit as st

from finops_core import ledger, parties
from finops_core.kernel.permissions import Permission
from finops_core.ledger import AccountState, EntryType, WalletView
from ui.session import Here

OFFERED = 200
END = 6


def holders(here: Here) -> Mapping[str, str]:
    """Parties by id: what they are called. None for those who may not see parties."""
    if not here.may(Permission.PARTY_VIEW):
        return {}
    with here.read() as reading:
        return _told_apart({each.id: each.name for each in parties.parties(reading, limit=OFFERED)})


def others(here: Here, wallet: WalletView, kind: EntryType) -> Mapping[str, str]:
    """Wallets by id that money of this one can go to: whose they are."""
    return wallets(here, lambda other: _fits(other, wallet, kind))


def wallets(here: Here, fits: Callable[[WalletView], bool] = lambda _: True) -> Mapping[str, str]:
    """Wallets by id: whose they are, and in which currency."""
    with here.read() as reading:
        found = [each for each in ledger.wallets(reading, limit=OFFERED) if fits(each)]
        called = parties.names(reading, [each.party_id for each in found])
    return _told_apart({each.id: f"{called.get(each.party_id, each.party_id)}, {each.currency}" for each in found})


def pick(label: str, offered: Mapping[str, str], key: str, placeholder: str) -> None:
    """A choice among what is offered, by name, or an id that is typed."""
    told = "Choose a name, or type the id that stands in its page's address."
    st.selectbox(
        label,
        list(offered),
        index=None,
        format_func=lambda each: offered.get(each, each),
        key=key,
        placeholder=placeholder,
        accept_new_options=True,
        help=told,
    )


def _fits(other: WalletView, wallet: WalletView, kind: EntryType) -> bool:
    same = other.currency == wallet.currency
    return other.id != wallet.id and other.state is AccountState.OPEN and same is (kind is not EntryType.EXCHANGE)


def _told_apart(names: Mapping[str, str]) -> Mapping[str, str]:
    """What is chosen is known by its text alone: where two are called the same, the end of the id stands beside."""
    many = Counter(names.values())
    return {each: name if many[name] == 1 else f"{name} …{each[-END:]}" for each, name in names.items()}
