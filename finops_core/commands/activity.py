"""Commands about what happened in the ledger: figures of a period, what was refused and why."""

import re
from datetime import timedelta
from typing import Annotated

import typer

from finops_core.commands.acting import Json
from finops_core.commands.asking import Limit, look
from finops_core.commands.ledger import Past

Period = Annotated[str, typer.Option(help="So long until now: 90m, 24h or 7d.")]
_PERIOD = re.compile(r"([1-9][0-9]{0,3})([mhd])", re.ASCII)
_UNITS = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1)}
_MOST = timedelta(days=90)


def stats(period: Period = "24h", as_json: Json = False) -> None:
    """What was booked in the ledger, by type, and how much of what was asked for was refused."""
    from finops_core.answers import ledger_verbs
    from finops_core.commands import books

    lasting = _period(period)
    look(lambda reading: ledger_verbs.statistics(reading, lasting), books.statistics, as_json=as_json)


def health(as_json: Json = False) -> None:
    """How much the ledger holds, and whether the last look at its balances left any off."""
    from finops_core.answers import ledger_verbs
    from finops_core.commands import books

    look(ledger_verbs.health, books.health, as_json=as_json)


def errors(period: Period = "1h", as_json: Json = False) -> None:
    """Why operations on wallets were refused, and how often."""
    from finops_core.answers import ledger_verbs
    from finops_core.commands import books

    lasting = _period(period)
    look(lambda reading: ledger_verbs.statistics(reading, lasting), books.errors, as_json=as_json)


def failed(limit: Limit = 50, past: Past = "", as_json: Json = False) -> None:
    """Operations on wallets that were refused, newest first."""
    from finops_core.answers import ledger_verbs
    from finops_core.commands import books

    part = ledger_verbs.Part(limit, past)
    look(lambda reading: ledger_verbs.refusals(reading, part), books.refusals, as_json=as_json)


def _period(text: str) -> timedelta:
    found = _PERIOD.fullmatch(text)
    lasting = int(found[1]) * _UNITS[found[2]] if found else timedelta()
    if not timedelta() < lasting <= _MOST:
        raise typer.BadParameter("such as 90m, 24h or 7d, at most 90d", param_hint="--period")
    return lasting
