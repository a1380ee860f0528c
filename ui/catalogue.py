"""The catalogue of operations, the form of one, and what a refused try left to mend."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import streamlit as st
from pydantic import BaseModel, ValidationError

from finops_core.kernel.faults import Fault
from finops_core.kernel.operation import FileSpec
from finops_core.operations import ExecutionView, OperationView, PlanView
from finops_core.operations.spreadsheets import csv_bytes
from ui import forms, html, widgets
from ui.format import words
from ui.html import Markup

ALREADY_RAN = "ALREADY_RAN"
MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Given:
    """What the form holds; ``content`` is None when no file was chosen."""

    values: Mapping[str, object]
    file_name: str
    content: bytes | None
    reason: str


@dataclass(frozen=True, slots=True)
class LastTry:
    """A try that was refused, kept until the next one; ``number`` tells one try from the next."""

    number: str
    operation_id: str
    name: str
    faults: tuple[Fault, ...]

    @property
    def already_ran(self) -> bool:
        """Whether only a reason is missing."""
        return any(fault.code == ALREADY_RAN for fault in self.faults)

    def draw(self) -> None:
        """What is wrong, brought into view once, and a file of it when there is much."""
        html.bring_into_view("faults", self.number)
        if self.already_ran:
            st.warning(self.faults[0].message, icon=":material/history:")
            return
        widgets.faults_table(self.faults, self.name, "nothing was stored")
        if len(self.faults) > widgets.FAULTS_SHOWN:
            st.download_button(
                "Download all of them (CSV)",
                lambda: faults_csv(self.faults),
                file_name="to-mend.csv",
                mime="text/csv",
                icon=":material/download:",
                on_click="ignore",
            )


def cards(offered: Sequence[OperationView]) -> None:
    """Every operation as a card, by category; the ones this person may run are links."""
    if offered:
        html.draw(Markup(f'<div class="to-grid to-cards">{"".join(map(_card, offered))}</div>'))
    else:
        widgets.empty("inventory_2", "No operation is installed.", "An administrator adds them to the catalogue.")


def form(
    chosen: OperationView, upload_max_bytes: int, *, ask_reason: bool, replaced: ExecutionView | None = None
) -> Given | None:
    """The operation's form; gives what it holds when it was sent, else None.

    ``replaced``: the execution a new one takes the place of, whose file and settings it begins with.
    """
    spec = chosen.operation.file
    left, right = st.columns([3, 2], gap="medium")
    with right:
        _beside(chosen, spec)
    with left, st.form(f"form_{chosen.id}"):
        megabytes = max(1, upload_max_bytes // MIB)
        file = (
            st.file_uploader(spec.label, type="csv", max_upload_size=megabytes, key=f"file_{chosen.id}")
            if spec
            else None
        )
        if replaced is not None and replaced.input_name:
            st.caption(f":material/attach_file: Without another file the one of {replaced.number} is taken again.")
        before = given_before(chosen, replaced)
        place = f"p_{chosen.id}_{replaced.number}" if replaced else f"p_{chosen.id}"
        values = forms.parameters_form(chosen.operation.parameters, place, before)
        reason = st.text_input("Reason to run it again", max_chars=200) if ask_reason else ""
        label = "Make the plan" if chosen.operation.dry_run else "Run"
        pressed = st.form_submit_button(label, type="primary", icon=":material/play_arrow:")
    if not pressed:
        return None
    return Given(values, file.name if file else "", file.getvalue() if file else None, reason)


def given_before(chosen: OperationView, replaced: ExecutionView | None) -> BaseModel | None:
    """The settings of an earlier execution, as far as the operation still takes them."""
    if replaced is None:
        return None
    try:
        return chosen.operation.parameters.model_validate(dict(replaced.params))
    except ValidationError:
        return None


def approvers(names: Sequence[str]) -> None:
    """Who may approve a plan like this one."""
    if names:
        st.caption(f":material/group: May approve it: {', '.join(names)}.")
    else:
        st.warning(
            "Nobody here may approve this amount. Ask an administrator before you submit.", icon=":material/group_off:"
        )


def outcome(seen: ExecutionView, plan: PlanView | None) -> None:
    """A draft that is past its plan, or that never got one."""
    if plan is not None and plan.faults:
        widgets.faults_table(plan.faults, seen.input_name, "nothing was paid")
    elif seen.message:
        st.info(f"**{seen.message}**  \n{seen.hint}", icon=":material/info:")
    again = html.link("Try again", "run", {"operation": seen.operation_id})
    html.draw(html.line(html.link(f"Open {seen.number}", "executions", {"execution": seen.number}), again))


def faults_csv(faults: Sequence[Fault]) -> bytes:
    """Every fault as CSV."""
    return csv_bytes(
        {
            "Row": [fault.row for fault in faults],
            "Column": [fault.column for fault in faults],
            "Value": [fault.value for fault in faults],
            "What is wrong": [fault.message for fault in faults],
        }
    )


def _card(view: OperationView) -> Markup:
    needs = html.badge("Needs approval", "blue") if view.approval_required else html.badge("No approval", "gray")
    why = "" if view.runnable else html.faint("Switched off" if not view.active else "Not part of your role")
    badges = html.join(widgets.risk_badge(view.risk), needs, why)
    body = Markup(
        f'<span class="o">{html.text(words(view.category))}</span><span class="k">{html.strong(view.title)}</span>'
        f'<span class="t">{html.text(view.description)}</span><span class="b">{badges}</span>'
    )
    if view.runnable:
        return html.link(body, "run", {"operation": view.id}, css="to-figure")
    return Markup(f'<div class="to-figure to-off">{body}</div>')


def _beside(chosen: OperationView, spec: FileSpec | None) -> None:
    if spec is not None:
        with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
            st.markdown("**Columns of the file**", width="content")
            st.download_button(
                "Download a sample",
                spec.sample,
                file_name=spec.sample_name,
                mime="text/csv",
                icon=":material/download:",
                type="tertiary",
                on_click="ignore",
            )
        pairs = [(_header(each.name, required=each.required), each.description) for each in spec.columns]
        html.draw(html.definitions(pairs))
        if spec.extra_columns:
            st.caption("Other columns may be there; they are not read.")
    if chosen.procedure:
        with st.expander("How and when to use it", icon=":material/menu_book:"):
            st.markdown(chosen.procedure)


def _header(name: str, *, required: bool) -> Markup:
    return html.join(html.strong(name), html.faint("required") if required else "")
