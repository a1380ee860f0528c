"""Nothing is shown without a session, and the way in and out."""

import pytest

from finops_core import security
from finops_core.kernel.actor import system_actor
from tests.pages.conftest import PASSWORD, shown
from ui.navigation import ROOMS
from ui.session import SESSION, TICKET
from ui.sign_in import setup_faults

FILES = [room.file.removesuffix(".py") for room in ROOMS]


@pytest.mark.parametrize("page", FILES)
def test_a_page_opened_without_a_session_shows_only_the_sign_in(stranger, page):
    at = stranger(page)

    assert not at.exception
    assert [button.label for button in at.form_submit_button] == ["Sign in"]
    assert not at.title
    assert not at.sidebar.button


@pytest.mark.parametrize("page", FILES)
def test_a_page_that_is_run_without_the_shell_shows_nothing(world, page):
    from streamlit.testing.v1 import AppTest

    from tests.world import ROOT

    at = AppTest.from_file(str(ROOT / "pages" / f"{page}.py"), default_timeout=30).run()

    assert not at.exception
    assert not at.main.children


def test_a_right_password_opens_the_desk_and_hands_over_a_ticket(stranger):
    at = stranger()
    at.text_input(key="username").set_value("ana")
    at.text_input(key="password").set_value(PASSWORD)

    at.form_submit_button[0].click().run()

    assert not at.exception
    assert at.title[0].value == "Home"
    assert at.session_state[SESSION].startswith("session_")
    assert any("/session/begin" in element.value for element in at.html)
    assert TICKET not in at.session_state


def test_a_wrong_password_is_refused_in_words(stranger):
    at = stranger()
    at.text_input(key="username").set_value("ana")
    at.text_input(key="password").set_value("not the password")

    at.form_submit_button[0].click().run()

    assert at.error
    assert SESSION not in at.session_state


def test_too_many_tries_are_told_when_to_come_back(stranger):
    at = stranger()
    for _ in range(6):
        at.text_input(key="username").set_value("dan")
        at.text_input(key="password").set_value("not the password")
        at.form_submit_button[0].click().run()

    assert "Try again in" in at.error[0].value


def test_one_press_fills_in_a_demo_person(stranger):
    at = stranger()

    at.button(key="demo_ben").click().run()

    assert at.text_input(key="username").value == "ben"
    assert at.text_input(key="password").value == PASSWORD


def test_demo_people_are_shown_in_demo_mode_only(world, stranger, monkeypatch):
    import streamlit as st

    monkeypatch.setenv("TIEOUT_DEMO", "false")
    st.cache_resource.clear()

    at = stranger()
    st.cache_resource.clear()

    assert "Demo people" not in shown(at)
    assert PASSWORD not in shown(at)


def test_signing_out_ends_the_session(world, at):
    screen = at("ana")
    session_id = screen.session_state[SESSION]

    next(button for button in screen.sidebar.button if button.label == "Sign out").click().run()

    assert any("/session/end" in element.value for element in screen.html)
    with world.desk.read(security.visitor()) as reading:
        assert security.session_of(reading, session_id=session_id) is None


def test_a_session_that_was_ended_elsewhere_shows_the_sign_in_at_the_next_click(world, at):
    screen = at("ana")
    with world.desk.work(world.actor("ana")) as work:
        security.sign_out_everywhere(work, world.people["ana"])

    screen.run()

    assert [button.label for button in screen.form_submit_button] == ["Sign in"]
    assert "Your session has ended." in screen.info[0].value

    # When they sign in again, nothing of it is left
    screen.text_input(key="username").set_value("ana")
    screen.text_input(key="password").set_value(PASSWORD)
    screen.form_submit_button[0].click().run()
    assert screen.title[0].value == "Home"
    assert not screen.info


def test_nobody_reads_of_a_session_who_had_none(stranger):
    assert not stranger().info


def test_a_setup_link_that_is_not_valid_says_so(stranger):
    assert "not valid any more" in stranger(setup="made-up").error[0].value


def test_a_reset_link_sets_a_new_password(world, stranger):
    with world.desk.work(system_actor(world.orgs["harbour"])) as work:
        token = security.reset_link(work, world.people["carla"])
    at = stranger(reset=token)
    for field in at.text_input:
        field.set_value("a quite new passphrase")

    at.form_submit_button[0].click().run()

    assert not at.error
    with world.desk.read(security.visitor()) as reading:
        assert security.prove(reading, "carla", "a quite new passphrase").right


def test_everything_wrong_with_the_setup_form_is_told_at_once():
    assert len(setup_faults("not a name!", "1", "short", "other")) == 4
    assert setup_faults("mara", "Mara Quist", "twelve letters at least", "twelve letters at least") == []
