"""Money moved in two steps: the cases."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from finops_core import ledger
from finops_core.answers import ledger as told
from finops_core.answers.pending import pending
from finops_core.kernel.money import Money
from finops_core.ledger import EntryType, PendingMove
from tests.surfaces.books import answered, at, shown, wallets
from tests.surfaces.places import Ids, Place
from tests.surfaces.ways import Case

BEGIN = {"type": "TRANSFER", "amount": "4.00", "currency": "USD", "to_wallet": "{other}", "minutes": 60}
SAME = ("type", "amount", "posted", "reason", "state", "entry", "ended_reason")


def move(ids: Ids, minor: int = 400) -> PendingMove:
    hour = timedelta(hours=1)
    return PendingMove(EntryType.TRANSFER, ids["wallet"], Money(minor, "USD"), hour, ids["other"], key=ids["holder"])


def begun(place: Place) -> Ids:
    ids, world = wallets(place), place.office.world
    with world.desk.work(world.actor("ana")) as work:
        return {**ids, "move": ledger.begin_pending(work, move(ids))}


def given_back(place: Place) -> Ids:
    ids, world = begun(place), place.office.world
    with world.desk.work(world.actor("ana")) as work:
        ledger.void_pending(work, ids["move"], "changed")
    return ids


def seen(reading: Any, pending_id: str) -> Any:
    return shown(pending(ledger.pending_move(reading, pending_id)))


def voided(work: Any, ids: Ids) -> Any:
    ledger.void_pending(work, ids["move"], "changed")
    return seen(work, ids["move"])


CASES: Mapping[str, Case] = {
    "set aside for a move": Case(
        "ana",
        wallets,
        lambda w, i: seen(w, ledger.begin_pending(w, move(i))),
        ("POST", at("wallets/{wallet}/pending"), {**BEGIN, "key": "{holder}"}),
        "begin-pending {wallet} TRANSFER 4.00 USD --to {other} --minutes 60 --key {holder}",
        keys=SAME,
    ),
    "set aside more than there is": Case(
        "ana",
        wallets,
        lambda w, i: ledger.begin_pending(w, move(i, 1_001)),
        ("POST", at("wallets/{wallet}/pending"), {**BEGIN, "amount": "10.01"}),
        "begin-pending {wallet} TRANSFER 10.01 USD --to {other} --minutes 60",
        code="INSUFFICIENT_BALANCE",
    ),
    "set aside without the right": Case(
        "eva",
        wallets,
        lambda w, i: ledger.begin_pending(w, move(i)),
        ("POST", at("wallets/{wallet}/pending"), BEGIN),
        "begin-pending {wallet} TRANSFER 4.00 USD --to {other} --minutes 60",
        code="NOT_ALLOWED",
    ),
    "post what was set aside": Case(
        "ana",
        begun,
        lambda w, i: shown(told.posted(ledger.post_pending(w, i["move"]))),
        ("POST", at("pending/{move}/post"), {}),
        "post-pending {move}",
        keys=("repeated",),
    ),
    "post more than was set aside": Case(
        "ana",
        begun,
        lambda w, i: ledger.post_pending(w, i["move"], Money(401, "USD")),
        ("POST", at("pending/{move}/post"), {"amount": "4.01", "currency": "USD"}),
        "post-pending {move} --amount 4.01 --currency USD",
        code="INVALID_AMOUNT",
    ),
    "post what was given back": Case(
        "ana",
        given_back,
        lambda w, i: ledger.post_pending(w, i["move"]),
        ("POST", at("pending/{move}/post"), {}),
        "post-pending {move}",
        code="PENDING_ENDED",
    ),
    "give back what was set aside": Case(
        "ana",
        begun,
        voided,
        ("POST", at("pending/{move}/void"), {"reason": "changed"}),
        "void-pending {move} --reason changed",
        keys=SAME,
    ),
    "what is set aside in a wallet": Case(
        "eva",
        begun,
        lambda r, i: answered(ledger.pending_moves(r, i["wallet"], waiting=True), pending),
        ("GET", at("pending?wallet={wallet}&waiting=true"), None),
        "pending-moves {wallet} --waiting",
        writes=False,
        keys=("items",),
    ),
}
