"""Commands about the desk as its people see it: who acts, what can be run, what can be found."""

from typing import Annotated

import typer

from finops_core.commands.acting import Json, acting, tell
from finops_core.commands.asking import look


def me(as_json: Json = False) -> None:
    """Who acts, by which token."""
    from finops_core.answers import verbs
    from finops_core.commands import words

    look(verbs.me, words.me, as_json=as_json)


def catalogue(
    operation: Annotated[str, typer.Argument(help="One operation's id; all of them without.")] = "",
    as_json: Json = False,
) -> None:
    """What can be run."""
    from finops_core.answers import verbs
    from finops_core.commands import words

    if operation:
        look(lambda reading: verbs.operation(reading, operation), words.operation, as_json=as_json)
    else:
        look(verbs.catalogue, words.catalogue, as_json=as_json)


def search(text: Annotated[str, typer.Argument(help="Number, amount, payee, file …")], as_json: Json = False) -> None:
    """Whatever matches, in every area; nothing that you may not see."""
    from finops_core.answers import verbs
    from finops_core.commands import words

    look(lambda reading: verbs.search(reading, text), words.found, as_json=as_json)


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
