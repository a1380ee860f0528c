"""Accounts, money and receivers for a sandbox: over HTTP by ``control``, or straight into the file by ``seed``."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import ConfigDict, Field

from finops_core.adapters.stripe_currencies import is_supported
from finops_core.adapters.stripe_sandbox import accounts, ledger, refusals
from finops_core.adapters.stripe_sandbox.calls import Call
from finops_core.adapters.stripe_sandbox.endpoints import NewEndpoint, register
from finops_core.adapters.stripe_sandbox.parameters import MAX_INTEGER
from finops_core.adapters.stripe_sandbox.refusals import Refusal
from finops_core.adapters.stripe_sandbox.store import Store
from finops_core.kernel.ids import new_id


@dataclass(frozen=True, slots=True)
class Funding:
    """Money that comes into (or, negative, leaves) a sandbox account, in Stripe's API units.

    Attributes:
        account: its id.
        currency: ISO 4217, any case.
        amount: before the fee; the balance changes by amount less fee.
        source_type: card, bank_account or fpx; balances are kept apart by it.
        kind: the type of the balance transaction (charge, refund, adjustment …).
        pending_s: seconds until it becomes available.
        reference: makes it happen once per account; "" for none.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    account: str
    currency: str
    amount: Annotated[int, Field(ge=-MAX_INTEGER, le=MAX_INTEGER)]
    source_type: str = "card"
    kind: str = "charge"
    fee: Annotated[int, Field(ge=0, le=MAX_INTEGER)] = 0
    pending_s: Annotated[int, Field(ge=0)] = 0
    reference: str = ""
    description: str = "Sandbox funding"


def seed(
    path: Path,
    new_accounts: Sequence[accounts.NewAccount],
    funds: Sequence[Funding] = (),
    endpoints: Sequence[NewEndpoint] = (),
) -> None:
    """Open accounts, fund them and register receivers; all or nothing; safe to run again, also beside the server.

    Funding without a ``reference`` would be paid in again each time, so here it gets one from its content. An
    endpoint that is there already gets the address and the secrets given now.
    """
    store = Store(path)
    try:
        with store.transaction():
            for new in new_accounts:
                accounts.open_account(store, new)
            for funding in funds:
                fund(store, funding, reference=funding.reference or f"seed|{funding}")
            for endpoint in endpoints:
                register(store, endpoint)
    finally:
        store.close()


def fund(store: Store, funding: Funding, *, reference: str = "") -> str:
    """Move money into an account, inside a transaction of the caller; the transaction id, "" when done before."""
    call = control_call(store, funding.account)
    if not is_supported(funding.currency):
        raise Refusal(400, f"Invalid currency: {funding.currency}", param="currency")
    if funding.source_type not in ledger.SOURCE_TYPES:
        raise Refusal(400, f"Invalid source_type: {funding.source_type}", param="source_type")
    return ledger.move(
        call,
        ledger.Movement(
            currency=funding.currency.lower(),
            amount=funding.amount,
            kind=funding.kind,
            source=new_id("ch_sbx" if funding.kind == "charge" else "src_sbx"),
            source_type=funding.source_type,
            fee=funding.fee,
            available_on=call.now_s + funding.pending_s,
            description=funding.description,
            reference=reference or funding.reference,
        ),
    )


def control_call(store: Store, account: str, ids: tuple[str, ...] = ()) -> Call:
    """A call that nobody made over the API, for what the control endpoints do to an account."""
    known = store.connection.execute("SELECT id FROM account WHERE id = ?", (account,)).fetchone()
    if known is None:
        raise refusals.no_such("account", account, "account")
    return Call(
        store=store,
        account=account,
        key_account=account,
        params={},
        ids=ids,
        now_s=store.now_s(),
        request_id="",
        idempotency_key="",
    )
