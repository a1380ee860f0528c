"""The ledger: the cases."""

from collections.abc import Mapping
from contextlib import suppress
from datetime import timedelta
from typing import Any

from finops_core import ledger
from finops_core.answers import ledger as told
from finops_core.kernel.errors import FinOpsError
from finops_core.kernel.ids import new_id
from finops_core.kernel.money import Money
from finops_core.ledger import EntryFilter, EntryType, Proposal, StopWidth, Terms
from finops_core.upkeep.deploying import deployments
from tests.surfaces.places import Ids, Place, nothing
from tests.surfaces.ways import Case

ONE, MUCH = Money(100, "USD"), Money(100_001, "USD")
WHY = Terms(reason="twice")
OPERATE = {"type": "FEE", "amount": "1.00", "currency": "USD"}
ADJUST = {**OPERATE, "type": "ADJUSTMENT"}


def wallets(place: Place) -> Ids:
    """Two wallets of a holder nobody else has, the first with 10.00 USD and one entry."""
    world, holder = place.office.world, new_id("party")
    with world.desk.work(world.actor("ana")) as work:
        one, two = ledger.open_wallet(work, holder, "USD"), ledger.open_wallet(work, new_id("party"), "USD")
        entry = ledger.deposit(work, one, Money(1_000, "USD"), Terms(reason="invoice"))
    return {"wallet": one, "other": two, "entry": entry.id, "holder": holder}


def numbered(place: Place) -> Ids:
    ids, world = wallets(place), place.office.world
    world.run_job("ledger.number")
    with world.desk.read(world.actor("eva")) as reading:
        return {**ids, "number": ledger.entry(reading, ids["entry"]).number}


def frozen(place: Place) -> Ids:
    ids, world = wallets(place), place.office.world
    with world.desk.work(world.actor("carla")) as work:
        ledger.freeze(work, ids["wallet"], "asked")
    return ids


def stopped(place: Place) -> Ids:
    ids, world = wallets(place), place.office.world
    with world.desk.work(world.actor("carla")) as work:
        stop = ledger.stop(work, StopWidth.WALLET, "why", ids["wallet"])
    return {**ids, "stop": stop}


def looked(place: Place) -> Ids:
    ids, world = wallets(place), place.office.world
    with world.desk.work(world.actor("carla")) as work:
        run = ledger.reconcile_wallet(work, ids["wallet"], "a look")
    return {**ids, "run": run.id}


def proposal(wallet_id: str) -> Proposal:
    return Proposal(wallet_id, MUCH, "why")


def proposed(place: Place) -> Ids:
    ids, world = wallets(place), place.office.world
    with world.desk.work(world.actor("carla")) as work:
        return {**ids, "proposal": ledger.propose_adjustment(work, proposal(ids["wallet"]))}


def taken_back(work: Any, ids: Ids) -> Any:
    ledger.withdraw_proposal(work, ids["proposal"])
    work.hear()
    return shown(told.proposal(ledger.proposal(work, ids["proposal"])))


def refused_once(place: Place) -> Ids:
    """A withdrawal of more than there is."""
    ids, world = wallets(place), place.office.world
    with suppress(FinOpsError), world.desk.work(world.actor("ana")) as work:
        ledger.operate(work, EntryType.WITHDRAWAL, ids["wallet"], MUCH)
    return ids


def shown(answer: Any) -> Any:
    return answer.model_dump(mode="json")


def answered(rows: Any, make: Any) -> dict[str, Any]:
    return {"items": [shown(make(row)) for row in rows]}


def of_wallet(verb: Any, *given: Any) -> Any:
    """A verb that changes a wallet, and the wallet then."""

    def act(work: Any, ids: Ids) -> Any:
        verb(work, ids["wallet"], *given)
        return shown(told.wallet(ledger.wallet(work, ids["wallet"])))

    return act


def stop_it(work: Any, ids: Ids) -> Any:
    return shown(told.stop(ledger.money_stop(work, ledger.stop(work, StopWidth.WALLET, "x", ids["wallet"]))))


def let_go(work: Any, ids: Ids) -> Any:
    ledger.resume(work, ids["stop"], "over")
    return shown(told.stop(ledger.money_stop(work, ids["stop"])))


def look_at_all(work: Any, _: Ids) -> Any:
    run_id = ledger.ask_to_reconcile(work, "odd", full=True, batch_size=50)
    return shown(told.reconciliation(ledger.reconciliation(work, run_id)))


def at(path: str) -> str:
    return f"/ledger/{path}"


CASES: Mapping[str, Case] = {
    "a trial balance": Case(
        "eva",
        wallets,
        lambda r, _: shown(told.trial_balance(ledger.trial_balance(r))),
        ("GET", at("trial-balance"), None),
        "trial-balance",
        writes=False,
    ),
    "wallets of a holder": Case(
        "eva",
        wallets,
        lambda r, i: answered(ledger.wallets(r, i["holder"]), told.wallet),
        ("GET", at("wallets?holder={holder}"), None),
        "wallets --holder {holder}",
        writes=False,
        keys=("items",),
    ),
    "wallets without the right": Case(
        "ben",
        nothing,
        lambda r, _: ledger.wallets(r),
        ("GET", at("wallets"), None),
        "wallets",
        code="NOT_ALLOWED",
        writes=False,
    ),
    "one wallet": Case(
        "ana",
        wallets,
        lambda r, i: shown(told.wallet(ledger.wallet(r, i["wallet"]))),
        ("GET", at("wallets/{wallet}"), None),
        "wallet {wallet}",
        writes=False,
    ),
    "a wallet that is not there": Case(
        "ana",
        nothing,
        lambda r, _: ledger.wallet(r, "acc_none"),
        ("GET", at("wallets/acc_none"), None),
        "wallet acc_none",
        code="WALLET_NOT_FOUND",
        writes=False,
    ),
    "open a wallet": Case(
        "ana",
        wallets,
        lambda w, i: shown(told.wallet(ledger.wallet(w, ledger.open_wallet(w, i["holder"], "EUR")))),
        ("POST", at("wallets"), {"holder": "{holder}", "currency": "EUR"}),
        "open-wallet {holder} EUR",
        keys=("currency", "balance", "held", "state"),
    ),
    "open a wallet of nobody": Case(
        "ana",
        nothing,
        lambda w, _: ledger.open_wallet(w, "a/b", "EUR"),
        ("POST", at("wallets"), {"holder": "a/b", "currency": "EUR"}),
        "open-wallet a/b EUR",
        code="HOLDER_BAD",
    ),
    "take a fee": Case(
        "ana",
        wallets,
        lambda w, i: shown(told.posted(ledger.charge_fee(w, i["wallet"], ONE))),
        ("POST", at("wallets/{wallet}/operations"), OPERATE),
        "move FEE {wallet} 1.00 USD",
        keys=("effective_on", "repeated"),
    ),
    "transfer": Case(
        "ana",
        wallets,
        lambda w, i: shown(told.posted(ledger.transfer(w, i["wallet"], i["other"], ONE))),
        ("POST", at("wallets/{wallet}/operations"), {**OPERATE, "type": "TRANSFER", "to_wallet": "{other}"}),
        "move TRANSFER {wallet} 1.00 USD --to {other}",
        keys=("effective_on", "repeated"),
    ),
    "take more than there is": Case(
        "ana",
        wallets,
        lambda w, i: ledger.withdraw(w, i["wallet"], Money(1_001, "USD")),
        ("POST", at("wallets/{wallet}/operations"), {**OPERATE, "type": "WITHDRAWAL", "amount": "10.01"}),
        "move WITHDRAWAL {wallet} 10.01 USD",
        code="INSUFFICIENT_BALANCE",
    ),
    "take from a frozen one": Case(
        "ana",
        frozen,
        lambda w, i: ledger.charge_fee(w, i["wallet"], ONE),
        ("POST", at("wallets/{wallet}/operations"), OPERATE),
        "move FEE {wallet} 1.00 USD",
        code="ACCOUNT_FROZEN",
    ),
    "what is no operation on a wallet": Case(
        "ana",
        wallets,
        lambda w, i: ledger.operate(w, EntryType.JOURNAL, i["wallet"], ONE),
        ("POST", at("wallets/{wallet}/operations"), {**OPERATE, "type": "JOURNAL"}),
        "move JOURNAL {wallet} 1.00 USD",
        code="OPERATION_BAD",
    ),
    "move without the right": Case(
        "carla",
        wallets,
        lambda w, i: ledger.charge_fee(w, i["wallet"], ONE),
        ("POST", at("wallets/{wallet}/operations"), OPERATE),
        "move FEE {wallet} 1.00 USD",
        code="NOT_ALLOWED",
    ),
    "adjust": Case(
        "carla",
        wallets,
        lambda w, i: shown(told.posted(ledger.adjust(w, i["wallet"], -ONE, WHY))),
        (
            "POST",
            at("wallets/{wallet}/operations"),
            {**ADJUST, "amount": "-1.00", "reason": "twice"},
        ),
        "adjust {wallet} 1.00 USD --take --reason twice --about ticket:9",
        keys=("effective_on", "repeated"),
    ),
    "adjust without a reason": Case(
        "carla",
        wallets,
        lambda w, i: ledger.adjust(w, i["wallet"], ONE, Terms()),
        ("POST", at("wallets/{wallet}/operations"), ADJUST),
        "adjust {wallet} 1.00 USD",
        code="REASON_MISSING",
    ),
    "freeze": Case(
        "carla",
        wallets,
        of_wallet(ledger.freeze, "asked"),
        ("POST", at("wallets/{wallet}/freeze"), {"reason": "asked"}),
        "freeze {wallet} --reason asked",
        keys=("state", "state_reason", "balance"),
    ),
    "unfreeze": Case(
        "carla",
        frozen,
        of_wallet(ledger.unfreeze, "settled"),
        ("POST", at("wallets/{wallet}/unfreeze"), {"reason": "settled"}),
        "unfreeze {wallet} --reason settled",
        keys=("state", "state_reason", "balance"),
    ),
    "freeze twice": Case(
        "carla",
        frozen,
        lambda w, i: ledger.freeze(w, i["wallet"], "again"),
        ("POST", at("wallets/{wallet}/freeze"), {"reason": "again"}),
        "freeze {wallet} --reason again",
        code="WALLET_STANDS",
    ),
    "a statement": Case(
        "dan",
        wallets,
        lambda r, i: shown(told.statement(ledger.statement(r, i["wallet"]))),
        ("GET", at("accounts/{wallet}/statement"), None),
        "transactions {wallet}",
        writes=False,
    ),
    "a statement of nothing": Case(
        "dan",
        nothing,
        lambda r, _: ledger.statement(r, "acc_none"),
        ("GET", at("accounts/acc_none/statement"), None),
        "transactions acc_none",
        code="LEDGER_ACCOUNT_UNKNOWN",
        writes=False,
    ),
    "entries of a type": Case(
        "eva",
        wallets,
        lambda r, _: answered(ledger.entries(r, EntryFilter(type="DEPOSIT"), 50), told.entry),
        ("GET", at("entries?type=DEPOSIT"), None),
        "entries --type DEPOSIT",
        writes=False,
        keys=("items",),
    ),
    "one entry": Case(
        "eva",
        wallets,
        lambda r, i: shown(told.entry(ledger.entry(r, i["entry"]))),
        ("GET", at("entries/{entry}"), None),
        "entry {entry}",
        writes=False,
    ),
    "one entry by its number": Case(
        "eva",
        numbered,
        lambda r, i: shown(told.entry(ledger.entry(r, i["number"]))),
        ("GET", at("entries/{number}"), None),
        "entry {number}",
        writes=False,
    ),
    "an entry of a number that is nobody's": Case(
        "eva",
        nothing,
        lambda r, _: ledger.entry(r, "JE-1999-0001"),
        ("GET", at("entries/JE-1999-0001"), None),
        "entry JE-1999-0001",
        code="JOURNAL_UNKNOWN",
        writes=False,
    ),
    "adjust by more than the limit": Case(
        "carla",
        wallets,
        lambda w, i: ledger.adjust(w, i["wallet"], MUCH, Terms(reason="why")),
        ("POST", at("wallets/{wallet}/operations"), {**ADJUST, "amount": "1000.01", "reason": "why"}),
        "adjust {wallet} 1000.01 USD --reason why",
        code="ADJUSTMENT_OVER_LIMIT",
    ),
    "propose an adjustment": Case(
        "carla",
        wallets,
        lambda w, i: shown(told.proposal(ledger.proposal(w, ledger.propose_adjustment(w, proposal(i["wallet"]))))),
        (
            "POST",
            at("wallets/{wallet}/proposals"),
            {"amount": "1000.01", "currency": "USD", "reason": "why", "key": "{holder}"},
        ),
        "propose-adjustment {wallet} 1000.01 USD --reason why --key {holder}",
        keys=("amount", "reason", "state", "entry"),
    ),
    "propose without the right": Case(
        "ana",
        wallets,
        lambda w, i: ledger.propose_adjustment(w, proposal(i["wallet"])),
        ("POST", at("wallets/{wallet}/proposals"), {"amount": "1000.01", "currency": "USD", "reason": "why"}),
        "propose-adjustment {wallet} 1000.01 USD --reason why",
        code="NOT_ALLOWED",
    ),
    "proposals of a wallet": Case(
        "eva",
        proposed,
        lambda r, i: answered(ledger.proposals(r, i["wallet"], waiting=True), told.proposal),
        ("GET", at("proposals?wallet={wallet}&waiting=true"), None),
        "proposals {wallet} --waiting",
        writes=False,
        keys=("items",),
    ),
    "take a proposal back": Case(
        "carla",
        proposed,
        taken_back,
        ("POST", at("proposals/{proposal}/withdraw"), None),
        "withdraw-proposal {proposal}",
        keys=("amount", "reason", "state", "entry"),
    ),
    "how the ledger stands": Case(
        "eva",
        nothing,
        lambda r, _: shown(told.health(ledger.health(r), deployments(r))),
        ("GET", at("health"), None),
        "health",
        writes=False,
        keys=("healthy", "wallets", "entries", "balances", "stops", "off", "deadlocks", "deployments"),
    ),
    "how the ledger stands, without the right": Case(
        "ben",
        nothing,
        lambda r, _: ledger.health(r),
        ("GET", at("health"), None),
        "health",
        code="NOT_ALLOWED",
        writes=False,
    ),
    "figures of a day": Case(
        "eva",
        refused_once,
        lambda r, _: shown(told.statistics(ledger.statistics(r, timedelta(hours=24)))),
        ("GET", at("statistics?hours=24"), None),
        "stats --period 24h",
        writes=False,
        keys=("failed", "refused"),
    ),
    "errors of an hour": Case(
        "eva",
        refused_once,
        lambda r, _: shown(told.statistics(ledger.statistics(r, timedelta(hours=1)))),
        ("GET", at("statistics?hours=1"), None),
        "errors --period 1h",
        writes=False,
        keys=("failed", "refused"),
    ),
    "refused operations": Case(
        "eva",
        refused_once,
        lambda r, _: answered(ledger.refusals(r, 1), told.refusal),
        ("GET", at("refusals?limit=1"), None),
        "failed --limit 1",
        writes=False,
        keys=("items",),
    ),
    "figures without the right": Case(
        "ben",
        nothing,
        lambda r, _: ledger.statistics(r, timedelta(hours=24)),
        ("GET", at("statistics"), None),
        "stats",
        code="NOT_ALLOWED",
        writes=False,
    ),
    "reverse": Case(
        "carla",
        wallets,
        lambda w, i: shown(told.posted(ledger.reverse(w, i["entry"], WHY))),
        ("POST", at("entries/{entry}/reverse"), {"reason": "twice"}),
        "reverse {entry} --reason twice",
        keys=("effective_on", "repeated"),
    ),
    "reverse nothing": Case(
        "carla",
        nothing,
        lambda w, _: ledger.reverse(w, "je_none", WHY),
        ("POST", at("entries/je_none/reverse"), {"reason": "twice"}),
        "reverse je_none --reason twice",
        code="JOURNAL_UNKNOWN",
    ),
    "stop a wallet": Case(
        "carla",
        wallets,
        stop_it,
        ("POST", at("stops"), {"width": "wallet", "subject": "{wallet}", "reason": "x"}),
        "stop wallet {wallet} --reason x",
        keys=("width", "reason", "lifted_reason"),
    ),
    "let money go on": Case(
        "carla",
        stopped,
        let_go,
        ("POST", at("stops/{stop}/lift"), {"reason": "over"}),
        "resume {stop} --reason over",
        keys=("width", "reason", "lifted_reason"),
    ),
    "let go on what is not stopped": Case(
        "carla",
        nothing,
        lambda w, _: ledger.resume(w, "stop_none", "over"),
        ("POST", at("stops/stop_none/lift"), {"reason": "over"}),
        "resume stop_none --reason over",
        code="STOP_UNKNOWN",
    ),
    "stops": Case(
        "eva",
        stopped,
        lambda r, _: answered(ledger.stops(r, 200), told.stop),
        ("GET", at("stops"), None),
        "stops",
        writes=False,
    ),
    "have balances looked at": Case(
        "carla",
        nothing,
        lambda w, _: shown(
            told.reconciliation(ledger.reconciliation(w, ledger.ask_to_reconcile(w, "odd", full=True, batch_size=50)))
        ),
        ("POST", at("reconciliations"), {"full": True, "batch_size": 50, "reason": "odd"}),
        "reconcile --full --batch-size 50 --reason odd",
        keys=("width", "dry_run", "reason", "checked"),
    ),
    "have balances looked at without the right": Case(
        "eva",
        nothing,
        lambda w, _: ledger.ask_to_reconcile(w),
        ("POST", at("reconciliations"), {}),
        "reconcile",
        code="NOT_ALLOWED",
    ),
    "only look at the balances": Case(
        "carla",
        nothing,
        lambda w, _: shown(told.reconciliation(ledger.reconciliation(w, ledger.ask_to_reconcile(w, dry_run=True)))),
        ("POST", at("reconciliations"), {"dry_run": True}),
        "reconcile --dry-run",
        keys=("width", "dry_run", "reason"),
    ),
    "only look at one wallet": Case(
        "carla",
        wallets,
        lambda w, i: shown(told.reconciliation(ledger.reconcile_wallet(w, i["wallet"], dry_run=True))),
        ("POST", at("wallets/{wallet}/reconcile"), {"dry_run": True}),
        "reconcile-wallet {wallet} --dry-run",
        keys=("width", "dry_run", "checked", "drifted", "repaired", "broken"),
    ),
    "look at one wallet": Case(
        "carla",
        wallets,
        lambda w, i: shown(told.reconciliation(ledger.reconcile_wallet(w, i["wallet"], "odd"))),
        ("POST", at("wallets/{wallet}/reconcile"), {"reason": "odd"}),
        "reconcile-wallet {wallet} --reason odd",
        keys=("width", "checked", "drifted", "reason"),
    ),
    "look at one wallet for no reason": Case(
        "carla",
        wallets,
        lambda w, i: ledger.reconcile_wallet(w, i["wallet"]),
        ("POST", at("wallets/{wallet}/reconcile"), {}),
        "reconcile-wallet {wallet}",
        code="REASON_MISSING",
    ),
    "what a look found": Case(
        "eva",
        looked,
        lambda r, i: shown(told.reconciliation(ledger.reconciliation(r, i["run"]))),
        ("GET", at("reconciliations/{run}"), None),
        "reconciliations {run}",
        writes=False,
    ),
    "the last looks": Case(
        "eva",
        looked,
        lambda r, _: answered(ledger.reconciliations(r, 50), told.reconciliation),
        ("GET", at("reconciliations"), None),
        "reconciliations",
        writes=False,
        keys=("items",),
    ),
    "what was off": Case(
        "eva",
        looked,
        lambda r, i: answered(ledger.drifts(r, i["wallet"]), told.drift),
        ("GET", at("drifts?account={wallet}"), None),
        "drifts {wallet}",
        writes=False,
        keys=("items",),
    ),
}
