"""The figures of the first screen, and those of money on its way."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from finops_core import approvals, operations, payouts, reference
from finops_core.approvals import RequestView
from finops_core.kernel.permissions import Permission
from finops_core.operations import ExecutionFilter, PublicState
from finops_core.payouts import PayoutFilter, Standing
from finops_core.platform.work import Reading

WEEK = timedelta(days=7)


class Tone(StrEnum):
    """How a figure should feel."""

    NEUTRAL = "neutral"
    WAITING = "waiting"
    BAD = "bad"
    GOOD = "good"


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure: a count, its amounts per currency (minor units), and where its rows are.

    Attributes:
        page: the page that lists the rows.
        query: the filters to put into that page's address.
    """

    key: str
    label: str
    value: int
    page: str
    query: Mapping[str, str]
    tone: Tone
    amounts: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Figures:
    """The figures and the instant they hold for."""

    as_of: datetime
    figures: tuple[Figure, ...]


def home(reading: Reading) -> Figures:
    """What waits, running, sent this week, failed this week, in doubt; each counts only what the person may see.

    Every figure is that of the rows its link leads to. So a week begins with the organisation's day seven days ago,
    and an execution belongs to the day it was made, as in the list's filters.
    """
    reading.require(Permission.HOME_VIEW)
    since = day_ago(reading, WEEK)
    day = {"since": since.date().isoformat()}
    running = operations.executions(reading, ExecutionFilter(public=PublicState.RUNNING), limit=0).total
    failed = ExecutionFilter(public=PublicState.FAILED, since=since)
    failures = operations.executions(reading, failed, limit=0).total
    doubtful = payouts.sums(reading, PayoutFilter(standing=Standing.IN_DOUBT))
    paid = payouts.sums(reading, PayoutFilter(standing=Standing.SENT, sent_since=since))
    return Figures(
        reading.now,
        (
            _waiting(reading),
            Figure("running", "Running", running, "executions", {"state": "running"}, Tone.NEUTRAL),
            Figure(
                "paid_week",
                "Sent in 7 days",
                paid.count,
                "payouts",
                {"standing": Standing.SENT.value, **day},
                Tone.GOOD,
                paid.amounts,
            ),
            Figure("failed", "Failed in 7 days", failures, "executions", {"state": "failed", **day}, bad(failures)),
            Figure(
                "in_doubt",
                "In doubt",
                doubtful.count,
                "payouts",
                {"standing": Standing.IN_DOUBT.value},
                bad(doubtful.count),
                doubtful.amounts,
            ),
        ),
    )


def money(reading: Reading) -> Figures:
    """Payouts on their way, late, in doubt, come back and not sent anew; each counts only what the person may see."""
    wanted = {
        "in_flight": ("On their way", PayoutFilter(standing=Standing.IN_FLIGHT), Tone.NEUTRAL),
        "late": ("Late", PayoutFilter(standing=Standing.LATE), Tone.WAITING),
        "in_doubt": ("In doubt", PayoutFilter(standing=Standing.IN_DOUBT), Tone.BAD),
        "returned": ("Came back", PayoutFilter(standing=Standing.RETURNED), Tone.BAD),
    }
    figures = []
    for key, (label, rows, tone) in wanted.items():
        sums = payouts.sums(reading, rows)
        shown = tone if sums.count else Tone.NEUTRAL
        figures.append(Figure(key, label, sums.count, "payouts", {"standing": key}, shown, sums.amounts))
    return Figures(reading.now, tuple(figures))


def _waiting(reading: Reading) -> Figure:
    """What waits: for those who decide, what they may decide; for those who run things, their own; else all of it."""
    if reading.may(Permission.APPROVALS_DECIDE):
        return _asked("Waiting for me", [each for each in approvals.waiting(reading) if each.refusal is None])
    if not reading.may(Permission.OPERATIONS_RUN) and reading.may(Permission.APPROVALS_VIEW):
        return _asked("Awaiting approval", approvals.waiting(reading))
    mine = reading.may(Permission.OPERATIONS_RUN)
    wanted = ExecutionFilter(public=PublicState.PENDING, mine=mine)
    pending = operations.executions(reading, wanted, limit=0).total
    query = {"state": "pending", **({"mine": "true"} if mine else {})}
    label = "Mine, pending" if mine else "Pending"
    return Figure("waiting", label, pending, "executions", query, Tone.WAITING if pending else Tone.NEUTRAL)


def _asked(label: str, requests: Sequence[RequestView]) -> Figure:
    amounts: dict[str, int] = {}
    for request in requests:
        for amount in request.amounts:
            amounts[amount.currency] = amounts.get(amount.currency, 0) + amount.minor
    tone = Tone.WAITING if requests else Tone.NEUTRAL
    return Figure("waiting", label, len(requests), "approvals", {}, tone, amounts)


def day_ago(reading: Reading, span: timedelta) -> datetime:
    """The instant the organisation's day began, so long ago."""
    zone = reference.zone(reading)
    day = (reading.now.astimezone(zone) - span).date()
    return datetime(day.year, day.month, day.day, tzinfo=zone)


def bad(count: int) -> Tone:
    """How a figure feels that should be nought."""
    return Tone.BAD if count else Tone.NEUTRAL
