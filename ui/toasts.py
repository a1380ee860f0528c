"""What came of an act, said in one way: kept until a run of the whole page has come to its end, and drawn there.

A toast that a run draws before it begins anew (``st.rerun``, a dialog that closes, a page that is left) mostly never
gets to the browser: the next run's elements take its place first. So nothing but this module draws one.
"""

import streamlit as st

KEPT = "tieout_told"
DONE, FAILED = "check", "error"


def say(words: str, icon: str = DONE, *, long: bool = False) -> None:
    """Say it once the page stands; nothing for no words. From a callback, a dialog, or just before a new run."""
    if words:
        st.session_state[KEPT] = (*st.session_state.get(KEPT, ()), (words, icon, long))


def draw() -> None:
    """Last thing of a whole run, or of a fragment that ends without a new one: everything kept, each once."""
    for words, icon, long in st.session_state.get(KEPT, ()):
        st.toast(words, icon=f":material/{icon}:", duration="long" if long else "short")
    st.session_state.pop(KEPT, None)
