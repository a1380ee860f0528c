"""Me: what people change about themselves, and that what is typed as a secret is gone afterwards."""

import re

import pytest
from streamlit.testing.v1 import AppTest

from finops_core import security
from finops_core.kernel.actor import system_actor
from finops_core.security import totp
from tests.pages.conftest import PASSWORD, At, press, shown, signed_in
from tests.world import World
from ui.session import SESSION

NEW = "a quite new passphrase"
KEY = re.compile(r"[A-Z2-7]{4}(?: [A-Z2-7]{4}){7}")


def fill(screen: AppTest, **typed: str) -> AppTest:
    for key, text in typed.items():
        screen.text_input(key=key).set_value(text)
    return screen


def newcomer(world: World, username: str, *roles: str) -> str:
    """Somebody of whom no other test knows."""
    org = world.orgs["harbour"]
    with world.desk.work(system_actor(org)) as work:
        person_id = security.add_person(work, username, username.title(), f"{username}@example.com", PASSWORD)
        for role in roles or ("preparer",):
            security.grant_role(work, person_id, role, org)
    world.people[username] = person_id
    return person_id


def app_code(key: str, world: World, steps: int = 0) -> str:
    import base64

    secret = base64.b32decode(key.replace(" ", ""))
    return totp.code_at(secret, totp.step_of(world.desk.ports.clock.now()) + steps)


def set_up(screen: AppTest, world: World) -> tuple[str, list[str]]:
    """Through the page: the app's key and the recovery codes."""
    press(fill(screen, factor_begin_password=PASSWORD), "Set it up")
    key = next(block.value for block in screen.code if KEY.fullmatch(block.value))
    press(fill(screen, factor_code=app_code(key, world, -1)), "Turn it on")
    return key, screen.code[0].value.split("\n")


def test_the_chip_leads_everybody_to_their_own_page_and_no_menu_does(world, at):
    screen = at("ana")

    assert any('href="/me?org=harbour"' in element.value for element in screen.sidebar.html)
    assert at("ana", "me").title[0].value == "Me"


def test_a_name_is_changed_and_nonsense_is_refused_at_the_form(world, at):
    newcomer(world, "nia")
    screen = press(fill(at("nia", "me"), me_name="Nia Brook", me_email="nobody at all"), "Save")
    assert "This is not a mail address." in shown(screen)
    assert "Nia" in shown(screen)

    press(fill(screen, me_email="nia@example.org"), "Save")
    assert "This needs your present password." in shown(screen)
    press(fill(screen, me_email="nia@example.org", me_confirm=PASSWORD), "Save")

    assert screen.session_state["me_confirm"] == ""
    told = [each.value for each in screen.toast]
    assert "Your profile was saved." in told
    assert any("Your mail address was changed" in each for each in told), "its person is told, whoever did it"
    assert any("Nia Brook" in element.value for element in screen.sidebar.html)


def test_ones_own_zone_and_locale_are_used_for_what_is_shown_and_not_for_business_dates(world, at):
    newcomer(world, "zoe", "operations")
    screen = at("zoe", "me")
    assert " EST" in shown(screen)

    screen.selectbox(key="me_zone").set_value("Asia/Tokyo")
    screen.selectbox(key="me_locale").set_value("de_DE")
    press(screen, "Save")

    assert "1.234.567,89 USD" in shown(screen)
    home = shown(at("zoe"))
    assert " EST" not in shown(screen) + home
    assert re.search(r"as of \d+ \w+\.? \d{4} \d\d:\d\d \+0900", home)


def test_a_new_password_needs_the_present_one_and_ends_other_sessions(world, at):
    newcomer(world, "pat")
    screen, other = at("pat", "me"), signed_in(world, "pat")

    press(fill(screen, me_present="wrong", me_new=NEW, me_again=NEW), "Change the password")
    assert "This is not your present password." in shown(screen)
    press(fill(screen, me_present=PASSWORD, me_new=NEW, me_again="another one altogether"), "Change the password")
    assert "The two new passwords are not the same." in shown(screen)
    press(fill(screen, me_present=PASSWORD, me_new="short", me_again="short"), "Change the password")
    assert "too easy to guess" in shown(screen)
    press(fill(screen, me_present=PASSWORD, me_new=NEW, me_again=NEW), "Change the password")

    assert "Your password was changed." in screen.toast[0].value
    assert [screen.session_state[key] for key in ("me_present", "me_new", "me_again")] == ["", "", ""]
    with world.desk.read(security.visitor()) as reading:
        assert security.session_of(reading, session_id=other) is None
        assert security.prove(reading, "pat", NEW).right
    assert screen.run().title[0].value == "Me", "this session goes on"


def test_a_session_elsewhere_is_ended_from_here(world, at):
    newcomer(world, "lou")
    other, third = signed_in(world, "lou"), signed_in(world, "lou")
    screen = at("lou", "me")

    screen.button(key=f"end_{other}").click().run()
    with world.desk.read(security.visitor()) as reading:
        assert security.session_of(reading, session_id=other) is None
        assert security.session_of(reading, session_id=third) is not None
    press(screen, "End all others")

    with world.desk.read(security.visitor()) as reading:
        assert security.session_of(reading, session_id=third) is None
    assert "This one" in shown(screen)
    assert not any(button.label == "End" for button in screen.button)


def test_a_second_factor_is_set_up_and_asked_for_at_the_next_sign_in(world, at, stranger):
    # Given somebody who sets one up, with a wrong code first
    newcomer(world, "kit")
    screen = press(at("kit", "me"), "Set it up")
    assert "This needs your present password." in shown(screen)
    press(fill(screen, factor_begin_password=PASSWORD), "Set it up")
    press(fill(screen, factor_code="000000"), "Turn it on")
    assert "This is not the code of your app now." in shown(screen)
    key, codes = set_up(at("kit", "me"), world)
    assert len(codes) == 10

    # When they sign in, the password alone opens nothing
    door = stranger()
    fill(door, username="kit", password=PASSWORD).form_submit_button[0].click().run()
    assert "Type your code" in shown(door)
    assert SESSION not in door.session_state
    assert not door.title
    assert not any("/session/begin" in element.value for element in door.html)
    fill(door, sign_in_code="000000").form_submit_button[0].click().run()
    assert "This code is wrong, or was used already." in shown(door)
    assert SESSION not in door.session_state

    # Then the app's code does
    fill(door, sign_in_code=app_code(key, world)).form_submit_button[0].click().run()
    assert door.title[0].value == "Home"
    assert any("/session/begin" in element.value for element in door.html)

    # and a recovery code does so once
    for opens in (True, False):
        door = stranger()
        fill(door, username="kit", password=PASSWORD).form_submit_button[0].click().run()
        fill(door, sign_in_code=codes[0]).form_submit_button[0].click().run()
        assert (SESSION in door.session_state) is opens


def test_recovery_codes_are_shown_once_made_anew_and_the_factor_turned_off(world, at):
    newcomer(world, "rio")
    screen = at("rio", "me")
    _key, codes = set_up(screen, world)
    press(screen, "I have kept them")
    assert codes[0] not in "".join(block.value for block in screen.code)
    assert "10 recovery codes left" in shown(screen)

    # When new ones are made, first with a wrong code
    press(fill(screen, factor_renew_code="000000"), "Make new codes")
    assert "This code is wrong" in shown(screen)
    press(fill(screen, factor_renew_code=codes[0]), "Make new codes")
    fresh = screen.code[0].value.split("\n")
    assert set(fresh).isdisjoint(codes)
    press(screen, "I have kept them")

    # Then turning it off wants the password and a code
    press(fill(screen, factor_off_password="wrong", factor_off_code=fresh[0]), "Turn it off")
    assert "This is not your present password." in shown(screen)
    press(fill(screen, factor_off_password=PASSWORD, factor_off_code=fresh[0]), "Turn it off")
    assert "Set it up" in [button.label for button in screen.button]


def test_starting_again_leads_back_to_the_name(world, at, stranger):
    newcomer(world, "uma")
    set_up(at("uma", "me"), world)
    door = stranger()
    fill(door, username="uma", password=PASSWORD).form_submit_button[0].click().run()

    press(door, "Start again")

    assert [field.label for field in door.text_input] == ["Username", "Password"]


def test_a_token_is_shown_once_and_can_be_revoked(world, at):
    newcomer(world, "tia")
    screen = at("tia", "me")
    press(fill(screen, token_name="Nightly"), "Make the token")
    assert screen.error, "no scope was chosen"
    screen.pills(key="token_scopes").set_value([security.Scope.READ])
    press(screen, "Make the token")
    secret = next(block.value for block in screen.code if block.value.startswith("tieout_"))

    press(screen, "I have copied it")

    assert secret not in shown(screen)
    assert "Nightly" in shown(screen)
    press(screen, "Revoke")
    assert "Revoked" in shown(screen)
    with world.desk.read(security.visitor()) as reading:
        assert isinstance(security.token_session(reading, secret), security.TokenRefused)


def test_only_scopes_that_open_something_to_this_person_are_offered(world, at):
    def offered(who: str) -> list[str]:
        return list(at(who, "me").pills(key="token_scopes").options)

    assert offered("ana") == [
        "Read runs, approvals, the ledger and parties",
        "Run operations",
        "Files",
        "Move money in the ledger",
        "Keep parties and their bank details",
    ]
    assert offered("ben") == [
        "Read runs, approvals, the ledger and parties",
        "Run operations",
        "Decide approvals",
        "Settle payouts in doubt",
    ]
    assert offered("eva") == ["Read runs, approvals, the ledger and parties", "Files", "Take records for an audit"]


def test_a_token_that_may_decide_is_made_with_the_password_alone(world, at):
    newcomer(world, "uli", "approver")
    screen = fill(at("uli", "me"), token_name="Nightly")
    screen.pills(key="token_scopes").set_value([security.Scope.APPROVE])
    press(screen, "Make the token")
    assert "This needs your present password." in shown(screen)
    press(fill(screen, token_password="not it"), "Make the token")
    assert "This is not your present password." in shown(screen)

    press(fill(screen, token_password=PASSWORD), "Make the token")

    assert any(block.value.startswith("tieout_") for block in screen.code)
    assert screen.session_state["token_password"] == ""


@pytest.fixture
def strict(world: World, monkeypatch: pytest.MonkeyPatch):
    """A desk whose auditors must have a second factor."""
    import streamlit as st

    monkeypatch.setenv("TIEOUT_SECOND_FACTOR_ROLES", "auditor")
    st.cache_resource.clear()
    yield world
    st.cache_resource.clear()


def test_whoever_must_have_one_finds_nothing_but_its_set_up_until_it_is_done(strict: World, at: At):
    newcomer(strict, "vic", "auditor")
    screen = at("vic", "audit")

    assert screen.title[0].value == "Set up your second factor first"
    assert "Audit records" not in shown(screen)
    assert "Sign out" in [button.label for button in screen.sidebar.button]
    set_up(screen, strict)
    # The codes must be kept before the desk opens: they are shown here and nowhere else
    assert screen.title[0].value == "Set up your second factor first"
    press(screen, "I have kept them")
    assert screen.title[0].value == "Audit"
