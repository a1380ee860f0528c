"""Commands about payouts: where each stands, and what is done when something went wrong."""

from typing import Annotated

import typer

from finops_core.commands.acting import Json, acting, tell
from finops_core.commands.asking import Limit, Number, Offset, change, look, one_of

Payout = Annotated[str, typer.Argument(help="Id of a payout, ours or the provider's.")]


def payouts(
    number: Annotated[str, typer.Argument(help="Number or id of an execution; the whole organisation without.")] = "",
    standing: Annotated[
        str, typer.Option(help="in_flight, late, in_doubt, returned, not_made, sent, for_a_person.")
    ] = "",
    limit: Limit = 50,
    offset: Offset = 0,
    as_json: Json = False,
) -> None:
    """Payouts of an execution in the order of its plan; or all, those that need somebody first."""
    from finops_core.answers import payout_verbs, verbs
    from finops_core.commands import words
    from finops_core.payouts import Order, PayoutFilter, Standing

    if standing:
        one_of(Standing, standing, "--standing")
    page, wanted = verbs.Paging(limit, offset), PayoutFilter(standing=Standing(standing) if standing else None)
    if number and standing:
        raise typer.BadParameter("not together with an execution", param_hint="--standing")
    if number:
        look(lambda reading: payout_verbs.payouts_of(reading, number, page), words.payouts, as_json=as_json)
    else:
        look(lambda reading: payout_verbs.listed(reading, wanted, page, Order.TROUBLE), words.payouts, as_json=as_json)


def payout(name: Payout, as_json: Json = False) -> None:
    """One payout."""
    from finops_core.answers import payout_verbs
    from finops_core.commands import words

    look(lambda reading: payout_verbs.payout(reading, name), words.payout, as_json=as_json)


def rehearse(
    number: Number,
    trouble: Annotated[list[str] | None, typer.Option(help="What is to go wrong; give it once for each.")] = None,
    as_json: Json = False,
) -> None:
    """Have its plan carried out against a sandbox of its own; moves no money."""
    from finops_core.answers import payout_verbs
    from finops_core.commands import words
    from finops_core.security import Scope

    for each in trouble or []:
        one_of(payout_verbs.TROUBLES, each, "--trouble")
    change(
        lambda work: payout_verbs.rehearse(work, number, trouble or []),
        words.rehearsal,
        Scope.RUN,
        Scope.APPROVE,
        as_json=as_json,
    )


def rehearsals(number: Number, as_json: Json = False) -> None:
    """What became of its rehearsals, newest first."""
    from finops_core.answers import payout_verbs
    from finops_core.commands import words

    look(lambda reading: payout_verbs.rehearsals(reading, number), words.rehearsals, as_json=as_json)


def retry(number: Number, as_json: Json = False) -> None:
    """Plan again what definitely failed, as a new attempt with an approval of its own."""
    from finops_core.answers import payout_verbs
    from finops_core.commands import words
    from finops_core.security import Scope

    with acting(as_json=as_json) as caller:
        payout_verbs.look_first(caller, number)
        with caller.work(Scope.RUN) as work:
            told = payout_verbs.retry(work, number)
        tell(told, words.execution, as_json=as_json)


def send_on(number: Number, as_json: Json = False) -> None:
    """Have what is in doubt looked up and, where the provider knows nothing, sent again with the same key."""
    from finops_core.answers import payout_verbs
    from finops_core.commands import words
    from finops_core.security import Scope

    change(lambda work: payout_verbs.send_on(work, number), words.execution, Scope.RUN, as_json=as_json)


def take_back(
    number: Number,
    payout: Annotated[str, typer.Option(help="The id of one; all that have not left without.")] = "",
    reason: Annotated[str, typer.Option(help="Why.")] = "",
    as_json: Json = False,
) -> None:
    """Ask the provider to take payouts back that have not left yet."""
    from finops_core.answers import payout_verbs
    from finops_core.commands import words
    from finops_core.security import Scope

    change(
        lambda work: payout_verbs.take_back(work, number, payout, reason),
        words.taken_back,
        Scope.RUN,
        as_json=as_json,
    )


def settle(
    name: Payout,
    verdict: Annotated[str, typer.Argument(help="exists, never_made or paid_twice.")],
    comment: Annotated[str, typer.Option(help="Where you looked, and what you saw.")],
    provider_id: Annotated[str, typer.Option(help="Its id at the provider; needed with exists.")] = "",
    as_json: Json = False,
) -> None:
    """Say what became of a payout that waits for a person; the desk looks for itself before it counts."""
    from finops_core.answers import payout_verbs
    from finops_core.commands import words
    from finops_core.payouts import Verdict
    from finops_core.security import Scope

    one_of(Verdict, verdict, "VERDICT")
    said = Verdict(verdict)
    change(
        lambda work: payout_verbs.settle(work, name, said, provider_id, comment),
        words.payout,
        Scope.SETTLE,
        as_json=as_json,
    )
