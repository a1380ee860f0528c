"""What programs can ask for about payouts and rehearsals, as ``verbs`` does for everything else; no rule lives here."""

from collections.abc import Iterable

from finops_core import operations, payouts, security
from finops_core.answers import operations as runs
from finops_core.answers import payouts as told
from finops_core.answers.caller import Caller
from finops_core.answers.operations import ExecutionAnswer
from finops_core.answers.payouts import (
    PayoutAnswer,
    PayoutsAnswer,
    RehearsalAnswer,
    RehearsalsAnswer,
    TakenBackAnswer,
)
from finops_core.answers.verbs import Paging
from finops_core.payouts import Order, PayoutFilter, Trouble, Verdict
from finops_core.platform.work import Reading, Work

TROUBLES = {told.word(trouble): trouble for trouble in Trouble}


def payouts_of(reading: Reading, execution_id: str, page: Paging) -> PayoutsAnswer:
    """The payouts of an execution, of every attempt, in the order of its plan."""
    seen = operations.execution(reading, execution_id)
    return listed(reading, PayoutFilter(execution_id=seen.id, newest=False), page, Order.PLAN)


def listed(reading: Reading, wanted: PayoutFilter, page: Paging, order: Order) -> PayoutsAnswer:
    """Payouts the person may see."""
    return told.payouts(payouts.page(reading, wanted, page.limit, page.offset, order), page.limit, page.offset)


def payout(reading: Reading, payout_id: str) -> PayoutAnswer:
    """One payout, by our id or the provider's."""
    return told.payout(payouts.one(reading, payout_id))


def look_first(caller: Caller, execution_id: str) -> None:
    """Before a retry: ask the provider about every payout that keeps a row from being retried, as the page does."""
    with caller.read() as reading:
        security.require_scope(reading, security.Scope.RUN)
    payouts.look_at_all(caller.desk, caller.actor, execution_id)


def retry(work: Work, execution_id: str) -> ExecutionAnswer:
    """Plan what definitely failed again."""
    return runs.execution(payouts.retry(work, execution_id))


def send_on(work: Work, execution_id: str) -> ExecutionAnswer:
    """Let the run go on with what is in doubt."""
    return runs.execution(payouts.send_on(work, execution_id))


def take_back(work: Work, execution_id: str, payout_id: str, reason: str) -> TakenBackAnswer:
    """Have the provider asked for one payout, or for all of an execution that have not left."""
    seen = operations.execution(work, execution_id)
    asked = payouts.ask_cancel(work, seen.id, _ours(work, payout_id), reason)
    return TakenBackAnswer(execution=seen.id, asked=asked)


def settle(work: Work, payout_id: str, verdict: Verdict, provider_id: str, comment: str) -> PayoutAnswer:
    """Say what a look at the provider showed of a payout; the desk checks it before it counts."""
    row_id = _ours(work, payout_id)
    payouts.resolve(work, row_id, verdict, provider_id, comment)
    return payout(work, row_id)


def rehearse(work: Work, execution_id: str, troubles: Iterable[str]) -> RehearsalAnswer:
    """Have the present plan rehearsed, with troubles named as in ``TROUBLES``."""
    made = payouts.rehearse(work, execution_id, [TROUBLES[each] for each in troubles])
    return next(told.rehearsal(each) for each in payouts.rehearsals(work, execution_id) if each.id == made)


def rehearsals(reading: Reading, execution_id: str) -> RehearsalsAnswer:
    """What became of each rehearsal of an execution."""
    return told.rehearsals(payouts.rehearsals(reading, execution_id))


def _ours(reading: Reading, payout_id: str) -> str:
    """Our id of a payout that may be named by the provider's; "" stays that."""
    return payouts.one(reading, payout_id).id if payout_id else ""
