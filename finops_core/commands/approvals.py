"""Commands about approvals: what waits, and deciding it."""

from typing import Annotated

import typer

from finops_core.commands.acting import Json, acting, tell
from finops_core.commands.asking import Limit, Offset, change, look, one_of


def approvals(
    request: Annotated[str, typer.Argument(help="One request's number; those that wait without.")] = "",
    decided: Annotated[bool, typer.Option("--decided", help="Those that wait no more.")] = False,
    limit: Limit = 50,
    offset: Offset = 0,
    as_json: Json = False,
) -> None:
    """Requests for approval, or one of them with the rows of its plan."""
    from finops_core.answers import verbs
    from finops_core.commands import words

    page = verbs.Paging(limit, offset)
    listed = verbs.approvals_decided if decided else verbs.approvals_waiting
    if request:
        with acting(as_json=as_json) as caller:
            with caller.read() as reading:
                told = verbs.approval(reading, request)
                planned = None if as_json else verbs.asked_about(reading, told)
            tell(told, lambda one: words.asked(one, planned), as_json=as_json)
    else:
        look(lambda reading: listed(reading, page), words.approvals, as_json=as_json)


def decide(
    request: Annotated[str, typer.Argument(help="Its number, such as AP-2026-0001.")],
    decision: Annotated[str, typer.Argument(help="approved or rejected.")],
    content: Annotated[str, typer.Option("--content", help="The hash of what you saw, as `approvals` tells it.")],
    comment: Annotated[str, typer.Option(help="Needed for a rejection.")] = "",
    seen: Annotated[
        list[str] | None,
        typer.Option("--seen", help="An execution that `approvals` names as of the same file or payees; of each one."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Approve or reject exactly what you saw."""
    from finops_core.answers import verbs
    from finops_core.approvals import Decision
    from finops_core.commands import words
    from finops_core.security import Scope

    one_of(Decision, decision, "DECISION")
    said = Decision(decision)
    change(
        lambda work: verbs.decide(work, request, said, comment, content, seen or ()),
        words.approval,
        Scope.APPROVE,
        as_json=as_json,
    )
