"""What waits or can never be decided once somebody may not act any more, told before it is done."""

from dataclasses import dataclass

from finops_core import approvals, operations
from finops_core.approvals import StuckRequest
from finops_core.operations import HeldRun
from finops_core.platform.work import Reading


@dataclass(frozen=True, slots=True)
class Departure:
    """Consequences in one organisation.

    Attributes:
        requests: open requests that too few others could decide.
        runs: runs that would not start, for a preparer or approver of theirs is not active.
        kinds: kinds of item that nobody else may approve.
    """

    requests: tuple[StuckRequest, ...]
    runs: tuple[HeldRun, ...]
    kinds: tuple[str, ...]

    @property
    def harmless(self) -> bool:
        """Whether nothing would wait."""
        return not (self.requests or self.runs or self.kinds)


def departure(reading: Reading, person_id: str) -> Departure:
    """If this person were deactivated; needs PEOPLE_ADMINISTER."""
    return Departure(
        approvals.stuck_without(reading, person_id),
        operations.held_without(reading, person_id),
        approvals.nobody_else_approves(reading, person_id),
    )
