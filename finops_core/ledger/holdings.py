"""Wallets as people read them: whose they are, what they hold, and what of it is set aside. ``LEDGER_VIEW``."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, Select, func, select

from finops_core.kernel.money import Money
from finops_core.kernel.permissions import Permission
from finops_core.ledger import rules
from finops_core.ledger.models import ledger_account, ledger_balance
from finops_core.ledger.rules import AccountState
from finops_core.ledger.statements import PAGE
from finops_core.platform.work import Reading

_WALLET, _KEPT = ledger_account, ledger_balance
_ASIDE, _ASIDE_KEPT = ledger_account.alias("aside"), ledger_balance.alias("aside_kept")
_HELD = (
    select(func.coalesce(func.sum(_ASIDE_KEPT.c.posted_minor), 0))
    .select_from(_ASIDE)
    .join(_ASIDE_KEPT, (_ASIDE_KEPT.c.org_id == _ASIDE.c.org_id) & (_ASIDE_KEPT.c.id == _ASIDE.c.id))
    .where(
        _ASIDE.c.org_id == _WALLET.c.org_id,
        _ASIDE.c.party_id == _WALLET.c.party_id,
        _ASIDE.c.currency == _WALLET.c.currency,
        _ASIDE.c.purpose.in_(rules.ASIDE),
    )
    .correlate(_WALLET)
    .scalar_subquery()
)


@dataclass(frozen=True, slots=True)
class WalletView:
    """One wallet. ``held``: what is set aside for its holder and cannot be used; it is not in ``balance``."""

    id: str
    party_id: str
    currency: str
    balance: Money
    held: Money
    state: AccountState
    state_reason: str


def wallets(
    reading: Reading, party_id: str | Sequence[str] = "", limit: int = PAGE, after: str = ""
) -> tuple[WalletView, ...]:
    """Wallets, oldest first; of one holder, of several, or of all. ``after``: past the wallet with this id."""
    reading.require(Permission.LEDGER_VIEW)
    query = _query(reading).where(_WALLET.c.id > after)
    if party_id:
        query = query.where(_WALLET.c.party_id.in_([party_id] if isinstance(party_id, str) else party_id))
    return tuple(_view(row) for row in reading.rows(query.order_by(_WALLET.c.id).limit(limit)))


def wallet(reading: Reading, wallet_id: str) -> WalletView:
    """One wallet; ``WALLET_NOT_FOUND``."""
    reading.require(Permission.LEDGER_VIEW)
    row = reading.first(_query(reading).where(_WALLET.c.id == wallet_id))
    if row is None:
        raise rules.wallet_unknown()
    return _view(row)


def _query(reading: Reading) -> Select[Any]:
    columns = (_WALLET.c.id, _WALLET.c.party_id, _WALLET.c.currency, _WALLET.c.state, _WALLET.c.state_reason)
    return (
        select(*columns, _KEPT.c.posted_minor, _HELD.label("aside_minor"))
        .select_from(_WALLET)
        .outerjoin(_KEPT, (_KEPT.c.org_id == _WALLET.c.org_id) & (_KEPT.c.id == _WALLET.c.id))
        .where(_WALLET.c.org_id == reading.org_id, _WALLET.c.purpose == rules.WALLET)
    )


def _view(row: Row[Any]) -> WalletView:
    def money(minor: int | None) -> Money:
        return Money(minor or 0, row.currency)

    state = AccountState(row.state)
    kept, aside = money(row.posted_minor), money(int(row.aside_minor))
    return WalletView(row.id, row.party_id, row.currency, kept, aside, state, row.state_reason)
