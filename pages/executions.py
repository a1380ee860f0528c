"""Executions: the history with its filters, and one execution in full."""

from collections.abc import Iterable, Sequence

import streamlit as st

from finops_core import operations, payouts
from finops_core.kernel.permissions import Permission
from finops_core.operations import ExecutionFilter, ExecutionView, OperationView, PublicState
from ui import execution, filters, html, runs, widgets
from ui.format import plural
from ui.session import open_page

here = open_page(Permission.EXECUTIONS_VIEW_OWN, Permission.EXECUTIONS_VIEW_ALL, Permission.APPROVALS_VIEW)
PAGE, IN_DOUBT = "executions_page", "in_doubt"


def fresh() -> None:
    """Another question starts at its first page."""
    widgets.first_page(PAGE)


def wanted_rows(offered: Iterable[OperationView]) -> ExecutionFilter:
    """The filters, kept in the address."""
    with filters.bar():
        text = filters.search("text", "Number, title or file", fresh)
        state = filters.choice("State", filters.states(), "state", fresh, width=140)
        operation_id = filters.choice("Operation", filters.operations(offered), "operation", fresh, width=190)
        since = filters.day("From", "since", fresh)
        until = filters.day("To", "until", fresh)
        mine = st.toggle("Only mine", key="mine", bind="query-params", on_change=fresh)
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
    filters.speak(offered)
    wanted = wanted_rows(offered)
    offset = (widgets.page_wanted(PAGE) - 1) * widgets.PAGE_SIZE
    with here.read() as reading:
        found = operations.executions(reading, wanted, widgets.PAGE_SIZE, offset)
    with title.container():
        widgets.head("Executions", f"{plural(found.total, 'execution')}, newest first")
    listed(found.rows, found.total, filtered=wanted != ExecutionFilter())


def doubtful() -> None:
    """Executions with payouts nobody can be sure of: the rows behind the figure on the home page."""
    offset = (widgets.page_wanted(PAGE) - 1) * widgets.PAGE_SIZE
    with here.read() as reading:
        ids = payouts.doubtful_executions(reading)
        rows = [operations.execution(reading, each) for each in ids[offset : offset + widgets.PAGE_SIZE]]
    widgets.head("Executions in doubt", f"{plural(len(ids), 'execution')} with payouts without a clear answer")
    html.draw(html.line(html.link("← All executions", "executions")))
    listed(rows, len(ids), filtered=True)


def listed(rows: Sequence[ExecutionView], total: int, *, filtered: bool) -> None:
    """The table, or what to do when it is empty."""
    if rows:
        html.draw(runs.runs_table(rows, here.shown))
    elif filtered:
        widgets.empty("filter_alt_off", "Nothing matches", "Loosen the filters above.")
    else:
        widgets.empty("play_circle", "Nothing has run yet", "Executions appear here once somebody uploads a file.")
        if here.may(Permission.OPERATIONS_RUN):
            html.draw(html.line(html.link("Upload your first file", "run")))
    widgets.pager(total, PAGE)


if st.query_params.get("execution"):
    execution.detail(here, st.query_params["execution"])
elif st.query_params.get("payouts") == IN_DOUBT:
    doubtful()
else:
    history()
