"""Commands about adjustments that somebody else must agree to."""

from typing import Annotated

import typer

from finops_core.commands.acting import Json
from finops_core.commands.asking import Limit, change, day_of, look
from finops_core.commands.ledger import Key, Past, Reason, Wallet


def propose_adjustment(
    name: Wallet,
    amount: Annotated[str, typer.Argument(help="Decimals of the currency; --take to take it away.")],
    currency: Annotated[str, typer.Argument(help="ISO 4217.")],
    take: Annotated[bool, typer.Option("--take", help="Take it away instead of adding it.")] = False,
    reason: Reason = "",
    key: Key = "",
    day: Annotated[str, typer.Option(help="The business day it counts for; that of its approval without.")] = "",
    as_json: Json = False,
) -> None:
    """Ask somebody else to agree to an adjustment; it is booked once they do."""
    from finops_core.answers import ledger_verbs
    from finops_core.commands import books
    from finops_core.ledger import EntryType, Terms
    from finops_core.security import Scope

    terms = Terms(key, reason, day_of(day, "--day"))
    asked = ledger_verbs.Move(EntryType.ADJUSTMENT, name, f"-{amount}" if take else amount, currency, "", terms)
    change(lambda work: ledger_verbs.propose(work, asked), books.proposal, Scope.LEDGER, as_json=as_json)


def proposals(
    wallet: Annotated[str, typer.Argument(help="Of one wallet; of all without.")] = "",
    waiting: Annotated[bool, typer.Option("--waiting", help="Only those that wait for a decision.")] = False,
    limit: Limit = 50,
    past: Past = "",
    as_json: Json = False,
) -> None:
    """Proposed adjustments, newest first."""
    from finops_core.answers import ledger_verbs
    from finops_core.commands import books

    part = ledger_verbs.Part(limit, past)
    look(
        lambda reading: ledger_verbs.proposals(reading, wallet, part, waiting=waiting), books.proposals, as_json=as_json
    )


def withdraw_proposal(
    name: Annotated[str, typer.Argument(help="Id of a proposal, adj_….")], as_json: Json = False
) -> None:
    """Take your own proposal back while it waits."""
    from finops_core.answers import ledger_verbs
    from finops_core.commands import books
    from finops_core.security import Scope

    change(lambda work: ledger_verbs.take_back(work, name), books.proposal, Scope.LEDGER, as_json=as_json)
