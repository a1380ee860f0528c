"""One-time links: the first administrator, and new passwords."""

import threading

import pytest
from sqlalchemy import select

from finops_core import security
from finops_core.kernel.actor import Via, system_actor
from finops_core.kernel.errors import FinOpsError
from finops_core.kernel.permissions import Permission
from finops_core.security.models import one_time_link
from tests.security.town import PASSWORD, Town

NEW = "a quite different sentence"


def first_link(here: Town, org: str = "") -> str:
    with here.work(here.system(org)) as work:
        return security.first_administrator_link(work)


def accept(here: Town, token: str, username: str = "olga", password: str = PASSWORD) -> str:
    with here.work(security.visitor(Via.LINK)) as work:
        return security.accept_link(work, token, username, "Olga", password, "olga@example.com")


def code_of(call, *args: object) -> str:
    with pytest.raises(FinOpsError) as refused:
        call(*args)
    return refused.value.code


def view(here: Town, token: str) -> security.LinkView | None:
    with here.read(security.visitor(Via.LINK)) as reading:
        return security.link_of(reading, token)


def test_the_first_administrator_sets_their_own_name_and_password(here: Town):
    token = first_link(here)
    shown = view(here, token)
    assert shown is not None
    assert (shown.kind, shown.username) == (security.LinkKind.SETUP, "")

    here.people["olga"] = accept(here, token)

    for org in here.orgs:
        assert Permission.PEOPLE_ADMINISTER in here.permissions(here.actor("olga", org))
    assert isinstance(here.sign_in("olga"), security.SignedIn)
    assert view(here, token) is None
    (used,) = here.log("link.used")
    assert here.people["olga"] in used


def test_the_link_of_one_organisation_gives_rights_in_that_one_only(here: Town):
    here.people["olga"] = accept(here, first_link(here, "norrland"))

    assert here.permissions(here.actor("olga", "harbour")) == frozenset()
    assert Permission.PEOPLE_ADMINISTER in here.permissions(here.actor("olga", "norrland"))
    assert code_of(first_link, here, "norrland") == "ADMINISTRATOR_EXISTS"
    assert first_link(here, "harbour")


def test_a_link_works_once_and_for_a_day(here: Town):
    used, token = first_link(here, "harbour"), first_link(here, "norrland")
    accept(here, used)
    here.wait(hours=24)

    assert code_of(accept, here, used, "eve") == "LINK_NOT_VALID"
    assert code_of(accept, here, token, "eve") == "LINK_NOT_VALID"
    assert code_of(accept, here, "", "eve") == "LINK_NOT_VALID"
    assert code_of(accept, here, "x" * 10_000, "eve") == "LINK_NOT_VALID"
    assert view(here, token) is None


def test_a_refused_password_leaves_the_link_good(here: Town):
    token = first_link(here)
    with here.work(security.visitor(Via.LINK)) as work:
        # Even a caller that goes on after the refusal has not used the link up.
        assert code_of(security.accept_link, work, token, "olga", "Olga", "short") == "PASSWORD_WEAK"

    assert code_of(accept, here, token, "o") == "USERNAME_BAD"
    assert accept(here, token)


def test_a_newer_link_voids_the_older_one(here: Town):
    old, new = first_link(here), first_link(here)

    assert code_of(accept, here, old) == "LINK_NOT_VALID"
    assert accept(here, new)


def test_no_first_administrator_where_there_is_one(here: Town):
    token = first_link(here)
    here.person("pia", harbour="administrator")

    assert code_of(first_link, here) == "ADMINISTRATOR_EXISTS"
    assert code_of(accept, here, token) == "ADMINISTRATOR_EXISTS"


def test_a_deactivated_administrator_is_none(here: Town):
    # Nobody can switch the last one off by a verb; a restored database might hold such a row.
    from finops_core.security.models import person

    pia = here.person("pia", harbour="administrator", norrland="administrator")
    with here.work(system_actor()) as work:
        work.execute(person.update().where(person.c.id == pia).values(active=False))

    assert accept(here, first_link(here))


def test_only_the_installation_itself_makes_the_first_link(here: Town):
    here.person("olga", harbour="administrator")

    with here.work(here.actor("olga")) as work:
        assert code_of(security.first_administrator_link, work) == "NOT_ALLOWED"


def test_without_any_organisation_there_is_nothing_to_administer(here: Town):
    token = first_link(here)
    from finops_core.reference.models import organisation

    with here.work(system_actor()) as work, work.across_orgs("a test removes its organisations"):
        work.execute(organisation.delete())

    assert code_of(accept, here, token) == "ORGANISATION_NEEDED"


def test_one_link_used_by_two_at_once_makes_one_administrator(here: Town):
    token = first_link(here)
    start = threading.Barrier(2)
    outcomes: list[str] = []

    def use(name: str) -> None:
        start.wait(10)
        try:
            outcomes.append(accept(here, token, name)[:7])
        except FinOpsError as error:
            outcomes.append(error.code)

    threads = [threading.Thread(target=use, args=(name,)) for name in ("olga", "eve")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert sorted(outcomes) in (["LINK_NOT_VALID", "person_"], ["ADMINISTRATOR_EXISTS", "person_"])


def test_a_reset_link_sets_a_new_password_and_ends_every_session(here: Town):
    here.person("olga", harbour="administrator")
    ana = here.person("ana", harbour="preparer")
    session_id = here.signed_in("ana").session_id
    with here.work(here.actor("olga")) as work:
        token = security.reset_link(work, ana)
    shown = view(here, token)

    with here.work(security.visitor(Via.LINK)) as work:
        assert security.accept_reset(work, token, NEW) == ana

    assert shown is not None
    assert (shown.kind, shown.username) == (security.LinkKind.RESET, "ana")
    assert here.session(session_id) is None
    assert here.refused("ana", PASSWORD).code == "SIGN_IN_WRONG"
    assert isinstance(here.sign_in("ana", NEW), security.SignedIn)
    with here.work(security.visitor(Via.LINK)) as work:
        assert code_of(security.accept_reset, work, token, NEW) == "LINK_NOT_VALID"
    assert len(here.log("link.reset_made")) == 1
    (told,) = here.log("password.set")
    assert ana in told


def test_a_reset_link_makes_no_administrator_and_a_setup_link_resets_nothing(here: Town):
    setup = first_link(here)
    here.person("pia", harbour="preparer")
    with here.work(here.system("harbour")) as work:
        reset = security.reset_link(work, here.people["pia"])

    assert code_of(accept, here, reset) == "LINK_NOT_VALID"
    with here.work(security.visitor(Via.LINK)) as work:
        assert code_of(security.accept_reset, work, setup, NEW) == "LINK_NOT_VALID"


def test_an_administrator_of_one_organisation_may_not_take_over_somebody_of_another(here: Town):
    here.person("olga", harbour="administrator")
    shared = here.person("ana", harbour="preparer", norrland="approver")
    other = here.person("eva", norrland="approver")

    with here.work(here.actor("olga")) as work:
        assert code_of(security.reset_link, work, shared) == "PERSON_SHARED"
        assert code_of(security.reset_link, work, other) == "PERSON_UNKNOWN"


def test_a_role_elsewhere_ends_the_links_made_before_it(here: Town):
    # Given Ana, of Harbour alone, and a link that Harbour's administrator made for her
    here.person("olga", harbour="administrator")
    ana = here.person("ana", harbour="preparer")
    with here.work(here.actor("olga")) as work:
        token = security.reset_link(work, ana)

    # When Norrland gives her a role
    with here.work(here.system("norrland")) as work:
        security.grant_role(work, ana, "approver", here.orgs["norrland"])

    # Then Harbour's administrator can be her in Norrland by neither an old link nor a new one
    assert view(here, token) is None
    with here.work(security.visitor(Via.LINK)) as work:
        assert code_of(security.accept_reset, work, token, NEW) == "LINK_NOT_VALID"
    with here.work(here.actor("olga")) as work:
        assert code_of(security.reset_link, work, ana) == "PERSON_SHARED"


def test_a_role_in_the_links_own_organisation_leaves_it_good(here: Town):
    here.person("olga", harbour="administrator")
    ana = here.person("ana", harbour="preparer")
    with here.work(here.actor("olga")) as work:
        token = security.reset_link(work, ana)
        security.grant_role(work, ana, "auditor", here.orgs["harbour"])

    with here.work(security.visitor(Via.LINK)) as work:
        assert security.accept_reset(work, token, NEW) == ana


def test_a_new_password_by_one_link_ends_every_other_link(here: Town):
    # Given a link each from two organisations
    here.person("olga", harbour="administrator", norrland="administrator")
    ana = here.person("ana", harbour="preparer", norrland="preparer")
    tokens = []
    for org in ("harbour", "norrland"):
        with here.work(here.actor("olga", org)) as work:
            tokens.append(security.reset_link(work, ana))

    with here.work(security.visitor(Via.LINK)) as work:
        security.accept_reset(work, tokens[0], NEW)

    with here.work(security.visitor(Via.LINK)) as work:
        assert code_of(security.accept_reset, work, tokens[1], PASSWORD) == "LINK_NOT_VALID"
    assert isinstance(here.sign_in("ana", NEW), security.SignedIn)


def test_links_are_stored_as_hashes(here: Town):
    token = first_link(here)

    with here.read(system_actor()) as reading:
        row = reading.first(select(one_time_link))

    assert row is not None
    assert token not in str(tuple(row))
    assert token not in "".join(here.log())
