"""Fields for what must not be kept: hidden while it is typed, and gone from the session as soon as it was sent."""

import streamlit as st

from finops_core import security
from finops_core.security import Proof
from ui.session import Here

LONGEST = 300


def field(label: str, key: str, *, placeholder: str = "", help_: str | None = None) -> None:
    """Draw it inside a form; only ``take``, in the form's callback, gives what was typed."""
    st.text_input(
        label,
        key=key,
        type="password",
        autocomplete="off",
        max_chars=LONGEST,
        placeholder=placeholder,
        help=help_,
    )


def code_field(label: str, key: str) -> None:
    """For a code of an authenticator app, or a recovery code: seen while it is typed, for it is worth nothing after."""
    st.text_input(label, key=key, autocomplete="one-time-code", max_chars=24, placeholder="123456")


def take(key: str) -> str:
    """What was typed, once: the field and the session are empty from then on, whatever becomes of it."""
    typed = str(st.session_state.get(key, ""))
    st.session_state[key] = ""
    return typed


def typed(key: str) -> str:
    """What was typed, left in its field: for a number one would have to look up again whenever the form is refused.

    ``take`` it once it is stored.
    """
    return str(st.session_state.get(key, ""))


def proof(here: Here, key: str) -> Proof | None:
    """What the person typed as their present password, compared; None when they typed nothing."""
    typed = take(key)
    if not typed:
        return None
    address = st.context.ip_address or ""
    with here.read() as reading:
        return security.prove_oneself(reading, typed, address)
