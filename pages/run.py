"""Upload & run: choose an operation, fill its form, mend what is wrong, look at the plan, submit it."""

import streamlit as st

from finops_core import approvals, operations
from finops_core.kernel.errors import FinOpsError
from finops_core.kernel.permissions import Permission
from finops_core.operations import Drafted, ExecutionView, OperationView, PlanView, Refused, State, Upload
from ui import catalogue, execution, html, navigation, runs, widgets
from ui.plan import plan_view
from ui.session import open_page

here = open_page(Permission.OPERATIONS_RUN)
REFUSED = "run_refused"
PLANNING_POLL_S = 0.7


def choose() -> None:
    """The catalogue."""
    with here.read() as reading:
        offered = operations.catalogue(reading)
    widgets.head("Upload & run", "Choose what to run. Nothing happens before you have seen its plan.")
    catalogue.cards(offered)


def prepare(operation_id: str) -> None:
    """The form of one operation, and what was wrong with the last try."""
    with here.read() as reading:
        offered = {view.id: view for view in operations.catalogue(reading)}
    chosen = offered.get(operation_id)
    html.draw(html.line(html.link("← All operations", "run")))
    if chosen is None or not chosen.runnable:
        widgets.empty("block", "You cannot run this operation.", "Choose one from the list.")
        return
    widgets.head(chosen.title, chosen.description)
    refused: catalogue.LastTry | None = st.session_state.get(REFUSED)
    if refused and refused.operation_id != chosen.id:
        refused = None
    given = catalogue.form(
        chosen, here.desk.settings.upload_max_bytes, ask_reason=bool(refused and refused.already_ran)
    )
    if given is not None:
        draft(chosen, given)
    elif refused is not None:
        refused.draw()


def draft(chosen: OperationView, given: catalogue.Given) -> None:
    """Hand form and file to the core; straight on to the run when no plan and no approval is needed."""
    upload = Upload(given.file_name, given.content) if given.content is not None else None
    plain = chosen.operation.dry_run is None
    with st.spinner("Checking every row …"), here.work() as work:
        outcome = operations.draft(work, chosen.id, given.values, upload, reason=given.reason)
        if plain and isinstance(outcome, Drafted):
            operations.submit(work, outcome.execution_id)
    if isinstance(outcome, Refused):
        st.session_state[REFUSED] = catalogue.LastTry(chosen.id, given.file_name or chosen.title, outcome.faults)
        st.rerun()
    st.session_state.pop(REFUSED, None)
    navigation.go("executions" if plain else "run", execution=outcome.number)


@st.fragment(run_every=PLANNING_POLL_S)
def planning(number: str) -> None:
    """Look until the plan is made."""
    try:
        with here.read() as reading:
            seen = operations.execution(reading, number)
    except FinOpsError:
        st.rerun()  # the session has ended, say; the whole page tells
    if seen.state is not State.PLANNING:
        st.rerun()
    execution.moving(seen, reading.now)


def follow(number: str) -> None:
    """A draft of one's own: its plan being made, then the plan."""
    with here.read() as reading:
        seen = operations.execution(reading, number)
        plan = operations.plan(reading, seen.id) if seen.state is not State.PLANNING else None
        op = reading.ports.operations.get(seen.operation_id)
        asks = op is not None and op.approval_required
        people = approvals.eligible(reading, op.item_type, seen.totals, [seen.requested_by]) if op and asks else ()
    html.draw(html.line(html.link("← All operations", "run")))
    widgets.head(seen.title)
    html.draw(runs.run_line(seen, here.shown, reading.now))
    if seen.state is State.PLANNING:
        planning(seen.number)
    elif seen.state is State.READY and plan is not None:
        plan_view(plan, here.shown)
        if asks:
            catalogue.approvers([person.display_name for person in people])
        submit(seen, plan)
    else:
        catalogue.outcome(seen, plan)


def submit(seen: ExecutionView, plan: PlanView) -> None:
    """The two ways on from a plan."""
    with st.container(horizontal=True, key="tall_submit"):
        label = "Submit for approval" if seen.approval_required else "Run"
        send = st.button(label, type="primary", icon=":material/send:", disabled=not seen.totals)
        drop = st.button("Start over", icon=":material/restart_alt:")
    if not seen.totals:
        st.caption("This plan pays nothing, so there is nothing to submit.")
    try:
        if send:
            with here.work() as work:
                operations.submit(work, seen.id, plan.hash)
            st.toast(f"{seen.number} submitted", icon=":material/check:")
            navigation.go("executions", execution=seen.number)
        if drop:
            with here.work() as work:
                operations.cancel(work, seen.id, "started over")
            navigation.go("run", operation=seen.operation_id)
    except FinOpsError as error:
        widgets.refusal(error)


number, operation_id = st.query_params.get("execution", ""), st.query_params.get("operation", "")
if number:
    follow(number)
elif operation_id:
    prepare(operation_id)
else:
    choose()
