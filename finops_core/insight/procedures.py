"""One operation in full: what it does and for whom, its versions, and how its executions have ended."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from finops_core import audit, operations, security
from finops_core.kernel.errors import NotFound
from finops_core.kernel.permissions import Permission
from finops_core.operations import ExecutionFilter, ExecutionView, OperationView, PublicState
from finops_core.platform.work import Reading

RECENT = 6
ALL_BPS = 10_000
VIEWERS = (Permission.OPERATIONS_RUN, Permission.OPERATIONS_ADMINISTER, Permission.EXECUTIONS_VIEW_ALL)


@dataclass(frozen=True, slots=True)
class Version:
    """One version of an operation, and since when this installation knows it."""

    version: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Procedure:
    """Everything about an operation that the person who looks may know.

    Attributes:
        view: the operation, and whether this person may run it.
        versions: newest first.
        people: names of those who may run it here.
        counts: how many executions this person may see, by public state.
        success_bps: completed ones of those that completed or failed, in hundredths of a percent; None without any.
        recent: the newest executions.
        switches: who switched it on or off in this organisation and why, newest first.
        may_switch: whether this person may do so.
    """

    view: OperationView
    versions: tuple[Version, ...]
    people: tuple[str, ...]
    counts: Mapping[PublicState, int]
    success_bps: int | None
    recent: tuple[ExecutionView, ...]
    switches: tuple[audit.AuditView, ...]
    may_switch: bool


def procedure(reading: Reading, operation_id: str) -> Procedure:
    """One operation of the catalogue; needs the right to run, to administer or to see all. ``OPERATION_NOT_THERE``."""
    if not any(reading.may(each) for each in VIEWERS):
        reading.require(Permission.OPERATIONS_RUN)
    view = next((each for each in operations.catalogue(reading) if each.id == operation_id), None)
    if view is None:
        raise NotFound("OPERATION_NOT_THERE", "There is no such operation.", hint="Choose one from the list.")
    found = {state: ExecutionFilter(operation_id=view.id, public=state) for state in PublicState}
    counts = {state: operations.executions(reading, wanted, limit=0).total for state, wanted in found.items()}
    ended = counts[PublicState.COMPLETED] + counts[PublicState.FAILED]
    recent = operations.executions(reading, ExecutionFilter(operation_id=view.id), limit=RECENT).rows
    told = audit.of_installation(reading, f"operation:{view.id}")
    registered = [each for each in told if each.verb == "operation.registered"]
    return Procedure(
        view,
        tuple(Version(str(each.detail.get("version", "")), each.at) for each in registered),
        _people(reading, view),
        counts,
        counts[PublicState.COMPLETED] * ALL_BPS // ended if ended else None,
        recent,
        tuple(each for each in told if each.verb == "operation.switched"),
        reading.may(Permission.OPERATIONS_ADMINISTER),
    )


def _people(reading: Reading, view: OperationView) -> tuple[str, ...]:
    """Those who hold every permission it asks for."""
    held = [security.people_with(reading, permission) for permission in view.operation.permissions]
    ids = [{person.id for person in people} for people in held]
    may = set.intersection(*ids) if ids else set()
    return tuple(person.display_name for person in (held[0] if held else ()) if person.id in may)
