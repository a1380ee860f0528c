"""What is done with wallets, each in a dialog: open one, move money, adjust, freeze and open again, reverse an entry.

An act has its key from the moment its dialog opens until the next one is asked for, so that sent twice it moves nothing
twice.
"""

import streamlit as st

from finops_core import ledger
from finops_core.kernel.errors import Invalid
from finops_core.kernel.ids import new_id
from finops_core.kernel.money import Money
from finops_core.kernel.permissions import Permission
from finops_core.ledger import TO_ANOTHER, AccountState, EntryType, Posted, Terms, WalletView
from ui import choices, html
from ui.dialogs import Dialogs, refused, send
from ui.format import words
from ui.session import Here

OPEN, MOVE, ADJUST, FREEZE, UNFREEZE, REVERSE = "open", "move", "adjust", "freeze", "unfreeze", "reverse"
DIALOGS = Dialogs("of_wallet")
HOLDER, CURRENCY, KIND, AMOUNT, OTHER = "act_holder", "act_currency", "act_kind", "act_amount", "act_other"
WHY, DAY, SIDE, ABOUT = "act_why", "act_day", "act_side", "act_about"
KEY, SPENT = "act_key", "act_spent"
MOVES = {
    EntryType.DEPOSIT: "Money came in for the holder.",
    EntryType.WITHDRAWAL: "Money goes back to the holder.",
    EntryType.ESCROW_HOLD: "Set aside for the holder, who cannot use it.",
    EntryType.ESCROW_RELEASE: "What was set aside is given to another wallet, or back to this one.",
    EntryType.PAYOUT: "Money is on its way to the holder's bank.",
    EntryType.FEE: "A fee is taken from the wallet.",
    EntryType.REFUND: "Given back by whoever was paid: to another wallet, or out of the desk.",
    EntryType.TRANSFER: "To another wallet of the same currency.",
    EntryType.EXCHANGE: "Becomes another currency at the day's stored rate, in a wallet of that currency.",
}
ADD, TAKE = "Add", "Take away"


def ask(what: str) -> None:
    """Open a dialog, for a new act."""
    st.session_state[KEY] = new_id("page")
    DIALOGS.ask(what)


def open_asked(here: Here, wallet: WalletView | None = None, holder: str = "") -> None:
    """Open the dialog that the address asks for, if it may be; ``holder``: what the wallet's is called."""
    what, _ = DIALOGS.asked()
    if what == OPEN and wallet is None and here.may(Permission.LEDGER_POST):
        st.dialog("Open a wallet", on_dismiss=DIALOGS.close)(_open)(here)
        return
    asked = ASKED.get(what)
    if asked is not None and wallet is not None and here.may(asked[2]) and wallet.state is asked[3]:
        title, draw = asked[:2]
        st.dialog(title, on_dismiss=_put_away)(draw)(here, wallet, holder)
    else:
        refused()


def reversal(here: Here, entry_id: str) -> None:
    """The button that undoes an entry, for those who may, and its dialog."""
    if not here.may(Permission.LEDGER_ADJUST):
        return
    if st.button("Reverse", icon=":material/undo:", key="tall_reverse"):
        ask(REVERSE)
    if DIALOGS.asked()[0] == REVERSE:
        st.dialog("Reverse this entry?", on_dismiss=_put_away)(_reverse)(here, entry_id)


def _put_away() -> None:
    st.session_state.pop(KEY, None)
    DIALOGS.close()


def _key() -> str:
    return str(st.session_state.setdefault(KEY, new_id("page")))


def _told(posted: Posted, told: str) -> str:
    """What came of an act. The dialog that is drawn next is of a new one; a click that was on its way is of this."""
    st.session_state[SPENT] = True
    return "It was booked before; nothing was booked now." if posted.repeated else told


def _begin() -> None:
    if st.session_state.pop(SPENT, False):
        st.session_state.pop(KEY, None)
    _key()


def _typed(name: str) -> str:
    return str(st.session_state.get(name) or "").strip()


def _terms(source: tuple[str, str] = ("", "")) -> Terms:
    return Terms(_key(), _typed(WHY), st.session_state.get(DAY), source)


def _head(here: Here, wallet: WalletView, holder: str) -> None:
    _begin()
    told = f"has {here.shown.amount(wallet.balance.minor, wallet.currency)}"
    DIALOGS.head(here, f"The wallet of {holder} {told}")


def _open(here: Here) -> None:
    DIALOGS.head(here)
    offered = choices.holders(here)
    with st.form("open_wallet", border=False):
        choices.pick("Holder", offered, HOLDER, "Whose money it will hold")
        st.text_input("Currency", here.shown.base, key=CURRENCY, max_chars=3)
        send("Open it", lambda: _opened(here))


def _opened(here: Here) -> str:
    with here.work() as work:
        ledger.open_wallet(work, _typed(HOLDER), _typed(CURRENCY).upper())
    return "The holder has a wallet in this currency."


def _move(here: Here, wallet: WalletView, holder: str) -> None:
    _head(here, wallet, holder)
    kind = st.selectbox("What", list(MOVES), format_func=lambda each: words(each.value.lower()), key=KIND)
    st.caption(MOVES[kind])
    offered = choices.others(here, wallet, kind) if kind in TO_ANOTHER else {}
    with st.form("move_money", border=False):
        st.text_input(f"Amount in {wallet.currency}", key=AMOUNT, placeholder="0.00")
        if kind in TO_ANOTHER:
            choices.pick("To the wallet", offered, OTHER, "Whose wallet")
        st.text_input("Why", key=WHY, max_chars=200)
        st.date_input("Counts for", None, key=DAY, format="YYYY-MM-DD", help="Left empty: today.")
        send("Book it", lambda: _moved(here, wallet))


def _moved(here: Here, wallet: WalletView) -> str:
    kind = EntryType(st.session_state[KIND])
    other = _typed(OTHER) if kind in TO_ANOTHER else ""
    amount, terms = Money.parse(_typed(AMOUNT), wallet.currency), _terms()
    with here.work() as work:
        posted = ledger.operate(work, kind, wallet.id, amount, terms, other)
        became = ledger.entry(work, posted.id).postings[-1].amount if kind is EntryType.EXCHANGE else None
    told = f"Booked: {words(kind.value.lower()).lower()} of {amount}."
    return _told(posted, f"Booked: {amount} became {became}." if became else told)


def _adjust(here: Here, wallet: WalletView, holder: str) -> None:
    _head(here, wallet, holder)
    st.caption(f"Puts a balance right, against suspense, with its reason. {_limit(here)}")
    with st.form("adjust_wallet", border=False):
        st.radio("Side", [ADD, TAKE], key=SIDE, horizontal=True, label_visibility="collapsed")
        st.text_input(f"Amount in {wallet.currency}", key=AMOUNT, placeholder="0.00")
        st.text_input("Why", key=WHY, max_chars=200)
        st.text_input("About", key=ABOUT, max_chars=80, placeholder="pay_…, a ticket …", help="What it belongs to.")
        st.date_input("Counts for", None, key=DAY, format="YYYY-MM-DD", help="Left empty: today.")
        send("Adjust it", lambda: _adjusted(here, wallet))


def _limit(here: Here) -> str:
    limit = Money.parse(str(here.desk.settings.ledger_adjust_limit), here.shown.base)
    told = f"More than {here.shown.amount(limit.minor, limit.currency)} in a day"
    return f"{told}, in one or in many, needs somebody else's approval."


def take_back(here: Here, proposal_id: str) -> str:
    """Take one's own proposal back."""
    with here.work() as work:
        ledger.withdraw_proposal(work, proposal_id)
    return "Taken back. Nothing was booked."


def _adjusted(here: Here, wallet: WalletView) -> str:
    amount, about = Money.parse(_typed(AMOUNT), wallet.currency), _typed(ABOUT)
    if amount.minor <= 0:
        raise Invalid("INVALID_AMOUNT", f"{amount} is no amount to add or take away.", hint="Give it without a sign.")
    signed = amount if st.session_state[SIDE] == ADD else -amount
    terms = _terms((kind_of(about), about) if about else ("", ""))
    with here.work() as work:
        posted = ledger.adjust_or_propose(work, wallet.id, signed, terms)
    st.session_state[SPENT] = True
    return _told(posted, "Adjusted.") if posted else "Asked for approval. It is booked once somebody agrees."


def kind_of(about: str) -> str:
    """What an id somebody typed names: a payout or an execution, else something outside the desk."""
    return {"pay": "payout", "ex": "execution"}.get(about.partition("_")[0], "other")


def _freeze(here: Here, wallet: WalletView, holder: str) -> None:
    _head(here, wallet, holder)
    st.markdown("It gives and takes nothing until it is opened again.")
    with st.form("freeze_wallet", border=False):
        st.text_input("Why", key=WHY, max_chars=200, placeholder="Whoever is refused reads this")
        send("Freeze it now", lambda: _set_state(here, wallet, frozen=True))


def _unfreeze(here: Here, wallet: WalletView, holder: str) -> None:
    _head(here, wallet, holder)
    html.draw(html.line("Frozen because", html.strong(wallet.state_reason)))
    with st.form("unfreeze_wallet", border=False):
        st.text_input("Why", key=WHY, max_chars=200, placeholder="What was found and settled")
        send("Open it now", lambda: _set_state(here, wallet, frozen=False))


def _set_state(here: Here, wallet: WalletView, *, frozen: bool) -> str:
    why = _typed(WHY)
    with here.work() as work:
        (ledger.freeze if frozen else ledger.unfreeze)(work, wallet.id, why)
    return "Frozen." if frozen else "Open again."


def _reverse(here: Here, entry_id: str) -> None:
    _begin()
    DIALOGS.head(here)
    st.markdown("A new entry takes back each of its postings. Both stay in the books.")
    with st.form("reverse_entry", border=False):
        st.text_input("Why", key=WHY, max_chars=200)
        send("Reverse it", lambda: _reversed(here, entry_id))


def _reversed(here: Here, entry_id: str) -> str:
    terms = _terms()
    with here.work() as work:
        posted = ledger.reverse(work, entry_id, terms)
    return _told(posted, "Reversed.")


ASKED = {
    MOVE: ("Move money", _move, Permission.LEDGER_POST, AccountState.OPEN),
    ADJUST: ("Adjust", _adjust, Permission.LEDGER_ADJUST, AccountState.OPEN),
    FREEZE: ("Freeze the wallet?", _freeze, Permission.LEDGER_STOP, AccountState.OPEN),
    UNFREEZE: ("Open the wallet again?", _unfreeze, Permission.LEDGER_STOP, AccountState.FROZEN),
}
