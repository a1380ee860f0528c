"""One execution: where it stands, what can be done with it, and its progress, live while it moves."""

from datetime import datetime

import streamlit as st

from finops_core import approvals, operations, payouts, security
from finops_core.approvals import Decision
from finops_core.kernel.errors import FinOpsError, NotAllowed, NotFound
from finops_core.kernel.permissions import Permission
from finops_core.operations import FINAL, ExecutionView, LogView, PublicState, State
from ui import html, navigation, outcome, payout_rows, runs, widgets
from ui.format import Format, spelled, words
from ui.html import Markup
from ui.session import Here

PROGRESS, PLAN, RESULT, TRAIL = "Progress", "Plan", "Result & files", "Approvals"
LOG_LINES = 500
LEVEL_TONES = {"warn": "amber", "error": "red", "info": "blue"}
PLAN_ANEW, LOOK_BELOW = "A new plan can be made and submitted.", "What stands below tells how far it came."
REPLANNABLE = frozenset({State.AWAITING_APPROVAL, State.SUPERSEDED, State.EXPIRED})


def detail(here: Here, number: str) -> None:
    """The page of one execution; ``EXECUTION_UNKNOWN`` for one that this person may not see."""
    with here.read() as reading:
        run = operations.execution(reading, number)
        now = reading.now
    html.draw(html.line(html.link("← All executions", "executions")))
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.title(run.title, anchor=False, width="content")
        _actions(here, run)
    html.draw(runs.run_line(run, here.around.name, here.shown, now))
    _told(here, run)
    view = st.segmented_control(
        "Show",
        [PROGRESS, PLAN, RESULT, TRAIL],
        default=PROGRESS,
        required=True,
        key="view",
        bind="query-params",
        label_visibility="collapsed",
    )
    {PROGRESS: _progress, PLAN: outcome.plan, RESULT: outcome.result, TRAIL: outcome.trail}[view or PROGRESS](here, run)


def _actions(here: Here, run: ExecutionView) -> None:
    own = run.requested_by == here.actor.id
    with st.container(horizontal=True, width="content"):
        if own:
            _way_on(here, run)
        stoppable = run.state not in FINAL and not run.stop_requested
        if stoppable and (own or here.may(Permission.EXECUTIONS_CANCEL_ANY)):
            label = "Stop" if run.state is State.RUNNING else "Cancel"
            if st.button(label, icon=":material/cancel:"):
                st.dialog(f"{label} {run.number}?")(_confirm_cancel)(here, run)


def _way_on(here: Here, run: ExecutionView) -> None:
    """The one next step of its requester, if there is one."""
    if runs.is_draft(run):
        if st.button("Go on", type="primary", icon=":material/arrow_forward:"):
            navigation.go("run", execution=run.number)
    elif run.state in REPLANNABLE:
        if st.button("New plan", icon=":material/refresh:"):
            if run.state is State.AWAITING_APPROVAL:
                st.dialog(f"A new plan for {run.number}?")(_confirm_new_plan)(here, run)
            else:
                _new_plan(here, run)
    elif run.public in runs.UNPAID and st.button("Start again", icon=":material/restart_alt:"):
        navigation.go("run", operation=run.operation_id)


def _new_plan(here: Here, run: ExecutionView) -> None:
    with here.work() as work:
        operations.replan(work, run.id)
    navigation.go("run", execution=run.number)


def _confirm_new_plan(here: Here, run: ExecutionView) -> None:
    st.markdown("It waits for approval. A new plan takes that request back; the new plan needs an approval of its own.")
    if st.button("Take it back and plan anew", type="primary", key="tall_confirm"):
        try:
            _new_plan(here, run)
        except FinOpsError as error:
            widgets.refusal(error)


def _confirm_cancel(here: Here, run: ExecutionView) -> None:
    running = run.state is State.RUNNING
    st.markdown(
        "No further payment is started. What was already sent stays sent."
        if running
        else "It will not run. Its trail stays."
    )
    reason = st.text_input("Reason", max_chars=200)
    if st.button("Stop it" if running else "Cancel it", type="primary", key="tall_confirm"):
        try:
            with here.work() as work:
                operations.cancel(work, run.id, reason.strip())
        except FinOpsError as error:
            widgets.refusal(error)
            return
        st.rerun()


def _told(here: Here, run: ExecutionView) -> None:
    """What came of it, in its own words."""
    message = spelled(run.message)
    if run.state is State.REJECTED:
        _rejected(here, run)
    elif run.public is PublicState.FAILED or run.state in {State.SUPERSEDED, State.EXPIRED}:
        hint = run.hint or (PLAN_ANEW if run.state in REPLANNABLE else LOOK_BELOW)
        st.error(f"**{message or words(run.state.value)}**  \n{hint}", icon=":material/error:")
    elif run.state is State.COMPLETED and message:
        st.success(message, icon=":material/check_circle:")
    elif run.state in FINAL and message:
        st.info(message, icon=":material/info:")


def _rejected(here: Here, run: ExecutionView) -> None:
    """Who rejected it, and why: what its preparer needs for another try."""
    with here.read() as reading:
        asked = approvals.of_subject(reading, "execution", run.id)
        said = [each for request in asked for each in request.decisions if each.decision is Decision.REJECTED]
        names = security.names(reading, [each.person_id for each in said])
    told = said[0] if said else None
    who = names.get(told.person_id, "") if told else ""
    html.draw(html.told("block", f"Rejected by {who or 'the approver'}.", told.comment if told else "", "red"))


def _progress(here: Here, run: ExecutionView) -> None:
    with here.read() as reading:
        every = runs.poll_s(run, reading.now)
    st.fragment(_live, run_every=every)(here, run.id, run.state, every)


def _live(here: Here, execution_id: str, was: State, every: int | None) -> None:
    """Progress, a row per payout and the log; draws the whole page anew when the state or the pace has changed."""
    seen = _last_seen(execution_id)
    try:
        with here.read() as reading:
            run = operations.execution(reading, execution_id)
            rows = payouts.rows(reading, execution_id)
            fresh = operations.log(reading, execution_id, seen, LOG_LINES)
            now = reading.now
    except (NotAllowed, NotFound):
        # The session or the right to see it has ended: the whole page says which.
        st.rerun()
    if run.state is not was or runs.poll_s(run, now) != every:
        st.rerun()
    moving(run, now)
    if rows:
        html.draw(payout_rows.table(rows, here.shown))
    st.markdown("**Log**")
    html.draw(_log(_kept(execution_id, fresh), here.shown))


def moving(run: ExecutionView, now: datetime) -> None:
    """How far it is, or what it waits for."""
    if run.progress_total and run.state in {State.PLANNING, State.RUNNING}:
        told = run.message or f"{run.progress_done} of {run.progress_total}"
        st.progress(min(run.progress_done / run.progress_total, 1.0), text=told)
    elif run.state in {State.PLANNING, State.QUEUED}:
        html.draw(html.line(html.icon("hourglass_top", "blue"), runs.waiting_words(run, now)))
    elif run.state is State.AWAITING_APPROVAL:
        html.draw(
            html.line(html.icon("hourglass_top", "amber"), "Waits for somebody else's approval; follows by itself.")
        )


def _last_seen(execution_id: str) -> int:
    kept: list[LogView] = st.session_state.get(f"log_{execution_id}", [])
    return kept[-1].seq if kept else 0


def _kept(execution_id: str, fresh: tuple[LogView, ...]) -> list[LogView]:
    """Lines seen before and the fresh ones: a poll reads only what is new."""
    kept = [*st.session_state.get(f"log_{execution_id}", []), *fresh][-LOG_LINES:]
    st.session_state[f"log_{execution_id}"] = kept
    return kept


def _log(lines: list[LogView], shown: Format) -> Markup:
    if not lines:
        return html.faint("Nothing was logged yet.")
    drawn = "".join(
        f'<div><span class="at">{shown.clock(line.at)}</span>'
        f'<span class="lv to-{LEVEL_TONES.get(line.level.value, "gray")}">{line.level.value}</span>'
        f"<span>{html.text(spelled(line.message))}</span></div>"
        for line in lines
    )
    return Markup(f'<div class="to-log" role="log" tabindex="0">{drawn}</div>')
