"""People: who works here and by which roles, one person with their history, and who had access on a day."""

import streamlit as st

from finops_core.kernel.permissions import Permission
from ui import acts, people, people_acts
from ui.session import open_page

here = open_page(Permission.PEOPLE_ADMINISTER)
VIEWS = ("People", "Who had access")

acts.settled()
if st.query_params.get(people.PERSON):
    people.one(here, st.query_params[people.PERSON])
else:
    title = st.empty()
    with st.container(horizontal=True, horizontal_alignment="distribute", key="people_top"):
        view = st.segmented_control(
            "View",
            VIEWS,
            default=VIEWS[0],
            required=True,
            key="people_view",
            bind="query-params",
            label_visibility="collapsed",
        )
        if view == VIEWS[0]:
            people_acts.invite_button()
    (people.access if view == VIEWS[1] else people.listed)(here, title)
