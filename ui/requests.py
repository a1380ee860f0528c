"""Approval requests as cards and inside the drawer."""

from collections.abc import Mapping
from datetime import datetime

import streamlit as st

from finops_core.approvals import RequestView, State
from finops_core.operations import ExecutionView, PlanView
from ui import html, widgets
from ui.format import Format, ago, until, words
from ui.html import Markup

STATE_TONES = {State.PENDING: "amber", State.APPROVED: "green", State.REJECTED: "red"}
OUTSIDE_AUTHORITY = frozenset({"APPROVAL_NO_AUTHORITY", "APPROVAL_OVER_LIMIT", "APPROVAL_NOT_PERMITTED"})


def card(request: RequestView, asked_by: str, shown: Format, now: datetime) -> bool:
    """One request: what, by whom, how much, and one button; whether it was pressed."""
    with st.container(border=True):
        text, act = st.columns([2, 1], vertical_alignment="center")
        with text:
            html.draw(Markup(f"{html.strong(request.title)}{_line(request, asked_by, now)}"))
        with act, st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
            html.draw(amounts(request, shown))
            return st.button(
                "Review",
                key=f"tall_review_{request.number}",
                icon=":material/visibility:",
                help="Opens it with its plan",
            )


def amounts(request: RequestView, shown: Format) -> Markup:
    """What it is about, one line a currency; the first few when there are many."""
    sums = {money.currency: money.minor for money in request.amounts}
    each = [html.strong(told) for told in shown.first_amounts(sums)]
    return Markup(f'<div class="to-sum">{html.lines(*each) if each else html.faint("No amount", small=False)}</div>')


def facts(request: RequestView, names: Mapping[str, str], run: ExecutionView, now: datetime) -> Markup:
    """The line under the drawer's title."""
    pending = request.state is State.PENDING
    return html.line(
        html.badge(words(request.state.value), STATE_TONES.get(request.state, "gray")) if not pending else "",
        widgets.risk_badge(run.risk),
        request.number,
        f"by {names.get(request.requested_by, 'somebody')} {ago(request.created_at, now)}",
        until(request.expires_at, now) if pending else "",
        html.link(run.number, "executions", {"execution": run.number}),
        run.input_name,
    )


def checks(request: RequestView, plan: PlanView | None, person_id: str, now: datetime) -> Markup:
    """What the desk has checked for the person who decides; each is asked again when they do."""
    refused = request.refusal.code if request.refusal else ""
    found = [
        ("The plan is the one that was submitted", plan is not None and plan.hash == request.content_hash),
        ("It was prepared by somebody else", person_id not in request.excluded),
        ("The amounts are within your authority", refused not in OUTSIDE_AUTHORITY),
    ]
    if request.state is State.PENDING:
        found.append(("It still waits and has not expired", request.expires_at > now))
    items = "".join(f"<li>{_check(sentence, passed=passed)}</li>" for sentence, passed in found)
    note = html.faint("Balances are looked at again before the first payment; if less is there, nothing is paid.")
    return Markup(f'<p class="to-h">Checks</p><ul class="to-checks">{items}</ul><p class="to-note">{note}</p>')


def said(request: RequestView, names: Mapping[str, str], shown: Format) -> Markup:
    """Every decision so far, and why the request waits no more when nobody decided."""
    told = [
        html.line(
            html.badge(words(one.decision.value), "green" if one.decision.value == "approved" else "red"),
            html.strong(names.get(one.person_id, "somebody")),
            shown.instant(one.at),
            one.comment,
        )
        for one in request.decisions
    ]
    if request.closed_why:
        told.append(html.line(html.faint(f"{words(request.state.value)}: {request.closed_why}", small=False)))
    return Markup("".join(told))


def _line(request: RequestView, asked_by: str, now: datetime) -> Markup:
    risk = str(request.summary.get("risk", ""))
    if request.state is not State.PENDING:
        state = html.badge(words(request.state.value), STATE_TONES.get(request.state, "gray"))
        return html.line(state, request.number, asked_by, ago(request.decided_at or request.created_at, now))
    left = until(request.expires_at, now)
    why_not = html.faint(request.refusal.message, small=False) if request.refusal else ""
    return html.line(
        widgets.risk_badge(risk) if risk else "",
        html.badge("Expired", "red") if left == "expired" else "",
        request.number,
        asked_by,
        ago(request.created_at, now),
        left if left != "expired" else "",
        why_not,
    )


def _check(sentence: str, *, passed: bool) -> Markup:
    icon = html.icon("check_circle", "green") if passed else html.icon("cancel", "red")
    spoken = "" if passed else " (not met)"
    return Markup(f"{icon} {html.text(sentence + spoken)}")
