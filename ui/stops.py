"""Money stops on screen: those that stand, those there were, and in dialogs a new one and the lifting of one."""

from collections.abc import Mapping, Sequence

import streamlit as st

from finops_core import ledger, security
from finops_core.kernel.permissions import Permission
from finops_core.ledger import EntryType, StopView, StopWidth
from ui import choices, html, widgets
from ui.dialogs import Dialogs, refused, send
from ui.format import words
from ui.html import Cell, Column, Markup
from ui.session import Here

STOP, RESUME = "stop", "resume"
DIALOGS = Dialogs("money_stop")
WIDTH, KIND, WALLET, WHY, LIFTED = "stop_width", "stop_kind", "stop_wallet", "stop_why", "stop_lifted"
MOST = 50
SOMEBODY = "Somebody"
WIDTHS = {
    StopWidth.ALL: "Everything",
    StopWidth.NON_ESSENTIAL: "What can wait",
    StopWidth.TYPE: "One kind of operation",
    StopWidth.WALLET: "One wallet",
}
HELD = {
    StopWidth.ALL: "Nothing moves, payouts neither. What has happened outside is still booked.",
    StopWidth.NON_ESSENTIAL: "Deposits, adjustments and reversals go on; nothing leaves, payouts neither.",
    StopWidth.TYPE: "One kind is refused; Payout holds runs that pay, too.",
    StopWidth.WALLET: "Nothing enters or leaves it, nor what is held for its holder in that currency.",
}
COLUMNS = (
    Column("Stopped"),
    Column("Since"),
    Column("Why", wide=True),
    Column("Lifted"),
    Column("Why lifted", wide=True),
)


def section(here: Here) -> None:
    """The stops that stand, each with the way to lift it, and the record of earlier ones."""
    with here.read() as reading:
        # Apart: however many were lifted since, one that stands is shown.
        standing = ledger.stops(reading, MOST)
        over = [stop for stop in ledger.stops(reading, MOST, standing=False) if stop.lifted_at]
        people = {who for stop in (*standing, *over) for who in (stop.set_by, stop.lifted_by) if who}
        names = security.names(reading, people)
    may = here.may(Permission.LEDGER_STOP)
    for stop in standing:
        _card(here, stop, names, may=may)
    if not standing:
        widgets.empty("check_circle", "No money is stopped", "Whoever looks after the ledger can stop it here.")
    with st.container(key="tall_halt_money"):
        if may and st.button("Stop money", icon=":material/front_hand:"):
            DIALOGS.ask(STOP)
    if over:
        html.draw(html.table(COLUMNS, [_row(stop, names, here) for stop in over], "Earlier stops"))
    _open_asked(here, standing)


def of_wallet(standing: Sequence[StopView], wallet_id: str) -> None:
    """What holds a wallet's money, whatever is done with it: whoever would move some reads it before they type."""
    for stop in standing:
        if stop.width is StopWidth.ALL or (stop.width is StopWidth.WALLET and stop.subject == wallet_id):
            html.draw(html.told("front_hand", f"{title_of(stop)}.", stop.reason, "red"))


def title_of(stop: StopView) -> str:
    """What a stop holds, in a few words."""
    if stop.width is StopWidth.TYPE:
        return f"{words(stop.subject.lower())} is stopped"
    if stop.width is StopWidth.WALLET:
        return f"Wallet …{stop.subject[-8:]} is stopped"
    return "All money is stopped" if stop.width is StopWidth.ALL else "Money that can wait is stopped"


def _card(here: Here, stop: StopView, names: Mapping[str, str], *, may: bool) -> None:
    by = f"{names.get(stop.set_by, SOMEBODY)}, {here.shown.instant(stop.set_at)}"
    html.draw(html.told("front_hand", f"{title_of(stop)}.", html.lines(stop.reason, by), "red"))
    with st.container(key=f"tall_resume_{stop.id}"):
        if may and st.button("Let it go on", icon=":material/play_arrow:", key=f"resume_{stop.id}"):
            DIALOGS.ask(RESUME, stop.id)


def _row(stop: StopView, names: Mapping[str, str], here: Here) -> tuple[Cell, ...]:
    def by(who: str, at: Cell) -> Markup:
        return html.lines(at, html.faint(names.get(who, SOMEBODY)))

    return (
        title_of(stop).removesuffix(" is stopped"),
        by(stop.set_by, here.shown.instant(stop.set_at)),
        stop.reason,
        by(stop.lifted_by, here.shown.instant(stop.lifted_at)),
        stop.lifted_reason,
    )


def _open_asked(here: Here, standing: Sequence[StopView]) -> None:
    what, which = DIALOGS.asked()
    stop = next((each for each in standing if each.id == which), None)
    if what == STOP and here.may(Permission.LEDGER_STOP):
        st.dialog("Stop money", on_dismiss=DIALOGS.close)(_stop)(here)
    elif what == RESUME and stop is not None and here.may(Permission.LEDGER_STOP):
        st.dialog("Let money go on?", on_dismiss=DIALOGS.close)(_resume)(here, stop)
    else:
        refused()


def _stop(here: Here) -> None:
    DIALOGS.head(here)
    width = st.selectbox("How much", list(WIDTHS), format_func=WIDTHS.__getitem__, key=WIDTH)
    st.caption(HELD[width])
    offered = choices.wallets(here) if width is StopWidth.WALLET else {}
    with st.form("stop_money", border=False):
        if width is StopWidth.TYPE:
            kinds = [kind for kind in EntryType if kind is not EntryType.JOURNAL]
            st.selectbox("Kind", kinds, format_func=lambda kind: words(kind.value.lower()), key=KIND)
        if width is StopWidth.WALLET:
            choices.pick("Wallet", offered, WALLET, "Whose wallet")
        st.text_input("Why", key=WHY, max_chars=200, placeholder="Whoever is held by it reads this")
        send("Stop it now", lambda: _stopped(here), ends=True)


def _stopped(here: Here) -> str:
    width = StopWidth(st.session_state[WIDTH])
    asked = {StopWidth.TYPE: KIND, StopWidth.WALLET: WALLET}
    subject = str(st.session_state.get(asked[width]) or "").strip() if width in asked else ""
    why = str(st.session_state.get(WHY, ""))
    with here.work() as work:
        ledger.stop(work, width, why, subject)
    return "Stopped. Nothing of it moves until somebody lets it go on."


def _resume(here: Here, stop: StopView) -> None:
    DIALOGS.head(here, title_of(stop))
    st.markdown("What it held can be asked for again. Payouts that were not sent are retried by whoever prepared them.")
    with st.form("resume_money", border=False):
        st.text_input("Why", key=LIFTED, max_chars=200, placeholder="What was found and mended")
        send("Let it go on now", lambda: _resumed(here, stop))


def _resumed(here: Here, stop: StopView) -> str:
    why = str(st.session_state.get(LIFTED, ""))
    with here.work() as work:
        ledger.resume(work, stop.id, why)
    return "Money goes on."
