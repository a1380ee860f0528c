"""Payouts that wait for a person: what is known of each, and the form that says what a look at the provider showed."""

from collections.abc import Mapping

import streamlit as st

from finops_core import payouts, security
from finops_core.kernel.errors import FinOpsError, NotFound
from finops_core.operations import ExecutionView
from finops_core.payouts import (
    PayoutFilter,
    PayoutHistory,
    PayoutState,
    PayoutView,
    Remedies,
    Resolution,
    Standing,
    Verdict,
)
from ui import address, html, payout, payout_rows, toasts, widgets
from ui.format import Format
from ui.html import Markup
from ui.plan import OWN_ACCOUNT
from ui.session import Here

OPEN = "settle"
SHOWN = 10
WAITING = frozenset({PayoutState.NEEDS_REVIEW})
FOUND = {Verdict.EXISTS: "It was made", Verdict.NEVER_MADE: "It was never made"}
SAID = {**FOUND, Verdict.PAID_TWICE: "It was paid twice, and that is dealt with"}
TWICE = "An earlier attempt of this row was paid, too. Have one of the two taken back, or settle it."
DEALT = "Both payouts stay as they are. Say how it was dealt with: from now on it is told as settled."
CHECKED = "The desk looks at the provider for itself before this counts. If it finds otherwise, the payout says so."


def section(here: Here, run: ExecutionView, found: Remedies) -> None:
    """A card for each payout that waits for a person; a button for those who may settle it."""
    if not found.waiting.count + found.twice.count:
        return
    with here.read() as reading:
        page = payouts.page(reading, PayoutFilter(run.id, Standing.FOR_A_PERSON), SHOWN)
        said = payouts.resolutions(reading, [row.id for row in page.rows])
        names = security.names(reading, [each.person_id for each in said.values()])
    st.markdown("**Waits for a person**")
    for row in page.rows:
        _card(here, row, said.get(row.id), names, may_settle=found.may_settle)
    if page.sums.count > SHOWN:
        st.caption(f"And {page.sums.count - SHOWN} more, once these are settled.")
    wanted = st.query_params.get(OPEN, "")
    if wanted and found.may_settle:
        _open(here, wanted)


def close() -> None:
    """The drawer was put away."""
    address.put_away(OPEN)


def _card(here: Here, row: PayoutView, said: Resolution | None, names: Mapping[str, str], *, may_settle: bool) -> None:
    with st.container(border=True):
        text, act = st.columns([3, 1], vertical_alignment="center")
        with text:
            html.draw(html.lines(html.strong(payout_rows.named(row, here.shown)), *_told(row, said, names)))
        with act:
            checking = said is not None and said.checking
            if may_settle and not checking and st.button("Settle", key=f"tall_settle_{row.id}", width="stretch"):
                st.query_params.update(html.addressed({OPEN: row.id}))


def _told(row: PayoutView, said: Resolution | None, names: Mapping[str, str]) -> list[Markup]:
    """Why it waits, and what somebody has said of it."""
    why = html.faint(TWICE if row.twice else row.error_message)
    if said is None:
        return [why]
    who = names.get(said.person_id, "Somebody")
    what = f"{who} said: {SAID[Verdict(said.verdict)].lower()}. {said.comment}"
    state = html.badge("The desk checks it", "blue") if said.checking else html.badge("Not confirmed", "amber")
    refused = [html.text(row.refusal)] if row.refusal and not said.checking else []
    return [html.join(state, html.text(what)), *refused, *([] if said.checking else [why])]


def _open(here: Here, payout_id: str) -> None:
    st.dialog("Settle a payout", width="medium", position="right", on_dismiss=close)(_drawer)(here, payout_id)


def _drawer(here: Here, payout_id: str) -> None:
    try:
        with here.read() as reading:
            known = payouts.history(reading, payout_id)
            names = security.names(reading, {step.by for step in known.steps if step.by})
    except NotFound as error:
        widgets.refusal(error)
        return
    row = known.payout
    if row.state not in WAITING and not row.twice:
        st.info("**It does not wait for a person any more.**", icon=":material/check_circle:")
        return
    html.draw(_facts(here, row))
    if not row.twice:
        html.draw(_where_to_look(known, here.shown))
    html.draw(html.more("What happened", payout.timeline(known.steps, names, here.shown)))
    _form(here, row)


def _facts(here: Here, row: PayoutView) -> Markup:
    total = Markup(f'<div class="to-big">{html.text(here.shown.amount(row.amount_minor, row.currency))}</div>')
    attempt = f", attempt {row.attempt}" if row.attempt > 1 else ""
    facts = html.facts(
        [
            ("Organisation", here.around.name),
            ("Of", f"{row.number}, row {row.row_no}{attempt}"),
            ("To bank account", html.fixed_tail(row.bank)),
            ("From account", row.account or OWN_ACCOUNT),
            ("Sent", here.shown.instant(row.sent_at)),
        ]
    )
    why = html.faint(" ".join(filter(None, (row.error_message, row.refusal))), small=False)
    return Markup(f'{total}<p class="to-note">{why}</p>{facts}')


def _where_to_look(known: PayoutHistory, shown: Format) -> Markup:
    row = known.payout
    marks = [(name, Markup(f"<code>{html.text(value)}</code>")) for name, value in known.marks.items()]
    looked = (
        f"At the provider, look among the payouts of {shown.instant(row.sent_at)} and after for "
        f"{shown.amount(row.amount_minor, row.currency)}. Ours carries these metadata:"
    )
    pairs = html.definitions([*marks, *([("destination", known.destination)] if known.destination else [])])
    return Markup(f'<p class="to-h">Where to look</p><p class="to-note">{html.text(looked)}</p>{pairs}')


def _form(here: Here, row: PayoutView) -> None:
    with st.form("settle", border=False):
        verdict, provider_id = (Verdict.PAID_TWICE, "") if row.twice else _found()
        asked = "How it was dealt with" if row.twice else "Where you looked, and what you saw"
        comment = st.text_area(asked, height=80, max_chars=2000)
        st.caption(DEALT if row.twice else CHECKED)
        wrong = st.container()
        with st.container(key="tall_settle"):
            pressed = st.form_submit_button("Settle it", type="primary", icon=":material/check:", width="stretch")
    if not pressed:
        return
    if verdict is None:
        with wrong:
            st.error("**Say whether it was made.**", icon=":material/error:")
        return
    try:
        with here.work() as work:
            payouts.resolve(work, row.id, verdict, provider_id, comment)
    except FinOpsError as error:
        with wrong:
            widgets.refusal(error)
        return
    toasts.say("It is settled." if row.twice else "The desk checks it at the provider.")
    close()
    st.rerun()


def _found() -> tuple[Verdict | None, str]:
    """What a look at the provider showed, and its id there."""
    verdict = st.radio("What did you find?", list(FOUND), index=None, format_func=FOUND.__getitem__, horizontal=True)
    return verdict, st.text_input("Its id at the provider, if it was made", placeholder="po_…", max_chars=120)
