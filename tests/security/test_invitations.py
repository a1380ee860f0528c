"""Invitations: a person with roles and no password, a link that works once and for a week."""

from collections.abc import Callable
from contextlib import suppress

import pytest
from sqlalchemy import update

from finops_core import security
from finops_core.kernel.actor import Actor, Via
from finops_core.kernel.errors import FinOpsError
from finops_core.kernel.permissions import Permission
from finops_core.platform.work import Work
from finops_core.security.models import one_time_link
from finops_core.security.roles import SHIPPED_ROLES
from tests.security.town import PASSWORD, Town

NEW = "a quite different sentence"


@pytest.fixture
def olga(here: Town) -> Town:
    here.person("olga", harbour="administrator")
    return here


def code_of(call, *args: object, **named: object) -> str:
    with pytest.raises(FinOpsError) as refused:
        call(*args, **named)
    return refused.value.code


def invite(here: Town, username: str = "nia", *roles: str) -> security.Invitation:
    with here.work(here.actor("olga")) as work:
        made = security.invite(work, username, "Nia", f"{username}@example.com", roles or ("preparer", "approver"))
    here.people[username] = made.person_id
    return made


def accept(here: Town, token: str, name: str = "Nia Brook", password: str = NEW) -> str:
    with here.work(security.visitor(Via.LINK)) as work:
        return security.accept_invitation(work, token, name, password)


def view(here: Town, token: str) -> security.LinkView | None:
    with here.read(security.visitor(Via.LINK)) as reading:
        return security.link_of(reading, token)


def test_whoever_is_invited_sets_name_and_password_and_holds_the_roles(olga: Town):
    made = invite(olga)
    shown = view(olga, made.token)
    assert shown is not None
    assert (shown.kind, shown.username, shown.display_name) == (security.LinkKind.INVITE, "nia", "Nia")
    assert olga.refused("nia", "").code == "SIGN_IN_WRONG"
    assert made.token not in repr(made)

    assert accept(olga, made.token) == made.person_id

    assert isinstance(olga.sign_in("nia", NEW), security.SignedIn)
    assert Permission.PAYOUTS_PREPARE in olga.permissions(olga.actor("nia"))
    with olga.read(olga.actor("olga")) as reading:
        assert security.person(reading, made.person_id).display_name == "Nia Brook"
    assert len(olga.log("link.invite_made")) == len(olga.log("person.joined")) == 1
    assert made.token not in "".join(olga.log())


def test_an_invitation_works_once_and_for_a_week(olga: Town):
    used, late = invite(olga), invite(olga, "lou")
    accept(olga, used.token)
    olga.wait(days=6, hours=23)
    assert view(olga, late.token) is not None
    olga.wait(hours=1)

    assert code_of(accept, olga, used.token) == "LINK_NOT_VALID"
    assert code_of(accept, olga, late.token) == "LINK_NOT_VALID"
    with olga.work(security.visitor()) as work:
        assert code_of(security.accept_reset, work, late.token, NEW) == "LINK_NOT_VALID"


def test_a_refused_name_or_password_leaves_the_invitation_good(olga: Town):
    made = invite(olga)

    assert code_of(accept, olga, made.token, "", NEW) == "NAME_BAD"
    assert code_of(accept, olga, made.token, "Nia", "short") == "PASSWORD_WEAK"
    assert accept(olga, made.token)


def test_a_new_invitation_voids_the_first_and_none_is_made_for_who_has_joined(olga: Town):
    first = invite(olga)
    with olga.work(olga.actor("olga")) as work:
        second = security.invitation_link(work, first.person_id)
    assert code_of(accept, olga, first.token) == "LINK_NOT_VALID"
    accept(olga, second.token)

    with olga.work(olga.actor("olga")) as work:
        assert code_of(security.invitation_link, work, first.person_id) == "PERSON_JOINED"


def test_whoever_has_joined_by_a_reset_link_is_not_joined_again_by_the_invitation(olga: Town):
    # Given somebody with an invitation and a reset link, who joins by the latter
    made = invite(olga)
    with olga.work(olga.actor("olga")) as work:
        reset = security.reset_link(work, made.person_id)
    with olga.work(security.visitor(Via.LINK)) as work:
        security.accept_reset(work, reset, NEW)

    # Then the invitation sets no password any more, and not either when its row had been left as it was
    assert view(olga, made.token) is None
    assert code_of(accept, olga, made.token, "Eve", PASSWORD) == "LINK_NOT_VALID"
    with olga.work(olga.system()) as work:
        work.execute(update(one_time_link).values(used_at=None))
    assert code_of(accept, olga, made.token, "Eve", PASSWORD) == "LINK_NOT_VALID"
    assert isinstance(olga.sign_in("nia", NEW), security.SignedIn)


def test_joining_ends_every_other_link(olga: Town):
    made = invite(olga)
    with olga.work(olga.actor("olga")) as work:
        reset = security.reset_link(work, made.person_id)

    accept(olga, made.token)

    with olga.work(security.visitor(Via.LINK)) as work:
        assert code_of(security.accept_reset, work, reset, PASSWORD) == "LINK_NOT_VALID"


def test_nobody_is_half_invited(olga: Town):
    with olga.work(olga.actor("olga")) as work:
        assert code_of(security.invite, work, "nia", "Nia", "", ["preparer", "emperor"]) == "ROLE_UNKNOWN"
        assert code_of(security.invite, work, "nia", "Nia", "", []) == "ROLES_NEEDED"
        assert code_of(security.invite, work, "olga", "Olga", "", ["preparer"]) == "USERNAME_TAKEN"

    assert invite(olga, "nia").person_id


def test_deactivating_somebody_ends_every_link_to_them(olga: Town):
    made = invite(olga)
    joined = olga.person("ana", harbour="preparer")
    with olga.work(olga.actor("olga")) as work:
        reset = security.reset_link(work, joined)
        for person_id in (made.person_id, joined):
            security.set_active(work, person_id, active=False)
        assert code_of(security.reset_link, work, joined) == "PERSON_OFF"
        assert code_of(security.invitation_link, work, made.person_id) == "PERSON_OFF"
        security.set_active(work, made.person_id, active=True)

    assert code_of(accept, olga, made.token) == "LINK_NOT_VALID"
    with olga.work(security.visitor()) as work:
        assert code_of(security.accept_reset, work, reset, NEW) == "LINK_NOT_VALID"


@pytest.mark.parametrize("role", [role.id for role in SHIPPED_ROLES])
def test_each_verb_on_people_is_the_administrators_alone(embedded: Town, role: str):
    # Given somebody with one of the shipped roles, and a colleague with everything to take away
    town = embedded
    town.person("olga", harbour="administrator")
    who = town.actor("who") if town.person("who", harbour=role) else None
    ben = town.person("ben", harbour="preparer")
    org, now = town.orgs["harbour"], town.clock.now()
    assert who is not None
    calls = {
        "invite": lambda work: security.invite(work, "nia", "Nia", "", ["preparer"]),
        "invitation_link": lambda work: security.invitation_link(work, ben),
        "reset_link": lambda work: security.reset_link(work, ben),
        "add_person": lambda work: security.add_person(work, "lou", "Lou", ""),
        "grant_role": lambda work: security.grant_role(work, ben, "auditor", org),
        "end_role": lambda work: security.end_role(work, ben, "preparer", org),
        "set_active": lambda work: security.set_active(work, ben, active=False),
        "sign_out_everywhere": lambda work: security.sign_out_everywhere(work, ben),
        "reset_second_factor": lambda work: security.reset_second_factor(work, ben),
        "members": security.members,
        "sessions_of": lambda work: security.sessions_of(work, ben),
        "directory": lambda work: security.directory(work, security.PeopleFilter()),
        "member": lambda work: security.member(work, ben),
        "access_between": lambda work: security.access_between(work, now, now),
    }
    # When they try each verb, none is refused to an administrator for want of the right, and all to everybody else
    refused = {name for name, call in calls.items() if answer(town, who, call) == "NOT_ALLOWED"}
    # Then
    assert refused == (set() if role == "administrator" else set(calls))
    assert isinstance(town.sign_in("ben", PASSWORD), security.SignedIn)


class Undone(Exception):
    """Ends a unit without keeping it."""


def answer(town: Town, who: Actor, call: Callable[[Work], object]) -> str:
    """The code of the refusal, or "" when it is done; nothing is kept."""
    try:
        with suppress(Undone), town.work(who) as work:
            call(work)
            undo()
    except FinOpsError as error:
        return error.code
    return ""


def undo() -> None:
    raise Undone
