"""A drawer that was put away stays away, whatever address a part of the page that looks by itself still has."""

import pytest
from streamlit.testing.v1 import AppTest


def page_with_a_drawer():
    import streamlit as st

    from ui import address

    # What a part of the page does by itself; the address it carries is the browser's of a moment ago.
    if st.session_state.pop("looks", ""):
        address.draw_anew()
    address.asked_anew()
    if st.session_state.pop("closes", ""):
        address.put_away("drawer", "page")
    st.session_state["open"] = st.query_params.get("drawer", "")


@pytest.fixture
def screen() -> AppTest:
    at = AppTest.from_function(page_with_a_drawer)
    at.query_params.update({"drawer": "AR-1", "kept": "7"})
    at.run()
    assert at.session_state["open"] == "AR-1"
    at.session_state["closes"] = "yes"
    at.run()
    assert at.session_state["open"] == ""
    assert at.query_params == {"kept": "7"}
    return at


def test_a_whole_page_drawn_from_an_address_of_before_opens_nothing(screen):
    screen.query_params["drawer"] = "AR-1"
    screen.session_state["looks"] = "yes"
    screen.run()

    assert screen.session_state["open"] == ""
    assert screen.query_params == {"kept": "7"}


def test_another_drawer_opened_meanwhile_stays_open(screen):
    screen.query_params["drawer"] = "AR-2"
    screen.session_state["looks"] = "yes"
    screen.run()

    assert screen.session_state["open"] == "AR-2"


def test_what_was_put_away_can_be_opened_again_by_its_address_and_then_stays(screen):
    screen.query_params["drawer"] = "AR-1"
    screen.run()
    assert screen.session_state["open"] == "AR-1"

    screen.session_state["looks"] = "yes"
    screen.run()

    assert screen.session_state["open"] == "AR-1"
