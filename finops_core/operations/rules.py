"""States of an execution, what may follow what, and what the outside sees of it. Pure."""

from collections.abc import Mapping
from enum import StrEnum

from finops_core.kernel.canonical import content_hash
from finops_core.kernel.errors import Conflict, FinOpsError
from finops_core.kernel.operation import Plan


class State(StrEnum):
    """Where an execution stands inside the desk.

    UNSETTLED: of some of its parts, of whichever attempt, nobody can say what became of them, and no run is at it. That
    is not a failure, so it stays among the running ones until the last of them is known.
    """

    PLANNING = "planning"
    READY = "ready"
    AWAITING_APPROVAL = "awaiting_approval"
    QUEUED = "queued"
    RUNNING = "running"
    UNSETTLED = "unsettled"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    REJECTED = "rejected"
    TIMED_OUT = "timed_out"
    INTERRUPTED = "interrupted"
    SUPERSEDED = "superseded"
    EXPIRED = "expired"


class PublicState(StrEnum):
    """The five states everybody sees (E06)."""

    PENDING = "pending"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


_S, _P = State, PublicState
PUBLIC: Mapping[State, PublicState] = {
    _S.PLANNING: _P.PENDING,
    _S.READY: _P.PENDING,
    _S.AWAITING_APPROVAL: _P.PENDING,
    _S.QUEUED: _P.PENDING,
    _S.RUNNING: _P.RUNNING,
    _S.UNSETTLED: _P.RUNNING,
    _S.COMPLETED: _P.COMPLETED,
    _S.FAILED: _P.FAILED,
    _S.TIMED_OUT: _P.FAILED,
    _S.INTERRUPTED: _P.FAILED,
    _S.CANCELLED: _P.CANCELLED,
    _S.REJECTED: _P.CANCELLED,
    _S.SUPERSEDED: _P.CANCELLED,
    _S.EXPIRED: _P.CANCELLED,
}

_ENDINGS = frozenset({_S.COMPLETED, _S.FAILED, _S.CANCELLED})
_NEXT: Mapping[State, frozenset[State]] = {
    # Before it runs, a retry is called back when what became of an earlier attempt is called into question.
    _S.PLANNING: frozenset({_S.READY, _S.FAILED, _S.CANCELLED, _S.UNSETTLED}),
    _S.READY: frozenset({_S.AWAITING_APPROVAL, _S.QUEUED, _S.CANCELLED, _S.PLANNING, _S.UNSETTLED}),
    _S.AWAITING_APPROVAL: frozenset({_S.QUEUED, _S.REJECTED, _S.CANCELLED, _S.EXPIRED, _S.PLANNING, _S.UNSETTLED}),
    _S.QUEUED: frozenset({_S.RUNNING, _S.CANCELLED, _S.SUPERSEDED, _S.EXPIRED, _S.FAILED, _S.UNSETTLED}),
    _S.RUNNING: frozenset({*_ENDINGS, _S.TIMED_OUT, _S.INTERRUPTED, _S.SUPERSEDED, _S.UNSETTLED}),
    _S.UNSETTLED: frozenset({*_ENDINGS, _S.RUNNING}),
    # What has ended can be planned again: as a whole while nothing was done, else only those of its rows that failed.
    # It stands open again when what became of one of its parts, of an earlier attempt say, is called into question.
    **dict.fromkeys((_S.SUPERSEDED, _S.EXPIRED), frozenset({_S.PLANNING, _S.UNSETTLED})),
    **dict.fromkeys((*_ENDINGS, _S.TIMED_OUT, _S.INTERRUPTED), frozenset({_S.PLANNING, _S.UNSETTLED})),
    _S.REJECTED: frozenset({_S.UNSETTLED}),
}
# What can be called off on the spot. A running one is asked to stop; of an unsettled one everything was sent already.
CANCELLABLE = frozenset({_S.PLANNING, _S.READY, _S.AWAITING_APPROVAL, _S.QUEUED})
REPLANNABLE = frozenset({_S.READY, _S.AWAITING_APPROVAL, _S.SUPERSEDED, _S.EXPIRED})
RETRYABLE = frozenset({*_ENDINGS, _S.TIMED_OUT, _S.INTERRUPTED})
# What another execution may take the place of, while it never ran.
REPLACEABLE = frozenset({_S.CANCELLED, _S.REJECTED, _S.EXPIRED, _S.SUPERSEDED, _S.FAILED})
FINAL = frozenset({*RETRYABLE, _S.REJECTED, _S.SUPERSEDED, _S.EXPIRED})
OVER = FINAL | {_S.UNSETTLED}


def move(number: str, old: State, new: State) -> State:
    """The new state, or ``EXECUTION_MOVED_ON`` when it may not follow the old one."""
    if new not in _NEXT.get(old, frozenset()):
        raise moved(number, old, new)
    return new


def moved(number: str, old: State, new: State) -> FinOpsError:
    """It is not where it would have to be."""
    return Conflict(
        "EXECUTION_MOVED_ON",
        f"{number} is {words(old)} by now.",
        hint="Open it again to see where it stands.",
        old=old.value,
        new=new.value,
    )


def words(state: State) -> str:
    """The state as people say it."""
    return state.value.replace("_", " ")


def content_key(operation_id: str, params: Mapping[str, object], file_hash: str) -> str:
    """Tells whether the same thing was asked before: operation, parameters and file content."""
    return content_hash({"operation": operation_id, "params": params, "file": file_hash})


def plan_hash(  # the facts an approval binds, decision 13
    *, operation_id: str, version: str, params: Mapping[str, object], file_hash: str, plan: Plan
) -> str:
    """Hash of everything an approver agrees to; any change of it needs a new approval."""
    return content_hash(
        {
            "v": 2,
            "operation": operation_id,
            "version": version,
            "params": params,
            "file": file_hash,
            "mode": plan.mode,
            "key": plan.key_fingerprint,
            "connection": plan.connection_id,
            "warnings": list(plan.warnings),
            "rows": [
                {
                    "account": row.account,
                    "currency": row.currency,
                    "amount_minor": str(row.amount_minor),
                    "body": dict(row.body),
                }
                for row in plan.rows
            ],
        }
    )


def totals(plan: Plan) -> dict[str, int]:
    """What a plan pays, per currency in minor units; currencies that pay nothing are left out."""
    sums: dict[str, int] = {}
    for row in plan.rows:
        if row.amount_minor:
            sums[row.currency] = sums.get(row.currency, 0) + row.amount_minor
    return dict(sorted(sums.items()))


def within_a_sentence(sentence: str) -> str:
    """A sentence as a part of another one: small at its beginning, without its full stop."""
    return f"{sentence[:1].lower()}{sentence[1:]}".removesuffix(".")
