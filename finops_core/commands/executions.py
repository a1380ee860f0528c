"""Commands about executions: draft, plan, submit, watch, call off, take the record."""

from pathlib import Path
from typing import Annotated

import typer

from finops_core.commands.acting import Exit, Json, acting, given, tell_problem
from finops_core.commands.asking import (
    Limit,
    Number,
    Offset,
    Target,
    Wait,
    change,
    ended,
    look,
    one_of,
    require_new,
    watched,
    write,
)

PLANNING = "planning"


def run(
    operation: Annotated[str, typer.Argument(help="Its id, as `catalogue` tells it.")],
    file: Annotated[Path | None, typer.Option(exists=True, dir_okay=False, help="The file it takes.")] = None,
    file_id: Annotated[str, typer.Option(help="The same, uploaded before.")] = "",
    param: Annotated[list[str] | None, typer.Option(help="name=value; give it once for each.")] = None,
    params: Annotated[str, typer.Option(help="All parameters as a JSON object.")] = "",
    reason: Annotated[str, typer.Option(help="Why the same is to run again.")] = "",
    replaces: Annotated[str, typer.Option(help="One of your own that never ran, whose place it takes.")] = "",
    submit: Annotated[bool, typer.Option("--submit", help="Submit the plan once it is made, unseen.")] = False,
    wait: Wait = False,
    as_json: Json = False,
) -> None:
    """Take a draft: file and parameters are checked whole, then it is planned."""
    from finops_core.answers import verbs
    from finops_core.answers.common import Problem
    from finops_core.operations import Upload
    from finops_core.security import Scope

    asked = given(param or [], params)
    with acting(as_json=as_json) as caller:
        with caller.read() as reading:
            content = Upload(file.name, file.read_bytes()) if file else verbs.upload_of(reading, file_id)
        with caller.work(Scope.RUN) as work:
            told = verbs.draft(work, operation, asked, content, reason, replaces)
        if isinstance(told, Problem):
            tell_problem(told, as_json=as_json)
            raise typer.Exit(Exit.REFUSED)
        if submit:
            told = watched(caller, told, lambda seen: seen.state == PLANNING)
            with caller.work(Scope.RUN) as work:
                told = verbs.submit(work, told.id, told.plan_hash)
        ended(caller, told, wait=wait, as_json=as_json)


def plan(number: Number, as_json: Json = False) -> None:
    """What it would do, and the hash that submitting it needs."""
    from finops_core.answers import verbs
    from finops_core.commands import words

    look(lambda reading: verbs.plan(reading, number), words.plan, as_json=as_json)


def submit(
    number: Number,
    plan_hash: Annotated[str, typer.Option("--plan", help="The hash of the plan that was seen.")] = "",
    wait: Wait = False,
    as_json: Json = False,
) -> None:
    """Ask for approval of exactly this plan, or run it when it needs none."""
    from finops_core.answers import verbs
    from finops_core.security import Scope

    with acting(as_json=as_json) as caller:
        with caller.work(Scope.RUN) as work:
            told = verbs.submit(work, number, plan_hash)
        ended(caller, told, wait=wait, as_json=as_json)


def status(number: Number, wait: Wait = False, as_json: Json = False) -> None:
    """Where it stands."""
    from finops_core.answers import verbs

    with acting(as_json=as_json) as caller:
        with caller.read() as reading:
            told = verbs.execution(reading, number)
        ended(caller, told, wait=wait, as_json=as_json)


def history(
    text: Annotated[str, typer.Option(help="Looks into number, title and file name.")] = "",
    state: Annotated[str, typer.Option(help="pending, running, completed, failed or cancelled.")] = "",
    operation: Annotated[str, typer.Option(help="The id of an operation.")] = "",
    mine: Annotated[bool, typer.Option("--mine", help="Only your own.")] = False,
    limit: Limit = 50,
    offset: Offset = 0,
    as_json: Json = False,
) -> None:
    """Executions you may see, newest first."""
    from finops_core.answers import verbs
    from finops_core.commands import words
    from finops_core.operations import ExecutionFilter, PublicState

    if state:
        one_of(PublicState, state, "--state")
    wanted = ExecutionFilter(text, PublicState(state) if state else None, operation, mine)
    page = verbs.Paging(limit, offset)
    look(lambda reading: verbs.executions(reading, wanted, page), words.executions, as_json=as_json)


def log(
    number: Number,
    after: Annotated[int, typer.Option(min=0, help="Only lines past this number.")] = 0,
    limit: Annotated[int, typer.Option(min=1, max=1000)] = 500,
    as_json: Json = False,
) -> None:
    """Lines of its log, oldest first."""
    from finops_core.answers import verbs
    from finops_core.commands import words

    look(lambda reading: verbs.log(reading, number, after, limit), words.log, as_json=as_json)


def result(number: Number, as_json: Json = False) -> None:
    """What came of it."""
    from finops_core.answers import verbs
    from finops_core.commands import words

    look(lambda reading: verbs.result(reading, number), words.result, as_json=as_json)


def cancel(
    number: Number,
    reason: Annotated[str, typer.Option(help="Why.")] = "",
    as_json: Json = False,
) -> None:
    """Call it off, or stop it while it runs."""
    from finops_core.answers import verbs
    from finops_core.commands import words
    from finops_core.security import Scope

    change(lambda work: verbs.cancel(work, number, reason), words.execution, Scope.RUN, as_json=as_json)


def withdraw(
    number: Number,
    reason: Annotated[str, typer.Option(help="Why; the approvers read it.")],
    as_json: Json = False,
) -> None:
    """Take back what waits for approval; `run … --replaces` puts another in its place."""
    from finops_core.answers import verbs
    from finops_core.commands import words
    from finops_core.security import Scope

    change(lambda work: verbs.withdraw(work, number, reason), words.execution, Scope.RUN, as_json=as_json)


def replan(number: Number, as_json: Json = False) -> None:
    """Make a fresh plan while nothing was done."""
    from finops_core.answers import verbs
    from finops_core.commands import words
    from finops_core.security import Scope

    change(lambda work: verbs.replan(work, number), words.execution, Scope.RUN, as_json=as_json)


def record(
    number: Number,
    to: Target,
    form: Annotated[str, typer.Option(help="zip: with files and proofs; html: one page.")] = "zip",
    as_json: Json = False,
) -> None:
    """Take everything about it out, to be checked without the desk; that it was taken stands in the log."""
    from finops_core.answers import verbs

    one_of(verbs.Form, form, "--form")
    require_new(to)
    with acting(as_json=as_json) as caller:
        pack = verbs.record(caller, number, verbs.Form(form))
        write(to, pack.content)
