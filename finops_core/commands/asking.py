"""What the commands share: their usual arguments, one look or one change by a verb, and waiting for an end."""

import time
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from finops_core.commands.acting import Exit, acting, tell

if TYPE_CHECKING:
    from finops_core.answers.caller import Caller
    from finops_core.answers.common import Answer
    from finops_core.answers.operations import ExecutionAnswer
    from finops_core.platform.work import Reading, Work
    from finops_core.security import Scope

Number = Annotated[str, typer.Argument(help="Number or id, such as EX-2026-0001.")]
Limit = Annotated[int, typer.Option(min=1, max=200, help="How many.")]
Offset = Annotated[int, typer.Option(min=0, help="How many to leave out before.")]
Wait = Annotated[bool, typer.Option("--wait", help="Come back when it has ended; exit code 1 unless it is completed.")]
Target = Annotated[Path, typer.Option(help="Where to write it; it must not be there yet.")]
LOOKS_S = (0.2, 0.5, 1.0, 2.0)


def look(ask: "Callable[[Reading], Answer]", words: Callable[[Any], str], *, as_json: bool) -> None:
    """Ask in one look and tell the answer."""
    with acting(as_json=as_json) as caller:
        with caller.read() as reading:
            told = ask(reading)
        tell(told, words, as_json=as_json)


def change(ask: "Callable[[Work], Answer]", words: Callable[[Any], str], *scopes: "Scope", as_json: bool) -> None:
    """Do it in one unit, by a token with one of the scopes, and tell the answer."""
    with acting(as_json=as_json) as caller:
        with caller.work(*scopes) as work:
            told = ask(work)
        tell(told, words, as_json=as_json)


def require_new(to: Path) -> None:
    """Refuse to write over a file, or into a folder that is not there: wrong use."""
    if to.exists() or not to.parent.is_dir():
        raise typer.BadParameter(f"{to} is there already, or its folder is not there", param_hint="--to")


def write(to: Path, content: bytes) -> None:
    """Write what was taken out, and say where."""
    with to.open("xb") as out:
        out.write(content)
    typer.echo(str(to))


def one_of(kind: Any, value: str, hint: str) -> None:
    """Refuse a word that is not one of a kind's: wrong use."""
    if value not in set(kind):
        raise typer.BadParameter(f"one of {', '.join(kind)}", param_hint=hint)


def ended(caller: "Caller", seen: "ExecutionAnswer", *, wait: bool, as_json: bool) -> None:
    """Tell where it stands; with ``wait`` once it has ended."""
    from finops_core.commands import words

    if wait:
        seen = watched(caller, seen, lambda now: not (now.final or now.state == "ready"))
    tell(seen, words.execution, as_json=as_json)
    if wait and seen.final and seen.state != "completed":
        raise typer.Exit(Exit.REFUSED)


def watched(
    caller: "Caller", seen: "ExecutionAnswer", while_: "Callable[[ExecutionAnswer], bool]"
) -> "ExecutionAnswer":
    """Look again and again, slower and slower, while it is so."""
    from finops_core.answers import verbs

    looks = 0
    while while_(seen):
        time.sleep(LOOKS_S[min(looks // 5, len(LOOKS_S) - 1)])
        looks += 1
        with caller.read() as reading:
            seen = verbs.execution(reading, seen.id)
    return seen


def day_of(text: str, hint: str) -> date | None:
    """The day that was typed, None for none; anything else is wrong use."""
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        raise typer.BadParameter("a day, as YYYY-MM-DD", param_hint=hint) from None
