"""In whose name a command acts, how it ends, and in which form it tells what it has to tell."""

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import IntEnum
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from finops_core.kernel.errors import FinOpsError, Unavailable

if TYPE_CHECKING:
    from finops_core.answers.caller import Caller
    from finops_core.answers.common import Answer, Problem

TOKEN = "TIEOUT_TOKEN"  # noqa: S105 - the name of the variable
Json = Annotated[bool, typer.Option("--json", help="Tell the answer as JSON, as the API would.")]


class Exit(IntEnum):
    """What a command's exit code says."""

    DONE = 0
    REFUSED = 1
    WRONG_USE = 2
    UNAVAILABLE = 3


@contextmanager
def acting(*, as_json: bool) -> Iterator["Caller"]:
    """The person behind the token of the environment; a refusal ends the command with its sentence and exit code."""
    from sqlalchemy.exc import DBAPIError

    try:
        with _caller() as caller:
            yield caller
    except FinOpsError as error:
        refuse(error, as_json=as_json)
    except DBAPIError:
        told = Unavailable("DATABASE_BUSY", "The database does not answer now.", hint="Check DATABASE_URL; try again.")
        refuse(told, as_json=as_json)
    except BrokenPipeError:
        raise
    except OSError as error:
        # What was taken out is logged by then: it has left the store, whatever became of it here.
        where, why = error.filename or "The file", error.strerror or type(error).__name__
        told = Unavailable(
            "TARGET_FAILED", f"{where} cannot be written: {why}.", hint="Remove what is there; try again."
        )
        refuse(told, as_json=as_json)


def refuse(error: FinOpsError, *, as_json: bool) -> NoReturn:
    """End the command with an error."""
    from finops_core.answers.common import problem

    tell_problem(problem(error), as_json=as_json)
    raise typer.Exit(Exit.UNAVAILABLE if isinstance(error, Unavailable) else Exit.REFUSED)


def tell_problem(told: "Problem", *, as_json: bool) -> None:
    """An error, on the error stream: the answer's own stream stays free of it."""
    if as_json:
        typer.echo(told.text(), err=True)
        return
    typer.echo(f"{told.code}: {told.detail} {told.hint}".strip(), err=True)
    for fault in told.faults:
        where = ", ".join(each for each in (f"row {fault.row}" if fault.row else "", fault.column or "") if each)
        typer.echo(f"  {where}: {fault.message}" if where else f"  {fault.message}", err=True)


def tell(answer: "Answer", words: Callable[[Any], str], *, as_json: bool) -> None:
    """An answer, as JSON or in words."""
    typer.echo(answer.text() if as_json else words(answer))


def given(pairs: list[str], whole: str) -> dict[str, Any]:
    """Parameters from ``name=value`` pairs and a JSON object; wrong use ends the command with exit code 2."""
    try:
        found = json.loads(whole) if whole else {}
    except ValueError:
        raise typer.BadParameter("not JSON", param_hint="--params") from None
    if not isinstance(found, dict):
        raise typer.BadParameter("not a JSON object", param_hint="--params")
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise typer.BadParameter(f"{pair!r} is not name=value", param_hint="--param")
        found[name] = value
    return found


@contextmanager
def _caller() -> Iterator["Caller"]:
    from finops_core import security
    from finops_core.answers.caller import Caller
    from finops_core.desk import open_desk
    from finops_core.kernel.actor import Via

    secret = os.environ.get(TOKEN, "").strip()
    if not secret:
        typer.echo(f"Set {TOKEN} to an API token: make one on the page Me.", err=True)
        raise typer.Exit(Exit.WRONG_USE)
    with open_desk() as desk:
        yield Caller(desk, security.enter(desk, secret, Via.CLI).actor, secret)
