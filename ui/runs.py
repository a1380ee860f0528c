"""Executions in lists and as a head: the drawing that home, the history and the detail share."""

from collections.abc import Sequence
from datetime import datetime

import streamlit as st

from finops_core.operations import FINAL, ExecutionView, State
from ui import html, widgets
from ui.format import Format, ago, duration
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
QUICK_S, SLOW_S, SLOWEST_S, WAITING_S = 1, 3, 10, 5
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
            widgets.state_badge(run),
            html.lines(*shown.first_amounts(run.totals, 1)),
            shown.instant(run.created_at),
        )
        for run in runs
    ]
    return html.table(BRIEF_COLUMNS, rows, "Latest executions")


def run_line(run: ExecutionView, shown: Format, now: datetime) -> Markup:
    """State, risk and the bare facts of one execution in a line."""
    again = html.faint(f"attempt {run.attempt}", small=False) if run.attempt > 1 else ""
    return html.line(
        html.strong(run.number),
        widgets.state_badge(run),
        widgets.risk_badge(run.risk),
        html.text(run.requested_by_name),
        html.text(f"{shown.instant(run.created_at)} ({ago(run.created_at, now)})"),
        html.text(run.input_name),
        again,
    )


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


def needs_plan(run: ExecutionView) -> bool:
    """Whether its preparer has something to do before it can run."""
    return run.state in {State.PLANNING, State.READY}


def poll_s(run: ExecutionView, now: datetime) -> int | None:
    """How often to look again, in seconds: quickly at first, then slower; None once nothing more will come."""
    if run.state in FINAL:
        return None
    if run.state is State.AWAITING_APPROVAL:
        return WAITING_S
    age = (now - (run.started_at or run.submitted_at or run.created_at)).total_seconds()
    return QUICK_S if age < QUICK_FOR_S else SLOW_S if age < SLOW_FOR_S else SLOWEST_S


def _row(run: ExecutionView, shown: Format) -> tuple[Cell, ...]:
    return (
        html.link(run.number, "executions", {"execution": run.number}),
        html.lines(run.title, html.faint(run.input_name)),
        widgets.state_badge(run),
        html.lines(*shown.first_amounts(run.totals)),
        run.requested_by_name,
        Markup(f'<span class="to-num">{shown.instant(run.created_at)}</span>'),
        duration(run.duration_ms) if run.duration_ms is not None else "",
    )
