"""Executions: the history with its filters, and one execution in full."""

from collections.abc import Iterable, Sequence

import streamlit as st

from finops_core import operations
from finops_core.kernel.permissions import Permission
from finops_core.operations import ExecutionFilter, ExecutionView, OperationView, PublicState
from ui import execution, filters, html, runs, widgets
from ui.format import plural
from ui.session import open_page

here = open_page(Permission.EXECUTIONS_VIEW_OWN, Permission.EXECUTIONS_VIEW_ALL, Permission.APPROVALS_VIEW)
PAGE = "executions_page"


def fresh() -> None:
    """Another question starts at its first page."""
    widgets.first_page(PAGE)


def wanted_rows(offered: Iterable[OperationView]) -> ExecutionFilter:
    """The filters, kept in the address."""
    with filters.bar(fresh) as bar:
        text = bar.search("text", "Number, title or file")
        state = bar.choice("State", filters.states(), "state", width=140)
        operation_id = bar.choice("Operation", filters.operations(offered), "run_of", width=190)
        since = bar.day("From", "since")
        until = bar.day("To", "until")
        mine = bar.switch("Only mine", "mine")
    return ExecutionFilter(
        text=text,
        public=PublicState(state) if state else None,
        operation_id=operation_id,
        mine=mine,
        since=here.shown.start_of(since) if since else None,
        until=here.shown.end_of(until) if until else None,
    )


def history() -> None:
    """Every execution the person may see, a page at a time."""
    title = st.empty()
    with here.read() as reading:
        offered = operations.catalogue(reading)
    filters.speak("executions", offered)
    wanted = wanted_rows(offered)
    offset = (widgets.page_wanted(PAGE) - 1) * widgets.PAGE_SIZE
    with here.read() as reading:
        found = operations.executions(reading, wanted, widgets.PAGE_SIZE, offset)
    widgets.within(found.total, PAGE)
    with title.container():
        widgets.head("Executions", here.around.name, f"{plural(found.total, 'execution')}, newest first")
    if found.rows:
        listed(found.rows, found.total)
    elif wanted != ExecutionFilter():
        widgets.empty("filter_alt_off", "Nothing matches", "Loosen the filters above.")
    else:
        widgets.empty("play_circle", "Nothing has run yet", "Executions appear here once somebody uploads a file.")
        if here.may(Permission.OPERATIONS_RUN):
            html.draw(html.line(html.link("Upload your first file", "run")))


def listed(rows: Sequence[ExecutionView], total: int) -> None:
    """The table and its pages."""
    html.draw(runs.runs_table(rows, here.shown))
    widgets.pager(total, PAGE)


if st.query_params.get("execution"):
    execution.detail(here, st.query_params["execution"])
else:
    history()
