"""Me: profile, password, second factor, sessions and API tokens of whoever is signed in, and of nobody else."""

import streamlit as st

from ui import me, second_factor, tokens, widgets
from ui.session import open_page

here = open_page(everybody=True)

widgets.head("Me", here.around.name, here.session.person.username, ", ".join(here.session.roles))
left, right = st.columns(2, gap="medium")
with left:
    with st.container(border=True):
        me.profile(here)
    with st.container(border=True):
        me.password(here)
with right:
    with st.container(border=True):
        second_factor.section(here)
    with st.container(border=True):
        me.sessions(here)
with st.container(border=True):
    tokens.section(here)
