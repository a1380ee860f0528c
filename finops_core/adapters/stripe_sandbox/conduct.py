"""What the sandbox does without being asked, and how quickly; set by ``/_sandbox/settings``, kept over a restart."""

import json
from dataclasses import asdict, dataclass, replace
from typing import Annotated

from pydantic import ConfigDict, Field, TypeAdapter

from finops_core.adapters.stripe_sandbox.store import Store

_WHOLE = "conduct"
_OF_ACCOUNT = "moves_by_itself of "
_LONG_S = 365 * 24 * 3600


@dataclass(frozen=True, slots=True)
class Conduct:
    """How the sandbox behaves.

    Attributes:
        moves_by_itself: whether payouts move on as the sandbox's clock goes; an account may have its own answer.
        in_transit_after_s: how long a payout stays pending then.
        delivers_by_itself: whether events go to webhook endpoints at once; otherwise ``/_sandbox/deliver`` sends them.
        delivery_timeout_s: how long a receiver may take for all of its answer.
        deliveries_at_once: how many requests one endpoint gets at a time; 1 keeps them in order.
        retry_after_s: pauses after each failed try, by the sandbox's clock; after the last one it gives up.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    moves_by_itself: bool = False
    in_transit_after_s: Annotated[float, Field(ge=0, le=_LONG_S)] = 60.0
    delivers_by_itself: bool = True
    delivery_timeout_s: Annotated[float, Field(gt=0, le=60)] = 10.0
    deliveries_at_once: Annotated[int, Field(ge=1, le=32)] = 1
    retry_after_s: tuple[Annotated[float, Field(ge=0, le=_LONG_S)], ...] = (2.0, 10.0, 60.0, 300.0)


_CONDUCT = TypeAdapter(Conduct)


def current(store: Store) -> Conduct:
    """What holds now."""
    kept = store.remembered(_WHOLE)
    return _CONDUCT.validate_json(kept) if kept else Conduct(moves_by_itself=store.moves_by_itself)


def change(store: Store, changes: dict[str, object]) -> Conduct:
    """Set some of it, in a transaction of the caller; pydantic's ValidationError for what it is not."""
    changed = _CONDUCT.validate_python({**asdict(current(store)), **changes})
    store.remember(_WHOLE, json.dumps(asdict(changed)))
    return changed


def set_for_account(store: Store, account: str, *, moves_by_itself: bool) -> None:
    """Let one account's payouts move by themselves, or not, whatever holds for the others."""
    store.remember(_OF_ACCOUNT + account, json.dumps(moves_by_itself))


def for_account(store: Store, account: str) -> Conduct:
    """What holds for one account."""
    own = store.remembered(_OF_ACCOUNT + account)
    whole = current(store)
    return replace(whole, moves_by_itself=json.loads(own)) if own else whole


def something_moves(store: Store) -> bool:
    """Whether any account's payouts may move by themselves."""
    if current(store).moves_by_itself:
        return True
    row = store.connection.execute(
        "SELECT 1 FROM meta WHERE name LIKE ? AND value = 'true' LIMIT 1", (_OF_ACCOUNT + "%",)
    ).fetchone()
    return row is not None
