"""Me: one's own profile, password, second factor and sessions. For whoever is signed in, about nobody else."""

import streamlit as st

from ui import acts, me, second_factor, widgets
from ui.session import open_page

here = open_page(everybody=True)

acts.tell_done()
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
