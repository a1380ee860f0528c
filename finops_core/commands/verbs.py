"""The commands themselves: each asks one verb, as the API does, and tells its answer."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from finops_core.commands.acting import Exit, Json, acting, given, tell, tell_problem

if TYPE_CHECKING:
    from finops_core.answers.caller import Caller
    from finops_core.answers.operations import ExecutionAnswer

Number = Annotated[str, typer.Argument(help="Number or id, such as EX-2026-0001.")]
Limit = Annotated[int, typer.Option(min=1, max=200, help="How many.")]
Offset = Annotated[int, typer.Option(min=0, help="How many to leave out before.")]
Wait = Annotated[bool, typer.Option("--wait", help="Come back when it has ended; exit code 1 unless it is completed.")]
PIECE_BYTES = 256 * 1024
LOOKS_S = (0.2, 0.5, 1.0, 2.0)
PLANNING = "planning"


def me(as_json: Json = False) -> None:
    """Who acts, by which token."""
    from finops_core.answers import verbs
    from finops_core.commands import words

    with acting(as_json=as_json) as caller:
        with caller.read() as reading:
            told = verbs.me(reading)
        tell(told, words.me, as_json=as_json)


def catalogue(
    operation: Annotated[str, typer.Argument(help="One operation's id; all of them without.")] = "",
    as_json: Json = False,
) -> None:
    """What can be run."""
    from finops_core.answers import verbs
    from finops_core.commands import words

    with acting(as_json=as_json) as caller:
        with caller.read() as reading:
            one = verbs.operation(reading, operation) if operation else None
            every = None if one else verbs.catalogue(reading)
        if one:
            tell(one, words.operation, as_json=as_json)
        elif every:
            tell(every, words.catalogue, as_json=as_json)


def upload(file: Annotated[Path, typer.Argument(exists=True, dir_okay=False)], as_json: Json = False) -> None:
    """Bring a file; it is sealed as it is read."""
    from finops_core import files
    from finops_core.answers import verbs
    from finops_core.commands import words
    from finops_core.security import Scope

    with acting(as_json=as_json) as caller:
        sealed = files.take_in(caller.desk, caller.actor, _pieces(file))
        with caller.work(Scope.RUN, Scope.FILES) as work:
            told = verbs.keep(work, sealed, file.name, "text/csv")
        tell(told, words.file, as_json=as_json)


def run(
    operation: Annotated[str, typer.Argument(help="Its id, as `catalogue` tells it.")],
    file: Annotated[Path | None, typer.Option(exists=True, dir_okay=False, help="The file it takes.")] = None,
    file_id: Annotated[str, typer.Option(help="The same, uploaded before.")] = "",
    param: Annotated[list[str] | None, typer.Option(help="name=value; give it once for each.")] = None,
    params: Annotated[str, typer.Option(help="All parameters as a JSON object.")] = "",
    reason: Annotated[str, typer.Option(help="Why the same is to run again.")] = "",
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
            told = verbs.draft(work, operation, asked, content, reason)
        if isinstance(told, Problem):
            tell_problem(told, as_json=as_json)
            raise typer.Exit(Exit.REFUSED)
        if submit:
            told = _watched(caller, told, lambda seen: seen.state == PLANNING)
            with caller.work(Scope.RUN) as work:
                told = verbs.submit(work, told.id, told.plan_hash)
        _ended(caller, told, wait=wait, as_json=as_json)


def plan(number: Number, as_json: Json = False) -> None:
    """What it would do, and the hash that submitting it needs."""
    from finops_core.answers import verbs
    from finops_core.commands import words

    with acting(as_json=as_json) as caller:
        with caller.read() as reading:
            told = verbs.plan(reading, number)
        tell(told, words.plan, as_json=as_json)


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
        _ended(caller, told, wait=wait, as_json=as_json)


def status(number: Number, wait: Wait = False, as_json: Json = False) -> None:
    """Where it stands."""
    from finops_core.answers import verbs

    with acting(as_json=as_json) as caller:
        with caller.read() as reading:
            told = verbs.execution(reading, number)
        _ended(caller, told, wait=wait, as_json=as_json)


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

    if state and state not in set(PublicState):
        raise typer.BadParameter(f"one of {', '.join(PublicState)}", param_hint="--state")
    wanted = ExecutionFilter(text, PublicState(state) if state else None, operation, mine)
    with acting(as_json=as_json) as caller:
        with caller.read() as reading:
            told = verbs.executions(reading, wanted, verbs.Paging(limit, offset))
        tell(told, words.executions, as_json=as_json)


def log(
    number: Number,
    after: Annotated[int, typer.Option(min=0, help="Only lines past this number.")] = 0,
    limit: Annotated[int, typer.Option(min=1, max=1000)] = 500,
    as_json: Json = False,
) -> None:
    """Lines of its log, oldest first."""
    from finops_core.answers import verbs
    from finops_core.commands import words

    with acting(as_json=as_json) as caller:
        with caller.read() as reading:
            told = verbs.log(reading, number, after, limit)
        tell(told, words.log, as_json=as_json)


def result(number: Number, as_json: Json = False) -> None:
    """What came of it."""
    from finops_core.answers import verbs
    from finops_core.commands import words

    with acting(as_json=as_json) as caller:
        with caller.read() as reading:
            told = verbs.result(reading, number)
        tell(told, words.result, as_json=as_json)


def files(number: Number, as_json: Json = False) -> None:
    """Its input and its result files."""
    from finops_core.answers import verbs
    from finops_core.commands import words

    with acting(as_json=as_json) as caller:
        with caller.read() as reading:
            told = verbs.files_of(reading, number)
        tell(told, words.files, as_json=as_json)


def download(
    file: Annotated[str, typer.Argument(help="The id of a file.")],
    to: Annotated[Path, typer.Option(help="Where to write it; it must not be there yet.")],
    as_json: Json = False,
) -> None:
    """Take a file out, its hash checked; the download stands in the log."""
    from finops_core import files as stored
    from finops_core.security import Scope

    if to.exists() or not to.parent.is_dir():
        raise typer.BadParameter(f"{to} is there already, or its folder is not there", param_hint="--to")
    with acting(as_json=as_json) as caller:
        with caller.work(Scope.RUN, Scope.FILES) as work:
            found = stored.download(work, file)
        with to.open("xb") as out:
            out.write(found.content)
        typer.echo(str(to))


def cancel(
    number: Number,
    reason: Annotated[str, typer.Option(help="Why.")] = "",
    as_json: Json = False,
) -> None:
    """Call it off, or stop it while it runs."""
    from finops_core.answers import verbs

    _change(lambda work: verbs.cancel(work, number, reason), as_json=as_json)


def retry(number: Number, as_json: Json = False) -> None:
    """Plan again what definitely failed, as a new attempt with an approval of its own."""
    from finops_core.answers import verbs

    _change(lambda work: verbs.retry(work, number), as_json=as_json)


def replan(number: Number, as_json: Json = False) -> None:
    """Make a fresh plan while nothing was done."""
    from finops_core.answers import verbs

    _change(lambda work: verbs.replan(work, number), as_json=as_json)


def approvals(
    request: Annotated[str, typer.Argument(help="One request's number; those that wait without.")] = "",
    decided: Annotated[bool, typer.Option("--decided", help="Those that wait no more.")] = False,
    limit: Limit = 50,
    offset: Offset = 0,
    as_json: Json = False,
) -> None:
    """Requests for approval, or one of them."""
    from finops_core.answers import verbs
    from finops_core.commands import words

    page = verbs.Paging(limit, offset)
    listed = verbs.approvals_decided if decided else verbs.approvals_waiting
    with acting(as_json=as_json) as caller:
        with caller.read() as reading:
            one = verbs.approval(reading, request) if request else None
            every = None if one else listed(reading, page)
        if one:
            tell(one, words.approval, as_json=as_json)
        elif every:
            tell(every, words.approvals, as_json=as_json)


def decide(
    request: Annotated[str, typer.Argument(help="Its number, such as AP-2026-0001.")],
    decision: Annotated[str, typer.Argument(help="approved or rejected.")],
    content: Annotated[str, typer.Option("--content", help="The hash of what you saw, as `approvals` tells it.")],
    comment: Annotated[str, typer.Option(help="Needed for a rejection.")] = "",
    as_json: Json = False,
) -> None:
    """Approve or reject exactly what you saw."""
    from finops_core.answers import verbs
    from finops_core.approvals import Decision
    from finops_core.commands import words
    from finops_core.security import Scope

    if decision not in set(Decision):
        raise typer.BadParameter(f"one of {', '.join(Decision)}", param_hint="DECISION")
    with acting(as_json=as_json) as caller:
        with caller.work(Scope.APPROVE) as work:
            told = verbs.decide(work, request, Decision(decision), comment, content)
        tell(told, words.approval, as_json=as_json)


def tokens(
    revoke: Annotated[str, typer.Option(help="End the token in use; give its id.")] = "",
    as_json: Json = False,
) -> None:
    """Your own tokens here; new ones are made on the page Me."""
    from finops_core.answers import verbs
    from finops_core.commands import words
    from finops_core.security import Scope

    with acting(as_json=as_json) as caller:
        if revoke:
            with caller.work(*Scope) as work:
                told = verbs.revoke(work, revoke)
        else:
            with caller.read() as reading:
                told = verbs.tokens(reading)
        tell(told, words.tokens, as_json=as_json)


def _change(do: "Callable[..., ExecutionAnswer]", *, as_json: bool) -> None:
    from finops_core.commands import words
    from finops_core.security import Scope

    with acting(as_json=as_json) as caller:
        with caller.work(Scope.RUN) as work:
            told = do(work)
        tell(told, words.execution, as_json=as_json)


def _ended(caller: "Caller", seen: "ExecutionAnswer", *, wait: bool, as_json: bool) -> None:
    from finops_core.commands import words

    if wait:
        seen = _watched(caller, seen, lambda now: not (now.final or now.state == "ready"))
    tell(seen, words.execution, as_json=as_json)
    if wait and seen.final and seen.state != "completed":
        raise typer.Exit(Exit.REFUSED)


def _watched(
    caller: "Caller", seen: "ExecutionAnswer", while_: "Callable[[ExecutionAnswer], bool]"
) -> "ExecutionAnswer":
    from finops_core.answers import verbs

    looks = 0
    while while_(seen):
        time.sleep(LOOKS_S[min(looks // 5, len(LOOKS_S) - 1)])
        looks += 1
        with caller.read() as reading:
            seen = verbs.execution(reading, seen.id)
    return seen


def _pieces(path: Path) -> Iterator[bytes]:
    with path.open("rb") as stream:
        while piece := stream.read(PIECE_BYTES):
            yield piece


PEOPLES = (
    me,
    catalogue,
    upload,
    run,
    plan,
    submit,
    status,
    history,
    log,
    result,
    files,
    download,
    cancel,
    retry,
    replan,
    approvals,
    decide,
    tokens,
)


def add_to(app: typer.Typer) -> None:
    """Hang the commands into the program."""
    for command in PEOPLES:
        app.command(rich_help_panel="As a person, by a token in TIEOUT_TOKEN")(command)
