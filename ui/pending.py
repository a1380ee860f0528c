"""Money moved in two steps on a wallet's page: what waits, and in dialogs beginning, posting and giving back."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import streamlit as st

from finops_core import ledger
from finops_core.kernel.ids import new_id
from finops_core.kernel.money import Money
from finops_core.kernel.permissions import Permission
from finops_core.ledger import (
    MAY_WAIT,
    TO_ANOTHER,
    AccountState,
    EntryType,
    PendingMove,
    PendingView,
    Terms,
    WalletView,
)
from finops_core.platform.work import Reading
from ui import choices, html
from ui.dialogs import Dialogs, refused, send
from ui.format import until, words
from ui.session import Here

BEGIN, POST, VOID = "begin", "post", "void"
DIALOGS = Dialogs("pending")
KIND, AMOUNT, OTHER, HOURS, WHY = "pend_kind", "pend_amount", "pend_other", "pend_hours", "pend_why"
KEY = "pend_key"
KINDS = [kind for kind in EntryType if kind in MAY_WAIT]
SHOWN, OLDER_THAN = 20, "waiting"
WEEK_H, MOST_H = 7 * 24, 90 * 24


def ask(what: str, about: str = "") -> None:
    """Open a dialog; beginning has its key from here on, so that sent twice it sets aside once."""
    st.session_state[KEY] = new_id("page")
    DIALOGS.ask(what, about)


def waiting_moves(reading: Reading, wallet_id: str) -> Sequence[PendingView]:
    """Those of a wallet that the address asks for: the newest, or what is older than one; one more than are shown."""
    before = st.query_params.get(OLDER_THAN, "")
    return ledger.pending_moves(reading, wallet_id, SHOWN + 1, before, waiting=True)


def section(here: Here, wallet: WalletView, waiting: Sequence[PendingView]) -> None:
    """What waits to be posted, each with its two ways to end."""
    may = here.may(Permission.LEDGER_POST)
    with here.read() as reading:
        now = reading.now
    for each in waiting[:SHOWN]:
        _card(here, each, now, may=may)
    if len(waiting) > SHOWN:
        older = {"account": wallet.id, OLDER_THAN: waiting[SHOWN - 1].id}
        html.draw(html.line(html.link("Older ones that wait", "ledger", older)))


def open_asked(here: Here, wallet: WalletView, holder: str, waiting: Sequence[PendingView]) -> None:
    """Open the dialog that the address asks for, if it may be; after every button that may have it asked for."""
    may = here.may(Permission.LEDGER_POST)
    what, which = DIALOGS.asked()
    move = next((each for each in waiting if each.id == which), None)
    if what == BEGIN and may and wallet.state is AccountState.OPEN:
        st.dialog("Set aside for a move", on_dismiss=DIALOGS.close)(_begin)(here, wallet, holder)
    elif what == POST and may and move is not None:
        st.dialog("Post it?", on_dismiss=DIALOGS.close)(_post)(here, move)
    elif what == VOID and may and move is not None:
        st.dialog("Give it back?", on_dismiss=DIALOGS.close)(_void)(here, move)
    elif which:
        refused()


def _card(here: Here, move: PendingView, now: datetime, *, may: bool) -> None:
    to = html.join("to", html.link(f"wallet …{move.to_wallet_id[-8:]}", "ledger", {"account": move.to_wallet_id}))
    told = f"{_amount(here, move.amount)} is set aside: {words(move.type.value.lower()).lower()}."
    late = move.expires_at <= now
    when = "Its time is over; it is given back as soon as it may be." if late else until(move.expires_at, now)
    more = html.lines(move.reason, html.line(to if move.to_wallet_id else "", when.capitalize()))
    html.draw(html.told("hourglass_top", told, more, "amber"))
    if not may:
        return
    with st.container(horizontal=True, key=f"tall_{move.id}"):
        if not late and st.button("Post", icon=":material/check:", key=f"post_{move.id}"):
            ask(POST, move.id)
        if st.button("Give back", icon=":material/undo:", key=f"void_{move.id}"):
            ask(VOID, move.id)


def _begin(here: Here, wallet: WalletView, holder: str) -> None:
    DIALOGS.head(here, f"The wallet of {holder} has {_amount(here, wallet.balance)}")
    kind = st.selectbox("For", KINDS, format_func=lambda each: words(each.value.lower()), key=KIND)
    offered = choices.others(here, wallet, kind) if kind in TO_ANOTHER else {}
    with st.form("begin_pending", border=False):
        st.text_input(f"Amount in {wallet.currency}", key=AMOUNT, placeholder="0.00")
        if kind in TO_ANOTHER:
            choices.pick("To the wallet", offered, OTHER, "Whose wallet")
        st.number_input("Hours it waits", 1, MOST_H, WEEK_H, key=HOURS, help="Then it is given back by itself.")
        st.text_input("Why", key=WHY, max_chars=200)
        send("Set it aside", lambda: _begun(here, wallet))


def _begun(here: Here, wallet: WalletView) -> str:
    kind, amount = EntryType(st.session_state[KIND]), Money.parse(_typed(AMOUNT), wallet.currency)
    other = _typed(OTHER) if kind in TO_ANOTHER else ""
    lasts = timedelta(hours=int(st.session_state[HOURS]))
    key = str(st.session_state.setdefault(KEY, new_id("page")))
    with here.work() as work:
        ledger.begin_pending(work, PendingMove(kind, wallet.id, amount, lasts, other, _typed(WHY), key=key))
    return f"{amount} is set aside."


def _post(here: Here, move: PendingView) -> None:
    DIALOGS.head(here, _title(here, move))
    st.caption("Post less, and the rest is given back.")
    with st.form("post_pending", border=False):
        st.text_input(f"Amount in {move.amount.currency}", move.amount.plain(), key=AMOUNT)
        send("Post it", lambda: _posted(here, move))


def _posted(here: Here, move: PendingView) -> str:
    amount = Money.parse(_typed(AMOUNT), move.amount.currency)
    with here.work() as work:
        posted = ledger.post_pending(work, move.id, amount, Terms())
    return "It was booked before; nothing was booked now." if posted.repeated else f"Booked: {amount}."


def _void(here: Here, move: PendingView) -> None:
    DIALOGS.head(here, _title(here, move))
    with st.form("void_pending", border=False):
        st.text_input("Why", key=WHY, max_chars=200)
        send("Give it back", lambda: _voided(here, move))


def _voided(here: Here, move: PendingView) -> str:
    why = _typed(WHY)
    with here.work() as work:
        ledger.void_pending(work, move.id, why)
    return "Given back. It can be used again."


def _title(here: Here, move: PendingView) -> str:
    return f"{words(move.type.value.lower())} of {_amount(here, move.amount)}"


def _amount(here: Here, amount: Money) -> str:
    return here.shown.amount(amount.minor, amount.currency)


def _typed(name: str) -> str:
    return str(st.session_state.get(name) or "").strip()
