"""Commands about schedules: when the desk looks after itself."""

from typing import TYPE_CHECKING, Annotated

import typer

from finops_core.commands.acting import Json
from finops_core.commands.asking import change, look
from finops_core.commands.ledger import Reason
from finops_core.commands.words import table

if TYPE_CHECKING:
    from finops_core.answers.schedules import ScheduleAnswer, SchedulesAnswer


def schedules(as_json: Json = False) -> None:
    """When the desk looks after itself, in UTC."""
    from finops_core.answers import schedules as verbs

    look(verbs.schedules, _listed, as_json=as_json)


def change_schedule(
    name: Annotated[str, typer.Argument(help="A schedule, such as ledger.hourly.")],
    calendar: Annotated[
        str | None, typer.Option(help="Minute, hour, day, month, day of the week, such as '0 2 * * sun'.")
    ] = None,
    on: Annotated[bool | None, typer.Option("--on/--off", help="Switch it on or off.")] = None,
    reason: Reason = "",
    as_json: Json = False,
) -> None:
    """Switch a schedule, give it another calendar, or both."""
    from finops_core.answers import schedules as verbs
    from finops_core.security import Scope

    change(lambda work: verbs.change(work, name, reason, calendar, on), _told, Scope.SCHEDULES, as_json=as_json)


def _listed(told: "SchedulesAnswer") -> str:
    rows = [(each.name, each.calendar, _state(each), _next(each), each.title) for each in told.items]
    return table(("Schedule", "Calendar", "State", "Next (UTC)", "What it does"), rows)


def _told(told: "ScheduleAnswer") -> str:
    return f"{told.name}: {told.calendar}, {_state(told)}; next {_next(told) or 'never'}"


def _state(told: "ScheduleAnswer") -> str:
    return "on" if told.enabled else "off"


def _next(told: "ScheduleAnswer") -> str:
    return ", ".join(f"{at:%Y-%m-%d %H:%M}" for at in told.next_at)
