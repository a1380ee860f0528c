"""Nobody of one organisation sees or touches people, memberships or sessions of another one."""

from datetime import timedelta

import pytest

from finops_core import security
from finops_core.kernel.errors import FinOpsError
from finops_core.kernel.permissions import Permission
from finops_core.platform.scope_guard import ScopeBreach
from finops_core.security.models import membership
from tests.desks import issued_token
from tests.security.town import PASSWORD, Town


@pytest.fixture
def split(here: Town) -> Town:
    """Olga administers the harbour; Eva belongs to Norrland; Both works for the two of them."""
    here.person("olga", harbour="administrator")
    here.person("ana", harbour="preparer")
    here.person("eva", norrland="preparer administrator")
    here.person("both", harbour="preparer", norrland="approver")
    return here


def code_of(call, *args: object, **named: object) -> str:
    with pytest.raises(FinOpsError) as refused:
        call(*args, **named)
    return refused.value.code


def test_lists_hold_people_of_ones_own_organisation_only(split: Town):
    with split.read(split.actor("olga")) as reading:
        people = {person.username for person in security.people(reading)}
        members = {member.person.username for member in security.members(reading)}
        names = security.names(reading, split.people.values())
        approvers = security.people_with(reading, Permission.APPROVALS_DECIDE)
        both = next(member for member in security.members(reading) if member.person.username == "both")

    assert people == members == {"olga", "ana", "both"}
    assert sorted(names.values()) == ["Ana", "Both", "Olga"]
    assert approvers == ()
    assert [role.role_id for role in both.roles] == ["preparer"], "roles elsewhere are not told"


def test_an_id_of_the_other_organisation_opens_nothing(split: Town):
    eva, harbour, norrland = split.people["eva"], split.orgs["harbour"], split.orgs["norrland"]

    with split.work(split.actor("olga")) as work:
        codes = [
            code_of(security.person, work, eva),
            code_of(security.sessions_of, work, eva),
            code_of(security.sign_out_everywhere, work, eva),
            code_of(security.set_active, work, eva, active=False),
            code_of(security.grant_role, work, eva, "preparer", harbour),
            code_of(security.end_role, work, eva, "preparer", harbour),
            code_of(security.reset_link, work, eva),
            code_of(security.end_role, work, eva, "preparer", norrland),
            code_of(security.grant_role, work, split.people["ana"], "administrator", norrland),
            code_of(security.set_active, work, split.people["both"], active=False),
        ]
        assert not security.is_active(work, eva)

    assert codes == [
        "PERSON_UNKNOWN",
        "PERSON_UNKNOWN",
        "PERSON_UNKNOWN",
        "PERSON_UNKNOWN",
        "PERSON_UNKNOWN",
        "ROLE_NOT_HELD",
        "PERSON_UNKNOWN",
        "ORGANISATION_NOT_ALLOWED",
        "ORGANISATION_NOT_ALLOWED",
        "PERSON_SHARED",
    ]
    assert "preparer" in {role.role_id for role in _roles(split, "eva", "norrland")}


def test_an_actor_of_no_organisation_lists_nobody(split: Town):
    with split.read(security.visitor()) as reading:
        assert security.people(reading) == ()
        assert security.names(reading, split.people.values()) == {}
        assert code_of(security.person, reading, split.people["ana"]) == "PERSON_UNKNOWN"
        assert code_of(security.members, reading) == "NOT_ALLOWED"


def test_nobody_ends_the_sessions_and_tokens_of_another_organisation(split: Town):
    # Given Both, whose role in the harbour has ended, with a session and a token at Norrland
    both = split.people["both"]
    with split.work(split.actor("olga")) as work:
        refused_before = code_of(security.sign_out_everywhere, work, both)
        security.end_role(work, both, "preparer", split.orgs["harbour"])
    session_id = split.signed_in("both").session_id
    with split.work(split.actor("both", "norrland")) as work:
        token = issued_token(work, "both", PASSWORD, ["read"], work.now + timedelta(days=1))

    # When the harbour's administrator would sign them out
    with split.work(split.actor("olga")) as work:
        refused = code_of(security.sign_out_everywhere, work, both)

    # Then nothing ends; the administrator of Norrland, where alone they work now, may
    assert (refused_before, refused) == ("PERSON_SHARED", "PERSON_SHARED")
    assert split.session(session_id) is not None
    with split.read(security.visitor()) as reading:
        assert isinstance(security.token_session(reading, token.secret), security.TokenSession)
    with split.work(split.actor("eva", "norrland")) as work:
        assert security.sign_out_everywhere(work, both) == 1


def test_of_several_each_is_signed_out_or_refused_with_the_reason_and_each_is_recorded(split: Town):
    # Given three who are in: Ana of the harbour, Both of both, Eva of Norrland
    sessions = {who: split.signed_in(who).session_id for who in ("ana", "both", "eva")}
    asked = [split.people[who] for who in ("both", "eva", "ana", "ana")]

    # When the harbour's administrator signs them out together
    with split.work(split.actor("olga")) as work:
        each = {one.person_id: one for one in security.sign_out_several(work, asked)}

    # Then Ana alone is out; of the others each is told why
    told = {
        who: (
            each[split.people[who]].sessions,
            each[split.people[who]].refusal and each[split.people[who]].refusal.code,
        )
        for who in sessions
    }
    assert told == {"ana": (1, None), "both": (0, "PERSON_SHARED"), "eva": (0, "PERSON_UNKNOWN")}
    assert {who for who, id_ in sessions.items() if split.session(id_) is None} == {"ana"}
    assert [split.people["ana"] in body for body in split.log("session.ended_all")] == [True]
    assert ["PERSON_SHARED" in body for body in split.log("access.denied")] == [True]


def test_several_are_signed_out_by_an_administrator_alone(split: Town):
    with split.work(split.actor("ana")) as work:
        assert code_of(security.sign_out_several, work, [split.people["ana"]]) == "NOT_ALLOWED"


def test_a_name_stays_known_after_the_role_has_ended(split: Town):
    ana = split.people["ana"]
    with split.work(split.actor("olga")) as work:
        security.end_role(work, ana, "preparer", split.orgs["harbour"])

    with split.read(split.actor("olga")) as reading:
        assert security.person(reading, ana).display_name == "Ana"
    with split.read(split.actor("eva", "norrland")) as reading:
        assert code_of(security.person, reading, ana) == "PERSON_UNKNOWN"


def test_somebody_new_without_roles_can_be_taken_on(split: Town):
    with split.work(split.actor("olga")) as work:
        new = security.add_person(work, "new", "New", "", PASSWORD)
        security.grant_role(work, new, "preparer", split.orgs["harbour"])

    with split.work(split.actor("eva", "norrland")) as work:
        assert code_of(security.grant_role, work, new, "preparer", split.orgs["norrland"]) == "PERSON_UNKNOWN"


def test_an_administrator_of_both_may_take_a_person_along(split: Town):
    with split.work(split.system("harbour")) as work:
        security.grant_role(work, split.people["eva"], "administrator", split.orgs["harbour"])

    with split.work(split.actor("eva", "norrland")) as work:
        security.grant_role(work, split.people["ana"], "preparer", split.orgs["norrland"])

    assert {role.role_id for role in _roles(split, "ana", "norrland")} == {"preparer"}


def test_the_engine_refuses_a_statement_on_memberships_without_an_organisation(split: Town):
    with split.read(split.actor("olga")) as reading:
        with pytest.raises(ScopeBreach):
            reading.rows(membership.select())
        with pytest.raises(ScopeBreach):
            reading.rows(membership.select().where(membership.c.org_id == split.orgs["norrland"]))


def _roles(split: Town, username: str, org: str) -> tuple[security.RoleHeld, ...]:
    with split.read(split.system(org)) as reading:
        return next(m.roles for m in security.members(reading) if m.person.username == username)
