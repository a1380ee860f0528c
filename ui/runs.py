"""Executions in lists and as a head: the drawing that home, the history and the detail share."""

from collections.abc import Sequence
from datetime import datetime

import streamlit as st

from finops_core.operations import FINAL, ExecutionView, PublicState, State
from ui import html, widgets
from ui.format import Format, ago, duration, words
from ui.html import Cell, Column, Markup

COLUMNS = (
    Column("Number", fixed=True),
    Column("Operation"),
    Column("State"),
    Column("Amount", number=True),
    Column("By"),
    Column("Created"),
    Column("Took", number=True),
)
BRIEF_COLUMNS = (Column("Operation"), Column("State"), Column("Amount", number=True), Column("Created", fixed=True))
STATE_TONES = {
    State.PLANNING: "gray",
    State.READY: "blue",
    State.AWAITING_APPROVAL: "amber",
    State.QUEUED: "blue",
    State.RUNNING: "blue",
    State.UNSETTLED: "amber",
    State.COMPLETED: "green",
    State.FAILED: "red",
    State.TIMED_OUT: "red",
    State.INTERRUPTED: "red",
    State.REJECTED: "red",
}
STATE_WORDS = {State.PLANNING: "Making the plan", State.READY: "Ready to submit", State.UNSETTLED: "In doubt"}
UNPAID = frozenset({PublicState.FAILED, PublicState.CANCELLED})
# Quick enough that what somebody else does is on the screen within a second.
QUICK_S, SLOW_S, SLOWEST_S, WAITING_S, HELD_S = 0.8, 3, 10, 5, 2
QUICK_FOR_S, SLOW_FOR_S = 60, 600
PATIENCE_S = 5


def runs_table(runs: Sequence[ExecutionView], shown: Format) -> Markup:
    """Executions as rows; the number opens one."""
    return html.table(COLUMNS, [_row(run, shown) for run in runs], "Executions")


def brief_table(runs: Sequence[ExecutionView], shown: Format) -> Markup:
    """Executions in a few columns, for a place beside others."""
    rows = [
        (
            html.lines(html.link(run.number, "executions", {"execution": run.number}), html.text(run.title)),
            state_badge(run),
            amounts(run, shown, 1),
            shown.instant(run.created_at),
        )
        for run in runs
    ]
    return html.table(BRIEF_COLUMNS, rows, "Latest executions")


def state_badge(run: ExecutionView) -> Markup:
    """Where an execution stands."""
    label = STATE_WORDS.get(run.state, words(run.state))
    if run.stop_requested and run.state is State.RUNNING:
        label = "Stopping"
    if pays_nothing(run):
        return html.badge("Nothing to pay", "gray")
    return html.badge(label, STATE_TONES.get(run.state, "gray"))


def amounts(run: ExecutionView, shown: Format, most: int = 3) -> Markup:
    """What it pays; of one that ended badly only what was planned, for its payouts alone tell what was paid.

    A retry pays a part of the whole, and says so.
    """
    sums = html.lines(*shown.first_amounts(run.totals, most))
    told = html.lines(sums, html.faint(f"in attempt {run.attempt}")) if sums and run.retry_rows else sums
    return html.faint(html.lines(told, "planned"), small=False) if told and run.public in UNPAID else told


def run_line(run: ExecutionView, organisation: str, shown: Format, now: datetime) -> Markup:
    """State, risk and the bare facts of one execution in a line."""
    again = html.faint(f"attempt {run.attempt}", small=False) if run.attempt > 1 else ""
    return html.line(
        html.strong(run.number),
        state_badge(run),
        widgets.risk_badge(run.risk),
        html.text(organisation),
        html.text(run.requested_by_name),
        html.text(f"{shown.instant(run.created_at)} ({ago(run.created_at, now)})"),
        html.text(run.input_name),
        again,
    )


def kin_line(before: ExecutionView | None, after: Sequence[ExecutionView]) -> Markup:
    """Which execution it takes the place of, and which took its own."""
    replaces = html.join("Replaces", _to(before)) if before else ""
    replaced = html.join("Replaced by", *map(_to, after)) if after else ""
    return html.line(replaces, replaced) if before or after else Markup()


def _to(run: ExecutionView) -> Markup:
    return html.link(run.number, "executions", {"execution": run.number})


def waiting_words(run: ExecutionView, now: datetime) -> str:
    """What to say of a run nobody works on yet; after a while, that it may be nobody will."""
    since: datetime = st.session_state.setdefault(f"waits_{run.id}_{run.attempt}_{run.state}", now)
    return turn_words((now - since).total_seconds())


def turn_words(waited_s: float) -> str:
    """The sentence for having waited so long on this screen."""
    if waited_s < PATIENCE_S:
        return "Waits for its turn …"
    return (
        "Waits for its turn: no worker has taken it up yet. If this lasts, ask an administrator whether one is running."
    )


def is_draft(run: ExecutionView) -> bool:
    """Whether it has not been submitted yet."""
    return run.state in {State.PLANNING, State.READY}


def pays_nothing(run: ExecutionView) -> bool:
    """Whether its plan is made and there is nothing to pay, so that it cannot be submitted."""
    return run.state is State.READY and bool(run.plan_hash) and not run.totals


def needs_plan(run: ExecutionView) -> bool:
    """Whether its preparer has something to do before it can run."""
    return is_draft(run) and not pays_nothing(run)


def held_s(run: ExecutionView, now: datetime) -> float:
    """How long an approved run is still held back, in seconds; 0 when it is not."""
    if run.state is not State.QUEUED or run.not_before is None:
        return 0
    return max(0.0, (run.not_before - now).total_seconds())


def poll_s(run: ExecutionView, now: datetime) -> float | None:
    """How often to look again, in seconds: quickly at first, then slower; None once nothing more will come."""
    if run.state in FINAL:
        return None
    if run.state is State.AWAITING_APPROVAL:
        return WAITING_S
    if held_s(run, now) > 0:
        return HELD_S
    age = (now - (run.started_at or run.submitted_at or run.created_at)).total_seconds()
    return QUICK_S if age < QUICK_FOR_S else SLOW_S if age < SLOW_FOR_S else SLOWEST_S


def _row(run: ExecutionView, shown: Format) -> tuple[Cell, ...]:
    return (
        html.link(run.number, "executions", {"execution": run.number}),
        html.lines(run.title, html.faint(run.input_name)),
        state_badge(run),
        amounts(run, shown),
        run.requested_by_name,
        Markup(f'<span class="to-num">{shown.instant(run.created_at)}</span>'),
        duration(run.duration_ms) if run.duration_ms is not None else "",
    )
