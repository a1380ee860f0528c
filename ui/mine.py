"""What is one person's own: entries of the pages Home and My work, each a link to where it goes on."""

from collections.abc import Sequence
from datetime import datetime

import streamlit as st

from finops_core.approvals import RequestView
from finops_core.insight import MyWork
from finops_core.operations import ExecutionView, State
from ui import html, runs
from ui.format import Format, ago, spelled, until
from ui.html import Markup


def section(title: str, entries: Sequence[Markup]) -> None:
    """A heading with its entries in a card; nothing for nothing."""
    if entries:
        with st.container(border=True):
            st.header(title, anchor=False)
            html.draw(Markup(f'<div class="to-needs">{"".join(entries)}</div>'))


def anything(view: MyWork) -> bool:
    """Whether there is anything but history."""
    return any((view.to_decide, view.drafts, view.failed, view.running, view.awaiting))


def asked(request: RequestView, shown: Format, now: datetime) -> Markup:
    """A request the person may decide, with how long it still waits."""
    sums = shown.first_amounts({money.currency: money.minor for money in request.amounts}, 2)
    facts = [*sums, ago(request.created_at, now), until(request.expires_at, now)]
    return _entry("task_alt", "amber", request.title, facts, "approvals", {"request": request.number})


def unsubmitted(run: ExecutionView, shown: Format, now: datetime) -> Markup:
    """A draft whose plan waits to be submitted."""
    told = "its plan is being made" if run.state is State.PLANNING else "not submitted"
    told = "nothing to pay" if runs.pays_nothing(run) else told
    facts = [run.number, *_sums(run, shown), told, ago(run.created_at, now)]
    return _entry("edit_document", "blue", run.title, facts, "run", {"execution": run.number})


def waiting(run: ExecutionView, request: RequestView | None, shown: Format, now: datetime) -> Markup:
    """Something submitted: for whom or what it waits, and until when."""
    told = until(request.expires_at, now) if request else "waits for its turn"
    facts = [run.number, *_sums(run, shown), f"approval {told}" if request else told, ago(run.created_at, now)]
    return _run("hourglass_top", "amber", run, facts)


def moving(run: ExecutionView, shown: Format, now: datetime) -> Markup:
    """Something that runs, or of which nobody can say yet how it ended."""
    doubtful = run.state is State.UNSETTLED
    done = f"{run.progress_done} of {run.progress_total}" if run.progress_total else "running"
    facts = [run.number, *_sums(run, shown), "in doubt" if doubtful else done, ago(run.created_at, now)]
    return _run("help" if doubtful else "play_circle", "amber" if doubtful else "blue", run, facts)


def wrong(run: ExecutionView, shown: Format, now: datetime) -> Markup:
    """Something that failed: why, as far as it is known."""
    return _run("error", "red", run, [run.number, *_sums(run, shown), spelled(run.message), ago(run.created_at, now)])


def history(ended: Sequence[ExecutionView], shown: Format) -> Markup:
    """What has ended."""
    return runs.runs_table(ended, shown)


def _sums(run: ExecutionView, shown: Format) -> list[str]:
    return shown.first_amounts(run.totals, 2)


def _run(icon: str, tone: str, run: ExecutionView, facts: Sequence[str]) -> Markup:
    return _entry(icon, tone, run.title, facts, "executions", {"execution": run.number})


def _entry(icon: str, tone: str, title: str, facts: Sequence[str], page: str, query: dict[str, str]) -> Markup:
    told = html.faint(" · ".join(filter(None, facts)))
    body = Markup(f"{html.icon(icon, tone)}<span>{html.strong(title)}<br>{told}</span>")
    return html.link(body, page, query)
