"""Upload & run: choose an operation, fill its form, mend what is wrong, look at the plan, submit it."""

import streamlit as st

from finops_core import operations
from finops_core.kernel.ids import new_id
from finops_core.kernel.permissions import Permission
from finops_core.operations import Drafted, OperationView, Refused, Upload
from ui import catalogue, drafts, html, navigation, runs, widgets
from ui.session import open_page

here = open_page(Permission.OPERATIONS_RUN)
REFUSED = "run_refused"


def choose() -> None:
    """The catalogue."""
    with here.read() as reading:
        offered = operations.catalogue(reading)
    told = "Choose what to run. Nothing happens before you have seen its plan."
    widgets.head("Upload & run", here.around.name, told)
    catalogue.cards(offered)


def prepare(operation_id: str) -> None:
    """The form of one operation, and what was wrong with the last try."""
    wanted = st.query_params.get("replaces", "")
    with here.read() as reading:
        offered = {view.id: view for view in operations.catalogue(reading)}
        replaced = operations.execution(reading, wanted) if wanted else None
    chosen = offered.get(operation_id)
    html.draw(html.line(html.link("← All operations", "run")))
    if chosen is None or not chosen.runnable:
        widgets.empty("block", "You cannot run this operation.", "Choose one from the list.")
        return
    widgets.head(chosen.title, here.around.name, chosen.description)
    refused: catalogue.LastTry | None = st.session_state.get(REFUSED)
    if refused and refused.operation_id != chosen.id:
        refused = None
    html.draw(runs.kin_line(replaced, ()))
    above = st.container(key="faults")
    asked = bool(refused and refused.already_ran)
    given = catalogue.form(chosen, here.desk.settings.upload_max_bytes, ask_reason=asked, replaced=replaced)
    if given is not None:
        draft(chosen, given, wanted)
    elif refused is not None:
        with above:
            refused.draw()


def draft(chosen: OperationView, given: catalogue.Given, replaces: str) -> None:
    """Hand form and file to the core; straight on to the run when no plan and no approval is needed."""
    upload = Upload(given.file_name, given.content) if given.content is not None else None
    plain = chosen.operation.dry_run is None
    with st.spinner("Checking every row …"), here.work() as work:
        outcome = operations.draft(work, chosen.id, given.values, upload, reason=given.reason, replaces=replaces)
        if plain and isinstance(outcome, Drafted):
            operations.submit(work, outcome.execution_id)
    if isinstance(outcome, Refused):
        st.session_state[REFUSED] = catalogue.LastTry(
            new_id("try"), chosen.id, given.file_name or chosen.title, outcome.faults
        )
        st.rerun()
    st.session_state.pop(REFUSED, None)
    navigation.go("executions" if plain else "run", execution=outcome.number)


number, operation_id = st.query_params.get("execution", ""), st.query_params.get("operation", "")
if number:
    drafts.follow(here, number)
elif operation_id:
    prepare(operation_id)
else:
    choose()
