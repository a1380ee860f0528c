"""Commands about the ledger: wallets and what is done with them, entries, statements, stops, looks at the balances."""

from typing import TYPE_CHECKING, Annotated

import typer

from finops_core.commands.acting import Json
from finops_core.commands.asking import Limit, change, day_of, look, one_of

if TYPE_CHECKING:
    from finops_core.ledger import EntryType

Wallet = Annotated[str, typer.Argument(help="Id of a wallet, acc_….")]
Reason = Annotated[str, typer.Option(help="Why, for whoever reads it later.")]
Past = Annotated[str, typer.Option(help="Go on where the page before ended: what it called next.")]
Key = Annotated[str, typer.Option(help="Idempotency key: the same content under it is booked once.")]
Until = Annotated[str, typer.Option(help="Up to the end of this day, YYYY-MM-DD.")]
Dry = Annotated[bool, typer.Option("--dry-run", help="Only look; put nothing back.")]


def trial_balance(day: Until = "", as_json: Json = False) -> None:
    """Every line of the chart that was posted to."""
    from finops_core.answers import ledger_verbs
    from finops_core.commands import books

    on = day_of(day, "--day")
    look(lambda reading: ledger_verbs.trial_balance(reading, on), books.trial, as_json=as_json)


def wallets(
    holder: Annotated[str, typer.Option(help="Those of one holder.")] = "",
    limit: Limit = 50,
    past: Past = "",
    as_json: Json = False,
) -> None:
    """Wallets, oldest first."""
    from finops_core.answers import ledger_verbs
    from finops_core.commands import books

    part = ledger_verbs.Part(limit, past)
    look(lambda reading: ledger_verbs.wallets(reading, holder, part), books.wallets, as_json=as_json)


def wallet(name: Wallet, as_json: Json = False) -> None:
    """What a wallet holds, and whether it is open."""
    from finops_core.answers import ledger_verbs
    from finops_core.commands import books

    look(lambda reading: ledger_verbs.wallet(reading, name), books.wallet, as_json=as_json)


def open_wallet(
    holder: Annotated[str, typer.Argument(help="Id of whoever holds it.")],
    currency: Annotated[str, typer.Argument(help="ISO 4217.")],
    as_json: Json = False,
) -> None:
    """Open a wallet; the one there is, if there is one."""
    from finops_core.answers import ledger_verbs
    from finops_core.commands import books
    from finops_core.security import Scope

    change(lambda work: ledger_verbs.open_wallet(work, holder, currency), books.wallet, Scope.LEDGER, as_json=as_json)


def type_of(operation: str) -> "EntryType":
    """The operation that somebody typed."""
    from finops_core.ledger import EntryType

    one_of(EntryType, operation, "OPERATION")
    return EntryType(operation)


def move(
    operation: Annotated[str, typer.Argument(help="DEPOSIT, WITHDRAWAL, ESCROW_HOLD, ESCROW_RELEASE, PAYOUT, FEE …")],
    name: Wallet,
    amount: Annotated[str, typer.Argument(help="Decimals of the currency, such as 12.50.")],
    currency: Annotated[str, typer.Argument(help="ISO 4217.")],
    to: Annotated[str, typer.Option(help="Where money goes to another wallet.")] = "",
    reason: Reason = "",
    key: Key = "",
    day: Annotated[str, typer.Option(help="The business day it counts for; today without.")] = "",
    as_json: Json = False,
) -> None:
    """Book one of the operations on a wallet."""
    from finops_core.answers import ledger_verbs
    from finops_core.commands import books
    from finops_core.ledger import Terms
    from finops_core.security import Scope

    terms = Terms(key, reason, day_of(day, "--day"))
    asked = ledger_verbs.Move(type_of(operation), name, amount, currency, to, terms)
    change(lambda work: ledger_verbs.move(work, asked), books.posted, Scope.LEDGER, as_json=as_json)


def adjust(
    name: Wallet,
    amount: Annotated[str, typer.Argument(help="Decimals of the currency; --take to take it away.")],
    currency: Annotated[str, typer.Argument(help="ISO 4217.")],
    take: Annotated[bool, typer.Option("--take", help="Take it away instead of adding it.")] = False,
    reason: Reason = "",
    about: Annotated[str, typer.Option(help="What it belongs to, as kind:id, such as ticket:9.")] = "",
    key: Key = "",
    as_json: Json = False,
) -> None:
    """Put a balance right, against suspense."""
    from finops_core.answers import ledger_verbs
    from finops_core.commands import books
    from finops_core.ledger import EntryType, Terms
    from finops_core.security import Scope

    kind, colon, of = about.partition(":")
    if about and not (kind and colon and of):
        raise typer.BadParameter("write it as kind:id", param_hint="--about")
    terms = Terms(key, reason, None, (kind, of))
    signed = f"-{amount}" if take else amount
    asked = ledger_verbs.Move(EntryType.ADJUSTMENT, name, signed, currency, "", terms)
    change(lambda work: ledger_verbs.move(work, asked), books.posted, Scope.LEDGER, as_json=as_json)


def freeze(name: Wallet, reason: Reason = "", as_json: Json = False) -> None:
    """Let a wallet give and take nothing until it is opened again."""
    from finops_core.answers import ledger_verbs
    from finops_core.commands import books
    from finops_core.security import Scope

    change(lambda work: ledger_verbs.freeze(work, name, reason), books.wallet, Scope.LEDGER, as_json=as_json)


def unfreeze(name: Wallet, reason: Reason = "", as_json: Json = False) -> None:
    """Open a frozen wallet again."""
    from finops_core.answers import ledger_verbs
    from finops_core.commands import books
    from finops_core.security import Scope

    change(lambda work: ledger_verbs.unfreeze(work, name, reason), books.wallet, Scope.LEDGER, as_json=as_json)


def transactions(
    account: Annotated[str, typer.Argument(help="Id of an account, or of a wallet.")],
    limit: Limit = 10,
    past: Past = "",
    until: Until = "",
    booked: Annotated[bool, typer.Option("--booked", help="By the time they were booked.")] = False,
    as_json: Json = False,
) -> None:
    """An account's postings with what it held after each, newest first."""
    from finops_core.answers import ledger_verbs
    from finops_core.commands import books
    from finops_core.ledger import Dated

    part, day = ledger_verbs.Part(limit, past), day_of(until, "--until")
    dated = Dated.BOOKED if booked else Dated.EFFECTIVE
    look(lambda reading: ledger_verbs.statement(reading, account, part, day, dated), books.statement, as_json=as_json)


def entries(
    kind: Annotated[str, typer.Option("--type", help="Of one type, such as DEPOSIT.")] = "",
    source: Annotated[str, typer.Option(help="Those that come from one document, by its id.")] = "",
    limit: Limit = 50,
    past: Past = "",
    as_json: Json = False,
) -> None:
    """Entries, newest first."""
    from finops_core.answers import ledger_verbs
    from finops_core.commands import books
    from finops_core.ledger import EntryFilter, EntryType

    if kind:
        one_of(EntryType, kind, "--type")
    part, wanted = ledger_verbs.Part(limit, past), EntryFilter(kind, source)
    look(lambda reading: ledger_verbs.entries(reading, wanted, part), books.entries, as_json=as_json)


def entry(
    name: Annotated[str, typer.Argument(help="Number or id of an entry, such as JE-2026-0001.")], as_json: Json = False
) -> None:
    """One entry with its sides."""
    from finops_core.answers import ledger_verbs
    from finops_core.commands import books

    look(lambda reading: ledger_verbs.entry(reading, name), books.entry, as_json=as_json)


def reverse(
    name: Annotated[str, typer.Argument(help="Number or id of an entry, such as JE-2026-0001.")],
    reason: Reason = "",
    key: Key = "",
    as_json: Json = False,
) -> None:
    """Undo an entry by one that takes back each of its postings."""
    from finops_core.answers import ledger_verbs
    from finops_core.commands import books
    from finops_core.ledger import Terms
    from finops_core.security import Scope

    terms = Terms(key, reason)
    change(lambda work: ledger_verbs.reverse(work, name, terms), books.posted, Scope.LEDGER, as_json=as_json)


def stops(
    every: Annotated[bool, typer.Option("--all", help="Those that were lifted, too.")] = False, as_json: Json = False
) -> None:
    """Money that may not move."""
    from finops_core.answers import ledger_verbs
    from finops_core.commands import books

    look(lambda reading: ledger_verbs.stops(reading, standing=not every), books.stops, as_json=as_json)


def stop(
    width: Annotated[str, typer.Argument(help="all, non_essential, type or wallet.")],
    subject: Annotated[str, typer.Argument(help="The type, or the wallet; nothing for the wide ones.")] = "",
    reason: Reason = "",
    as_json: Json = False,
) -> None:
    """Stop money until somebody lets it go on."""
    from finops_core.answers import ledger_verbs
    from finops_core.commands import books
    from finops_core.ledger import StopWidth
    from finops_core.security import Scope

    one_of(StopWidth, width, "WIDTH")
    change(
        lambda work: ledger_verbs.stop(work, StopWidth(width), subject, reason),
        books.stop,
        Scope.LEDGER,
        as_json=as_json,
    )


def resume(
    name: Annotated[str, typer.Argument(help="Id of a stop, stop_….")], reason: Reason = "", as_json: Json = False
) -> None:
    """Let money go on that a stop held."""
    from finops_core.answers import ledger_verbs
    from finops_core.commands import books
    from finops_core.security import Scope

    change(lambda work: ledger_verbs.resume(work, name, reason), books.stop, Scope.LEDGER, as_json=as_json)


def reconcile(
    full: Annotated[bool, typer.Option("--full", "--historical", help="With the whole history.")] = False,
    batch_size: Annotated[int | None, typer.Option(min=1, max=5_000, help="So many accounts at a time.")] = None,
    dry_run: Dry = False,
    reason: Reason = "",
    as_json: Json = False,
) -> None:
    """Have the worker hold every balance against its postings, and put back what is off."""
    from finops_core.answers import ledger_verbs
    from finops_core.commands import books
    from finops_core.security import Scope

    change(
        lambda work: ledger_verbs.reconcile(work, reason, full=full, dry_run=dry_run, batch_size=batch_size),
        books.reconciliation,
        Scope.LEDGER,
        as_json=as_json,
    )


def reconcile_wallet(name: Wallet, dry_run: Dry = False, reason: Reason = "", as_json: Json = False) -> None:
    """Hold one wallet against its postings now, and put it back if it is off."""
    from finops_core.answers import ledger_verbs
    from finops_core.commands import books
    from finops_core.security import Scope

    change(
        lambda work: ledger_verbs.reconcile_wallet(work, name, reason, dry_run=dry_run),
        books.reconciliation,
        Scope.LEDGER,
        as_json=as_json,
    )


def reconciliations(
    name: Annotated[str, typer.Argument(help="One look, rec_…; the last ones without.")] = "",
    limit: Limit = 50,
    past: Past = "",
    as_json: Json = False,
) -> None:
    """Looks at the balances, newest first; or one of them."""
    from finops_core.answers import ledger_verbs
    from finops_core.commands import books

    part = ledger_verbs.Part(limit, past)
    if name:
        look(lambda reading: ledger_verbs.reconciliation(reading, name), books.reconciliation, as_json=as_json)
    else:
        look(lambda reading: ledger_verbs.reconciliations(reading, part), books.reconciliations, as_json=as_json)


def drifts(
    account: Annotated[str, typer.Argument(help="Of one account; of all without.")] = "",
    limit: Limit = 50,
    past: Past = "",
    as_json: Json = False,
) -> None:
    """Balances that were not their postings, newest first."""
    from finops_core.answers import ledger_verbs
    from finops_core.commands import books

    part = ledger_verbs.Part(limit, past)
    look(lambda reading: ledger_verbs.drifts(reading, account, part), books.drifts, as_json=as_json)
