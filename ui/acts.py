"""What a button or form does, and what came of it: said by ``toasts`` when done, at the form's own place when refused.

Acts run in callbacks, so that what is drawn afterwards shows what they did, and so that passwords and codes are gone
from the session before anything is drawn.
"""

from collections.abc import Callable

import streamlit as st

from finops_core.kernel.errors import FinOpsError
from finops_core.security import SignInRefused
from ui import toasts, widgets

DONE, REFUSED = "act_done", "act_refused"
Told = str | SignInRefused
Act = Callable[[], Told]


def carry_out(place: str, act: Act) -> None:
    """A callback: do it, and keep what it gave for the drawing that follows; ``place`` is where a refusal belongs."""
    st.session_state.pop(REFUSED, None)
    try:
        said = act()
    except FinOpsError as error:
        st.session_state[REFUSED] = (place, error)
        return
    if isinstance(said, SignInRefused):
        st.session_state[REFUSED] = (place, said)
    else:
        st.session_state[DONE] = True
        toasts.say(said)


def button(label: str, place: str, act: Act, icon: str = "", *, primary: bool = False) -> None:
    """A button that does it."""
    st.button(
        label,
        icon=f":material/{icon}:" if icon else None,
        type="primary" if primary else "secondary",
        key=f"act_{place}",
        on_click=carry_out,
        args=(place, act),
    )


def send(label: str, place: str, act: Act, *, primary: bool = True) -> None:
    """The button of a form, and above it what was refused."""
    refusal_at(place)
    with st.container(key=f"tall_{place}"):
        kind = "primary" if primary else "secondary"
        st.form_submit_button(label, type=kind, on_click=carry_out, args=(place, act))  # type: ignore[arg-type]


def refusal_at(place: str) -> None:
    """What was refused here, once."""
    kept = st.session_state.get(REFUSED)
    if kept is None or kept[0] != place:
        return
    del st.session_state[REFUSED]
    if isinstance(kept[1], SignInRefused):
        widgets.not_believed(kept[1])
    else:
        widgets.refusal(kept[1])


def is_refused(place: str) -> bool:
    """Whether something was refused here and is still to be told: a folded form is then drawn open."""
    kept = st.session_state.get(REFUSED)
    return kept is not None and kept[0] == place


def settled() -> bool:
    """Whether something was done since this was asked last: the dialog it was done in is over then."""
    return bool(st.session_state.pop(DONE, False))
