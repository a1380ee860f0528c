"""What is done with parties, each in a dialog: add, rename and close one, change its bank details, note its identity.

An account is typed into a hidden field, which is emptied once it is stored; the whole of one that is stored is shown
once, to whoever asked for it.
"""

from collections.abc import Callable

import streamlit as st

from finops_core import parties
from finops_core.kernel.errors import FinOpsError
from finops_core.kernel.permissions import Permission
from finops_core.parties import (
    BankDetails,
    DetailsView,
    IdentityCheck,
    IdentityLevel,
    IdentityStatus,
    PartyKind,
    PartyState,
    PartyView,
)
from ui import dialogs, html, secret
from ui import parties as screen
from ui.dialogs import Dialogs, refused, send
from ui.format import words
from ui.session import Here

ADD, RENAME, CLOSE, PROPOSE, STOP, VERIFY = "add", "rename", "close", "propose", "withdraw", "verify"
DIALOGS = Dialogs("of_party")
NAME, KIND, WHY = "party_name", "party_kind", "party_why"
HOLDER, ACCOUNT, COUNTRY, BIC, BANK = "bank_holder", "bank_account", "bank_country", "bank_bic", "bank_code"
STATUS, LEVEL, EVIDENCE, UNTIL, FILE = "kyc_status", "kyc_level", "kyc_evidence", "kyc_until", "kyc_file"
REVEALED = "revealed_details"
OUTCOMES = {IdentityStatus.VERIFIED: "Verified", IdentityStatus.FAILED: "Failed"}


def add_button(here: Here) -> None:
    """The way to a new party, for those who may add one, and its dialog."""
    if here.may(Permission.PARTY_EDIT) and st.button("Add a party", icon=":material/add:", key="tall_add_party"):
        DIALOGS.ask(ADD)
    if DIALOGS.asked()[0] == ADD and here.may(Permission.PARTY_EDIT):
        st.dialog("Add a party", on_dismiss=DIALOGS.close)(_add)(here)
    else:
        refused()


def buttons(here: Here, seen: PartyView) -> None:
    """What can be done with one."""
    with st.container(horizontal=True, key="tall_party_acts"):
        for what, label, icon in (
            (PROPOSE, "Change bank details", "edit"),
            (VERIFY, "Note identity", "badge"),
            (RENAME, "Rename", "drive_file_rename_outline"),
            (CLOSE, "Close", "block"),
        ):
            if _may(here, what, seen) and st.button(label, icon=f":material/{icon}:", key=f"party_{what}"):
                DIALOGS.ask(what)


def stop_button(here: Here, seen: PartyView) -> None:
    """The way to stop what is about to count."""
    if _may(here, STOP, seen):
        with st.container(key="tall_end_details"):
            if st.button("Withdraw it", icon=":material/undo:", key="party_withdraw"):
                DIALOGS.ask(STOP)


def reveal_buttons(here: Here, seen: PartyView) -> None:
    """For those who may: the whole account of what counts and of what is to, shown once and noted in the log."""
    if not here.may(Permission.PARTY_REVEAL):
        return
    with st.container(horizontal=True, key="tall_reveal"):
        for details, label in ((seen.details.current, "counts"), (seen.details.coming, "is to count")):
            if details is not None:
                st.button(
                    f"Show the account that {label}",
                    icon=":material/visibility:",
                    key=f"reveal_{details.id}",
                    on_click=_reveal,
                    args=(here, details.id),
                    help="That you looked stands in the audit log.",
                )
    _revealed(seen)


def open_asked(here: Here, seen: PartyView) -> None:
    """Open the dialog that the address asks for, if it may be."""
    what, _ = DIALOGS.asked()
    asked = ASKED.get(what)
    if asked is not None and _may(here, what, seen):
        title, draw = asked
        st.dialog(title, on_dismiss=DIALOGS.close)(draw)(here, seen)
    else:
        refused()


def _may(here: Here, what: str, seen: PartyView) -> bool:
    """Whether somebody may do it, and it makes sense."""
    if what == VERIFY:
        return here.may(Permission.PARTY_VERIFY)
    if not here.may(Permission.PARTY_EDIT) or seen.state is PartyState.CLOSED:
        return False
    return {PROPOSE: seen.details.coming is None, STOP: seen.details.coming is not None}.get(what, True)


def _typed(name: str) -> str:
    return str(st.session_state.get(name) or "").strip()


def _add(here: Here) -> None:
    DIALOGS.head(here)
    with st.form("add_party", border=False):
        st.selectbox("Kind", list(screen.KINDS), 1, format_func=screen.KINDS.__getitem__, key=KIND)
        st.text_input("Name", key=NAME, max_chars=140)
        send("Add it", lambda: _added(here))


def _added(here: Here) -> str:
    kind, name = PartyKind(st.session_state[KIND]), _typed(NAME)
    with here.work() as work:
        parties.add_party(work, kind, name)
    return f"Added: {name}."


def _rename(here: Here, seen: PartyView) -> None:
    DIALOGS.head(here, seen.name)
    st.caption("Its accounts, wallets and checks stay as they are. What it was called before is not kept.")
    with st.form("rename_party", border=False):
        st.text_input("Name", seen.name, key=NAME, max_chars=140)
        send("Rename it", lambda: _renamed(here, seen))


def _renamed(here: Here, seen: PartyView) -> str:
    name = _typed(NAME)
    with here.work() as work:
        parties.rename_party(work, seen.id, name)
    return f"It is called {name} now."


def _close(here: Here, seen: PartyView) -> None:
    DIALOGS.head(here, seen.name)
    st.markdown(
        "Nothing new is proposed for it, and bank details that do not count yet are withdrawn. It stays closed."
    )
    with st.form("close_party", border=False):
        st.text_input("Why", key=WHY, max_chars=200)
        send("Close it", lambda: _closed(here, seen))


def _closed(here: Here, seen: PartyView) -> str:
    why = _typed(WHY)
    with here.work() as work:
        parties.close_party(work, seen.id, why)
    return "Closed."


def _propose(here: Here, seen: PartyView) -> None:
    now = seen.details.current
    DIALOGS.head(here, f"{seen.name}, paid at {now.country} •••• {now.last4}" if now else seen.name)
    hours = here.desk.settings.cool_off_h
    wait = f", and {hours} hours after that" if hours else ""
    st.caption(f"They count once somebody else has agreed{wait}. Until then what counts now counts on.")
    with st.form("propose_details", border=False):
        st.text_input("Account holder", key=HOLDER, max_chars=70, help="As their bank writes it.")
        secret.field("IBAN, or account number", ACCOUNT)
        with st.container(horizontal=True):
            st.text_input("Country", key=COUNTRY, max_chars=2, placeholder="From the IBAN", width=150)
            st.text_input("BIC", key=BIC, max_chars=11, width=160)
            st.text_input("Bank code", key=BANK, max_chars=24, width=170, help="Routing number or sort code.")
        st.text_input("Why", key=WHY, max_chars=200, placeholder="Their letter of …, called back by …")
        send("Ask for approval", lambda: _proposed(here, seen))


def _proposed(here: Here, seen: PartyView) -> str:
    country, bic, bank = (_typed(name) for name in (COUNTRY, BIC, BANK))
    given, why = BankDetails(_typed(HOLDER), secret.typed(ACCOUNT), country, bic, bank), _typed(WHY)
    with here.work() as work:
        parties.propose_details(work, seen.id, given, why)
    secret.take(ACCOUNT)
    return "Asked for approval. Somebody else decides."


def _stop(here: Here, seen: PartyView) -> None:
    coming = seen.details.coming
    if coming is None:
        return
    DIALOGS.head(here, seen.name)
    html.draw(screen.coming(coming, here.shown))
    with st.form("withdraw_details", border=False):
        st.text_input("Why", key=WHY, max_chars=200, placeholder="Whoever proposed it reads this")
        send("Withdraw it", lambda: _stopped(here, coming))


def _stopped(here: Here, coming: DetailsView) -> str:
    why = _typed(WHY)
    with here.work() as work:
        parties.withdraw_details(work, coming.id, why)
    return "Withdrawn. It will not count."


def _verify(here: Here, seen: PartyView) -> None:
    DIALOGS.head(here, seen.name)
    st.caption("The newest check counts: a failed one stops withdrawals at once.")
    with st.form("note_identity", border=False):
        st.radio("Outcome", list(OUTCOMES), format_func=OUTCOMES.__getitem__, key=STATUS, horizontal=True)
        st.selectbox("How closely", list(IdentityLevel), 1, format_func=lambda each: words(each.value), key=LEVEL)
        st.text_input(
            "What was looked at",
            key=EVIDENCE,
            max_chars=300,
            placeholder="Passport, copy in folder 12",
            help="And where it is kept; not the number of the document.",
        )
        st.text_input("Stored file", key=FILE, max_chars=80, placeholder="Id of a file, if there is one")
        st.date_input("Last day it counts", None, key=UNTIL, format="YYYY-MM-DD", help="Left empty for a failed one.")
        st.text_input("Why", key=WHY, max_chars=200, help="Needed where it failed.")
        send("Note it", lambda: _verified(here, seen))


def _verified(here: Here, seen: PartyView) -> str:
    status, level = IdentityStatus(st.session_state[STATUS]), IdentityLevel(st.session_state[LEVEL])
    check = IdentityCheck(status, level, _typed(EVIDENCE), st.session_state.get(UNTIL), _typed(FILE), _typed(WHY))
    with here.work() as work:
        parties.note_identity(work, seen.id, check)
    return f"Noted: {OUTCOMES[status].lower()}."


def _reveal(here: Here, details_id: str) -> None:
    """A callback: open one account for the drawing that follows, and for no other."""
    st.session_state.pop(dialogs.REFUSED, None)
    try:
        with here.work() as work:
            opened = parties.reveal(work, details_id)
    except FinOpsError as error:
        st.session_state[dialogs.REFUSED] = error
        return
    st.session_state[REVEALED] = details_id, opened


def _revealed(seen: PartyView) -> None:
    details_id, opened = st.session_state.pop(REVEALED, ("", None))
    if opened is None or details_id not in {each.id for each in seen.details.versions}:
        return
    html.draw(
        html.facts(
            [
                ("Account holder", opened.holder),
                ("Account", html.strong(opened.account)),
                ("Country", opened.country),
                ("BIC", opened.bic),
                ("Bank code", opened.bank_code),
            ]
        )
    )


ASKED: dict[str, tuple[str, Callable[[Here, PartyView], None]]] = {
    PROPOSE: ("Change bank details", _propose),
    STOP: ("Withdraw these bank details?", _stop),
    VERIFY: ("Note a check of the identity", _verify),
    RENAME: ("Rename", _rename),
    CLOSE: ("Close this party?", _close),
}
