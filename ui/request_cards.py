"""Approval requests as cards and inside the drawer."""

from collections.abc import Iterable, Mapping
from datetime import datetime

import streamlit as st

from finops_core.approvals import RequestView, State
from finops_core.ledger import ADJUSTMENT_ITEM
from finops_core.ledger import binds as adjustment_binds
from finops_core.operations import ExecutionView
from finops_core.parties import BANK_DETAILS_ITEM
from finops_core.parties import binds as details_bind
from ui import html, ledger, widgets
from ui.format import Format, ago, plural, until, words
from ui.html import Markup
from ui.runs import BANK_TRANSFERS

STATE_TONES = {State.PENDING: "amber", State.APPROVED: "green", State.REJECTED: "red"}
SOMEBODY = "somebody"
# Kind of what is asked for -> what is promised, and whether what is shown is what the approval binds.
BOUND = {
    ADJUSTMENT_ITEM: ("What is booked is what you see here", adjustment_binds),
    BANK_DETAILS_ITEM: ("What will count is what you see here", details_bind),
}
AMOUNTS_COVERED = "The amounts are within your authority"
KIND_COVERED = "You have the authority for requests of this kind"
PLAN_STANDS = "The plan is the one that was submitted"
BOOKED_NOTE = "It is booked as you approve it; what the books refuse then, you read here, and it waits on."
DETAILS_NOTE = (
    "Compare the whole account, on the party's page, with what the party itself says, by a way you knew before."
)
COOLS_OFF = "After your approval it cools off for {} before it counts; until then it can be withdrawn."
COUNTS_AT_ONCE = "After your approval it counts at once."
BALANCE_NOTE = "Balances are looked at again before the first payment; if less is there, nothing is paid."
FILE_NOTE = (
    "A bank file looks at no balance. Before it is written, the approval, each row of the stored file and the account "
    "it is paid from are held against this plan once more; when something differs, no file is written."
)


def people(requests: Iterable[RequestView]) -> set[str]:
    """Everybody whose names these requests show."""
    return {who for each in requests for who in (each.requested_by, *(said.person_id for said in each.decisions))}


def card(request: RequestView, names: Mapping[str, str], shown: Format, now: datetime) -> bool:
    """One request: what, by whom, how much, and one button; whether it was pressed."""
    with st.container(border=True):
        text, act = st.columns([2, 1], vertical_alignment="center")
        with text:
            html.draw(Markup(f"{html.strong(request.title)}{_line(request, names, now)}"))
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


def sums(request: RequestView, shown: Format) -> Markup:
    """What it is about, one figure a currency."""
    each = shown.each_amount({money.currency: money.minor for money in request.amounts})
    return Markup(
        f'<div class="to-totals">{"".join(f"<span class=to-mid>{html.text(told)}</span>" for told in each)}</div>'
    )


def facts(
    request: RequestView, names: Mapping[str, str], run: ExecutionView | None, organisation: str, now: datetime
) -> Markup:
    """The line under the drawer's title; ``run`` is None when the person may not see it, or no more."""
    pending = request.state is State.PENDING
    return html.line(
        html.badge(words(request.state.value), STATE_TONES.get(request.state, "gray")) if not pending else "",
        _risk(request),
        html.strong(organisation) if organisation else "",
        request.number,
        f"by {names.get(request.requested_by, SOMEBODY)} {ago(request.created_at, now)}",
        until(request.expires_at, now) if pending else "",
        html.link(run.number, "executions", {"execution": run.number}) if run else "",
        run.input_name if run else "",
    )


def checks(request: RequestView, *, same_plan: bool, cool_off_h: int) -> Markup:
    """What the desk has checked for somebody who may decide now; each is asked again when they do.

    ``cool_off_h``: for how many hours approved bank details wait before they count.
    """
    promised = BOUND.get(request.subject_kind)
    first = (promised[0], promised[1](request.summary, request.content_hash)) if promised else (PLAN_STANDS, same_plan)
    found = [
        first,
        ("It was prepared by somebody else", request.refusal is None),
        (AMOUNTS_COVERED if request.amounts else KIND_COVERED, request.refusal is None),
        ("It still waits and has not expired", request.refusal is None),
    ]
    items = "".join(f"<li>{_check(sentence, passed=passed)}</li>" for sentence, passed in found)
    note = html.faint(_note(request, cool_off_h))
    return Markup(f'<p class="to-h">Checks</p><ul class="to-checks">{items}</ul><p class="to-note">{note}</p>')


def bank_details(request: RequestView) -> Markup:
    """What a change of bank details would change; nothing for any other request."""
    if request.subject_kind != BANK_DETAILS_ITEM:
        return Markup()
    told = request.summary
    others = told["also_at"]
    return html.facts(
        [
            ("Party", html.link(told["name"], "parties", {"party": told["party_id"]})),
            ("Until now", f"•••• {told['before']}" if told["before"] else "No account"),
            ("New", html.strong(f"{told['country']} •••• {told['last4']}")),
            ("Version", told["version"]),
            ("Because", told["reason"]),
            (
                "Look closely",
                f"{plural(others, 'other party has', 'other parties have')} this account" if others else "",
            ),
        ]
    )


def holders(request: RequestView) -> list[str]:
    """Whose wallet a request is about; nobody's for any but an adjustment."""
    return [request.summary["holder"]] if request.subject_kind == ADJUSTMENT_ITEM else []


def adjustment(request: RequestView, shown: Format, names: Mapping[str, str], *, opens: bool) -> Markup:
    """What a proposed adjustment would book; nothing for any other request.

    ``names`` of holders that are parties; ``opens``: whether the person who looks may go to the wallet.
    """
    if request.subject_kind != ADJUSTMENT_ITEM:
        return Markup()
    told = request.summary
    kind, about = told["about"]
    # What is put up for approval has no sign.
    [amount] = request.amounts
    sign = "-" if told["amount"].startswith("-") else "+"
    wallet_id = told["wallet_id"]
    return html.facts(
        [
            ("Adjusts", ledger.wallet_link(wallet_id) if opens else f"Wallet …{wallet_id[-8:]}"),
            ("Holder", ledger.holder(told["holder"], names)),
            ("By", html.strong(f"{sign}{shown.amount(amount.minor, amount.currency)}")),
            ("Because", told["reason"]),
            ("Counts for", told["effective_on"] or "the day it is approved"),
            ("About", f"{words(kind)} {about}" if about else ""),
        ]
    )


def said(request: RequestView, names: Mapping[str, str], shown: Format) -> Markup:
    """Every decision so far."""
    told = [
        html.line(
            html.badge(words(one.decision.value), "green" if one.decision.value == "approved" else "red"),
            html.strong(names.get(one.person_id, SOMEBODY)),
            shown.instant(one.at),
            one.comment,
        )
        for one in request.decisions
    ]
    return Markup("".join(told))


def ending(request: RequestView, shown: Format) -> Markup:
    """Why it waits no more when nobody decided, and since when."""
    since = f", {shown.instant(request.decided_at)}" if request.decided_at else ""
    told = f"{words(request.state.value)}{since}: {request.closed_why}"
    return html.line(html.faint(told, small=False)) if request.closed_why else Markup()


def _note(request: RequestView, cool_off_h: int) -> str:
    """What is still looked at, or happens, after the approval."""
    if request.subject_kind == ADJUSTMENT_ITEM:
        return BOOKED_NOTE
    if request.subject_kind == BANK_DETAILS_ITEM:
        then = COOLS_OFF.format(plural(cool_off_h, "hour")) if cool_off_h else COUNTS_AT_ONCE
        return f"{DETAILS_NOTE} {then}"
    return FILE_NOTE if request.summary.get("operation") == BANK_TRANSFERS else BALANCE_NOTE


def _line(request: RequestView, names: Mapping[str, str], now: datetime) -> Markup:
    asked_by = names.get(request.requested_by, SOMEBODY)
    if request.state is not State.PENDING:
        return html.line(
            html.badge(words(request.state.value), STATE_TONES.get(request.state, "gray")),
            request.number,
            html.strong(_decided_by(request, names) or request.closed_why),
            ago(request.decided_at or request.created_at, now),
            f"asked for by {asked_by}",
        )
    left = until(request.expires_at, now)
    return html.line(
        _risk(request),
        html.badge("Expired", "red") if left == "expired" else "",
        request.number,
        asked_by,
        ago(request.created_at, now),
        left if left != "expired" else "",
        html.faint(request.refusal.message, small=False) if request.refusal else "",
    )


def _decided_by(request: RequestView, names: Mapping[str, str]) -> str:
    people = [names.get(one.person_id, SOMEBODY) for one in request.decisions]
    return f"by {', '.join(people)}" if people else ""


def _risk(request: RequestView) -> Markup:
    risk = str(request.summary.get("risk", ""))
    return widgets.risk_badge(risk) if risk else Markup()


def _check(sentence: str, *, passed: bool) -> Markup:
    icon = html.icon("check_circle", "green") if passed else html.icon("cancel", "red")
    spoken = "" if passed else " (not met)"
    return Markup(f"{icon} {html.text(sentence + spoken)}")
