"""What was put away stays away.

A part of a page that looks by itself sends the address its browser had when it asked. If a drawer was closed in that
moment, the address still names the drawer; a whole page drawn from it would open what was just put away.
"""

from typing import NoReturn

import streamlit as st

PUT_AWAY = "address_put_away"


def put_away(*names: str) -> None:
    """Take what these names ask for out of the address."""
    away: dict[str, str] = st.session_state.setdefault(PUT_AWAY, {})
    for name in names:
        if name in st.query_params:
            away[name] = st.query_params.pop(name)


def asked_anew() -> None:
    """First thing of a whole page: what its address names was asked for, though it was put away before."""
    away: dict[str, str] = st.session_state.get(PUT_AWAY, {})
    for name in [each for each in away if each in st.query_params]:
        del away[name]


def draw_anew() -> NoReturn:
    """From a part that looks by itself: draw the whole page, without what was put away since it asked."""
    away: dict[str, str] = st.session_state.get(PUT_AWAY, {})
    for name, value in away.items():
        if st.query_params.get(name) == value:
            st.query_params.pop(name)
    st.rerun()
