"""People: the list, one person, the dialogs with what they say before and after, and who had access on a day."""

import re

import pytest
from streamlit.testing.v1 import AppTest

from finops_core import audit, reference, security
from finops_core.kernel.actor import system_actor
from tests.pages.conftest import PASSWORD, At, press, shown, signed_in
from tests.pages.test_me import fill, newcomer
from tests.world import World

LINK = re.compile(r"http\S+/\?(invite|reset)=(\S+)")


def person(at: At, world: World, who: str, **query: str) -> AppTest:
    return at("adam", "people", person=world.people[who], **query)


def records(world: World, verb: str) -> list[audit.AuditView]:
    """The records of a verb, oldest first."""
    with world.desk.read(system_actor(world.orgs["harbour"])) as reading:
        return sorted(audit.records(reading, audit.AuditFilter(verb=verb)).rows, key=lambda record: record.at)


def link(screen: AppTest) -> re.Match[str]:
    """The one-time link on the screen."""
    found = LINK.fullmatch(screen.code[0].value)
    assert found
    return found


def test_the_list_is_narrowed_by_its_filters_which_stand_in_the_address(world, at):
    newcomer(world, "wim", "auditor")
    screen = at("adam", "people")
    assert "Wim" in shown(screen)
    assert "Ana Brito" in shown(screen)
    assert "Invited" in shown(screen) or "Active" in shown(screen)

    screen = at("adam", "people", find_person="wim@")
    assert "Ana Brito" not in shown(screen)
    assert f"person={world.people['wim']}" in shown(screen)

    assert "Nobody matches" in shown(at("adam", "people", find_person="no such person"))
    assert "Nobody matches" in shown(at("adam", "people", person_state="Deactivated", find_person="wim"))


def test_somebody_is_invited_by_a_link_that_is_shown_once_and_joins_by_it(world, at, stranger):
    # Given an invitation, after one that lacked roles
    screen = at("adam", "people", do="invite")
    fill(screen, invite_name="Ida Vane", invite_email="ida@example.com", invite_username="ida.vane")
    press(screen, "Make the invitation")
    assert "Choose at least one role." in shown(screen)
    screen.pills(key="invite_roles").set_value(["preparer"])
    press(screen, "Make the invitation")
    kind, token = link(screen).groups()
    assert kind == "invite"
    press(screen, "I have copied it")
    assert not screen.code
    assert "Ida Vane" in shown(screen)

    # When it is opened
    door = stranger(invite=token)
    assert "ida.vane" in shown(door)
    for field in door.text_input:
        field.set_value("Ida Vane-Hall" if field.label == "Your name" else "a quite new passphrase")
    door.form_submit_button[0].click().run()

    # Then she is in, and the link is not good any more
    with world.desk.read(security.visitor()) as reading:
        assert security.prove(reading, "ida.vane", "a quite new passphrase").right
    assert "not valid any more" in stranger(invite=token).error[0].value
    assert "Ida Vane-Hall" in shown(at("adam", "people", find_person="ida.vane"))


def test_a_username_that_is_taken_is_told_in_the_dialog(world, at):
    screen = at("adam", "people", do="invite")
    screen.pills(key="invite_roles").set_value(["preparer"])
    press(fill(screen, invite_name="Another Ana", invite_username="ana"), "Make the invitation")

    assert "The user name ana is taken." in shown(screen)


def test_a_role_is_given_and_ended_and_the_history_says_by_whom(world, at):
    newcomer(world, "rob", "preparer")
    screen = person(at, world, "rob")
    screen.selectbox(key="people_give").set_value("auditor")
    press(screen, "Give the role")
    assert screen.toast[0].value == "Rob is auditor now."

    screen = person(at, world, "rob", do="end", role_id="auditor")
    press(screen, "End the role")

    assert screen.toast[0].value == "Rob is no auditor any more."
    history = next(element.value for element in screen.html if "History of Rob" in element.value)
    assert history.count("Auditor") == 1
    assert history.count("Adam Reyes") == 2
    assert "do" not in screen.query_params


def test_nobody_is_offered_a_role_for_themself(world, at):
    screen = person(at, world, "adam")

    assert "Another administrator gives you a role." in shown(screen)
    assert "Give the role" not in [button.label for button in screen.button]


def test_the_last_administrator_cannot_be_ended_or_deactivated_and_reads_why(world, at):
    # Given one administrator besides Adam, whom he lets go
    screen = person(at, world, "adam", do="end", role_id="administrator")
    press(screen, "End the role")
    assert "This is the organisation's last administrator." in shown(screen)

    screen = person(at, world, "adam", do="off")
    press(screen, "Deactivate")
    assert "This is the organisation's last administrator." in shown(screen)
    assert at("adam", "people").title[0].value == "People"


def test_before_somebody_is_deactivated_one_reads_what_would_wait(world, at):
    # Given a request that Ben alone may decide, and Ana's run
    world.submitted("currency,maximum\nUSD,11.00\n")

    # Then both are told of him, and the run of her
    bens, anas = shown(person(at, world, "ben", do="off")), shown(person(at, world, "ana", do="off"))
    assert "Nobody else here may approve: payout." in bens
    assert "1 request could not be decided any more" in bens
    assert "run would not start" in anas
    assert "EX-2026-" in anas
    assert "1 request could not be decided any more" in shown(person(at, world, "ben", do="end", role_id="approver"))
    newcomer(world, "ned")
    assert "Nothing here waits for this person" in shown(person(at, world, "ned", do="off"))


def test_somebody_is_deactivated_mid_session_refused_at_the_next_click_and_brought_back(world, at):
    newcomer(world, "sam")
    sams = at("sam", "run")
    screen = person(at, world, "sam", do="off")

    press(screen, "Deactivate")
    sams.run()

    assert [button.label for button in sams.form_submit_button] == ["Sign in"]
    assert "Deactivated" in shown(screen)
    assert records(world, "session.refused")[-1].detail == {"person": world.people["sam"], "why": "deactivated"}
    press(screen, "Reactivate")
    assert screen.toast[0].value == "Sam can sign in again."
    assert signed_in(world, "sam")


def test_a_role_taken_mid_session_is_missing_at_the_next_click(world, at):
    newcomer(world, "joy", "preparer", "auditor")
    joys = at("joy", "audit")
    assert joys.title[0].value == "Audit"
    with world.desk.work(world.actor("adam")) as work:
        security.end_role(work, world.people["joy"], "auditor", work.org_id)

    joys.run()

    assert joys.title[0].value == "Not part of your role"
    denied = records(world, "access.denied")[-1]
    assert (denied.actor, denied.detail["missing"]) == (world.people["joy"], ["audit.view"])


def test_a_password_is_reset_by_a_link_and_everybody_is_signed_out(world, at, stranger):
    newcomer(world, "gus")
    session_id = signed_in(world, "gus")
    screen = person(at, world, "gus")
    press(screen, "Sign out everywhere")
    assert screen.toast[0].value == "1 session ended."
    with world.desk.read(security.visitor()) as reading:
        assert security.session_of(reading, session_id=session_id) is None

    screen = person(at, world, "gus", do="reset")
    press(screen, "Make the link")
    kind, token = link(screen).groups()

    assert kind == "reset"
    assert "gus" in shown(stranger(reset=token))


def test_a_second_factor_is_reset_and_its_person_is_told(world, at):
    # Given somebody with a second factor
    from tests.pages.test_me import set_up

    newcomer(world, "tom")
    set_up(at("tom", "me"), world)
    screen = person(at, world, "tom", do="factor")
    assert "their password alone opens their account" in shown(screen)

    # When an administrator resets it
    press(screen, "Reset it")

    # Then the password alone opens it, and a notice says so
    assert "Your second factor was reset by an administrator" in shown(at("tom"))
    with world.desk.read(system_actor(world.orgs["harbour"])) as reading:
        assert not security.directory(reading, security.PeopleFilter(text="tom@")).rows[0].second_factor


def test_an_unused_invitation_can_be_made_anew(world, at):
    with world.desk.work(world.actor("adam")) as work:
        made = security.invite(work, "eli", "Eli", "", ["preparer"])
    world.people["eli"] = made.person_id
    screen = person(at, world, "eli")
    assert "Invited" in shown(screen)
    assert "Reset the password by a link" not in [button.label for button in screen.button]

    screen = press(person(at, world, "eli", do="again"), "Make the link")

    assert link(screen)[2] != made.token
    with world.desk.read(security.visitor()) as reading:
        assert security.link_of(reading, made.token) is None


def test_who_had_access_is_answered_for_a_day(world, at):
    screen = at("adam", "people", people_view="Who had access")
    assert "Ana Brito" in shown(screen)
    assert "Preparer" in shown(screen)

    screen = at("adam", "people", people_view="Who had access", on="2020-02-01")
    assert "Nobody had access that day" in shown(screen)


def test_several_are_signed_out_at_once_and_who_cannot_be_is_named_with_the_reason(world, at):
    # Given Ben and Dan, who are in, and Dan at an organisation that Adam does not administer, too
    sessions = {who: signed_in(world, who) for who in ("ben", "dan")}
    with world.desk.work(system_actor()) as work:
        other = reference.add_organisation(
            work, slug="other", name="Other", base_currency="USD", country="US", zone="UTC", locale="en_US"
        )
        security.grant_role(work, world.people["dan"], "executive", other)

    # When Adam signs both out
    screen = at("adam", "people")
    chosen = screen.multiselect(key="several_people")
    assert "Adam Reyes" not in chosen.options
    chosen.set_value([world.people["ben"], world.people["dan"]]).run()
    press(screen, "Sign 2 people out")

    # Then Ben is out; Dan is not, and the page says why
    assert "Ben Osei: 1 session ended." in [toast.value for toast in screen.toast]
    assert "Dan Lind: This person also works for an organisation you do not administer." in shown(screen)
    with world.desk.read(security.visitor()) as reading:
        alive = {who for who, id_ in sessions.items() if security.session_of(reading, session_id=id_)}
    assert alive == {"dan"}
    assert records(world, "session.ended_all")[-1].object == f"person:{world.people['ben']}"


@pytest.mark.parametrize("who", ["ana", "ben", "carla", "dan", "eva"])
def test_people_are_the_administrators_business_alone(world, at, who):
    with world.desk.read(world.actor(who)) as reading:
        if "people.administer" in reading.permissions:
            pytest.fail(f"{who} is an administrator")
    screen = at(who, "people", person=world.people["ana"], do="off")

    assert screen.title[0].value == "Not part of your role"
    assert not screen.main.button


def test_a_person_who_is_not_there_is_told_in_words(world, at):
    assert "There is no such person here." in shown(at("adam", "people", person="person_nobody"))
    assert PASSWORD not in shown(at("adam", "people"))
