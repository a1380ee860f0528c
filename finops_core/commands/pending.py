"""Commands about money moved in two steps."""

from datetime import timedelta
from typing import Annotated

import typer

from finops_core.commands.acting import Json
from finops_core.commands.asking import Limit, change, day_of, look
from finops_core.commands.ledger import Key, Past, Reason, Wallet

Move = Annotated[str, typer.Argument(help="Id of a move, pend_….")]


def begin_pending(
    name: Wallet,
    kind: Annotated[str, typer.Argument(help="WITHDRAWAL, PAYOUT, FEE, REFUND or TRANSFER.")],
    amount: Annotated[str, typer.Argument(help="Decimals of the currency.")],
    currency: Annotated[str, typer.Argument(help="ISO 4217.")],
    to: Annotated[str, typer.Option(help="The other wallet.")] = "",
    minutes: Annotated[int, typer.Option(min=1, max=129_600, help="How long it waits; a week without.")] = 10_080,
    reason: Reason = "",
    key: Key = "",
    as_json: Json = False,
) -> None:
    """Set money of a wallet aside for a move that is posted later."""
    from finops_core.answers import pending
    from finops_core.answers.ledger_verbs import Move
    from finops_core.commands import books
    from finops_core.commands.ledger import type_of
    from finops_core.ledger import Terms
    from finops_core.security import Scope

    asked = Move(type_of(kind), name, amount, currency, to, Terms(key, reason))
    lasts = timedelta(minutes=minutes)
    change(lambda work: pending.set_aside(work, asked, lasts), books.pending, Scope.LEDGER, as_json=as_json)


def post_pending(
    name: Move,
    amount: Annotated[str, typer.Option(help="A part of it; the rest is given back.")] = "",
    currency: Annotated[str, typer.Option(help="ISO 4217, with an amount.")] = "",
    reason: Reason = "",
    day: Annotated[str, typer.Option(help="The business day it counts for; today without.")] = "",
    as_json: Json = False,
) -> None:
    """Post a move that was set aside for."""
    from finops_core.answers import pending
    from finops_core.commands import books
    from finops_core.ledger import Terms
    from finops_core.security import Scope

    share, terms = pending.Share(amount, currency), Terms("", reason, day_of(day, "--day"))
    change(lambda work: pending.post(work, name, share, terms), books.posted, Scope.LEDGER, as_json=as_json)


def void_pending(name: Move, reason: Reason = "", as_json: Json = False) -> None:
    """Give back what was set aside."""
    from finops_core.answers import pending
    from finops_core.commands import books
    from finops_core.security import Scope

    change(lambda work: pending.void(work, name, reason), books.pending, Scope.LEDGER, as_json=as_json)


def pending_moves(
    wallet: Annotated[str, typer.Argument(help="Of one wallet; of all without.")] = "",
    waiting: Annotated[bool, typer.Option("--waiting", help="Only those that wait to be posted.")] = False,
    limit: Limit = 50,
    past: Past = "",
    as_json: Json = False,
) -> None:
    """Moves in two steps, newest first."""
    from finops_core.answers import pending
    from finops_core.answers.ledger_verbs import Part
    from finops_core.commands import books

    part = Part(limit, past)
    look(lambda reading: pending.several(reading, wallet, part, waiting=waiting), books.pendings, as_json=as_json)
