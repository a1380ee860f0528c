"""Operations in a list, and one of them in full: procedure, parameters, versions, history, and its switch."""

from collections.abc import Sequence

import streamlit as st

from finops_core import operations
from finops_core.insight import Procedure
from finops_core.kernel.errors import FinOpsError
from finops_core.kernel.permissions import Permission
from finops_core.operations import OperationView, PublicState
from ui import filters, html, runs, widgets
from ui.format import words
from ui.html import Column, Markup
from ui.session import Here

COLUMNS = (
    Column("Operation"),
    Column("Category"),
    Column("Risk"),
    Column("Approval"),
    Column("Version", fixed=True),
    Column("State"),
)
NOBODY = "Nobody here; an administrator grants the role"
BPS_PER_PERCENT = 100


def listed(offered: Sequence[OperationView]) -> None:
    """Every operation as a row; the title opens it."""
    rows = [
        (
            html.lines(html.link(view.title, "operations", {"operation": view.id}), html.faint(view.description)),
            words(view.category),
            widgets.risk_badge(view.risk),
            "Needed" if view.approval_required else "Not needed",
            view.version,
            _state(view),
        )
        for view in offered
    ]
    if rows:
        html.draw(html.table(COLUMNS, rows, "Operations"))
    else:
        widgets.empty("inventory_2", "No operation is installed.", "An administrator adds them to the catalogue.")


def detail(here: Here, shown: Procedure) -> None:
    """One operation in full."""
    view = shown.view
    widgets.head(view.title, here.around.name, view.description)
    approval = "needs approval" if view.approval_required else "no approval"
    run = html.link("Run it", "run", {"operation": view.id}) if view.runnable else ""
    html.draw(html.line(_state(view), widgets.risk_badge(view.risk), words(view.category), approval, run))
    html.draw(_facts(shown))
    if view.procedure:
        st.header("How and when to use it", anchor=False)
        st.markdown(view.procedure)
    _parameters(view)
    _history(here, shown)
    _versions(here, shown)
    if shown.may_switch:
        _switch(here, view)
    if here.may(Permission.AUDIT_VIEW):
        html.draw(html.line(html.link("Everything recorded about it", "audit", {"object": f"operation:{view.id}"})))


def _state(view: OperationView) -> Markup:
    return html.badge("Active", "green") if view.active else html.badge("Switched off", "red")


def _facts(shown: Procedure) -> Markup:
    bps = shown.success_bps
    rate = f"{bps // BPS_PER_PERCENT}.{bps % BPS_PER_PERCENT // 10} %" if bps is not None else ""
    counts = [(words(state.value), str(shown.counts[state])) for state in PublicState if shown.counts[state]]
    return html.facts(
        [
            ("Version", shown.view.version),
            ("May run it", ", ".join(shown.people) or NOBODY),
            ("Success rate", rate),
            *counts,
        ]
    )


def _parameters(view: OperationView) -> None:
    fields = view.operation.parameters.model_fields
    spec = view.operation.file
    if fields:
        st.header("Parameters", anchor=False)
        pairs = [(html.strong(each.title or words(name)), each.description or "") for name, each in fields.items()]
        html.draw(html.definitions(pairs))
    if spec is not None:
        st.header("Columns of the file", anchor=False)
        html.draw(html.definitions([(html.strong(each.name), each.description) for each in spec.columns]))


def _history(here: Here, shown: Procedure) -> None:
    if shown.recent:
        st.header("Latest executions", anchor=False)
        html.draw(runs.runs_table(shown.recent, here.shown))
        query = filters.spoken({"run_of": shown.view.id}, [shown.view])
        html.draw(html.line(html.link("All of its executions", "executions", query)))


def _versions(here: Here, shown: Procedure) -> None:
    for each in shown.switches:
        told = "Switched on" if each.detail.get("active") else "Switched off"
        html.draw(html.line(html.strong(told), here.shown.instant(each.at), str(each.detail.get("reason", ""))))
    if shown.versions:
        st.header("Versions", anchor=False)
        html.draw(html.definitions([(each.version, f"since {here.shown.instant(each.at)}") for each in shown.versions]))


def _switch(here: Here, view: OperationView) -> None:
    """On or off, with a reason; for the whole installation."""
    st.header("Switch", anchor=False)
    st.caption("For every organisation of this installation. What runs already goes on.")
    with st.form("switch", border=False):
        reason = st.text_input("Reason", max_chars=200)
        label = "Switch it off" if view.active else "Switch it on"
        with st.container(key="tall_switch"):
            pressed = st.form_submit_button(label, icon=":material/power_settings_new:")
    if not pressed:
        return
    try:
        with here.work() as work:
            operations.set_active(work, view.id, active=not view.active, reason=reason)
    except FinOpsError as error:
        widgets.refusal(error)
        return
    st.rerun()
