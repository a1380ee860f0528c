"""Commands about locked periods of the ledger."""

from typing import TYPE_CHECKING, Annotated

import typer

from finops_core.commands.acting import Json
from finops_core.commands.asking import change, day_of, look
from finops_core.commands.ledger import Reason
from finops_core.commands.words import table

if TYPE_CHECKING:
    from finops_core.answers.periods import PeriodAnswer, PeriodsAnswer


def periods(
    every: Annotated[bool, typer.Option("--all", help="Those that were opened again, too.")] = False,
    as_json: Json = False,
) -> None:
    """Business days that nothing is posted into."""
    from finops_core.answers import periods as verbs

    look(lambda reading: verbs.periods(reading, locked=not every), _listed, as_json=as_json)


def lock_period(
    first: Annotated[str, typer.Argument(help="The first day, YYYY-MM-DD.")],
    last: Annotated[str, typer.Argument(help="The last day; it must be over.")],
    reason: Reason = "",
    as_json: Json = False,
) -> None:
    """Let nothing be posted into these days any more."""
    from finops_core.answers import periods as verbs
    from finops_core.security import Scope

    from_on, to_on = day_of(first, "FIRST"), day_of(last, "LAST")
    if from_on is None or to_on is None:
        raise typer.BadParameter("both days, as YYYY-MM-DD", param_hint="FIRST LAST")
    change(lambda work: verbs.lock(work, from_on, to_on, reason), _told, Scope.LEDGER, as_json=as_json)


def unlock_period(
    name: Annotated[str, typer.Argument(help="Id of a period, period_….")], reason: Reason = "", as_json: Json = False
) -> None:
    """Open a locked period again; its lock stays as a record."""
    from finops_core.answers import periods as verbs
    from finops_core.security import Scope

    change(lambda work: verbs.unlock(work, name, reason), _told, Scope.LEDGER, as_json=as_json)


def _listed(told: "PeriodsAnswer") -> str:
    rows = [
        (each.id, each.from_on, each.to_on, f"{each.locked_at:%Y-%m-%d %H:%M}", each.reason, each.unlocked_reason)
        for each in told.items
    ]
    return (
        table(("Period", "From", "To", "Locked (UTC)", "Why", "Opened again"), rows) if rows else "No period is locked"
    )


def _told(told: "PeriodAnswer") -> str:
    over = f"; opened again: {told.unlocked_reason}" if told.unlocked_at else ""
    return f"{told.id}: {told.from_on} to {told.to_on} is {'open' if over else 'locked'}: {told.reason}{over}"
