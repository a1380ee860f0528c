"""Which of the person's organisations a tab shows: the one its address names, and only while the session looks there.

A session looks at one organisation, whatever the number of tabs. A tab keeps in mind which one it was drawn for; what
is pressed in it after a switch elsewhere is refused, since numbers and forms look alike in all of them.
"""

import streamlit as st

from finops_core.security import OrganisationChoice
from ui import html, navigation, session, toasts, widgets
from ui.session import DRAWN_FOR, HERE, Here


def follow(here: Here) -> Here:
    """At the organisation the address names, when the person has a role there; else where they are."""
    drawn_for: OrganisationChoice | None = st.session_state.get(DRAWN_FOR)
    if drawn_for is None or drawn_for.id == here.session.org_id:
        wanted = _named(here)
        if wanted is not None and wanted.id != here.session.org_id:
            session.switch_organisation(here, wanted.id)
            here = session.arrive() or here
            toasts.say(f"You now look at {wanted.name}.", "domain")
    return here


def check(here: Here) -> None:
    """Stop the run, with a sentence, unless the page behind it is for the organisation the session looks at."""
    present = here.session.organisation
    drawn_for = st.session_state.setdefault(DRAWN_FOR, present)
    st.session_state[html.PRESENT] = drawn_for.slug
    if drawn_for.id != present.id:
        st.session_state.pop(HERE, None)
        _moved(here, drawn_for, present)
    if st.query_params.get(html.ORG, present.slug) != present.slug:
        st.session_state.pop(HERE, None)
        _not_yours()


def _named(here: Here) -> OrganisationChoice | None:
    slug = st.query_params.get(html.ORG, "")
    return next((choice for choice in here.session.organisations if choice.slug == slug), None)


def _moved(here: Here, drawn_for: OrganisationChoice, present: OrganisationChoice) -> None:
    widgets.head("Another organisation", present.name)
    st.warning(
        f"**This page was drawn for {drawn_for.name}; you now look at {present.name}.**  \nNothing was done. "
        "The organisation was switched in another tab or window.",
        icon=":material/domain:",
    )
    with st.container(horizontal=True, key="tall_moved"):
        if st.button(f"Go on with {present.name}", type="primary"):
            st.session_state.pop(DRAWN_FOR)
            st.session_state[html.PRESENT] = present.slug
            navigation.go("")
        if drawn_for.id in here.session.orgs and st.button(f"Back to {drawn_for.name}"):
            session.switch_organisation(here, drawn_for.id)
            st.rerun()
    st.stop()


def _not_yours() -> None:
    widgets.head("Not one of your organisations")
    st.caption("This link leads to an organisation in which you have no role. Ask its administrator for one.")
    html.draw(html.line(html.link("To the home page", "")))
    st.stop()
