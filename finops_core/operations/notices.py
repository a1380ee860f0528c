"""Who asked for an execution is told how it ended; in the unit that ends it."""

from collections.abc import Mapping

from finops_core import notifications
from finops_core.notifications import Kind
from finops_core.operations.queries import ExecutionView
from finops_core.operations.rules import State
from finops_core.platform.work import Work

# What a person did themselves, such as a rejection, is told where it is done.
_ENDS: Mapping[State, tuple[Kind, str]] = {
    State.COMPLETED: (Kind.EXECUTION_COMPLETED, "is done"),
    State.FAILED: (Kind.EXECUTION_FAILED, "has failed"),
    State.CANCELLED: (Kind.EXECUTION_FAILED, "was stopped"),
    State.TIMED_OUT: (Kind.EXECUTION_FAILED, "took too long and was ended"),
    State.INTERRUPTED: (Kind.EXECUTION_FAILED, "was interrupted"),
    State.SUPERSEDED: (Kind.EXECUTION_FAILED, "did not run and needs a new plan"),
    State.EXPIRED: (Kind.EXECUTION_FAILED, "did not run: its approval was too old"),
}


def tell_of_end(work: Work, seen: ExecutionView, new: State, told: str) -> None:
    """The requester learns how a run ended; of a plan that broke they read on the page where they wait for it."""
    if new not in _ENDS or seen.state is State.PLANNING:
        return
    kind, what = _ENDS[new]
    notifications.notify(
        work,
        [seen.requested_by],
        kind,
        once=f"execution:{seen.id}:{seen.attempt}:{new}",
        title=f"{seen.title} {seen.number} {what}",
        body=told,
        page="executions",
        query={"execution": seen.number},
    )
