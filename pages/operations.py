"""Operations: what can be run, and one of them in full with its procedure, versions, history and switch."""

import streamlit as st

from finops_core import insight, operations
from finops_core.kernel.permissions import Permission
from ui import html, procedures, widgets
from ui.session import open_page

here = open_page(Permission.OPERATIONS_RUN, Permission.OPERATIONS_ADMINISTER, Permission.EXECUTIONS_VIEW_ALL)
operation_id = st.query_params.get("operation", "")

if operation_id:
    html.draw(html.line(html.link("← All operations", "operations")))
    with here.read() as reading:
        shown = insight.procedure(reading, operation_id)
    procedures.detail(here, shown)
else:
    with here.read() as reading:
        offered = operations.catalogue(reading)
    widgets.head("Operations", here.around.name, "What can be run, by whom, and how it went")
    procedures.listed(offered)
