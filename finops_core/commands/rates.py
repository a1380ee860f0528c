"""Commands about exchange rates: those that are stored, a new one, a file of them."""

from datetime import date
from pathlib import Path
from typing import Annotated

import typer

from finops_core.commands.acting import Json
from finops_core.commands.asking import change, day_of, look

Code = Annotated[str, typer.Argument(help="ISO 4217.")]
Day = Annotated[str, typer.Option(help="YYYY-MM-DD.")]


def rates(day: Day = "", as_json: Json = False) -> None:
    """The newest rate of each pair of currencies, now or at the end of a day."""
    from finops_core.answers import rates as verbs
    from finops_core.commands import books

    on: date | None = day_of(day, "--day")
    look(lambda reading: verbs.rates(reading, on), books.rates, as_json=as_json)


def note_rate(
    currency: Code,
    quote: Code,
    rate: Annotated[str, typer.Argument(help="What one unit costs, such as 1.0543.")],
    day: Day = "",
    as_json: Json = False,
) -> None:
    """Note what one unit of a currency cost in another on a day, today without."""
    from finops_core.answers import rates as verbs
    from finops_core.commands import books
    from finops_core.security import Scope

    on = day_of(day, "--day")
    change(lambda work: verbs.note(work, currency, quote, rate, on), books.rates, Scope.LEDGER, as_json=as_json)


def take_in_rates(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="CSV or XML of the European Central Bank.")],
    as_json: Json = False,
) -> None:
    """Take in a file of the euro reference rates; again it changes nothing."""
    from finops_core.answers import rates as verbs
    from finops_core.commands import books
    from finops_core.security import Scope

    content = file.read_bytes()
    change(lambda work: verbs.take_in(work, content), books.rates_taken, Scope.LEDGER, as_json=as_json)
