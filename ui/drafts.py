"""A draft of one's own: its plan being made, the plan, and the two ways on from it."""

import streamlit as st

from finops_core import approvals, operations, payouts
from finops_core.kernel.errors import FinOpsError
from finops_core.operations import ExecutionView, PlanView, State
from ui import address, catalogue, execution, html, navigation, rehearsals, repair, runs, toasts, widgets
from ui.plan import plan_view
from ui.session import Here

PLANNING_POLL_S = 0.7


def follow(here: Here, number: str) -> None:
    """The draft with this number, wherever it stands."""
    with here.read() as reading:
        seen = operations.execution(reading, number)
        plan = operations.plan(reading, seen.id) if seen.state is not State.PLANNING else None
        op = reading.ports.operations.get(seen.operation_id)
        asks = op is not None and op.approval_required
        people = approvals.eligible(reading, op.item_type, seen.totals, [seen.requested_by]) if op and asks else ()
        again = payouts.remedies(reading, seen) if seen.retry_rows else None
        since = payouts.meanwhile(reading, seen, plan) if plan is not None else payouts.Meanwhile()
    html.draw(html.line(html.link("← All operations", "run")))
    widgets.head(seen.title)
    html.draw(runs.run_line(seen, here.around.name, here.shown, reading.now))
    if seen.state is State.PLANNING:
        _planning(here, seen.number)
    elif seen.state is State.READY and plan is not None:
        plan_view(plan, here.shown, again, meanwhile=since)
        rehearsals.section(here, seen)
        if asks and not runs.pays_nothing(seen):
            catalogue.approvers([person.display_name for person in people])
        _submit(here, seen, plan)
    elif seen.retry_rows:
        _retry_failed(seen, plan)
    else:
        catalogue.outcome(seen, plan)


def _retry_failed(seen: ExecutionView, plan: PlanView | None) -> None:
    """A retry that could not be planned: what is to be done first, and back to where it can be tried once more."""
    if plan is not None and plan.faults:
        html.draw(repair.in_the_way(plan.faults))
    elif seen.message:
        st.info(f"**{seen.message}**  \n{seen.hint}", icon=":material/info:")
    html.draw(html.line(html.link(f"Open {seen.number} to retry again", "executions", {"execution": seen.number})))


@st.fragment(run_every=PLANNING_POLL_S)
def _planning(here: Here, number: str) -> None:
    """Look until the plan is made."""
    try:
        with here.read() as reading:
            seen = operations.execution(reading, number)
    except FinOpsError:
        address.draw_anew()  # the session has ended, say; the whole page tells
    if seen.state is not State.PLANNING:
        address.draw_anew()
    execution.moving(seen, reading.now)


def _submit(here: Here, seen: ExecutionView, plan: PlanView) -> None:
    """Send it on, or start over; a plan that pays nothing can only be started over."""
    with st.container(horizontal=True, key="tall_submit"):
        label = "Submit for approval" if seen.approval_required else "Run"
        send = st.button(label, type="primary", icon=":material/send:", disabled=not seen.totals)
        drop = st.button("Leave the retry" if seen.retry_rows else "Start over", icon=":material/restart_alt:")
    if not seen.totals:
        st.caption("This plan pays nothing, so there is nothing to submit.")
    try:
        if send:
            with here.work() as work:
                operations.submit(work, seen.id, plan.hash)
            toasts.say(f"{seen.number} submitted")
            navigation.go("executions", execution=seen.number)
        if drop:
            with here.work() as work:
                operations.cancel(work, seen.id, "started over")
            if seen.retry_rows:
                navigation.go("executions", execution=seen.number)
            navigation.go("run", operation=seen.operation_id)
    except FinOpsError as error:
        widgets.refusal(error)
