"""People, their roles, and who may change them."""

import threading

import pytest

from finops_core import security
from finops_core.kernel.actor import Via
from finops_core.kernel.errors import Conflict, FinOpsError, Invalid, NotAllowed, NotFound
from finops_core.kernel.permissions import Permission
from tests.security.town import PASSWORD, Town


def refusal(call, *args: object, **named: object) -> FinOpsError:
    with pytest.raises(FinOpsError) as refused:
        call(*args, **named)
    return refused.value


def test_a_person_is_found_by_the_name_however_it_was_typed(here: Town):
    with here.work(here.system()) as work:
        security.add_person(work, "  Ana.Lima ", "Ana Lima", "ana@example.com", PASSWORD)

    with here.work(here.system()) as work:
        refused = refusal(security.add_person, work, "ANA.lima", "Somebody else", "", PASSWORD)
        security.add_person(work, "ben", "Ben", "")

    assert (refused.kind, refused.code) == ("conflict", "USERNAME_TAKEN")
    assert refused.__suppress_context__, "the database's message repeats the row"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"username": "a"}, "USERNAME_BAD"),
        ({"username": "a" * 65}, "USERNAME_BAD"),
        ({"username": "ana lima"}, "USERNAME_BAD"),
        ({"username": "ana\0"}, "USERNAME_BAD"),
        ({"username": "\N{CYRILLIC SMALL LETTER A}na"}, "USERNAME_BAD"),
        ({"username": ""}, "USERNAME_BAD"),
        ({"display_name": "  "}, "NAME_BAD"),
        ({"display_name": "Ana\nroot signed in"}, "NAME_BAD"),
        ({"display_name": "x" * 81}, "NAME_BAD"),
        ({"email": "ana"}, "EMAIL_BAD"),
        ({"email": "@example.com"}, "EMAIL_BAD"),
        ({"email": "ana lima@example.com"}, "EMAIL_BAD"),
        ({"password": "too short"}, "PASSWORD_WEAK"),
        ({"password": "aaaaaaaaaaaaaaaa"}, "PASSWORD_WEAK"),
        ({"password": "ana-lima-is-my-name"}, "PASSWORD_WEAK"),
        ({"password": "correct horse " * 6}, "PASSWORD_TOO_LONG"),
        ({"password": "\N{SNOWMAN}battery horse" * 5}, "PASSWORD_TOO_LONG"),
        ({"password": "correct horse\0battery"}, "PASSWORD_TOO_LONG"),
        ({"password": "correct horse \ud800 battery"}, "PASSWORD_TOO_LONG"),
    ],
)
def test_what_cannot_be_a_person_is_refused_without_repeating_the_password(
    embedded: Town, changes: dict[str, str], code: str
):
    facts = {"username": "ana-lima", "display_name": "Ana", "email": "", "password": PASSWORD, **changes}

    with embedded.work(embedded.system()) as work:
        refused = refusal(security.add_person, work, **facts)

    assert (refused.kind, refused.code) == ("invalid", code)
    if "password" in changes:
        assert changes["password"] not in f"{refused!r} {refused} {refused.context}"


def test_a_password_of_exactly_72_bytes_is_good(embedded: Town):
    password = "correct horse battery staple " * 2 + "fourteen bytes"
    assert len(password) == 72

    with embedded.work(embedded.system()) as work:
        ana = security.add_person(work, "ana", "Ana", "", password)
        security.grant_role(work, ana, "preparer", embedded.orgs["harbour"])

    assert isinstance(embedded.sign_in("ana", password), security.SignedIn)
    assert isinstance(embedded.sign_in("ana", password + "x"), security.SignInRefused)


def test_only_administrators_change_people(here: Town):
    here.person("ana", harbour="preparer controller executive auditor approver operations")
    ben = here.person("ben", harbour="preparer")
    org = here.orgs["harbour"]

    with here.work(here.actor("ana")) as work:
        attempts = [
            lambda: security.add_person(work, "eve", "Eve", "", PASSWORD),
            lambda: security.grant_role(work, ben, "approver", org),
            lambda: security.end_role(work, ben, "preparer", org),
            lambda: security.set_active(work, ben, active=False),
            lambda: security.sign_out_everywhere(work, ben),
            lambda: security.reset_link(work, ben),
            lambda: security.ensure_roles(work),
            lambda: security.members(work),
            lambda: security.sessions_of(work, ben),
        ]
        refused = [refusal(attempt) for attempt in attempts]

    assert {error.code for error in refused} == {"NOT_ALLOWED"}
    assert here.permissions(here.actor("ben"))


def test_an_administrator_gives_and_ends_roles_and_both_stay_in_the_history(here: Town):
    here.person("olga", harbour="administrator")
    ben = here.person("ben", harbour="preparer")
    org = here.orgs["harbour"]

    with here.work(here.actor("olga")) as work:
        given = security.grant_role(work, ben, "approver", org)
        assert security.grant_role(work, ben, "approver", org) == given
    here.wait(days=1)
    with here.work(here.actor("olga")) as work:
        security.end_role(work, ben, "approver", org)
        again = refusal(security.end_role, work, ben, "approver", org)
        member = next(member for member in security.members(work) if member.person.id == ben)

    assert again.code == "ROLE_NOT_HELD"
    held = {role.role_id: role.until_at for role in member.roles}
    assert held == {"preparer": None, "approver": here.clock.now()}
    assert len(here.log("role.granted")) == 3
    assert len(here.log("role.ended")) == 1


def test_an_ended_role_can_be_given_again(here: Town):
    ben = here.person("ben", harbour="preparer approver")
    org = here.orgs["harbour"]

    for _ in range(2):
        with here.work(here.system("harbour")) as work:
            security.end_role(work, ben, "approver", org)
        with here.work(here.system("harbour")) as work:
            security.grant_role(work, ben, "approver", org)

    assert Permission.APPROVALS_DECIDE in here.permissions(here.actor("ben"))


def test_nobody_gives_a_role_to_themself(here: Town):
    olga = here.person("olga", harbour="administrator")

    with here.work(here.actor("olga")) as work:
        refused = refusal(security.grant_role, work, olga, "approver", here.orgs["harbour"])

    assert refused.code == "GRANT_TO_SELF"


def test_roles_and_people_that_do_not_exist_are_refused(here: Town):
    here.person("olga", harbour="administrator")
    ben = here.person("ben", harbour="preparer")

    with here.work(here.actor("olga")) as work:
        role = refusal(security.grant_role, work, ben, "emperor", here.orgs["harbour"])
        person = refusal(security.grant_role, work, "person_none", "preparer", here.orgs["harbour"])

    assert isinstance(role, Invalid)
    assert role.code == "ROLE_UNKNOWN"
    assert isinstance(person, NotFound)
    assert person.code == "PERSON_UNKNOWN"


def test_the_last_administrator_stays(here: Town):
    olga = here.person("olga", harbour="administrator", norrland="administrator")
    pia = here.person("pia", harbour="administrator")
    ben = here.person("ben", harbour="preparer", norrland="preparer")
    harbour, norrland = here.orgs["harbour"], here.orgs["norrland"]

    with here.work(here.system("norrland")) as work, pytest.raises(Conflict) as ended:
        security.end_role(work, olga, "administrator", norrland)
    with here.work(here.system("harbour")) as work, pytest.raises(Conflict) as switched_off:
        security.set_active(work, olga, active=False)
    with here.work(here.system("harbour")) as work:
        security.set_active(work, ben, active=False)
        security.end_role(work, olga, "administrator", harbour)
    with here.work(here.system("harbour")) as work, pytest.raises(Conflict) as last:
        security.end_role(work, pia, "administrator", harbour)

    assert {error.value.code for error in (ended, switched_off, last)} == {"LAST_ADMINISTRATOR"}
    assert Permission.PEOPLE_ADMINISTER in here.permissions(here.actor("pia"))


def test_a_deactivated_administrator_does_not_count_as_one(here: Town):
    olga = here.person("olga", harbour="administrator")
    pia = here.person("pia", harbour="administrator")
    with here.work(here.system("harbour")) as work:
        security.set_active(work, pia, active=False)

    with here.work(here.system("harbour")) as work, pytest.raises(Conflict) as refused:
        security.end_role(work, olga, "administrator", here.orgs["harbour"])

    assert refused.value.code == "LAST_ADMINISTRATOR"


def test_an_administrator_who_has_not_joined_yet_does_not_count_as_one(here: Town):
    # Given one administrator, who invites another
    olga = here.person("olga", harbour="administrator")
    org = here.orgs["harbour"]
    with here.work(here.actor("olga")) as work:
        invited = security.invite(work, "ivy", "Ivy", "", ["administrator"])

    # When she leaves before the other has come, she is refused, and no longer once the other has
    with here.work(here.actor("olga")) as work:
        early = refusal(security.end_role, work, olga, "administrator", org)
    with here.work(security.visitor(Via.LINK)) as work:
        security.accept_invitation(work, invited.token, "Ivy", PASSWORD)
    with here.work(here.actor("olga")) as work:
        security.end_role(work, olga, "administrator", org)

    assert early.code == "LAST_ADMINISTRATOR"


def test_an_organisation_whose_only_administrator_never_came_can_be_set_up_anew(here: Town):
    with here.work(here.system("harbour")) as work:
        security.invite(work, "ivy", "Ivy", "", ["administrator"])
    here.wait(days=8)

    with here.work(here.system("harbour")) as work:
        token = security.first_administrator_link(work)
    with here.work(security.visitor(Via.LINK)) as work:
        here.people["olga"] = security.accept_link(work, token, "olga", "Olga", PASSWORD)

    assert Permission.PEOPLE_ADMINISTER in here.permissions(here.actor("olga"))


def test_two_administrators_who_remove_each_other_at_once_leave_one(here: Town):
    names = ("olga", "pia")
    for name in names:
        here.person(name, harbour="administrator")
    together = threading.Barrier(2)
    refused: list[FinOpsError] = []

    def remove(mine: str, other: str) -> None:
        together.wait(10)
        try:
            with here.work(here.actor(mine)) as work:
                security.end_role(work, here.people[other], "administrator", here.orgs["harbour"])
        except FinOpsError as error:
            refused.append(error)

    threads = [threading.Thread(target=remove, args=pair) for pair in (names, names[::-1])]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    left = [name for name in names if Permission.PEOPLE_ADMINISTER in here.permissions(here.actor(name))]
    assert len(left) == 1
    assert [error.code for error in refused] in (["LAST_ADMINISTRATOR"], ["NOT_ALLOWED"])


def test_switching_somebody_off_ends_their_sessions_and_on_again_brings_none_back(here: Town):
    ben = here.person("ben", harbour="preparer")
    session_id = here.signed_in("ben").session_id

    with here.work(here.system("harbour")) as work:
        security.set_active(work, ben, active=False)
        security.set_active(work, ben, active=False)
    assert here.session(session_id) is None
    with here.work(here.system("harbour")) as work:
        security.set_active(work, ben, active=True)

    assert here.session(session_id) is None
    assert here.session(here.signed_in("ben").session_id) is not None
    assert (len(here.log("person.deactivated")), len(here.log("person.activated"))) == (1, 1)


def test_who_is_asked_to_approve_is_active_and_holds_the_right_now(here: Town):
    org = here.orgs["harbour"]
    here.person("ana", harbour="preparer")
    ben, cy, dee = (here.person(name, harbour="approver") for name in ("ben", "cy", "dee"))
    here.person("eva", norrland="approver")
    with here.work(here.system("harbour")) as work:
        security.set_active(work, cy, active=False)
        security.end_role(work, dee, "approver", org)

    with here.read(here.system("harbour")) as reading:
        found = security.people_with(reading, Permission.APPROVALS_DECIDE)
        active = {name: security.is_active(reading, person_id) for name, person_id in here.people.items()}

    assert [person.id for person in found] == [ben]
    assert active == {"ana": True, "ben": True, "cy": False, "dee": False, "eva": False}


def test_the_log_names_people_by_id_only(here: Town):
    here.person("ana", harbour="preparer")
    here.signed_in("ana")
    here.refused("ana", "wrong password")

    told = "".join(here.log())

    assert here.people["ana"] in told
    assert [word for word in ("example.com", "Ana", '"ana"', "192.0.2.7", PASSWORD) if word in told] == []


def test_a_person_without_a_password_cannot_sign_in(here: Town):
    with here.work(here.system()) as work:
        ana = security.add_person(work, "ana", "Ana", "")
        security.grant_role(work, ana, "preparer", here.orgs["harbour"])

    assert here.refused("ana", "").code == "SIGN_IN_WRONG"
    assert here.refused("ana", PASSWORD).code == "SIGN_IN_WRONG"


def test_refusals_are_of_the_kind_that_is_recorded(here: Town):
    here.person("ana", harbour="preparer")

    with here.work(here.actor("ana")) as work:
        assert isinstance(refusal(security.members, work), NotAllowed)
