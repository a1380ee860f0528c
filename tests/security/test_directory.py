"""The list of people, one person's history, and who had access when."""

from datetime import timedelta

import pytest

from finops_core import security
from finops_core.kernel.errors import FinOpsError
from finops_core.security import PeopleFilter
from tests.security.factors import protected
from tests.security.town import Town


@pytest.fixture
def office(here: Town) -> Town:
    here.person("olga", harbour="administrator")
    here.person("ana", harbour="preparer approver", norrland="auditor")
    here.person("ben", harbour="approver")
    here.person("eva", norrland="preparer")
    return here


def found(here: Town, wanted: PeopleFilter | None = None, **page: int) -> list[str]:
    with here.read(here.actor("olga")) as reading:
        return [entry.username for entry in security.directory(reading, wanted or PeopleFilter(), **page).rows]


def test_the_list_tells_roles_here_sign_ins_and_second_factors(office: Town):
    protected(office, "ben")
    with office.work(office.actor("olga")) as work:
        security.invite(work, "nia", "Nia", "nia@example.com", ["auditor"])

    with office.read(office.actor("olga")) as reading:
        page = security.directory(reading, PeopleFilter())

    assert page.total == 4
    told = {entry.username: entry for entry in page.rows}
    assert list(told) == ["ana", "ben", "nia", "olga"]
    assert told["ana"].roles == ("Approver", "Preparer")
    assert (told["ben"].second_factor, told["ana"].second_factor) == (True, False)
    assert told["ben"].last_seen_at == office.clock.now() - timedelta(minutes=1)
    assert told["ana"].last_seen_at is None
    assert [entry.username for entry in page.rows if not entry.joined] == ["nia"]


def test_filters_leave_those_they_name(office: Town):
    with office.work(office.actor("olga")) as work:
        security.set_active(work, office.people["ben"], active=False)

    assert found(office, PeopleFilter(text="BEN@example")) == ["ben"]
    assert found(office, PeopleFilter(text="%")) == []
    assert found(office, PeopleFilter(text="_")) == []
    assert found(office, PeopleFilter(role="approver")) == ["ana", "ben"]
    assert found(office, PeopleFilter(role="auditor")) == [], "a role elsewhere does not count"
    assert found(office, PeopleFilter(active=True)) == ["ana", "olga"]
    assert found(office, PeopleFilter(active=False, role="approver")) == ["ben"]
    assert found(office, limit=1, offset=1) == ["ben"]


def test_a_persons_history_says_who_gave_and_ended_what_and_when_they_were_away(office: Town):
    ben, org, olga = office.people["ben"], office.orgs["harbour"], office.people["olga"]
    office.wait(days=1)
    with office.work(office.actor("olga")) as work:
        security.end_role(work, ben, "approver", org)
        security.grant_role(work, ben, "preparer", org)
        security.set_active(work, ben, active=False)
    left = office.clock.now()
    office.wait(days=1)
    with office.work(office.actor("olga")) as work:
        security.set_active(work, ben, active=True)
        told = security.member(work, ben)

    assert [held.role_id for held in told.held] == ["preparer"]
    assert {(time.held.title, time.granted_by == olga, time.ended_by == olga) for time in told.history} == {
        ("Preparer", True, False),
        ("Approver", False, True),
    }
    assert [(away.since_at, away.until_at, away.made_by, away.ended_by) for away in told.absences] == [
        (left, office.clock.now(), olga, olga)
    ]


def test_people_of_another_organisation_are_not_known(office: Town):
    with office.read(office.actor("olga")) as reading, pytest.raises(FinOpsError) as refused:
        security.member(reading, office.people["eva"])
    assert refused.value.code == "PERSON_UNKNOWN"


def access(here: Town, days_ago: float, lasting: timedelta = timedelta(hours=1)) -> dict[str, tuple[str, ...]]:
    since = here.clock.now() - timedelta(days=days_ago)
    with here.read(here.actor("olga")) as reading:
        return {each.username: each.roles for each in security.access_between(reading, since, since + lasting)}


def test_who_had_access_when_follows_roles_and_absences(office: Town):
    # Given three days: everybody; then Ana without one role and Ben away; then Ben back
    ana, ben, org = office.people["ana"], office.people["ben"], office.orgs["harbour"]
    office.wait(days=1)
    with office.work(office.actor("olga")) as work:
        security.end_role(work, ana, "approver", org)
        security.set_active(work, ben, active=False)
    office.wait(days=1)
    with office.work(office.actor("olga")) as work:
        security.set_active(work, ben, active=True)
    office.wait(days=1)

    # Then each day tells its own
    assert access(office, 4) == {}
    first = access(office, 2.5)
    assert set(first) == {"ana", "ben", "olga"}
    assert sorted(first["ana"]) == ["Approver", "Preparer"]
    assert access(office, 1.5) == {"ana": ("Preparer",), "olga": ("Administrator",)}
    assert set(access(office, 0.5)) == {"ana", "ben", "olga"}

    # and a stretch in which somebody was there for a moment names them
    assert "ben" in access(office, 2.1, timedelta(days=1))
    assert "Approver" in access(office, 2.1, timedelta(days=1))["ana"]
