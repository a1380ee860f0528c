"""Asking for a rehearsal of a plan, and what came of it: the same rows, the same code, a sandbox of its own, bad days.

No money moves and no row of the desk changes; the drawer of an approval shows the outcome beside the plan.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Row, insert, select, update

from finops_core import audit, operations
from finops_core.kernel.errors import Conflict, Invalid, NotAllowed
from finops_core.kernel.ids import new_id
from finops_core.kernel.permissions import Permission
from finops_core.operations import ExecutionView, PlanView, State
from finops_core.payouts.models import payout_rehearsal
from finops_core.platform import queue
from finops_core.platform.work import Reading, Work

REHEARSE_JOB = "payouts.rehearse"
OFFERED = frozenset({"payouts.stripe_balance"})


class Trouble(StrEnum):
    """What can be made to go wrong, in a preparer's words; each strikes a row of its own."""

    ANSWER_LOST = "an answer is lost after the payout was made"
    CALL_LOST = "a call is lost before the payout is made"
    SERVER_ERROR = "the provider makes the payout, then answers with an error"
    TOO_FAST = "the provider asks to slow down"
    NO_MONEY = "the balance falls short on the way"
    KEY_REFUSED = "the key is refused half-way"
    WORKER_DIES = "the worker dies in the middle of a call"


@dataclass(frozen=True, slots=True)
class RehearsalView:
    """A rehearsal; ``outcome`` is empty while it runs, and for good when it was given up.

    Attributes:
        passed: no row was paid twice, none was lost, and none is in doubt.
        given_up: it broke off as often as it was tried, so that nothing came of it.
        outcome: ``summary`` in words, ``rows`` (no, currency, amount, state, calls, trouble), ``calls``, ``twice``.
    """

    id: str
    plan_hash: str
    troubles: tuple[Trouble, ...]
    passed: bool
    given_up: bool
    outcome: Mapping[str, Any]
    requested_by: str
    created_at: datetime
    ended_at: datetime | None

    @property
    def running(self) -> bool:
        """Whether something may still come of it."""
        return self.ended_at is None and not self.given_up

    @property
    def unmet(self) -> tuple[Trouble, ...]:
        """Troubles that were chosen and struck nothing: there were too few rows, or it had stopped before."""
        if not self.outcome:
            return ()
        met = {row.get("trouble") for row in self.outcome.get("rows", ())}
        return tuple(trouble for trouble in self.troubles if trouble.value not in met)


def rehearse(work: Work, execution_id: str, troubles: Sequence[Trouble]) -> str:
    """Have the present plan carried out against a sandbox of its own; gives the rehearsal's id.

    For its preparer with PAYOUTS_PREPARE, and for those who decide. ``REHEARSAL_NOT_OFFERED``, ``EXECUTION_MOVED_ON``
    unless it is ready or waits for approval, ``REHEARSAL_RUNS`` while another one of it does.
    """
    seen = operations.execution(work, execution_id)
    if not work.may(Permission.APPROVALS_DECIDE):
        if seen.requested_by != work.actor.id:
            raise NotAllowed("NOT_YOURS", f"{seen.number} belongs to {seen.requested_by_name}.", hint="Ask them.")
        work.require(Permission.PAYOUTS_PREPARE)
    if seen.operation_id not in OFFERED:
        raise Invalid("REHEARSAL_NOT_OFFERED", "This operation cannot be rehearsed.", hint="Look at its plan instead.")
    if seen.state not in {State.READY, State.AWAITING_APPROVAL}:
        raise Conflict("EXECUTION_MOVED_ON", f"{seen.number} has no plan that waits.", hint="Open it again.")
    if any(each.running for each in rehearsals(work, seen.id, seen.plan_hash)):
        raise Conflict("REHEARSAL_RUNS", "A rehearsal of this plan is under way.", hint="Wait until it has ended.")
    rehearsal_id = new_id("rh")
    work.execute(
        insert(payout_rehearsal).values(
            org_id=work.org_id,
            id=rehearsal_id,
            execution_id=seen.id,
            attempt=seen.attempt,
            plan_hash=seen.plan_hash,
            faults=json.dumps([Trouble(each).value for each in troubles]),
            outcome="",
            passed=False,
            requested_by=work.actor.id,
            created_at=work.now,
            ended_at=None,
        )
    )
    detail = {"number": seen.number, "troubles": [Trouble(each).name.lower() for each in troubles]}
    audit.record(work, "payouts.rehearsal_asked", f"execution:{seen.id}", before=seen.plan_hash, detail=detail)
    queue.enqueue(work, REHEARSE_JOB, {"rehearsal_id": rehearsal_id}, key=_job_key(rehearsal_id))
    return rehearsal_id


def rehearsals(reading: Reading, execution_id: str, plan_hash: str = "") -> tuple[RehearsalView, ...]:
    """The rehearsals of an execution this person may see, of one plan or of all, newest first."""
    seen = operations.execution(reading, execution_id)
    table = payout_rehearsal
    mine = [table.c.org_id == reading.org_id, table.c.execution_id == seen.id]
    if plan_hash:
        mine.append(table.c.plan_hash == plan_hash)
    rows = reading.rows(select(table).where(*mine).order_by(table.c.created_at.desc(), table.c.id.desc()))
    return tuple(_view(reading, row) for row in rows)


def asked(reading: Reading, rehearsal_id: str) -> tuple[RehearsalView, ExecutionView, PlanView] | None:
    """A rehearsal with what it is of, for the job; None when it has ended or its plan is gone."""
    table = payout_rehearsal
    row = reading.first(select(table).where(table.c.org_id == reading.org_id, table.c.id == rehearsal_id))
    if row is None or row.ended_at is not None:
        return None
    plan = operations.plan(reading, row.execution_id, row.plan_hash)
    return None if plan is None else (_view(reading, row), operations.execution(reading, row.execution_id), plan)


def keep(work: Work, rehearsal_id: str, *, passed: bool, outcome: Mapping[str, Any]) -> None:
    """Store what a rehearsal came to."""
    table = payout_rehearsal
    mine = table.c.org_id == work.org_id, table.c.id == rehearsal_id
    work.execute(update(table).where(*mine).values(passed=passed, outcome=json.dumps(outcome), ended_at=work.now))


def _job_key(rehearsal_id: str) -> str:
    return f"{REHEARSE_JOB}:{rehearsal_id}"


def _view(reading: Reading, row: Row[Any]) -> RehearsalView:
    return RehearsalView(
        row.id,
        row.plan_hash,
        tuple(Trouble(each) for each in json.loads(row.faults)),
        bool(row.passed),
        row.ended_at is None and not queue.is_open(reading, _job_key(row.id)),
        json.loads(row.outcome) if row.outcome else {},
        row.requested_by,
        row.created_at,
        row.ended_at,
    )
