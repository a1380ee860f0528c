"""Home: five figures by role, each leading to its rows, and what needs the person who looks."""

import streamlit as st

from finops_core import approvals, insight, notifications, operations
from finops_core.kernel.permissions import Permission
from finops_core.operations import ExecutionFilter, PublicState
from ui import figures, filters, html, mine, news, runs, widgets
from ui.html import Markup
from ui.session import open_page

here = open_page(Permission.HOME_VIEW)
NEEDS_SHOWN, RECENT_SHOWN = 5, 6


with here.read() as reading:
    view = insight.home(reading)
    may_decide = reading.may(Permission.APPROVALS_DECIDE)
    requests = approvals.waiting(reading, limit=50) if may_decide else ()
    drafts = operations.executions(reading, ExecutionFilter(public=PublicState.PENDING, mine=True))
    offered = operations.catalogue(reading)
    recent = operations.executions(reading, ExecutionFilter(), limit=RECENT_SHOWN)
    notices, unread = notifications.unread(reading, news.FIRST), notifications.unread_count(reading)
as_of = view.as_of

widgets.head("Home", here.around.name, f"as of {here.shown.as_of(as_of)}")
spoken = {figure.key: filters.spoken(figure.query, offered) for figure in view.figures}
html.draw(figures.cards(view.figures, here.shown, spoken))

left, right = st.columns([2, 1])
if widgets.on_phone():  # where columns stand below each other, what needs somebody comes first
    left, right = right, left
with left, st.container(border=True, height="stretch"):
    st.header("Latest executions", anchor=False)
    if recent.rows:
        html.draw(runs.brief_table(recent.rows, here.shown))
    elif here.may(Permission.OPERATIONS_RUN):
        st.caption("Nothing has run yet.")
        upload = f"{html.icon('upload_file', 'green')}<strong>Upload your first file</strong>"
        html.draw(Markup(f'<div class="to-needs">{html.link(Markup(upload), "run")}</div>'))
    else:
        st.caption("Nothing has run yet. Executions you may see appear here.")
with right, st.container(border=True, height="content" if notices else "stretch"):
    st.header("Needs you", anchor=False)
    needs = [mine.asked(request, here.shown, as_of) for request in requests if request.refusal is None][:NEEDS_SHOWN]
    needs += [mine.unsubmitted(run, here.shown, as_of) for run in drafts.rows if runs.needs_plan(run)][:NEEDS_SHOWN]
    if needs:
        html.draw(Markup(f'<div class="to-needs">{"".join(needs)}</div>'))
    else:
        st.caption("Nothing waits for you.")
if notices:
    with right, st.container(border=True, key="news"):
        news.section(here, notices, unread, as_of)
