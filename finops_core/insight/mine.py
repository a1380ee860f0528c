"""My work: what waits for the person who looks, what of theirs is under way or went wrong, and what they did."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from finops_core import approvals, notifications, operations
from finops_core.approvals import RequestView
from finops_core.insight.queries import Figure, Figures, Tone, bad, day_ago
from finops_core.kernel.permissions import Permission
from finops_core.operations import ExecutionFilter, ExecutionView, Page, PublicState, State
from finops_core.platform.work import Reading

EACH = 10
LOOK_BACK = timedelta(days=14)


@dataclass(frozen=True, slots=True)
class MyWork:
    """Everything of one person, and the figures above it; each list is the first of the rows its figure counts.

    Attributes:
        figures: to decide, pending, running, failed, news; those outside the person's role are left out.
        to_decide: requests they may decide now, the one that expires first at the head.
        drafts: not submitted yet.
        awaiting: submitted, and waiting for somebody else or for its turn.
        asked: the requests behind those that wait for somebody, by execution.
        running: under way, or in doubt.
        failed: in the last fourteen days.
        ended: what else has ended, newest first.
    """

    figures: Figures
    to_decide: tuple[RequestView, ...]
    drafts: tuple[ExecutionView, ...]
    awaiting: tuple[ExecutionView, ...]
    asked: dict[str, RequestView]
    running: tuple[ExecutionView, ...]
    failed: tuple[ExecutionView, ...]
    ended: tuple[ExecutionView, ...]


def my_work(reading: Reading) -> MyWork:
    """What waits for this person, and what became of their own; needs ``HOME_VIEW``."""
    reading.require(Permission.HOME_VIEW)
    decidable = _to_decide(reading)
    since = day_ago(reading, LOOK_BACK)
    pending, running = (_own(reading, public=public) for public in (PublicState.PENDING, PublicState.RUNNING))
    failed = _own(reading, public=PublicState.FAILED, since=since)
    day = {"since": since.date().isoformat()}
    counts = (
        ("pending", "Mine, pending", pending, {"state": "pending"}, Tone.NEUTRAL),
        ("running", "Mine, running", running, {"state": "running"}, Tone.NEUTRAL),
        ("failed", "Mine, failed in 14 days", failed, {"state": "failed", **day}, bad(failed.total)),
    )
    own = [
        Figure(key, label, page.total, "executions", {**query, "mine": "true"}, tone)
        for key, label, page, query, tone in counts
    ]
    drafts = tuple(run for run in pending.rows if run.state in {State.PLANNING, State.READY})
    awaiting = tuple(run for run in pending.rows if run not in drafts)
    return MyWork(
        Figures(reading.now, (*_asked_of_me(reading, decidable), *own, _news(reading))),
        decidable[:EACH],
        drafts,
        awaiting,
        dict(_asked(reading, awaiting)),
        running.rows,
        failed.rows,
        _ended(reading),
    )


def _to_decide(reading: Reading) -> tuple[RequestView, ...]:
    if not (reading.may(Permission.APPROVALS_DECIDE) and reading.may(Permission.APPROVALS_VIEW)):
        return ()
    mine = (each for each in approvals.waiting(reading) if each.refusal is None)
    return tuple(sorted(mine, key=lambda each: (each.expires_at, each.id)))


def _asked_of_me(reading: Reading, decidable: tuple[RequestView, ...]) -> Iterator[Figure]:
    if reading.may(Permission.APPROVALS_DECIDE):
        tone = Tone.WAITING if decidable else Tone.NEUTRAL
        yield Figure("to_decide", "For you to decide", len(decidable), "approvals", {}, tone)


def _own(reading: Reading, *, public: PublicState, since: datetime | None = None) -> Page:
    wanted = ExecutionFilter(public=public, mine=True, since=since)
    return operations.executions(reading, wanted, limit=EACH)


def _asked(reading: Reading, awaiting: tuple[ExecutionView, ...]) -> Iterator[tuple[str, RequestView]]:
    """The open request about each of them: how long it still waits."""
    for run in awaiting:
        if run.state is State.AWAITING_APPROVAL and run.approval_request_id:
            yield run.id, approvals.request_view(reading, run.approval_request_id)


def _ended(reading: Reading) -> tuple[ExecutionView, ...]:
    pages = (_own(reading, public=public) for public in (PublicState.COMPLETED, PublicState.CANCELLED))
    rows = sorted((run for page in pages for run in page.rows), key=lambda run: run.created_at, reverse=True)
    return tuple(rows[:EACH])


def _news(reading: Reading) -> Figure:
    unread = notifications.unread_count(reading)
    return Figure("news", "News", unread, "", {"news": "all"}, Tone.WAITING if unread else Tone.NEUTRAL)
