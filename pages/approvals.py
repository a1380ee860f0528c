"""Approvals: requests that wait, a drawer with the plan and its checks, and one decision."""

import streamlit as st

from finops_core import approvals, operations, security
from finops_core.approvals import Decision, RequestView
from finops_core.kernel.errors import FinOpsError, NotFound
from finops_core.kernel.permissions import Permission
from ui import html, requests, widgets
from ui.format import plural
from ui.plan import plan_view
from ui.session import open_page

here = open_page(Permission.APPROVALS_VIEW)
WAITING, DECIDED = "Waiting", "Decided"
OPEN, PAGE = "request", "approvals_page"


def close() -> None:
    """The drawer was put away."""
    st.query_params.pop(OPEN, None)


def review(request_id: str) -> None:
    """The drawer: facts, plan, checks, comment, decision."""
    with here.read() as reading:
        request = approvals.request_view(reading, request_id)
        run = operations.execution(reading, request.subject_id)
        plan = operations.plan(reading, run.id)
        names = security.names(reading, [request.requested_by, *(said.person_id for said in request.decisions)])
        now = reading.now
    html.draw(requests.facts(request, names, run, now))
    if plan is not None:
        plan_view(plan, here.shown)
    html.draw(requests.checks(request, plan, here.actor.id, now))
    html.draw(requests.said(request, names, here.shown))
    if request.refusal is None:
        decide(request)
    elif request.state is approvals.State.PENDING:
        st.info(f"**{request.refusal.message}**  \n{request.refusal.hint}", icon=":material/lock:")
    elif not request.decisions:
        st.error(f"**{request.refusal.message}**  \n{request.refusal.hint}", icon=":material/update:")


def decide(request: RequestView) -> None:
    """Comment and the two buttons."""
    with st.form("decide", border=False):
        comment = st.text_area("Comment", placeholder="Needed to reject", height=80, max_chars=2000)
        wrong = st.container()
        with st.container(horizontal=True, key="tall_decide"):
            yes = st.form_submit_button("Approve", type="primary", icon=":material/check:", width="stretch")
            no = st.form_submit_button("Reject", icon=":material/close:", width="stretch")
    if not (yes or no):
        return
    decision = Decision.APPROVED if yes else Decision.REJECTED
    try:
        with here.work() as work:
            approvals.decide(work, request.id, decision, comment.strip(), request.content_hash)
    except FinOpsError as error:
        with wrong:
            widgets.refusal(error)
        return
    st.toast(f"{request.number} {decision.value}", icon=":material/check:")
    close()
    st.rerun()


def wanted(request: RequestView) -> bool:
    """Whether the address names this request, by number or id."""
    return st.query_params.get(OPEN, "") in {request.number, request.id}


def elsewhere() -> RequestView | None:
    """A request the address names that is on neither list's present page."""
    asked_for = st.query_params.get(OPEN, "")
    if not asked_for:
        return None
    try:
        with here.read() as reading:
            return approvals.request_view(reading, asked_for)
    except NotFound as error:
        widgets.refusal(error)
        return None


title = st.empty()
view = st.segmented_control(
    "Show",
    [WAITING, DECIDED],
    default=WAITING,
    required=True,
    key="show",
    bind="query-params",
    label_visibility="collapsed",
    on_change=lambda: widgets.first_page(PAGE),
)
offset = (widgets.page_wanted(PAGE) - 1) * widgets.PAGE_SIZE
with here.read() as reading:
    waiting = approvals.waiting(reading)
    done = approvals.decided(reading, widgets.PAGE_SIZE, offset) if view == DECIDED else None
    shown = done.rows if done else waiting[offset : offset + widgets.PAGE_SIZE]
    names = security.names(reading, [request.requested_by for request in shown])
    now = reading.now
mine = [request for request in waiting if request.refusal is None]
with title.container():
    facts = f"{plural(len(waiting), 'request')} waiting · {len(mine)} for you" if waiting else "Nothing waits"
    widgets.head("Approvals", facts)

for request in shown:
    if requests.card(request, names.get(request.requested_by, ""), here.shown, now):
        st.query_params[OPEN] = request.number
if not shown:
    told = "New requests appear here as soon as somebody submits a plan."
    widgets.empty("inbox", "Nothing waits for a decision" if view == WAITING else "Nothing was decided yet", told)
widgets.pager(done.total if done else len(waiting), PAGE)

opened = next((request for request in (*waiting, *shown) if wanted(request)), None) or elsewhere()
if opened is not None:
    st.dialog(opened.title, width="medium", position="right", on_dismiss=close)(review)(opened.id)
