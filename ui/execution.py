"""One execution: where it stands, what can be done with it, and its progress, live while it moves."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import streamlit as st

from finops_core import approvals, operations, payouts, security
from finops_core.approvals import Decision
from finops_core.kernel.errors import FinOpsError, NotAllowed, NotFound
from finops_core.operations import FINAL, OVER, ExecutionView, LogView, PublicState, State
from finops_core.payouts import PayoutState, Remedies
from finops_core.platform.work import Reading
from ui import (
    address,
    bank_file,
    batch,
    filters,
    hold_back,
    html,
    navigation,
    outcome,
    repair,
    runs,
    settle,
    talk,
    tie_out,
    toasts,
    widgets,
)
from ui.format import Format, spelled, until, words
from ui.html import Markup
from ui.session import Here

PROGRESS, PLAN, RESULT, REPORT, TRAIL = "Progress", "Plan", "Result & files", "Report", "Approvals"
TALK = "Comments"
VIEW = "execution_view"
PAYING, PLAN_FAULTY = "payouts.", "PLAN_FAULTY"
LOG_LINES, ALL_LINES, LONGER = widgets.PAGE_SIZE, 5_000, "whole_log"
ASKED_S, IN_FLIGHT_S = 2, 15
CAME = "came_to_"
LEVEL_TONES = {"warn": "amber", "error": "red", "info": "blue"}
RESUBMIT = "A new execution in its place, with the same file and settings to begin with."
PLAN_ANEW, LOOK_BELOW = "A new plan can be made and submitted.", "What stands below tells how far it came."
RETRY_NOW = "Put right what was in the way, such as a missing balance, then retry what failed: with its own approval."
REPLANNABLE = frozenset({State.AWAITING_APPROVAL, State.SUPERSEDED, State.EXPIRED})


@dataclass(frozen=True, slots=True)
class Asked:
    """Until when a request waits, and the names of whoever could decide it now."""

    expires_at: datetime | None
    deciders: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Seen:
    """One execution as it was when the page was drawn.

    ``pace_s``: how often to look again, None for never. ``asked``: the request that waits, None without one.
    ``kin``: what it replaces, and what replaces it.
    """

    run: ExecutionView
    found: Remedies
    may_stop: bool
    held_s: float
    pace_s: float | None
    now: datetime
    asked: Asked | None
    kin: tuple[ExecutionView | None, tuple[ExecutionView, ...]]


def detail(here: Here, number: str) -> None:
    """The page of one execution; ``EXECUTION_UNKNOWN`` for one that this person may not see."""
    filters.speak("executions")
    html.draw(html.line(html.link("← All executions", "executions")))
    with here.read() as reading:
        seen = _look(reading, number)
    run = seen.run
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.title(run.title, anchor=False, width="content")
        _actions(here, seen)
    html.draw(runs.run_line(run, here.around.name, here.shown, seen.now))
    html.draw(runs.kin_line(*seen.kin))
    st.fragment(_views_in_turn)(here, seen, [seen])


def _views_in_turn(here: Here, before: Seen, just_seen: list[Seen]) -> None:
    """Its message and one view; turning to another draws no more than these.

    ``just_seen`` is what the page itself has read, for the first time.
    """
    alone = not just_seen
    seen = _seen_now(here, before, just_seen)
    run = seen.run
    above = st.container()
    if seen.held_s > 0:
        hold_back.card(here, run, seen.held_s, may_stop=seen.may_stop)
    views = _views(run)
    view = st.segmented_control(
        "Show",
        [PROGRESS, *views],
        default=PROGRESS,
        required=True,
        key=VIEW,
        bind="query-params",
        label_visibility="collapsed",
    )
    with above:
        _told(here, seen, whole=view not in views)
    if view in views:
        views[view](here, run)
    else:
        _progress(here, seen)
    if alone:
        toasts.draw()


def _look(reading: Reading, number: str) -> Seen:
    run = operations.execution(reading, number)
    found, now = payouts.remedies(reading, run), reading.now
    held_s = runs.held_s(run, now)
    may_stop = operations.may_stop(reading, run)
    return Seen(
        run,
        found,
        may_stop,
        held_s,
        _pace_s(run, found, now),
        now,
        _asked(reading, run),
        operations.kin(reading, run),
    )


def _asked(reading: Reading, run: ExecutionView) -> Asked | None:
    if run.state is not State.AWAITING_APPROVAL:
        return None
    requests = approvals.of_subject(reading, "execution", run.id)
    if not requests:
        return None
    people = approvals.deciders(reading, requests[0])
    return Asked(requests[0].expires_at, tuple(person.display_name for person in people))


def _pace_s(run: ExecutionView, found: Remedies, now: datetime) -> float | None:
    """As the run itself asks for; soon while somebody waits for an answer, now and then while money is on its way.

    Whoever has only just come to see it waits for something to happen, so for a while it is looked at quickly.
    """
    if found.asked:
        return ASKED_S
    every = runs.poll_s(run, now)
    if every is None:
        return IN_FLIGHT_S if found.in_flight.count else None
    came: datetime = st.session_state.setdefault(f"{CAME}{run.id}", now)
    return min(every, runs.QUICK_S) if (now - came).total_seconds() < runs.QUICK_FOR_S else every


def _views(run: ExecutionView) -> dict[str, Callable[[Here, ExecutionView], None]]:
    """What can be shown of it besides its progress; a report only of what pays."""
    report = {REPORT: tie_out.report} if run.operation_id.startswith(PAYING) else {}
    return {PLAN: outcome.plan, RESULT: outcome.result, **report, TRAIL: outcome.trail, TALK: _talk}


def _talk(here: Here, run: ExecutionView) -> None:
    with here.read() as reading:
        before, _ = operations.kin(reading, run)
    talk.section(here, "execution", run.id)
    if before is not None:
        told = html.link(f"What was said about {before.number}", "executions", {"execution": before.number, VIEW: TALK})
        html.draw(html.line(told))


def _actions(here: Here, seen: Seen) -> None:
    run = seen.run
    with st.container(horizontal=True, width="content"):
        repair.buttons(here, run, seen.found)
        if run.requested_by == here.actor.id:
            _way_on(here, seen)
        # While it is held back, the stop is the large one beside the countdown.
        if _is_asked(here, run):
            if st.button("Withdraw", icon=":material/undo:"):
                st.dialog(f"Withdraw {run.number}?")(_confirm_withdraw)(here, run)
        elif seen.may_stop and not seen.held_s:
            label = "Stop" if run.state is State.RUNNING else "Cancel"
            if st.button(label, icon=":material/cancel:"):
                st.dialog(f"{label} {run.number}?")(_confirm_cancel)(here, run)


def _way_on(here: Here, seen: Seen) -> None:
    """The one next step of its requester, if there is one."""
    run = seen.run
    if runs.is_draft(run):
        if st.button("Go on", type="primary", icon=":material/arrow_forward:"):
            navigation.go("run", execution=run.number)
    elif run.state in REPLANNABLE:
        if st.button("New plan", icon=":material/refresh:"):
            if run.state is State.AWAITING_APPROVAL:
                st.dialog(f"A new plan for {run.number}?")(_confirm_new_plan)(here, run)
            else:
                _new_plan(here, run)
    elif _ended_unpaid(seen):
        if run.started_at is None and st.button("Resubmit", icon=":material/restart_alt:", help=RESUBMIT):
            navigation.go("run", operation=run.operation_id, replaces=run.number)
        elif run.started_at is not None and st.button("Start again", icon=":material/restart_alt:"):
            navigation.go("run", operation=run.operation_id)


def _ended_unpaid(seen: Seen) -> bool:
    """Whether only a new start is left: what has payouts is retried, not started again."""
    return seen.run.public in runs.UNPAID and not seen.found.payouts


def _is_asked(here: Here, run: ExecutionView) -> bool:
    """Whether it is the person's own and waits for somebody's approval."""
    return run.state is State.AWAITING_APPROVAL and run.requested_by == here.actor.id


def _confirm_withdraw(here: Here, run: ExecutionView) -> None:
    st.markdown(
        "The request is taken back and it will not run. You can resubmit it later, with the same or another file."
    )
    reason = st.text_input("Reason", max_chars=200, placeholder="The approvers read it")
    if st.button("Withdraw it", type="primary", key="tall_ends"):
        try:
            with here.work() as work:
                operations.withdraw(work, run.id, reason)
        except FinOpsError as error:
            widgets.refusal(error)
            return
        st.rerun()


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
    if st.button("Stop it" if running else "Cancel it", type="primary", key="tall_ends"):
        try:
            with here.work() as work:
                operations.cancel(work, run.id, reason.strip())
        except FinOpsError as error:
            widgets.refusal(error)
            return
        st.rerun()


def _told(here: Here, seen: Seen, *, whole: bool) -> None:
    """What came of it, in its own words; ``whole``: with what happens next, for the view where that can be followed."""
    run, found = seen.run, seen.found
    # What a retry came to is not what the whole did.
    part = f"Attempt {run.attempt}: " if run.retry_rows and run.message else ""
    message = f"{part}{spelled(run.message)}"
    if found.twice.count:
        repair.twice(found, here)
    if found.again.blocked and run.state in OVER:
        repair.blocked(found)
    if run.state is State.UNSETTLED:
        if found.doubtful.count:
            repair.doubt(run, found, here, whole=whole)
    elif run.state is State.REJECTED:
        _rejected(here, run)
    elif run.retry_rows and run.error_code == PLAN_FAULTY:
        _retry_in_the_way(here, run)
    elif run.public is PublicState.FAILED or run.state in {State.SUPERSEDED, State.EXPIRED}:
        st.error(f"**{message or words(run.state.value)}**  \n{_hint(seen)}", icon=":material/error:")
    elif run.state is State.COMPLETED and message:
        came_back = seen.found.of({PayoutState.FAILED}).count
        (st.warning if came_back else st.success)(message, icon=f":material/{'undo' if came_back else 'check_circle'}:")
    elif run.state in FINAL and message:
        when = f"  \n{here.shown.instant(run.ended_at)}" if run.state is State.CANCELLED and run.ended_at else ""
        st.info(f"{message}{when}", icon=":material/info:")


def _hint(seen: Seen) -> str:
    """What to do about a bad end."""
    if seen.found.may_retry and seen.found.failed.count:
        return f"{seen.run.hint} {RETRY_NOW}".strip()
    return seen.run.hint or (PLAN_ANEW if seen.run.state in REPLANNABLE else LOOK_BELOW)


def _retry_in_the_way(here: Here, run: ExecutionView) -> None:
    """A retry could not even be planned: what has to be done before the next one."""
    with here.read() as reading:
        made = operations.plan(reading, run.id)
    html.draw(repair.in_the_way(made.faults if made else ()))


def _rejected(here: Here, run: ExecutionView) -> None:
    """Who rejected it, and why: what its preparer needs for another try."""
    with here.read() as reading:
        asked = approvals.of_subject(reading, "execution", run.id)
        said = [each for request in asked for each in request.decisions if each.decision is Decision.REJECTED]
        names = security.names(reading, [each.person_id for each in said])
    told = said[0] if said else None
    who = names.get(told.person_id, "") if told else ""
    html.draw(html.told("block", f"Rejected by {who or 'the approver'}.", told.comment if told else "", "red"))


def _progress(here: Here, seen: Seen) -> None:
    bank_file.section(here, seen.run)
    settle.section(here, seen.run, seen.found)
    st.fragment(_live, run_every=seen.pace_s)(here, seen, [seen])


def _live(here: Here, before: Seen, just_seen: list[Seen]) -> None:
    """Progress, a row per payout and the log; ``just_seen`` is what the page itself has read, for the first time.

    The whole page is drawn anew when its state or pace has changed, or what can be done about its payouts.
    """
    execution_id = before.run.id
    seen = _seen_now(here, before, just_seen)
    try:
        moving(seen.run, seen.now, seen.asked)
        wanted = batch.wanted(seen.run, seen.found)
        with here.read() as reading:
            fresh = operations.log(reading, execution_id, _last_seen(execution_id), _most())
            shown = batch.look(reading, wanted, seen.found) if wanted else None
    except (NotAllowed, NotFound):
        # The session or the right to see it has ended: the whole page says which.
        address.draw_anew()
    if shown:
        batch.draw(here, shown, seen.now)
    kept = _kept(execution_id, fresh)
    whole = len(kept) < _most()
    st.markdown("**Log**" if whole else f"**Log**, the last {_most():,} lines")
    if len(kept) >= LOG_LINES:
        st.toggle("All of it", key=LONGER)
    html.draw(_log(kept, here.shown, over=seen.run.state in OVER))


def _seen_now(here: Here, before: Seen, just_seen: list[Seen]) -> Seen:
    """What stands now; the whole page is drawn anew for what a part of it cannot show."""
    if just_seen:
        return just_seen.pop()
    try:
        with here.read() as reading:
            seen = _look(reading, before.run.id)
    except (NotAllowed, NotFound):
        # The session or the right to see it has ended: the whole page says which.
        address.draw_anew()
    if _is_another(before, seen):
        address.draw_anew()
    return seen


def _is_another(before: Seen, seen: Seen) -> bool:
    """Whether more has changed than the fragment draws."""
    moved = seen.run.state is not before.run.state or seen.pace_s != before.pace_s
    return moved or (seen.run.state in OVER and seen.found != before.found)


def moving(run: ExecutionView, now: datetime, asked: Asked | None = None) -> None:
    """How far it is, or what it waits for."""
    if run.progress_total and run.state in {State.PLANNING, State.RUNNING}:
        told = run.message or f"{run.progress_done} of {run.progress_total}"
        st.progress(min(run.progress_done / run.progress_total, 1.0), text=told)
    elif run.state in {State.PLANNING, State.QUEUED} and not runs.held_s(run, now):
        html.draw(html.line(html.icon("hourglass_top", "blue"), runs.waiting_words(run, now)))
    elif run.state is State.AWAITING_APPROVAL:
        who = " or ".join(asked.deciders) if asked and asked.deciders else ""
        told = f"Waits for approval by {who}." if who else "Nobody here may approve it now; ask an administrator."
        ends = until(asked.expires_at, now) if asked else ""
        html.draw(html.line(html.icon("hourglass_top", "amber"), told, html.strong(ends.capitalize()) if ends else ""))


def _most() -> int:
    """How many lines of the log are wanted: a long one takes longer to draw than all the rest."""
    return ALL_LINES if st.session_state.get(LONGER) else LOG_LINES


def _place(execution_id: str) -> str:
    return f"log_{execution_id}_{_most()}"


def _last_seen(execution_id: str) -> int:
    kept: list[LogView] = st.session_state.get(_place(execution_id), [])
    return kept[-1].seq if kept else 0


def _kept(execution_id: str, fresh: tuple[LogView, ...]) -> list[LogView]:
    """Lines seen before and the fresh ones: a poll reads only what is new."""
    kept = [*st.session_state.get(_place(execution_id), []), *fresh][-_most() :]
    st.session_state[_place(execution_id)] = kept
    return kept


def _log(lines: list[LogView], shown: Format, *, over: bool) -> Markup:
    if not lines:
        return html.faint("Nothing was logged: it never ran." if over else "Nothing was logged yet.")
    drawn = "".join(
        f'<div><span class="at">{shown.clock(line.at)}</span>'
        f'<span class="lv to-{LEVEL_TONES.get(line.level.value, "gray")}">{line.level.value}</span>'
        f"<span>{html.text(spelled(line.message))}</span></div>"
        for line in lines
    )
    return Markup(f'<div class="to-log" role="log" tabindex="0">{drawn}</div>')
