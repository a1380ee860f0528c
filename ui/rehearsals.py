"""Rehearsals of a plan: asking for one with chosen troubles, and what each came to."""

from collections.abc import Mapping, Sequence

import streamlit as st

from finops_core import payouts, security
from finops_core.kernel.errors import FinOpsError
from finops_core.kernel.permissions import Permission
from finops_core.operations import ExecutionView, State
from finops_core.payouts import PayoutState, RehearsalView, Trouble
from ui import address, html, widgets
from ui.format import Format, ago, plural, words
from ui.html import Column, Markup
from ui.payout_rows import TONES
from ui.session import Here

LOOK_S = 1
USUAL = (Trouble.ANSWER_LOST, Trouble.TOO_FAST, Trouble.WORKER_DIES)
WAITS = frozenset({State.READY, State.AWAITING_APPROVAL})
WHY = (
    "Carries out exactly this plan against a sandbox of its own, with the troubles you choose. No money moves, and "
    "nothing of it changes here; the approver sees what came of it."
)
COLUMNS = (
    Column("Row", number=True),
    Column("Amount", number=True),
    Column("Trouble"),
    Column("State"),
)


def section(here: Here, run: ExecutionView) -> None:
    """Ask for one, while the plan waits and the person may; follow it to its end; what the others came to."""
    if run.operation_id not in payouts.OFFERED or not run.plan_hash:
        return
    with here.read() as reading:
        found = payouts.rehearsals(reading, run.id, run.plan_hash)
    running = any(each.running for each in found)
    if run.state in WAITS and _may_ask(here, run) and not running:
        _ask(here, run, opened=bool(found))
    if found:
        st.fragment(_told, run_every=LOOK_S if running else None)(here, run.id, run.plan_hash, running=running)


def outcomes(found: Sequence[RehearsalView], names: Mapping[str, str], here: Here) -> Markup:
    """Each rehearsal in a line that opens to its rows, newest first; nothing when there was none."""
    if not found:
        return Markup()
    with here.read() as reading:
        now = reading.now
    lines = "".join(f"<div>{_one(each, names, here.shown, ago(each.created_at, now))}</div>" for each in found)
    return Markup(f'<p class="to-h">Rehearsed</p><div class="to-rehearsals">{lines}</div>')


def _may_ask(here: Here, run: ExecutionView) -> bool:
    prepares = run.requested_by == here.actor.id and here.may(Permission.PAYOUTS_PREPARE)
    return prepares or here.may(Permission.APPROVALS_DECIDE)


def _ask(here: Here, run: ExecutionView, *, opened: bool) -> None:
    label = "Rehearse it again" if opened else "Rehearse it first"
    with st.expander(label, icon=":material/theater_comedy:"), st.form(f"rehearse_{run.id}", border=False):
        st.caption(WHY)
        chosen = [each for each in Trouble if st.checkbox(_sentence(each), value=each in USUAL, key=f"t_{each.name}")]
        st.caption("Each trouble strikes a row of its own; a plan with fewer rows meets the first ones only.")
        wrong = st.container()
        with st.container(key="tall_rehearse"):
            pressed = st.form_submit_button("Rehearse", icon=":material/theater_comedy:")
    if not pressed:
        return
    try:
        with here.work() as work:
            payouts.rehearse(work, run.id, chosen)
    except FinOpsError as error:
        with wrong:
            widgets.refusal(error)
        return
    st.rerun()


def _told(here: Here, execution_id: str, plan_hash: str, *, running: bool) -> None:
    """What they came to; the whole page is drawn anew once the last one has ended."""
    try:
        with here.read() as reading:
            found = payouts.rehearsals(reading, execution_id, plan_hash)
            names = security.names(reading, [each.requested_by for each in found])
    except FinOpsError:
        address.draw_anew()  # the session has ended, say; the whole page tells
    if running and not any(each.running for each in found):
        address.draw_anew()
    html.draw(outcomes(found, names, here))


def _one(each: RehearsalView, names: Mapping[str, str], shown: Format, when: str) -> Markup:
    who = names.get(each.requested_by, "")
    if each.running:
        badge, told = html.badge("Being rehearsed", "blue"), "The plan is being carried out in a sandbox of its own."
        return html.line(html.icon("hourglass_top", "blue"), badge, told, html.faint(f"{who}, {when}"))
    if each.given_up:
        badge, told = html.badge("Broke off", "red"), "It could not be carried out, which says nothing of the plan."
        return html.line(badge, told, html.faint(f"{who}, {when}"))
    badge = html.badge("Passed", "green") if each.passed else html.badge("Did not pass", "red")
    told = f"{_twice(each)} {plural(len(_rows(each)), 'row')}, {_troubles(each)}."
    return Markup(
        f"{html.line(badge, html.strong(told), html.faint(f'{who}, {when}'))}"
        f"{html.more(str(each.outcome.get('summary', 'Open')), _table(each, shown))}"
    )


def _twice(each: RehearsalView) -> str:
    twice, doubt = len(each.outcome.get("twice", ())), len(each.outcome.get("in_doubt", ()))
    lost = len(each.outcome.get("lost", ()))
    told = [f"Paid twice: {twice}"]
    told += [f"lost: {lost}"] if lost else []
    return f"{', '.join([*told, f'in doubt: {doubt}'])}."


def _troubles(each: RehearsalView) -> str:
    met = sum(bool(row.get("trouble")) for row in _rows(each))
    unmet = f"; not met, so not rehearsed: {', '.join(each.unmet)}" if each.unmet else ""
    return f"{plural(met, 'trouble')} met{unmet}" if each.troubles else "without troubles"


def _table(each: RehearsalView, shown: Format) -> Markup:
    rows = [
        (
            int(row["no"]),
            html.strong(shown.plain(row["amount"], str(row["currency"]))),
            _sentence(str(row.get("trouble", ""))),
            html.badge(words(str(row["state"])), TONES.get(PayoutState(row["state"]).value, "gray")),
        )
        for row in sorted(_rows(each), key=lambda row: (not row.get("trouble"), int(row["no"])))[: widgets.PAGE_SIZE]
    ]
    more = len(_rows(each)) - len(rows)
    rest = html.faint(f"The rows that met no trouble are not all shown: {more} more.") if more else ""
    return Markup(f"{html.table(COLUMNS, rows, 'The rehearsal, row by row')}{html.text(rest)}")


def _rows(each: RehearsalView) -> Sequence[Mapping[str, str]]:
    rows: Sequence[Mapping[str, str]] = each.outcome.get("rows", ())
    return rows


def _sentence(told: str) -> str:
    return told[:1].upper() + told[1:]
