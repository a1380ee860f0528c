"""Verbs for people when something went wrong: retry what failed, send on or settle what is in doubt, take back.

Nothing here calls a provider: what needs one is asked for, and done by the jobs of ``repairing``.
"""

from enum import StrEnum

from sqlalchemy import insert, update

from finops_core import approvals, audit, operations, security
from finops_core.kernel.errors import Conflict, Invalid, NotAllowed
from finops_core.kernel.ids import new_id
from finops_core.kernel.permissions import Permission
from finops_core.operations import ExecutionView
from finops_core.payouts import news, queries, rules
from finops_core.payouts.models import payout, payout_resolution
from finops_core.payouts.queries import Unsettled
from finops_core.payouts.rules import PayoutState
from finops_core.platform import queue
from finops_core.platform.work import Work

RESOLVE_JOB = "payouts.resolve"
CANCEL_JOB = "payouts.cancel"
COMMENT_CHARS = 2_000


class Verdict(StrEnum):
    """What a person found at the provider."""

    EXISTS = "exists"
    NEVER_MADE = "never_made"


def retry(work: Work, execution_id: str) -> ExecutionView:
    """Plan the rows that definitely failed again, as a new attempt with an approval of its own (I5).

    ``NOTHING_TO_RETRY`` when none has, ``STILL_IN_DOUBT`` while any is in doubt. Left out are rows that may be
    paid by a payout the desk did not make; ``OTHER_PAYOUT_FOUND`` when nothing else is left.
    """
    work.require(Permission.PAYOUTS_PREPARE)
    seen = operations.execution(work, execution_id)
    newest = queries.newest_of(work, seen.id)
    if any(row.state in rules.DOUBTFUL for row in newest):
        raise Conflict(
            "STILL_IN_DOUBT",
            "Of some payouts nobody knows yet what became of them.",
            hint="Wait until they are settled, or settle them; then retry.",
        )
    failed = [row.row_no for row in newest if row.state in rules.RETRYABLE]
    others = news.other_payouts(work, seen.id, failed)
    if others and len(others) == len(failed):
        number, other = next(iter(others.items()))
        raise Conflict(
            "OTHER_PAYOUT_FOUND",
            f"The provider has told of another payout for row {number}: {other}. It may have been paid by that.",
            hint="Look at it there. If it pays the row, nothing is left to do; once it is cancelled, retry.",
        )
    return operations.reopen(work, seen.id, [number for number in failed if number not in others])


def send_on(work: Work, execution_id: str) -> ExecutionView:
    """Let the run look its doubtful rows up and, where the provider knows nothing, send them again with the same key.

    ``NOTHING_TO_SEND`` when none may be sent again: once a key may be forgotten, only a person can settle a row.
    ``EXECUTION_STOPPED`` after a stop: its doubtful rows are only looked up.
    """
    work.require(Permission.PAYOUTS_PREPARE)
    seen = operations.execution(work, execution_id)
    if not any(row.state in rules.UNSETTLED for row in queries.newest_of(work, seen.id)):
        raise Conflict("NOTHING_TO_SEND", "No payout here may be sent again.", hint="Look at its rows.")
    return operations.go_on(work, seen.id)


def resolve(work: Work, payout_id: str, verdict: Verdict, provider_id: str, comment: str) -> None:
    """Say what a look at the provider showed of a payout that waits for a person; the desk checks it before it counts.

    For people with PAYOUTS_RESOLVE who did not prepare it. ``provider_id`` is needed with EXISTS, ``comment`` always.
    Raises ``PAYOUT_MOVED_ON``, ``NOT_THE_PREPARER``, ``COMMENT_NEEDED``, ``PROVIDER_ID_NEEDED``.
    """
    work.require(Permission.PAYOUTS_RESOLVE)
    row = queries.for_change(work, payout_id)
    if operations.execution(work, row.execution_id).requested_by == work.actor.id:
        raise NotAllowed(
            "NOT_THE_PREPARER",
            "You prepared this payout, so somebody else must settle it.",
            hint="Ask an approver or a controller.",
        )
    if row.state is not PayoutState.NEEDS_REVIEW:
        raise Conflict("PAYOUT_MOVED_ON", "This payout does not wait for a person.", hint="Open the execution again.")
    verdict, comment, provider_id = Verdict(verdict), comment.strip(), provider_id.strip() or row.provider_id
    if not comment or len(comment) > COMMENT_CHARS:
        raise Invalid("COMMENT_NEEDED", "Say where you looked and what you saw.", hint="Up to 2,000 characters.")
    if verdict is Verdict.EXISTS and not provider_id:
        raise Invalid("PROVIDER_ID_NEEDED", "Which payout is it?", hint="Give its id at the provider, po_….")
    values = {
        "org_id": work.org_id,
        "id": new_id("rsl"),
        "payout_id": row.id,
        "person_id": work.actor.id,
        "verdict": verdict.value,
        "provider_id": provider_id,
        "comment": comment,
        "at": work.now,
    }
    work.execute(insert(payout_resolution).values(**values))
    detail = {"execution": row.execution_id, "row": row.row_no, "verdict": verdict.value, "provider_id": provider_id}
    audit.record(work, "payout.resolution_given", f"payout:{row.id}", before=row.row_hash, detail=detail)
    queue.enqueue(work, RESOLVE_JOB, {"payout_id": row.id, "resolution_id": values["id"]})


def ask_cancel(work: Work, execution_id: str, payout_id: str = "", reason: str = "") -> int:
    """Ask the provider to take payouts back that have not left yet: one, or all of an execution; gives how many.

    For who prepared or approved them, and those with EXECUTIONS_CANCEL_ANY. ``NOTHING_TO_CANCEL`` when all have left.
    """
    security.require_scope(work, security.Scope.RUN)
    seen = operations.execution(work, execution_id)
    asked = approvals.of_subject(work, "execution", seen.id)
    near = {seen.requested_by, *(said.person_id for request in asked for said in request.decisions)}
    if work.actor.id not in near:
        work.require(Permission.EXECUTIONS_CANCEL_ANY)
    rows = [row for row in queries.newest_of(work, seen.id) if payout_id in ("", row.id)]
    waiting = [row for row in rows if row.state is PayoutState.CREATED]
    if not waiting:
        raise Conflict("NOTHING_TO_CANCEL", "Nothing can be taken back any more.", hint="See each payout's state.")
    for row in waiting:
        _ask_cancel(work, row, reason)
    return len(waiting)


def _ask_cancel(work: Work, row: Unsettled, reason: str) -> None:
    mine = payout.c.org_id == work.org_id, payout.c.id == row.id
    work.execute(update(payout).where(*mine).values(cancel_asked_at=work.now))
    detail = {"execution": row.execution_id, "row": row.row_no, "reason": reason[:COMMENT_CHARS]}
    audit.record(work, "payout.cancel_asked", f"payout:{row.id}", before=row.row_hash, detail=detail)
    queue.enqueue(work, CANCEL_JOB, {"payout_id": row.id}, key=f"{CANCEL_JOB}:{row.id}")
