"""The dialogs of a page: which one is open stands in the address; what was done in it closes it and is told.

Acts run in callbacks, so that what was typed as a key or an address is gone from the session before anything is drawn.
"""

from collections.abc import Callable
from dataclasses import dataclass

import streamlit as st

from finops_core.kernel.errors import FinOpsError
from ui import html, session, widgets
from ui.session import Here

DO = "do"
DONE, REFUSED = "dialog_done", "dialog_refused"
Act = Callable[[], str]


@dataclass(frozen=True, slots=True)
class Dialogs:
    """The dialogs about one kind of thing; ``which``: the name in the address of the one a dialog is about."""

    which: str

    def ask(self, what: str, about: str = "") -> None:
        """Open one, by the address."""
        st.session_state.pop(REFUSED, None)
        st.query_params.update(html.addressed({DO: what, **({self.which: about} if about else {})}))

    def asked(self) -> tuple[str, str]:
        """What the address asks for, and about which."""
        self.conclude()
        return st.query_params.get(DO, ""), st.query_params.get(self.which, "")

    def close(self) -> None:
        """It was put away."""
        for name in (DO, self.which):
            st.query_params.pop(name, None)

    def conclude(self) -> None:
        """What was done closes it and is told, though the address may ask for something that is no more."""
        if DONE in st.session_state:
            session.look_anew()
            told()
            self.close()
            st.rerun()

    def head(self, here: Here, shown: str = "") -> None:
        """First thing in one: whose it is; what the callback before it gave closes it, or stands above the form."""
        self.conclude()
        html.draw(html.line(html.strong(here.around.name), shown))
        refused()


def keep(words: str, *, good: bool = True) -> None:
    """What was done, for the drawing that follows."""
    st.session_state[DONE] = words, good


def told() -> bool:
    """Tell what was done, once; whether there was anything."""
    words, good = st.session_state.pop(DONE, ("", True))
    if words:
        st.toast(words, icon=":material/check:" if good else ":material/error:")
    return bool(words)


def attempt(act: Act) -> None:
    """A callback: do it, and keep what it gave for the drawing that follows."""
    st.session_state.pop(REFUSED, None)
    try:
        keep(act())
    except FinOpsError as error:
        st.session_state[REFUSED] = error


def send(label: str, act: Act) -> None:
    """The button of a form."""
    with st.container(key="tall_send"):
        st.form_submit_button(label, type="primary", width="stretch", on_click=attempt, args=(act,))


def refused() -> None:
    """What was refused, once."""
    error: FinOpsError | None = st.session_state.pop(REFUSED, None)
    if error is not None:
        widgets.refusal(error)
