"""The dialogs of a page: which one is open stands in the address; what was done in it closes it and is told.

Acts run in callbacks, so that what was typed as a key or an address is gone from the session before anything is drawn.
"""

from collections.abc import Callable
from dataclasses import dataclass

import streamlit as st

from finops_core.kernel.errors import FinOpsError
from ui import address, html, session, toasts, widgets
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
        address.put_away(DO, self.which)

    def conclude(self) -> None:
        """What was done closes it, though the address may ask for something that is no more."""
        if is_done():
            session.look_anew()
            self.close()
            st.rerun()

    def head(self, here: Here, shown: str = "") -> None:
        """First thing in one: whose it is; what the callback before it gave closes it, or stands above the form."""
        self.conclude()
        html.draw(html.line(html.strong(here.around.name), shown))
        refused()


def attempt(act: Act) -> None:
    """A callback: do it, have it said once the page stands, and keep a refusal for the drawing that follows."""
    st.session_state.pop(REFUSED, None)
    try:
        toasts.say(act())
    except FinOpsError as error:
        st.session_state[REFUSED] = error
        return
    st.session_state[DONE] = True


def is_done() -> bool:
    """Whether something was done since this was asked last: the drawer it was done in is over then."""
    return bool(st.session_state.pop(DONE, False))


def send(label: str, act: Act, *, ends: bool = False) -> None:
    """The button of a form; ``ends``: it stops something or takes it away, and is red as everywhere."""
    with st.container(key="tall_ends" if ends else "tall_send"):
        st.form_submit_button(label, type="primary", width="stretch", on_click=attempt, args=(act,))


def refused() -> None:
    """What was refused, once."""
    error: FinOpsError | None = st.session_state.pop(REFUSED, None)
    if error is not None:
        widgets.refusal(error)
